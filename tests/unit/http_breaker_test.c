#include "http/breaker.h"

#include "test.h"

static const struct http_breaker_options options = {
    .failures_max = 3,
    .probes_needed = 2,
    .open_us = 100,
    .open_us_max = 300,
    .probe_deadline_us = 1000,
};

static void fail_times(struct http_breaker *b, int times, int64_t now_us)
{
    for (int i = 0; i < times; i++)
        http_breaker_failed(b, now_us);
}

static void opens_after_failures_in_a_row_only(void **state)
{
    (void)state;
    struct http_breaker b;
    http_breaker_init(&b, &options);
    fail_times(&b, 2, 0);
    http_breaker_succeeded(&b);
    fail_times(&b, 2, 0);
    assert_true(http_breaker_allow(&b, 0));
    fail_times(&b, 1, 10);
    assert_int_equal(b.state, HTTP_BREAKER_OPEN);
    assert_false(http_breaker_allow(&b, 109));
    assert_int_equal(http_breaker_wait_us(&b, 60), 50);
}

static void lets_single_probes_through_until_enough_succeed(void **state)
{
    (void)state;
    struct http_breaker b;
    http_breaker_init(&b, &options);
    fail_times(&b, 3, 0);
    assert_true(http_breaker_allow(&b, 100));
    assert_false(http_breaker_allow(&b, 101));
    http_breaker_succeeded(&b);
    assert_int_equal(b.state, HTTP_BREAKER_HALF_OPEN);
    assert_true(http_breaker_allow(&b, 102));
    http_breaker_succeeded(&b);
    assert_int_equal(b.state, HTTP_BREAKER_CLOSED);
    assert_true(http_breaker_allow(&b, 103));
    assert_true(http_breaker_allow(&b, 103));
}

static void waits_twice_as_long_after_each_failed_probe_up_to_a_bound(void **state)
{
    (void)state;
    static const int64_t waits_us[] = { 100, 200, 300, 300 };
    struct http_breaker b;
    int64_t now_us = 0;
    http_breaker_init(&b, &options);
    fail_times(&b, 3, now_us);
    for (size_t i = 0; i < countof(waits_us); i++) {
        assert_false(http_breaker_allow(&b, now_us + waits_us[i] - 1));
        now_us += waits_us[i];
        assert_true(http_breaker_allow(&b, now_us));
        http_breaker_failed(&b, now_us);
        assert_int_equal(b.state, HTTP_BREAKER_OPEN);
    }
}

static void gives_up_a_probe_that_never_reports(void **state)
{
    (void)state;
    struct http_breaker b;
    http_breaker_init(&b, &options);
    fail_times(&b, 3, 0);
    assert_true(http_breaker_allow(&b, 100));
    assert_false(http_breaker_allow(&b, 1099));
    assert_true(http_breaker_allow(&b, 1100));
    http_breaker_forget(&b); /* cancelled: the next one may try at once */
    assert_int_equal(http_breaker_wait_us(&b, 1100), 0);
    assert_true(http_breaker_allow(&b, 1100));
}

static void calls_from_before_change_nothing_while_it_is_open(void **state)
{
    (void)state;
    struct http_breaker b;
    http_breaker_init(&b, &options);
    fail_times(&b, 3, 0);
    fail_times(&b, 5, 50);
    http_breaker_succeeded(&b);
    assert_int_equal(b.state, HTTP_BREAKER_OPEN);
    assert_int_equal(http_breaker_wait_us(&b, 50), 50);
}

static void never_opens_when_no_bound_is_set(void **state)
{
    (void)state;
    struct http_breaker b;
    http_breaker_init(&b, &(struct http_breaker_options){ 0 });
    fail_times(&b, 1000, 0);
    assert_true(http_breaker_allow(&b, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_after_failures_in_a_row_only),
        cmocka_unit_test(lets_single_probes_through_until_enough_succeed),
        cmocka_unit_test(waits_twice_as_long_after_each_failed_probe_up_to_a_bound),
        cmocka_unit_test(gives_up_a_probe_that_never_reports),
        cmocka_unit_test(calls_from_before_change_nothing_while_it_is_open),
        cmocka_unit_test(never_opens_when_no_bound_is_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
