#include "analyst/robust.h"

#include "analyst_series.h"
#include "test.h"

static void medians_and_quantiles_leave_missing_values_out(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    const double values[] = { 5, (double)NAN, 1, 3, (double)NAN, 2, 100 };
    size_t count;
    const double *sorted = robust_sorted(a, values, countof(values), &count);
    assert_int_equal(count, 5);
    assert_true(sorted[0] == 1 && sorted[4] == 100);
    assert_true(robust_median(a, values, countof(values)) == 3);
    assert_true(robust_quantile(sorted, 5, 0) == 1);
    assert_true(robust_quantile(sorted, 5, 1) == 100);
    assert_true(fabs(robust_quantile(sorted, 5, 0.375) - 2.5) < 1e-12); /* between 2 and 3 */
    /* Distances from 3: 0 1 2 2 97, their median 2. */
    assert_true(fabs(robust_scale(a, values, countof(values), 3) - 2 * 1.4826022) < 1e-6);
    assert_true(isnan(robust_median(a, values, 0)));
    assert_true(isnan(robust_quantile(sorted, 0, 0.5)));
}

static int compare(const void *one, const void *other)
{
    double x, y;
    memcpy(&x, one, sizeof x);
    memcpy(&y, other, sizeof y);
    return (x > y) - (x < y);
}

static void the_median_is_that_of_a_sort(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct chance_source c = { 20 };
    double values[200];
    for (int round = 0; round < 500; round++) {
        size_t count = 1 + chance_bits(&c) % countof(values), kept;
        for (size_t i = 0; i < count; i++)
            values[i] = round % 2 ? chance_normal(&c) : (double)(chance_bits(&c) % 4); /* ties */
        arena_reset(a);
        const double *sorted = robust_sorted(a, values, count, &kept);
        assert_true(robust_median(a, values, count) == robust_quantile(sorted, kept, 0.5));
        qsort(values, count, sizeof *values, compare);
        assert_int_equal(kept, count);
        assert_memory_equal(sorted, values, count * sizeof *values);
    }
}

static void the_line_is_exact_and_wild_values_do_not_move_it(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(4 << 20);
    double values[40];
    for (size_t i = 0; i < countof(values); i++)
        values[i] = 7 + 0.5 * (double)i;
    struct robust_trend t = robust_trend_of(a, values, countof(values));
    assert_true(fabs(t.slope - 0.5) < 1e-12 && fabs(t.intercept - 7) < 1e-12);
    values[3] = values[20] = -1e6;
    values[30] = (double)NAN;
    t = robust_trend_of(a, values, countof(values));
    assert_true(fabs(t.slope - 0.5) < 1e-9 && fabs(t.intercept - 7) < 1e-9);
    assert_true(t.p < 1e-6 && t.z > 0 && t.count == 39);
}

/* S of 1 2 3 4 5 is 10, its variance 5*4*15/18 = 16.667: z = 9 / 4.0825 = 2.2045. */
static void kendalls_statistic_is_that_of_the_book(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    const double rising[] = { 1, 2, 3, 4, 5 }, same[] = { 4, 4, 4, 4, 4 }, few[] = { 1, 2, 3 };
    assert_true(fabs(robust_trend_of(a, rising, 5).z - 2.2045408) < 1e-6);
    struct robust_trend t = robust_trend_of(a, same, 5);
    assert_true(t.slope == 0 && t.p == 1);
    assert_true(robust_trend_of(a, few, 3).p == 1);
}

/* At p < 0.05 chance may be taken for a trend in 5 of 100 series, with and without memory. */
static void false_alarms_keep_their_rate_also_with_memory(void **state)
{
    (void)state;
    enum { SERIES = 400, POINTS = 100 };
    static const double memories[] = { 0, 0.5 };
    for (size_t m = 0; m < countof(memories); m++) {
        scoped(arena_destroyp) struct arena *a = arena_create(8 << 20);
        struct chance_source c = { 21 };
        size_t alarms = 0;
        for (int i = 0; i < SERIES; i++) {
            double values[POINTS], last = 0;
            for (size_t k = 0; k < POINTS; k++)
                values[k] = last = memories[m] * last + chance_normal(&c);
            arena_reset(a);
            alarms += robust_trend_of(a, values, POINTS).p < 0.05;
        }
        print_message("# memory %.1f: %zu false trends of %d\n", memories[m], alarms, SERIES);
        assert_true(alarms <= SERIES * 8 / 100);
    }
}

static void long_series_are_thinned_and_keep_their_slope(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(64 << 20);
    enum { POINTS = 50'000 };
    static double values[POINTS];
    struct chance_source c = { 22 };
    for (size_t i = 0; i < POINTS; i++)
        values[i] = 3 - 0.001 * (double)i + chance_normal(&c);
    struct robust_trend t = robust_trend_of(a, values, POINTS);
    assert_int_equal(t.count, ROBUST_TREND_POINTS_MAX);
    assert_true(fabs(t.slope + 0.001) < 1e-5);
    assert_true(fabs(t.intercept - 3) < 0.1);
}

static void memory_is_found(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct chance_source c = { 23 };
    double values[1'000], last = 0;
    for (size_t i = 0; i < countof(values); i++)
        values[i] = last = 0.7 * last + chance_normal(&c);
    double memory = robust_memory(a, values, countof(values));
    assert_true(memory > 0.6 && memory < 0.8);
    const double same[] = { 1, 1, 1 };
    assert_true(robust_memory(a, same, 3) == 0);
}

/* Differences of such values are infinite, and those of these no numbers. */
static void the_largest_numbers_end_and_have_a_middle(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(4 << 20);
    const double most = 1.7e308, endless = (double)INFINITY;
    double values[256], steps[100];
    for (size_t i = 0; i < countof(values); i++)
        values[i] = i % 2 == 0 ? most : -most;
    for (size_t i = 0; i < countof(steps); i++)
        steps[i] = i % 3 == 0 ? endless : i % 3 == 1 ? -endless : (double)i;
    struct robust_trend t = robust_trend_of(a, values, countof(values));
    assert_true(isfinite(t.slope) && isfinite(t.intercept) && t.p > 0.01);
    t = robust_trend_of(a, steps, countof(steps));
    assert_true(isfinite(t.slope) && isfinite(t.intercept));
    assert_int_equal(t.count, countof(steps));
    const double two[] = { -most, most }, high[] = { most, most }, ends[] = { endless, endless };
    assert_true(robust_median(a, two, 2) == 0);
    assert_true(robust_median(a, high, 2) == most);
    assert_true(robust_median(a, ends, 2) == endless);
    assert_true(fabs(robust_quantile(two, 2, 0.75) - most / 2) < most * 1e-12);
    assert_true(robust_quantile(ends, 2, 0.75) == endless);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(medians_and_quantiles_leave_missing_values_out),
        cmocka_unit_test(the_median_is_that_of_a_sort),
        cmocka_unit_test(the_line_is_exact_and_wild_values_do_not_move_it),
        cmocka_unit_test(kendalls_statistic_is_that_of_the_book),
        cmocka_unit_test(false_alarms_keep_their_rate_also_with_memory),
        cmocka_unit_test(long_series_are_thinned_and_keep_their_slope),
        cmocka_unit_test(memory_is_found),
        cmocka_unit_test(the_largest_numbers_end_and_have_a_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
