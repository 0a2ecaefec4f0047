#include "analyst/analyze_priv.h"

#include <math.h>

#include "analyst/missing.h"
#include "analyst/words.h"

enum { NAME_BYTES_MAX = 60 };

static const char *const kind_names[ANALYZE_KIND_COUNT] = {
    [ANALYZE_AUTO] = "auto",           [ANALYZE_SUMMARY] = "summary",
    [ANALYZE_ANOMALIES] = "anomalies", [ANALYZE_TREND] = "trend",
    [ANALYZE_FORECAST] = "forecast",   [ANALYZE_CORRELATION] = "correlation",
};

const char *analyze_kind_name(enum analyze_kind kind)
{
    assert(kind < ANALYZE_KIND_COUNT);
    return kind_names[kind];
}

bool analyze_kind_of(struct str name, enum analyze_kind *ret_kind)
{
    for (unsigned i = 0; i < ANALYZE_KIND_COUNT; i++)
        if (str_eq_c(name, kind_names[i])) {
            *ret_kind = (enum analyze_kind)i;
            return true;
        }
    return false;
}

/* ── figures ── */

static double mean_of(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i] / (double)count;
    return count > 0 ? sum : MISSING;
}

static double deviation_of(const double *values, size_t count, double mean)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (values[i] - mean) * (values[i] - mean);
    return count > 1 ? sqrt(sum / (double)(count - 1)) : MISSING;
}

static struct json_value figures_of(const struct analyze_work *w, const struct analyze_column *v)
{
    static const struct {
        const char *name;
        double q;
    } quantiles[] = { { "min", 0 },    { "p05", 0.05 }, { "p25", 0.25 }, { "median", 0.5 },
                      { "p75", 0.75 }, { "p95", 0.95 }, { "p99", 0.99 }, { "max", 1 } };
    struct tree t = tree_create(w->arena);
    double mean = mean_of(v->sorted, v->known);
    tree_number(&t, "count", (double)v->known);
    tree_number(&t, "missing", (double)(w->table->row_count - v->known));
    tree_number(&t, "mean", mean);
    tree_number(&t, "deviation", deviation_of(v->sorted, v->known, mean));
    for (size_t i = 0; i < countof(quantiles); i++)
        tree_number(&t, quantiles[i].name, robust_quantile(v->sorted, v->known, quantiles[i].q));
    if (v->outliers.season.period > 0) {
        tree_number(&t, "period_points", (double)v->outliers.season.period);
        tree_number(&t, "period_strength", v->outliers.season.strength);
    }
    if (analyze_wants(w, ANALYZE_TREND) && v->trend.count > 3) {
        tree_number(&t, "slope_per_point", v->trend.slope);
        tree_number(&t, "trend_p", v->trend.p);
    }
    return tree_value(&t);
}

static struct json_value statistics_of(const struct analyze_work *w)
{
    const struct table *table = w->table;
    struct tree all = tree_create(w->arena), fields = tree_create(w->arena);
    tree_number(&all, "rows", (double)(table->row_count - table->gap_count));
    if (table->at_us != NULL) {
        tree_text(&all, "time_field", table->time_field);
        tree_number(&all, "from_us", (double)table->at_us[0]);
        all.members[all.count - 1].value = json_of_i64(w->arena, table->at_us[0]);
        tree_put(&all, STR("to_us"), json_of_i64(w->arena, table->at_us[table->row_count - 1]));
        tree_number(&all, "step_seconds", table->step_s > 0 ? (double)table->step_s : MISSING);
        tree_number(&all, "rows_left_out", (double)table->gap_count);
        tree_put(&all, STR("was_in_order"), json_of_bool(table->was_sorted));
    }
    for (size_t i = 0; i < table->column_count; i++)
        tree_put(&fields, table->columns[i].name, figures_of(w, &w->views[i]));
    tree_put(&all, STR("fields"), tree_value(&fields));
    return tree_value(&all);
}

/* ── the chart's series ── */

