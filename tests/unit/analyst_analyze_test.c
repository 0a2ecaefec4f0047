#include "analyst/analyze.h"

#include "analyst/forecast.h"
#include "analyst_series.h"
#include "base/clock.h"
#include "test.h"

/* A table of one column made by code, or of two. */
static struct table table_of(double *values, double *others, size_t count)
{
    struct table t = { .row_count = count, .was_sorted = true, .column_count = others ? 2 : 1 };
    t.columns[0] = (struct table_column){ .name = STR("load"), .values = values };
    t.columns[1] = (struct table_column){ .name = STR("heat"), .values = others };
    return t;
}

static struct analysis look(struct arena *a, const struct table *t, enum analyze_kind kind,
                            size_t horizon)
{
    struct analysis *an = arena_new(a, struct analysis);
    struct err e;
    if (!analyze(a, t, kind, horizon, an, &e))
        fail_msg("%s", e.message);
    return *an;
}

static double figure(const struct analysis *an, const char *field, const char *name)
{
    const struct json_value *v =
        json_get(json_get(json_get_c(&an->statistics, "fields"), str_of_c(field)), str_of_c(name));
    double x = (double)NAN;
    if (v != NULL && v->type == JSON_NUMBER)
        assert_true(json_to_double(v, &x));
    return x;
}

static void figures_are_those_of_the_values(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(4 << 20);
    double values[] = { 2, 4, 4, 4, 5, 5, 7, 9, (double)NAN };
    struct table t = table_of(values, NULL, countof(values));
    static struct analysis an;
    an = look(a, &t, ANALYZE_SUMMARY, 0);
    assert_true(figure(&an, "load", "count") == 8 && figure(&an, "load", "missing") == 1);
    assert_true(figure(&an, "load", "mean") == 5);
    assert_true(fabs(figure(&an, "load", "deviation") - sqrt(32.0 / 7)) < 1e-6);
    assert_true(figure(&an, "load", "median") == 4.5);
    assert_true(figure(&an, "load", "min") == 2 && figure(&an, "load", "max") == 9);
    assert_int_equal(an.finding_count, 0);
    assert_true(isnan(an.confidence));
    assert_str(an.summary, "9 rows. load has a median of 4.5, from 2 to 9, 1 missing.");
}

static void a_trend_is_told_with_its_size(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(16 << 20);
    struct chance_source c = { 71 };
    double values[101];
    static struct analysis an;
    for (size_t i = 0; i < countof(values); i++)
        values[i] = 100 + 0.5 * (double)i + 2 * chance_normal(&c);
    struct table t = table_of(values, NULL, countof(values));
    an = look(a, &t, ANALYZE_TREND, 10);
    assert_int_equal(an.finding_count, 1);
    assert_true(str_starts_with(an.findings[0].title, STR("load rises by ")));
    assert_true(an.findings[0].confidence > 0.95);
    assert_true(an.confidence == an.findings[0].confidence);
    const struct json_value *series = &an.series.items[0];
    assert_int_equal(json_get_c(series, "points")->item_count, 101);
    assert_int_equal(json_get_c(series, "forecast")->item_count, 10);
}

