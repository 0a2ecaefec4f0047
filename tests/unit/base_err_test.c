#include "base/err.h"

#include "test.h"

static void error_keeps_its_cause_and_gains_context(void **state)
{
    (void)state;
    struct err e;
    assert_false(err_set(&e, ERR_INVALID, "minute %d is out of range", 61));
    assert_false(err_in(&e, "parse cron"));
    assert_false(err_in(&e, "load jobs"));
    assert_string_equal(e.message, "minute 61 is out of range");
    assert_string_equal(e.context, "parse cron; load jobs");
    for (int i = 0; i < 100; i++)
        err_in(&e, "a long way up %d", i);
    assert_true(strlen(e.context) < sizeof e.context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_keeps_its_cause_and_gains_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