static struct json_value points_of(const struct analyze_work *w, const struct analyze_column *v)
{
    size_t rows = w->table->row_count;
    size_t every = (rows + ANALYZE_SERIES_POINTS_MAX - 1) / ANALYZE_SERIES_POINTS_MAX, count = 0;
    struct json_value *points = arena_new_array(w->arena, rows / every + 1, struct json_value);
    for (size_t i = 0; i < rows; i += every) {
        struct tree t = tree_create(w->arena);
        if (w->table->at_us != NULL)
            tree_put(&t, STR("at_us"), json_of_i64(w->arena, w->table->at_us[i]));
        else
            tree_number(&t, "row", (double)i);
        tree_number(&t, "value", v->column->values[i]);
        points[count++] = tree_value(&t);
    }
    return json_of_items(points, count);
}

static struct json_value forecast_points_of(const struct analyze_work *w,
                                            const struct analyze_column *v)
{
    const struct table *table = w->table;
    struct json_value *points = arena_new_array(w->arena, v->forecast.count + 1, struct json_value);
    for (size_t i = 0; i < v->forecast.count; i++) {
        struct tree t = tree_create(w->arena);
        size_t row = table->row_count + i;
        if (table->at_us != NULL && table->step_s > 0)
            tree_put(&t, STR("at_us"),
                     json_of_i64(w->arena, table->at_us[table->row_count - 1] +
                                               (int64_t)(i + 1) * table->step_s * 1'000'000));
        else
            tree_number(&t, "row", (double)row);
        tree_number(&t, "value", v->forecast.points[i].value);
        tree_number(&t, "low", v->forecast.points[i].low);
        tree_number(&t, "high", v->forecast.points[i].high);
        points[i] = tree_value(&t);
    }
    return json_of_items(points, v->forecast.count);
}

static struct json_value series_of(const struct analyze_work *w)
{
    size_t count = w->table->column_count;
    struct json_value *all = arena_new_array(w->arena, count + 1, struct json_value);
    for (size_t i = 0; i < count; i++) {
        struct tree t = tree_create(w->arena);
        tree_text(&t, "field", w->table->columns[i].name);
        tree_put(&t, STR("points"), points_of(w, &w->views[i]));
        if (w->views[i].forecast.count > 0)
            tree_put(&t, STR("forecast"), forecast_points_of(w, &w->views[i]));
        all[i] = tree_value(&t);
    }
    return json_of_items(all, count);
}

/* ── in words ── */

static struct str rows_in_words(const struct analyze_work *w)
{
    struct arena *a = w->arena;
    const struct table *t = w->table;
    struct str rows = words_things(a, (int64_t)(t->row_count - t->gap_count), "row", NULL);
    if (t->at_us == NULL)
        return rows;
    struct str span = words_duration(a, (double)(t->at_us[t->row_count - 1] - t->at_us[0]) / 1e6);
    return arena_printf(a, "%.*s over %.*s", STR_FMT(rows), STR_FMT(span));
}

static struct str column_in_words(const struct analyze_work *w, const struct analyze_column *v)
{
    struct arena *a = w->arena;
    if (v->known == 0)
        return arena_printf(a, "%.*s has no values", STR_FMT(v->name));
    struct str middle = words_number(a, robust_quantile(v->sorted, v->known, 0.5));
    struct str low = words_number(a, v->sorted[0]), high = words_number(a, v->sorted[v->known - 1]);
    size_t missing = w->table->row_count - v->known;
    struct str gaps =
        missing == 0 ? STR("")
                     : arena_printf(a, ", %.*s missing", STR_FMT(words_count(a, (int64_t)missing)));
    return arena_printf(a, "%.*s has a median of %.*s, from %.*s to %.*s%.*s", STR_FMT(v->name),
                        STR_FMT(middle), STR_FMT(low), STR_FMT(high), STR_FMT(gaps));
}

