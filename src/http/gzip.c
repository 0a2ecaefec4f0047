#include "http/gzip.h"

#include <zlib.h>

#include "base/mem.h"

struct http_gzip {
    z_stream z;
};

enum { WINDOW_BITS_GZIP = 15 + 16, MEMORY_LEVEL = 8 };

struct http_gzip *http_gzip_create(void)
{
    struct http_gzip *gzip = mem_new(struct http_gzip);
    if (deflateInit2(&gzip->z, Z_BEST_SPEED, Z_DEFLATED, WINDOW_BITS_GZIP, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        base_abort("zlib: out of memory");
    return gzip;
}

void http_gzip_destroy(struct http_gzip *gzip)
{
    if (!gzip)
        return;
    (void)deflateEnd(&gzip->z);
    mem_free(gzip);
}

bool http_gzip_compress(struct http_gzip *gzip, struct str bytes, struct arena *a,
                        struct str *ret_bytes)
{
    z_stream *z = &gzip->z;
    if (bytes.len == 0 || bytes.len > UINT32_MAX || deflateReset(z) != Z_OK)
        return false;
    unsigned char *out = arena_alloc(a, bytes.len);
    memcpy(&z->next_in, &bytes.ptr, sizeof z->next_in); /* zlib only reads it */
    z->avail_in = (unsigned)bytes.len;
    z->next_out = out;
    z->avail_out = (unsigned)bytes.len;
    if (deflate(z, Z_FINISH) != Z_STREAM_END)
        return false; /* no room: not smaller */
    *ret_bytes = str_of((const char *)out, bytes.len - z->avail_out);
    return true;
}
