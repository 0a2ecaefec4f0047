#include "analyst/forecast.h"

#include "analyst_series.h"
#include "test.h"

enum { POINTS = 240, AHEAD = 24, SERIES = 60 };

typedef double make_fn(struct chance_source *c, size_t i, double before);

static double make_noise(struct chance_source *c, size_t i, double before)
{
    (void)i, (void)before;
    return 50 + 5 * chance_normal(c);
}

static double make_walk(struct chance_source *c, size_t i, double before)
{
    return i == 0 ? 1'000 : before + 3 * chance_normal(c);
}

static double make_seasonal(struct chance_source *c, size_t i, double before)
{
    (void)before;
    return 100 + 30 * sin((double)(i % 24) / 24 * 2 * M_PI) + 5 * chance_normal(c);
}

/* Nine in ten points lie within the bounds, near and far. */
static void bounds_hold_nine_in_ten(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        make_fn *fn;
    } kinds[] = { { "noise", make_noise }, { "walk", make_walk }, { "seasonal", make_seasonal } };
    for (size_t k = 0; k < countof(kinds); k++) {
        scoped(arena_destroyp) struct arena *a = arena_create(32 << 20);
        struct chance_source c = { 61 };
        size_t within = 0, periods = 0;
        for (int s = 0; s < SERIES; s++) {
            double values[POINTS + AHEAD];
            struct forecast f;
            for (size_t i = 0; i < countof(values); i++)
                values[i] = kinds[k].fn(&c, i, i > 0 ? values[i - 1] : 0);
            arena_reset(a);
            assert_true(forecast_make(a, values, POINTS, (const size_t[]){ 24 }, 1, AHEAD, &f));
            assert_int_equal(f.count, AHEAD);
            periods += f.period == 24;
            for (size_t h = 0; h < AHEAD; h++)
                within +=
                    values[POINTS + h] >= f.points[h].low && values[POINTS + h] <= f.points[h].high;
        }
        print_message("# %s: %.1f %% of the points within the bounds\n", kinds[k].name,
                      100.0 * (double)within / (SERIES * AHEAD));
        assert_true(within >= SERIES * AHEAD * 83 / 100);
        assert_true(within <= SERIES * AHEAD * 97 / 100);
        assert_int_equal(periods, kinds[k].fn == make_seasonal ? SERIES : 0);
    }
}

static void a_trend_goes_on_and_fades(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(4 << 20);
    double values[100];
    struct forecast f;
    for (size_t i = 0; i < countof(values); i++)
        values[i] = 10 + 2 * (double)i;
    assert_true(forecast_make(a, values, countof(values), NULL, 0, 500, &f));
    assert_true(fabs(f.points[0].value - 210) < 2);
    assert_true(f.points[10].value > 220 && f.points[10].value < 234);
    assert_true(f.points[499].value - f.points[498].value < 0.01);
}

static void bounds_widen_and_counts_stay_above_zero(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(4 << 20);
    struct chance_source c = { 62 };
    double values[200], level = 4;
    struct forecast f;
    for (size_t i = 0; i < countof(values); i++)
        values[i] = level = fmax(0, level + chance_normal(&c));
    assert_true(forecast_make(a, values, countof(values), NULL, 0, 100, &f));
    for (size_t h = 0; h < f.count; h++)
        assert_true(f.points[h].low >= 0 && f.points[h].low <= f.points[h].value &&
                    f.points[h].value <= f.points[h].high);
    assert_true(f.points[99].high - f.points[99].value > f.points[0].high - f.points[0].value);
}

static void a_constant_or_gappy_series_is_forecast_and_a_short_one_not(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(4 << 20);
    double values[20];
    struct forecast f;
    for (size_t i = 0; i < countof(values); i++)
        values[i] = i % 5 == 0 ? (double)NAN : 3;
    assert_true(forecast_make(a, values, countof(values), NULL, 0, 3, &f));
    assert_true(f.points[2].value == 3 && f.points[2].low == 3 && f.points[2].high == 3);
    assert_false(forecast_make(a, values, 7, NULL, 0, 3, &f));
    assert_true(forecast_make(a, values, countof(values), NULL, 0, 0, &f));
    assert_int_equal(f.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_hold_nine_in_ten),
        cmocka_unit_test(a_trend_goes_on_and_fades),
        cmocka_unit_test(bounds_widen_and_counts_stay_above_zero),
        cmocka_unit_test(a_constant_or_gappy_series_is_forecast_and_a_short_one_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
