#include "http/static.h"

#include "http/accept.h"
#include "http/server.h"

const struct http_file *http_file_find(const struct http_file *files, size_t count, struct str path)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(str_of_c(files[middle].path), path);
        if (order == 0)
            return &files[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* One entry of If-None-Match against either form of the file; weak comparison: W/ is no matter. */
static bool etag_matches(struct str entry, struct str etag)
{
    struct str tag = str_starts_with(entry, STR("W/")) ? str_from(entry, 2) : entry;
    if (tag.len < 2 || tag.ptr[0] != '"' || tag.ptr[tag.len - 1] != '"')
        return false;
    tag = str_of(tag.ptr + 1, tag.len - 2);
    return str_eq(tag, etag) ||
           (str_starts_with(tag, etag) && str_eq_c(str_from(tag, etag.len), "-gzip"));
}

static bool client_has_it(const struct http_request *r, struct str etag)
{
    size_t at = 0;
    struct str field, entry;
    while (http_header_next(r, STR("if-none-match"), &at, &field)) {
        if (str_eq_c(str_trim(field), "*"))
            return true;
        bool more = true;
        while (more) {
            more = str_cut(field, ',', &entry, &field); /* our tags hold no comma */
            if (etag_matches(str_trim(entry), etag))
                return true;
        }
    }
    return false;
}

void http_file_serve(struct http_request *r, const struct http_file *file)
{
    bool is_gzip = file->gzip_bytes && http_accepts_gzip(http_header(r, STR("accept-encoding")));
    struct str etag = str_of_c(file->etag);
    http_add_header(r, STR("ETag"),
                    arena_printf(r->arena, "\"%.*s%s\"", STR_FMT(etag), is_gzip ? "-gzip" : ""));
    http_add_header(r, STR("Cache-Control"),
                    file->is_immutable ? STR("public, max-age=31536000, immutable")
                                       : STR("no-cache"));
    if (file->gzip_bytes)
        http_add_header(r, STR("Vary"), STR("Accept-Encoding"));
    if (client_has_it(r, etag)) {
        http_respond(r, 304, HTTP_NO_HEADERS, STR(""));
        return;
    }
    http_add_header(r, STR("Content-Type"), str_of_c(file->content_type));
    if (is_gzip)
        http_add_header(r, STR("Content-Encoding"), STR("gzip"));
    const unsigned char *bytes = is_gzip ? file->gzip_bytes : file->bytes;
    size_t size = is_gzip ? file->gzip_size_bytes : file->size_bytes;
    http_respond(r, 200, HTTP_NO_HEADERS, str_of((const char *)bytes, size));
}
