#include "analyst/season.h"

#include "analyst_series.h"
#include "test.h"

enum { POINTS = 24 * 14 };

static void fill(double *values, struct chance_source *c, double swing, double noise)
{
    for (size_t i = 0; i < POINTS; i++)
        values[i] = 100 + swing * sin((double)(i % 24) / 24 * 2 * M_PI) + noise * chance_normal(c);
}

static void a_day_is_found_named_or_not(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(8 << 20);
    struct chance_source c = { 31 };
    double values[POINTS];
    size_t named[SEASON_NAMED_MAX];
    fill(values, &c, 20, 3);
    values[50] = 5'000; /* wild values and gaps do not hide it */
    values[51] = values[52] = (double)NAN;
    size_t count = season_named(3'600, named);
    assert_int_equal(count, 2);
    assert_int_equal(named[0], 24);
    assert_int_equal(named[1], 168);
    struct season s = season_find(a, values, POINTS, named, count);
    assert_int_equal(s.period, 24);
    assert_true(s.strength > 0.8);
    assert_true(fabs(season_at(&s, 6) - 20) < 3 && fabs(season_at(&s, 24 + 18) + 20) < 3);
    const double *rest = season_removed(a, &s, values, POINTS);
    assert_true(fabs(rest[6] - 100) < 12 && fabs(rest[18] - 100) < 12);
    assert_int_equal(season_find(a, values, POINTS, NULL, 0).period, 24);
}

/* Noise, and noise that remembers, have no season: at most in 5 of 100 series. */
static void noise_has_no_season(void **state)
{
    (void)state;
    enum { SERIES = 100 };
    static const double memories[] = { 0, 0.5, 0.9 };
    for (size_t m = 0; m < countof(memories); m++) {
        scoped(arena_destroyp) struct arena *a = arena_create(16 << 20);
        struct chance_source c = { 32 };
        size_t found = 0;
        for (int i = 0; i < SERIES; i++) {
            double values[POINTS], last = 0;
            for (size_t k = 0; k < POINTS; k++)
                values[k] = last = memories[m] * last + chance_normal(&c);
            arena_reset(a);
            found += season_find(a, values, POINTS, (const size_t[]){ 24 }, 1).period > 0;
        }
        print_message("# memory %.1f: a season in %zu of %d\n", memories[m], found, SERIES);
        assert_true(found <= 5);
    }
}

static void a_trend_is_no_season_and_hides_none(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(8 << 20);
    struct chance_source c = { 33 };
    double values[POINTS];
    fill(values, &c, 0, 1);
    for (size_t i = 0; i < POINTS; i++)
        values[i] += (double)i;
    assert_int_equal(season_find(a, values, POINTS, NULL, 0).period, 0);
    fill(values, &c, 20, 1);
    for (size_t i = 0; i < POINTS; i++)
        values[i] += (double)i;
    assert_int_equal(season_find(a, values, POINTS, NULL, 0).period, 24);
}

static void too_few_cycles_are_not_believed(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(8 << 20);
    struct chance_source c = { 34 };
    double values[POINTS];
    fill(values, &c, 20, 1);
    assert_int_equal(season_find(a, values, 24 * 2 + 20, (const size_t[]){ 24 }, 1).period, 0);
    const double same[] = { 3, 3, 3, 3, 3, 3, 3, 3, 3, 3 };
    assert_int_equal(season_find(a, same, 10, NULL, 0).period, 0);
    assert_int_equal(season_find(a, same, 0, NULL, 0).period, 0);
    size_t named[SEASON_NAMED_MAX];
    assert_int_equal(season_named(0, named), 0);
    assert_int_equal(season_named(7, named), 1); /* only the week is whole */
}

/* Of the largest numbers squares and differences are none. */
static void the_largest_numbers_have_none_and_end(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(8 << 20);
    double values[256];
    for (size_t i = 0; i < countof(values); i++)
        values[i] = i % 2 == 0 ? 1.7e308 : -1.7e308;
    struct season found = season_find(a, values, countof(values), (const size_t[]){ 2, 24 }, 2);
    assert_int_equal(found.period, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_day_is_found_named_or_not),
        cmocka_unit_test(noise_has_no_season),
        cmocka_unit_test(a_trend_is_no_season_and_hides_none),
        cmocka_unit_test(too_few_cycles_are_not_believed),
        cmocka_unit_test(the_largest_numbers_have_none_and_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
