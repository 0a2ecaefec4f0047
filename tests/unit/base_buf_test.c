#include "base/buf.h"

#include "test.h"

static void buffer_stops_at_its_limit(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    buf_put_c(&b, "12345");
    buf_put_u64(&b, 67890);
    assert_false(b.failed);
    buf_put_char(&b, 'x');
    assert_true(b.failed);
    assert_str(buf_str(&b), "1234567890");
    buf_consume(&b, 4);
    assert_str(buf_str(&b), "567890");
    buf_clear(&b);
}

/* Room grows beyond what was asked for, but never beyond the bound. */
static void single_characters_stop_there_too(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 300);
    for (int i = 0; i < 1000; i++)
        buf_put_char(&b, 'x');
    assert_true(b.failed);
    assert_int_equal(b.len, 300);
    buf_clear(&b);
}

static void numbers_have_all_their_digits(void **state)
{
    static const int64_t values[] = { 0,     9,  10,  99,   100,       101,
                                      12345, -1, -10, -999, INT64_MAX, INT64_MIN };
    (void)state;
    struct buf b;
    buf_init(&b, 0);
    for (size_t i = 0; i < countof(values); i++) {
        char expected[24];
        snprintf(expected, sizeof expected, "%lld", (long long)values[i]);
        buf_reset(&b);
        buf_put_i64(&b, values[i]);
        assert_str(buf_str(&b), expected);
    }
    buf_reset(&b);
    buf_put_u64(&b, UINT64_MAX);
    assert_str(buf_str(&b), "18446744073709551615");
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_stops_at_its_limit),
        cmocka_unit_test(single_characters_stop_there_too),
        cmocka_unit_test(numbers_have_all_their_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
