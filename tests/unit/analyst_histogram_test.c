#include "analyst/histogram.h"

#include <math.h>

#include "test.h"

static void buckets_grow_by_the_root_of_two(void **state)
{
    (void)state;
    assert_int_equal(histogram_bucket(-5), 0);
    assert_int_equal(histogram_bucket(0), 0);
    assert_int_equal(histogram_bucket(1'000), 0);
    assert_int_equal(histogram_bucket(1'001), 1);
    assert_int_equal(histogram_bucket(1'414), 1);
    assert_int_equal(histogram_bucket(1'415), 2);
    assert_int_equal(histogram_bucket(2'000), 2);
    assert_int_equal(histogram_bucket(2'001), 3);
    assert_int_equal(histogram_bucket(INT64_MAX), HISTOGRAM_BUCKETS - 1);
    assert_true(fabs(histogram_bound_s(0) - 0.001) < 1e-12);
    assert_true(fabs(histogram_bound_s(20) - 1.024) < 1e-9);
    /* Each bucket holds its own bound, and nothing that is a millionth beyond. */
    for (size_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        int64_t bound_us = (int64_t)floor(histogram_bound_s(i) * 1e6 + 1e-6);
        assert_int_equal(histogram_bucket(bound_us), i);
        assert_int_equal(histogram_bucket(bound_us + 1 + bound_us / 1'000'000), i + 1);
    }
}

static void quantiles_are_within_their_bucket(void **state)
{
    (void)state;
    struct histogram h = { 0 };
    double s;
    assert_false(histogram_quantile(&h, 0.5, &s));
    for (int64_t ms = 1; ms <= 1'000; ms++)
        h.counts[histogram_bucket(ms * 1'000)]++;
    assert_int_equal(histogram_total(&h), 1'000);
    static const double quantiles[] = { 0.1, 0.5, 0.9, 0.99 };
    for (size_t i = 0; i < countof(quantiles); i++) {
        assert_true(histogram_quantile(&h, quantiles[i], &s));
        assert_true(fabs(s / quantiles[i] - 1) < 0.2);
    }
}

static void histograms_add_up(void **state)
{
    (void)state;
    struct histogram one = { 0 }, other = { 0 };
    double s;
    one.counts[histogram_bucket(5'000)] = 3;
    other.counts[histogram_bucket(5'000)] = 1;
    other.counts[histogram_bucket(90'000'000)] = 4;
    histogram_add(&one, &other);
    assert_int_equal(histogram_total(&one), 8);
    assert_int_equal(one.counts[histogram_bucket(5'000)], 4);
    assert_true(histogram_quantile(&one, 0.25, &s) && s < 0.006);
    assert_true(histogram_quantile(&one, 0.75, &s) && s > 60 && s < 93);
    assert_true(histogram_quantile(&one, 1, &s) && fabs(s - 92.68) < 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_grow_by_the_root_of_two),
        cmocka_unit_test(quantiles_are_within_their_bucket),
        cmocka_unit_test(histograms_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