static void a_step_is_told_once_and_with_its_time(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(16 << 20);
    struct chance_source c = { 72 };
    double values[120];
    int64_t times[120];
    static struct analysis an;
    for (size_t i = 0; i < countof(values); i++) {
        values[i] = (i < 70 ? 10 : 30) + chance_normal(&c);
        times[i] = (1'764'336'000LL + 60 * (int64_t)i) * CLOCK_S;
    }
    struct table t = table_of(values, NULL, countof(values));
    t.at_us = times;
    t.step_s = 60;
    an = look(a, &t, ANALYZE_AUTO, 0);
    assert_int_equal(an.finding_count, 1);
    assert_str(an.findings[0].title, "load has another level since 2025-11-28 14:30 UTC");
    assert_int_equal(an.findings[0].at_us, times[70]);
    assert_int_equal(an.findings[0].severity, INSIGHT_WARNING);
}

static void columns_that_go_together_are_told_and_others_not(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(64 << 20);
    struct chance_source c = { 73 };
    double one[200], other[200];
    static struct analysis an;
    size_t told = 0;
    for (int round = 0; round < 100; round++) {
        for (size_t i = 0; i < countof(one); i++) {
            one[i] = chance_normal(&c);
            other[i] = chance_normal(&c);
        }
        struct table t = table_of(one, other, countof(one));
        arena_reset(a);
        told += look(a, &t, ANALYZE_CORRELATION, 0).finding_count;
    }
    assert_true(told <= 2);
    for (size_t i = 0; i < countof(one); i++)
        other[i] = -exp(one[i]) + 0.1 * chance_normal(&c); /* by rank, not by line */
    struct table t = table_of(one, other, countof(one));
    an = look(a, &t, ANALYZE_CORRELATION, 0);
    assert_int_equal(an.finding_count, 1);
    assert_str(an.findings[0].title, "load and heat go against each other");
    assert_true(an.findings[0].confidence > 0.95);
}

static void a_forecast_is_told_with_its_bounds(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(16 << 20);
    struct chance_source c = { 74 };
    double values[100];
    static struct analysis an;
    for (size_t i = 0; i < countof(values); i++)
        values[i] = 50 + chance_normal(&c);
    struct table t = table_of(values, NULL, countof(values));
    an = look(a, &t, ANALYZE_FORECAST, 5);
    assert_int_equal(an.finding_count, 1);
    assert_true(an.findings[0].confidence == FORECAST_COVERAGE);
    assert_true(str_ends_with(an.findings[0].title, STR(" in 5 points")));
}

static void what_cannot_be_said_is_refused(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(4 << 20);
    double values[] = { 1, 2, (double)NAN };
    struct table t = table_of(values, NULL, countof(values));
    struct analysis *an = arena_new(a, struct analysis);
    struct err e;
    assert_false(analyze(a, &t, ANALYZE_ANOMALIES, 0, an, &e));
    assert_string_equal(e.message, "data: load has 2 values, anomalies needs 8");
    assert_false(analyze(a, &t, ANALYZE_CORRELATION, 0, an, &e));
    assert_string_equal(e.message, "data: correlation needs two fields with numbers");
    assert_false(analyze(a, &t, ANALYZE_AUTO, FORECAST_HORIZON_MAX + 1, an, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(look(a, &t, ANALYZE_AUTO, 24).finding_count, 0);
    enum analyze_kind kind;
    assert_true(analyze_kind_of(STR("anomalies"), &kind) && kind == ANALYZE_ANOMALIES);
    assert_false(analyze_kind_of(STR("magic"), &kind));
}

static void findings_are_bounded_and_charts_thinned(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(64 << 20);
    static double values[5'000];
    struct chance_source c = { 75 };
    static struct analysis an;
    for (size_t i = 0; i < countof(values); i++)
        values[i] = chance_normal(&c) + (i % 100 == 50 ? 60 : 0);
    struct table t = table_of(values, NULL, countof(values));
    an = look(a, &t, ANALYZE_ANOMALIES, 0);
    assert_int_equal(an.finding_count, ANALYZE_FINDINGS_MAX);
    assert_int_equal(an.findings_left_out, 50 - ANALYZE_FINDINGS_MAX);
    assert_true(str_ends_with(an.summary, STR("30 more findings are left out.")));
    assert_int_equal(json_get_c(&an.series.items[0], "points")->item_count,
                     ANALYZE_SERIES_POINTS_MAX);
}

static void the_largest_numbers_are_analysed_in_each_way(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(16 << 20);
    double values[256], others[256];
    static struct analysis an;
    for (size_t i = 0; i < countof(values); i++) {
        values[i] = i % 2 == 0 ? 1.7e308 : -1.7e308;
        others[i] = (double)i;
    }
    struct table t = table_of(values, others, countof(values));
    for (unsigned kind = 0; kind < ANALYZE_KIND_COUNT; kind++) {
        an = look(a, &t, (enum analyze_kind)kind, 10);
        assert_true(figure(&an, "load", "median") == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_those_of_the_values),
        cmocka_unit_test(a_trend_is_told_with_its_size),
        cmocka_unit_test(a_step_is_told_once_and_with_its_time),
        cmocka_unit_test(columns_that_go_together_are_told_and_others_not),
        cmocka_unit_test(a_forecast_is_told_with_its_bounds),
        cmocka_unit_test(what_cannot_be_said_is_refused),
        cmocka_unit_test(findings_are_bounded_and_charts_thinned),
        cmocka_unit_test(the_largest_numbers_are_analysed_in_each_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
