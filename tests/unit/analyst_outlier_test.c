#include "analyst/outlier.h"

#include "analyst/chance.h"
#include "analyst_series.h"
#include "test.h"

enum { SERIES = 100, POINTS = 300 };

typedef double make_fn(struct chance_source *c, size_t i, double before);

static double make_noise(struct chance_source *c, size_t i, double before)
{
    (void)i, (void)before;
    return 50 + 4 * chance_normal(c);
}

static double make_seasonal(struct chance_source *c, size_t i, double before)
{
    (void)before;
    return 50 + 20 * sin((double)(i % 24) / 24 * 2 * M_PI) + 4 * chance_normal(c);
}

static double make_trend(struct chance_source *c, size_t i, double before)
{
    (void)before;
    return 50 + 0.3 * (double)i + 4 * chance_normal(c);
}

static double make_memory(struct chance_source *c, size_t i, double before)
{
    return i == 0 ? 50 : 50 + 0.6 * (before - 50) + 4 * chance_normal(c);
}

/* Durations: lopsided, with a heavy tail. */
static double make_lopsided(struct chance_source *c, size_t i, double before)
{
    (void)i, (void)before;
    return exp(1 + 0.7 * chance_normal(c));
}

static double make_counts(struct chance_source *c, size_t i, double before)
{
    (void)i, (void)before;
    return chance_poisson(c, 3);
}

static double make_heavy(struct chance_source *c, size_t i, double before)
{
    (void)i, (void)before;
    return chance_normal(c) /
           sqrt((pow(chance_normal(c), 2) + pow(chance_normal(c), 2) + pow(chance_normal(c), 2) +
                 pow(chance_normal(c), 2) + pow(chance_normal(c), 2)) /
                5); /* Student's t with 5 degrees */
}

static const struct {
    const char *name;
    make_fn *fn;
    double spread;      /* the noise's; a spike is eight times as high */
    size_t alarms_most; /* series of SERIES with a false alarm */
} kinds[] = {
    { "noise", make_noise, 4, SERIES * 5 / 100 },
    { "seasonal", make_seasonal, 4, SERIES * 5 / 100 },
    { "trend", make_trend, 4, SERIES * 5 / 100 },
    { "memory", make_memory, 5, SERIES * 5 / 100 },
    { "lopsided", make_lopsided, 8, SERIES * 10 / 100 },
    { "counts", make_counts, 2, SERIES * 5 / 100 },
    { "heavy tails", make_heavy, 1.3,
      SERIES * 25 / 100 }, /* real tails are longer than exponential */
};

static void fill(double *values, struct chance_source *c, make_fn *fn)
{
    for (size_t i = 0; i < POINTS; i++)
        values[i] = fn(c, i, i > 0 ? values[i - 1] : 0);
}

static void ordinary_series_have_no_outliers_and_spikes_are_found(void **state)
{
    (void)state;
    for (size_t k = 0; k < countof(kinds); k++) {
        scoped(arena_destroyp) struct arena *a = arena_create(32 << 20);
        struct chance_source c = { 51 };
        size_t alarms = 0, hits = 0, shifts = 0;
        for (int i = 0; i < SERIES; i++) {
            double values[POINTS];
            fill(values, &c, kinds[k].fn);
            arena_reset(a);
            struct outlier_report r = outliers_find(a, values, POINTS, (const size_t[]){ 24 }, 1);
            alarms += r.span_count > 0;
            shifts += r.shift.at > 0;
            size_t at = 20 + (size_t)(chance_even(&c) * (POINTS - 40));
            values[at] += 8 * kinds[k].spread;
            arena_reset(a);
            r = outliers_find(a, values, POINTS, (const size_t[]){ 24 }, 1);
            for (size_t s = 0; s < r.span_count; s++)
                hits += r.spans[s].from <= at && at <= r.spans[s].to;
        }
        print_message("# %s: false alarms %zu, false shifts %zu, spikes found %zu of %d\n",
                      kinds[k].name, alarms, shifts, hits, SERIES);
        assert_true(alarms <= kinds[k].alarms_most);
        assert_true(shifts <= SERIES * 3 / 100 || kinds[k].fn == make_trend);
        assert_true(hits >= SERIES * 80 / 100 || kinds[k].fn == make_heavy ||
                    kinds[k].fn == make_lopsided);
    }
}

