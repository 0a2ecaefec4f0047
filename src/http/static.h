/*
 * static: files that were embedded at build time, served with their ETag and, where the client
 * accepts it, ready compressed. Source: RFC 9110 sections 8.8.3, 12.5.3 and 13.1.2.
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

struct http_request;

/* One embedded file; a table of them is sorted by `path` in byte order. */
struct http_file {
    const char *path;         /* "/assets/app.3f2a91.js", as a request names it */
    const char *content_type; /* "text/javascript; charset=utf-8" */
    const unsigned char *bytes;
    size_t size_bytes;
    const unsigned char *gzip_bytes; /* NULL where compression does not pay */
    size_t gzip_size_bytes;
    const char *etag;  /* of the content, bare: letters, digits, '-' and '_', no quotes */
    bool is_immutable; /* the path names the content (a hash): caches need never ask again */
};

/* NULL when there is none. */
[[nodiscard]] const struct http_file *http_file_find(const struct http_file *files, size_t count,
                                                     struct str path);
/* Ends the request, a GET or HEAD: 200, or 304 when the client has it. */
void http_file_serve(struct http_request *r, const struct http_file *file);
