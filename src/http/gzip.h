/* gzip: compresses answers of bounded size, by zlib. Source: RFC 1952. */
#pragma once
#include "base/arena.h"
#include "base/str.h"

struct http_gzip;

[[nodiscard]] struct http_gzip *http_gzip_create(void);
void http_gzip_destroy(struct http_gzip *gzip); /* accepts NULL */
DEFINE_SCOPED(http_gzip);

/*
 * Compresses into the arena; false when the result would not be smaller.
 * Cost: about 8 µs a KiB of JSON. Thread: one at a time.
 */
[[nodiscard]] bool http_gzip_compress(struct http_gzip *gzip, struct str bytes, struct arena *a,
                                      struct str *ret_bytes);
