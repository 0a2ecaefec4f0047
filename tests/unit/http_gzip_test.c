#include "http/gzip.h"

#include <zlib.h>

#include "base/random.h"
#include "test.h"

enum { BYTES = 100 * 1000 };

static void what_was_compressed_reads_back(void **state)
{
    (void)state;
    scoped(http_gzip_destroyp) struct http_gzip *gzip = http_gzip_create();
    for (int times = 0; times < 3; times++) { /* one state serves many */
        scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
        char *text = arena_alloc(a, BYTES), *back = arena_alloc(a, BYTES);
        struct str packed = { 0 };
        for (size_t i = 0; i < BYTES; i++)
            text[i] = (char)('a' + i * (size_t)(times + 3) % 17);
        assert_true(http_gzip_compress(gzip, str_of(text, BYTES), a, &packed));
        assert_true(packed.len < BYTES / 4);
        z_stream z = { 0 };
        assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
        memcpy(&z.next_in, &packed.ptr, sizeof z.next_in);
        z.avail_in = (unsigned)packed.len;
        z.next_out = (unsigned char *)back;
        z.avail_out = BYTES;
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        assert_int_equal(z.total_out, BYTES);
        assert_memory_equal(text, back, BYTES);
        inflateEnd(&z);
    }
}

static void what_would_grow_stays_as_it_is(void **state)
{
    (void)state;
    scoped(http_gzip_destroyp) struct http_gzip *gzip = http_gzip_create();
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct str packed = { 0 };
    char noise[4096];
    random_bytes(noise, sizeof noise);
    assert_false(http_gzip_compress(gzip, str_of(noise, sizeof noise), a, &packed));
    assert_false(http_gzip_compress(gzip, STR("{}"), a, &packed));
    assert_false(http_gzip_compress(gzip, STR(""), a, &packed));
    assert_null(packed.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_compressed_reads_back),
        cmocka_unit_test(what_would_grow_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