static void summarise(struct analyze_work *w)
{
    enum { COLUMNS_TOLD = 4 };
    struct arena *a = w->arena;
    struct analysis *an = w->analysis;
    an->summary = arena_printf(a, "%.*s.", STR_FMT(rows_in_words(w)));
    for (size_t i = 0; i < min_of(w->table->column_count, (size_t)COLUMNS_TOLD); i++) {
        struct str column = column_in_words(w, &w->views[i]);
        an->summary = arena_printf(a, "%.*s %.*s.", STR_FMT(an->summary), STR_FMT(column));
    }
    if (w->table->column_count > COLUMNS_TOLD)
        an->summary = arena_printf(a, "%.*s %zu more fields are in the statistics.",
                                   STR_FMT(an->summary), w->table->column_count - COLUMNS_TOLD);
    for (size_t i = 0; i < min_of(an->finding_count, (size_t)3); i++)
        an->summary =
            arena_printf(a, "%.*s %.*s.", STR_FMT(an->summary), STR_FMT(an->findings[i].title));
    if (an->finding_count == 0 && w->kind != ANALYZE_SUMMARY)
        an->summary = arena_printf(a, "%.*s Nothing stands out.", STR_FMT(an->summary));
    if (an->findings_left_out > 0)
        an->summary = arena_printf(a, "%.*s %zu more findings are left out.", STR_FMT(an->summary),
                                   an->findings_left_out);
}

/* ── the whole ── */

static bool look_at(struct analyze_work *w, const struct table_column *c, struct analyze_column *v,
                    struct err *e)
{
    static const size_t least[ANALYZE_KIND_COUNT] = { [ANALYZE_ANOMALIES] = OUTLIER_POINTS_MIN,
                                                      [ANALYZE_TREND] = 4,
                                                      [ANALYZE_FORECAST] = FORECAST_POINTS_MIN,
                                                      [ANALYZE_CORRELATION] = 8 };
    const struct table *t = w->table;
    v->column = c;
    v->name = words_quoted(w->arena, c->name, NAME_BYTES_MAX);
    v->sorted = robust_sorted(w->arena, c->values, t->row_count, &v->known);
    if (v->known < least[w->kind])
        return err_set(e, ERR_INVALID, "data: %.*s has %zu values, %s needs %zu", STR_FMT(v->name),
                       v->known, kind_names[w->kind], least[w->kind]);
    v->named_count = season_named(t->step_s, v->named);
    v->trend = robust_trend_of(w->arena, c->values, t->row_count);
    if (w->kind != ANALYZE_CORRELATION)
        v->outliers = outliers_find(w->arena, c->values, t->row_count, v->named, v->named_count);
    if (w->horizon > 0 && (analyze_wants(w, ANALYZE_FORECAST) || analyze_wants(w, ANALYZE_TREND)))
        (void)forecast_make(w->arena, c->values, t->row_count, v->named, v->named_count, w->horizon,
                            &v->forecast);
    return true;
}

bool analyze(struct arena *a, const struct table *t, enum analyze_kind kind, size_t horizon,
             struct analysis *ret_analysis, struct err *e)
{
    struct analysis *an = arena_new(a, struct analysis);
    struct analyze_work w = {
        .arena = a, .table = t, .kind = kind, .horizon = horizon, .analysis = an
    };
    if (horizon > FORECAST_HORIZON_MAX)
        return err_set(e, ERR_LIMIT, "horizon: is more than %d points", FORECAST_HORIZON_MAX);
    if (kind == ANALYZE_CORRELATION && t->column_count < 2)
        return err_set(e, ERR_INVALID, "data: correlation needs two fields with numbers");
    w.views = arena_new_array(a, t->column_count, struct analyze_column);
    for (size_t i = 0; i < t->column_count; i++)
        if (!look_at(&w, &t->columns[i], &w.views[i], e))
            return false;
    an->kind = kind;
    analyze_find(&w);
    an->confidence = MISSING;
    for (size_t i = 0; i < an->finding_count; i++)
        an->confidence = fmin(an->confidence, an->findings[i].confidence);
    an->statistics = statistics_of(&w);
    an->series = series_of(&w);
    summarise(&w);
    *ret_analysis = *an;
    return true;
}