static void a_constant_series_has_none_and_any_other_value_is_one(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(4 << 20);
    double values[100];
    for (size_t i = 0; i < countof(values); i++)
        values[i] = 7;
    assert_int_equal(outliers_find(a, values, countof(values), NULL, 0).span_count, 0);
    values[40] = 7.5;
    struct outlier_report r = outliers_find(a, values, countof(values), NULL, 0);
    assert_int_equal(r.span_count, 1);
    assert_int_equal(r.spans[0].peak, 40);
    assert_true(r.spans[0].value == 7.5 && r.spans[0].expected == 7);
    assert_true(r.spans[0].confidence == CHANCE_CONFIDENCE_MAX);
}

static void neighbours_are_one_span(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(4 << 20);
    struct chance_source c = { 52 };
    double values[POINTS];
    fill(values, &c, make_noise);
    values[100] = values[101] = values[103] = 150; /* 102 is usual */
    values[200] = -50;
    values[201] = (double)NAN;
    struct outlier_report r = outliers_find(a, values, POINTS, NULL, 0);
    assert_int_equal(r.span_count, 2);
    assert_int_equal(r.spans[0].from, 100);
    assert_int_equal(r.spans[0].to, 103);
    assert_int_equal(r.spans[1].peak, 200);
    assert_true(isnan(r.p[201]));
}

static void a_new_level_is_a_shift_and_no_outlier(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(32 << 20);
    struct chance_source c = { 53 };
    size_t found = 0, wrong = 0;
    enum { ROUNDS = 50 };
    for (int i = 0; i < ROUNDS; i++) {
        double values[POINTS];
        size_t at = 60 + (size_t)(chance_even(&c) * 180);
        fill(values, &c, make_noise);
        for (size_t k = at; k < POINTS; k++)
            values[k] += 24;
        arena_reset(a);
        struct outlier_report r = outliers_find(a, values, POINTS, NULL, 0);
        found += r.shift.at + 3 >= at && r.shift.at <= at + 3 && fabs(r.shift.after - 74) < 3;
        wrong += r.span_count;
    }
    assert_true(found == ROUNDS);
    assert_true(wrong <= 3);
}

static void few_points_say_nothing_and_many_spans_are_bounded(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(64 << 20);
    const double few[] = { 1, 1, 1, 1, 1, 1, 900 };
    assert_int_equal(outliers_find(a, few, countof(few), NULL, 0).span_count, 0);
    assert_int_equal(outliers_find(a, few, 0, NULL, 0).span_count, 0);
    static double many[10'000];
    struct chance_source c = { 54 };
    for (size_t i = 0; i < countof(many); i++)
        many[i] = chance_normal(&c) + (i % 120 == 60 ? 100 + (double)i : 0);
    struct outlier_report r = outliers_find(a, many, countof(many), NULL, 0);
    assert_int_equal(r.span_count, OUTLIER_SPANS_MAX);
    assert_true(r.spans[0].from >
                120); /* the least unlikely ones, at the beginning, are left out */
    for (size_t i = 1; i < r.span_count; i++)
        assert_true(r.spans[i - 1].from < r.spans[i].from);
}

static void the_largest_numbers_end(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(8 << 20);
    double values[256];
    for (size_t i = 0; i < countof(values); i++)
        values[i] = i % 2 == 0 ? 1.7e308 : -1.7e308;
    struct outlier_report r = outliers_find(a, values, countof(values), NULL, 0);
    assert_int_equal(r.shift.at, 0);
    for (size_t i = 0; i < countof(values); i += 3)
        values[i] = (double)(i % 2 == 0 ? INFINITY : -INFINITY);
    r = outliers_find(a, values, countof(values), NULL, 0);
    assert_true(r.span_count <= OUTLIER_SPANS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_series_have_no_outliers_and_spikes_are_found),
        cmocka_unit_test(a_constant_series_has_none_and_any_other_value_is_one),
        cmocka_unit_test(neighbours_are_one_span),
        cmocka_unit_test(a_new_level_is_a_shift_and_no_outlier),
        cmocka_unit_test(few_points_say_nothing_and_many_spans_are_bounded),
        cmocka_unit_test(the_largest_numbers_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
