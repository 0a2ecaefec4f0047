#include "auth/rate.h"

#include "base/clock.h"
#include "test.h"

static const int64_t start = INT64_C(1'000'000) * CLOCK_S;

static bool takes(struct rate *r, const char *key, int64_t now_us)
{
    int64_t retry_us;
    return rate_take(r, str_of_c(key), now_us, &retry_us);
}

static void gives_a_burst_then_one_an_interval(void **state)
{
    (void)state;
    scoped(rate_destroyp) struct rate *r = rate_create(10, 100 * CLOCK_S, 100);
    int64_t retry_us = 0;
    for (int i = 0; i < 10; i++)
        assert_true(takes(r, "ann", start));
    assert_false(rate_take(r, STR("ann"), start, &retry_us));
    assert_int_equal(retry_us, 10 * CLOCK_S);
    assert_true(takes(r, "bob", start)); /* another key has its own */
    assert_false(rate_take(r, STR("ann"), start + retry_us - 1, &retry_us));
    assert_int_equal(retry_us, 1);
    assert_true(takes(r, "ann", start + 10 * CLOCK_S));
    assert_false(takes(r, "ann", start + 10 * CLOCK_S));
    for (int i = 0; i < 10; i++) /* the whole burst again, and no more than that */
        assert_true(takes(r, "ann", start + 1000 * CLOCK_S));
    assert_false(takes(r, "ann", start + 1000 * CLOCK_S));
}

/* Whatever the pace of the attempts, no window sees more than twice the count. */
static void never_gives_more_than_promised(void **state)
{
    (void)state;
    enum { COUNT = 5, WINDOW_S = 50, STEPS = 2000 };
    scoped(rate_destroyp) struct rate *r = rate_create(COUNT, (int64_t)WINDOW_S * CLOCK_S, 10);
    static int64_t granted[STEPS];
    size_t count = 0;
    for (int64_t step = 0; step < STEPS; step++) {
        int64_t now = start + step * CLOCK_S;
        if (takes(r, "k", now))
            granted[count++] = now;
    }
    assert_int_equal(count, COUNT + STEPS / (WINDOW_S / COUNT) - 1);
    for (size_t i = 2 * (size_t)COUNT; i < count; i++)
        assert_true(granted[i] - granted[i - 2 * COUNT] >= (int64_t)WINDOW_S * CLOCK_S);
}

static void gives_back_and_forgets(void **state)
{
    (void)state;
    scoped(rate_destroyp) struct rate *r = rate_create(2, 10 * CLOCK_S, 100);
    assert_true(takes(r, "ann", start));
    assert_true(takes(r, "ann", start));
    assert_false(takes(r, "ann", start));
    rate_give_back(r, STR("ann"));
    assert_true(takes(r, "ann", start));
    assert_false(takes(r, "ann", start));
    rate_forget(r, STR("ann"));
    assert_int_equal(rate_key_count(r), 0);
    assert_true(takes(r, "ann", start));
    assert_true(takes(r, "ann", start));
    rate_give_back(r, STR("nobody")); /* harmless */
    rate_forget(r, STR("nobody"));
}

static void giving_back_never_saves_up_more_than_the_burst(void **state)
{
    (void)state;
    scoped(rate_destroyp) struct rate *r = rate_create(2, 10 * CLOCK_S, 100);
    assert_true(takes(r, "ann", start));
    for (int i = 0; i < 100; i++)
        rate_give_back(r, STR("ann"));
    assert_true(takes(r, "ann", start));
    assert_true(takes(r, "ann", start));
    assert_false(takes(r, "ann", start));
}

static void keeps_its_memory_bounded(void **state)
{
    (void)state;
    enum { KEYS = 50 };
    scoped(rate_destroyp) struct rate *r = rate_create(1, 1000 * CLOCK_S, KEYS);
    char key[16];
    assert_true(takes(r, "victim", start));
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_true(takes(r, key, start + i));
        assert_false(takes(r, "victim", start + i)); /* who keeps trying is not forgotten */
        assert_true(rate_key_count(r) <= KEYS);
    }
    assert_int_equal(rate_key_count(r), KEYS);
    assert_false(takes(r, "k999", start + 1000));
    assert_true(takes(r, "k0", start + 1000)); /* the longest quiet one was */
}

static void survives_a_clock_that_steps_back(void **state)
{
    (void)state;
    scoped(rate_destroyp) struct rate *r = rate_create(2, 10 * CLOCK_S, 10);
    int64_t retry_us = 0;
    assert_true(takes(r, "ann", start));
    assert_true(takes(r, "ann", start));
    assert_false(rate_take(r, STR("ann"), start - CLOCK_S, &retry_us));
    assert_int_equal(retry_us, 6 * CLOCK_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_a_burst_then_one_an_interval),
        cmocka_unit_test(never_gives_more_than_promised),
        cmocka_unit_test(gives_back_and_forgets),
        cmocka_unit_test(giving_back_never_saves_up_more_than_the_burst),
        cmocka_unit_test(keeps_its_memory_bounded),
        cmocka_unit_test(survives_a_clock_that_steps_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
