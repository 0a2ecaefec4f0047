#include "base/backoff.h"

#include "test.h"

static void doubles_up_to_its_maximum(void **state)
{
    (void)state;
    const int64_t middle_ms[] = { 100, 200, 400, 800, 1000, 1000, 1000 };
    struct backoff b = { .min_ms = 100, .max_ms = 1000 };
    for (size_t i = 0; i < countof(middle_ms); i++) {
        int64_t wait_ms = backoff_next_ms(&b);
        assert_in_range(wait_ms, middle_ms[i] * 4 / 5, middle_ms[i] * 6 / 5);
    }
    backoff_reset(&b);
    assert_in_range(backoff_next_ms(&b), 80, 120);
}

static void waits_differ_by_chance(void **state)
{
    (void)state;
    bool differs = false;
    struct backoff first = { .min_ms = 100000, .max_ms = 100000 };
    int64_t wait_ms = backoff_next_ms(&first);
    for (int i = 0; i < 50; i++) {
        struct backoff b = { .min_ms = 100000, .max_ms = 100000 };
        differs = differs || backoff_next_ms(&b) != wait_ms;
    }
    assert_true(differs);
}

static void stays_at_its_maximum_however_often(void **state)
{
    (void)state;
    struct backoff b = { .min_ms = 1, .max_ms = INT64_MAX / 4, .failures = 4000 };
    assert_true(backoff_next_ms(&b) >= b.max_ms - b.max_ms / 5);
    assert_int_equal(b.failures, 4001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_up_to_its_maximum),
        cmocka_unit_test(waits_differ_by_chance),
        cmocka_unit_test(stays_at_its_maximum_however_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
