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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_stops_at_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
