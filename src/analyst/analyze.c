#include "analyst/analyze.h"

#include <math.h>

#include "analyst/chance.h"
#include "analyst/forecast.h"
#include "analyst/outlier.h"
#include "analyst/robust.h"
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

/* What is worked out of one column, for all that is said of it. */
struct column_view {
    const struct table_column *column;
    struct str name;
    size_t known;
    const double *sorted;
    size_t named[SEASON_NAMED_MAX], named_count;
    struct robust_trend trend;
    struct outlier_report outliers;
    struct forecast forecast; /* count 0: none was made */
};

struct work {
    struct arena *arena;
    const struct table *table;
    enum analyze_kind kind;
    size_t horizon;
    struct analysis *analysis;
    struct column_view *views;
};

static bool wants(const struct work *w, enum analyze_kind kind)
{
    return w->kind == kind || w->kind == ANALYZE_AUTO;
}

static struct finding *add_finding(struct work *w, enum insight_severity severity,
                                   double confidence, size_t row)
{
    struct analysis *an = w->analysis;
    if (an->finding_count == ANALYZE_FINDINGS_MAX) {
        an->findings_left_out++;
        return NULL;
    }
    struct finding *f = &an->findings[an->finding_count++];
    bool has_time = w->table->at_us != NULL && row < w->table->row_count;
    *f = (struct finding){ .severity = severity,
                           .confidence = confidence,
                           .at_us = has_time ? w->table->at_us[row] : 0 };
    return f;
}

/* "at 2026-11-23 06:37 UTC", or "at row 17". */
static struct str where(const struct work *w, size_t row)
{
    if (w->table->at_us == NULL)
        return arena_printf(w->arena, "row %zu", row);
    return words_time(w->arena, w->table->at_us[row]);
}

/* ── figures ── */

static double mean_of(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i] / (double)count;
    return count > 0 ? sum : (double)NAN;
}

static double deviation_of(const double *values, size_t count, double mean)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (values[i] - mean) * (values[i] - mean);
    return count > 1 ? sqrt(sum / (double)(count - 1)) : (double)NAN;
}

static struct json_value figures_of(const struct work *w, const struct column_view *v)
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
    if (wants(w, ANALYZE_TREND) && v->trend.count > 3) {
        tree_number(&t, "slope_per_point", v->trend.slope);
        tree_number(&t, "trend_p", v->trend.p);
    }
    return tree_value(&t);
}

static struct json_value statistics_of(const struct work *w)
{
    const struct table *table = w->table;
    struct tree all = tree_create(w->arena), fields = tree_create(w->arena);
    tree_number(&all, "rows", (double)(table->row_count - table->gap_count));
    if (table->at_us != NULL) {
        tree_text(&all, "time_field", table->time_field);
        tree_number(&all, "from_us", (double)table->at_us[0]);
        all.members[all.count - 1].value = json_of_i64(w->arena, table->at_us[0]);
        tree_put(&all, STR("to_us"), json_of_i64(w->arena, table->at_us[table->row_count - 1]));
        tree_number(&all, "step_seconds", table->step_s > 0 ? (double)table->step_s : (double)NAN);
        tree_number(&all, "rows_left_out", (double)table->gap_count);
        tree_put(&all, STR("was_in_order"), json_of_bool(table->was_sorted));
    }
    for (size_t i = 0; i < table->column_count; i++)
        tree_put(&fields, table->columns[i].name, figures_of(w, &w->views[i]));
    tree_put(&all, STR("fields"), tree_value(&fields));
    return tree_value(&all);
}

/* ── findings ── */

/* From the line's beginning to its end, as a share of the beginning; NaN from about nothing. */
static double change_of(const struct column_view *v, size_t rows)
{
    double from = v->trend.intercept, rise = v->trend.slope * (double)(rows - 1);
    double size = fmax(fabs(robust_quantile(v->sorted, v->known, 0.95)),
                       fabs(robust_quantile(v->sorted, v->known, 0.05)));
    return fabs(from) > 0.01 * size ? rise / fabs(from) : (double)NAN;
}

static void find_trend(struct work *w, const struct column_view *v)
{
    struct arena *a = w->arena;
    double confidence = chance_confidence(v->trend.p, 1);
    if (v->trend.count < 4 || confidence < INSIGHT_CONFIDENCE_MIN || fabs(v->trend.slope) <= 0)
        return;
    struct finding *f = add_finding(w, INSIGHT_INFO, confidence, SIZE_MAX);
    if (f == NULL)
        return;
    bool rises = v->trend.slope > 0;
    double change = change_of(v, w->table->row_count);
    double end = v->trend.intercept + v->trend.slope * (double)(w->table->row_count - 1);
    struct str from = words_number(a, v->trend.intercept), to = words_number(a, end);
    struct str slope = words_number(a, fabs(v->trend.slope));
    struct str share = isnan(change)
                           ? STR("")
                           : arena_printf(a, " by %.*s", STR_FMT(words_percent(a, fabs(change))));
    f->title =
        arena_printf(a, "%.*s %s%.*s", STR_FMT(v->name), rises ? "rises" : "falls", STR_FMT(share));
    f->detail = arena_printf(a,
                             "Its line goes from %.*s to %.*s, %.*s %s a point. Chance alone would "
                             "show as much with a probability of %.2g.",
                             STR_FMT(from), STR_FMT(to), STR_FMT(slope), rises ? "up" : "down",
                             fmax(v->trend.p, 1e-12));
    struct tree t = tree_create(a);
    tree_text(&t, "field", v->column->name);
    tree_number(&t, "slope_per_point", v->trend.slope);
    tree_number(&t, "change_percent", change * 100);
    tree_number(&t, "p", v->trend.p);
    f->data = tree_value(&t);
}

static void find_season(struct work *w, const struct column_view *v)
{
    struct arena *a = w->arena;
    const struct season *s = &v->outliers.season;
    if (s->period == 0)
        return;
    struct finding *f = add_finding(w, INSIGHT_INFO, NAN, SIZE_MAX);
    if (f == NULL)
        return;
    double step_s = (double)w->table->step_s;
    struct str every = step_s > 0 ? words_duration(a, (double)s->period * step_s)
                                  : words_things(a, (int64_t)s->period, "point", NULL);
    struct str share = words_percent(a, s->strength);
    f->title = arena_printf(a, "%.*s repeats itself every %.*s", STR_FMT(v->name), STR_FMT(every));
    f->detail = arena_printf(a,
                             "The shape of the first cycles explains %.*s of the later ones' "
                             "variance.",
                             STR_FMT(share));
    struct tree t = tree_create(a);
    tree_text(&t, "field", v->column->name);
    tree_number(&t, "period_points", (double)s->period);
    tree_number(&t, "strength", s->strength);
    f->data = tree_value(&t);
}

static void find_shift(struct work *w, const struct column_view *v)
{
    struct arena *a = w->arena;
    const struct outlier_shift *s = &v->outliers.shift;
    /* Of a line that rises all the time the halves differ as well. */
    if (s->at == 0 || s->confidence < INSIGHT_CONFIDENCE_MIN)
        return;
    struct finding *f = add_finding(w, INSIGHT_WARNING, s->confidence, s->at);
    if (f == NULL)
        return;
    struct str before = words_number(a, s->before), after = words_number(a, s->after);
    struct str at = where(w, s->at);
    f->title = arena_printf(a, "%.*s has another level since %.*s", STR_FMT(v->name), STR_FMT(at));
    f->detail = arena_printf(a, "The median went from %.*s to %.*s and stayed there.",
                             STR_FMT(before), STR_FMT(after));
    struct tree t = tree_create(a);
    tree_text(&t, "field", v->column->name);
    tree_number(&t, "row", (double)s->at);
    tree_number(&t, "before", s->before);
    tree_number(&t, "after", s->after);
    tree_number(&t, "p", s->p);
    f->data = tree_value(&t);
}

static void find_outlier(struct work *w, const struct column_view *v, const struct outlier *o)
{
    struct arena *a = w->arena;
    struct finding *f = add_finding(w, INSIGHT_WARNING, o->confidence, o->from);
    if (f == NULL)
        return;
    struct str value = words_number(a, o->value), expected = words_number(a, o->expected);
    struct str at = where(w, o->peak), from = where(w, o->from), to = where(w, o->to);
    f->title = arena_printf(a, "%.*s is unusually %s at %.*s", STR_FMT(v->name),
                            o->value > o->expected ? "high" : "low", STR_FMT(at));
    f->detail = arena_printf(a, "It is %.*s where about %.*s would fit.", STR_FMT(value),
                             STR_FMT(expected));
    if (o->to > o->from)
        f->detail =
            arena_printf(a, "%.*s The span goes from %.*s to %.*s, %zu points.", STR_FMT(f->detail),
                         STR_FMT(from), STR_FMT(to), o->to - o->from + 1);
    struct tree t = tree_create(a);
    tree_text(&t, "field", v->column->name);
    tree_number(&t, "from_row", (double)o->from);
    tree_number(&t, "to_row", (double)o->to);
    tree_number(&t, "peak_row", (double)o->peak);
    tree_number(&t, "value", o->value);
    tree_number(&t, "expected", o->expected);
    tree_number(&t, "chance_in_series", fmin(1, o->p));
    f->data = tree_value(&t);
}

static void find_forecast(struct work *w, const struct column_view *v)
{
    struct arena *a = w->arena;
    if (v->forecast.count == 0)
        return;
    struct finding *f = add_finding(w, INSIGHT_INFO, FORECAST_COVERAGE, SIZE_MAX);
    if (f == NULL)
        return;
    const struct forecast_point *last = &v->forecast.points[v->forecast.count - 1];
    struct str points = words_things(a, (int64_t)v->forecast.count, "point", NULL);
    struct str value = words_number(a, last->value), low = words_number(a, last->low);
    struct str high = words_number(a, last->high), covered = words_percent(a, FORECAST_COVERAGE);
    f->title = arena_printf(a, "%.*s will be about %.*s in %.*s", STR_FMT(v->name), STR_FMT(value),
                            STR_FMT(points));
    f->detail = arena_printf(a,
                             "Between %.*s and %.*s with a probability of %.*s, if nothing new "
                             "happens.",
                             STR_FMT(low), STR_FMT(high), STR_FMT(covered));
    struct tree t = tree_create(a);
    tree_text(&t, "field", v->column->name);
    tree_number(&t, "value", last->value);
    tree_number(&t, "low", last->low);
    tree_number(&t, "high", last->high);
    f->data = tree_value(&t);
}

/* ── correlation: Spearman's, of rows where both are there ── */

static double correlation_of(struct arena *a, const double *x, const double *y, size_t count,
                             size_t *ret_pairs);

static void find_correlation(struct work *w, const struct column_view *v,
                             const struct column_view *u)
{
    enum { PAIRS_MIN = 8 };
    struct arena *a = w->arena;
    size_t pairs, rows = w->table->row_count;
    double r = correlation_of(a, v->column->values, u->column->values, rows, &pairs);
    if (pairs < PAIRS_MIN || isnan(r))
        return;
    /* Series that remember correlate by chance: they have fewer independent pairs (Bartlett). */
    double shared =
        robust_memory(a, v->column->values, rows) * robust_memory(a, u->column->values, rows);
    double worth =
        fmax(3, (double)pairs * (1 - fmax(0, fmin(0.95, shared))) / (1 + fmax(0, shared)));
    double t_value = fabs(r) < 1 ? fabs(r) * sqrt((worth - 2) / (1 - r * r)) : (double)INFINITY;
    double p = 2 * chance_student_above(t_value, worth - 2);
    size_t looks = w->table->column_count * (w->table->column_count - 1) / 2;
    double confidence = chance_confidence(p, looks);
    if (confidence < INSIGHT_CONFIDENCE_MIN)
        return;
    struct finding *f = add_finding(w, INSIGHT_INFO, confidence, SIZE_MAX);
    if (f == NULL)
        return;
    f->title = arena_printf(a, "%.*s and %.*s go %s", STR_FMT(v->name), STR_FMT(u->name),
                            r > 0 ? "together" : "against each other");
    f->detail =
        arena_printf(a,
                     "Their rank correlation over %zu rows is %.2f. That says nothing about "
                     "which one causes the other.",
                     pairs, r);
    struct tree t = tree_create(a);
    tree_text(&t, "field", v->column->name);
    tree_text(&t, "other", u->column->name);
    tree_number(&t, "correlation", r);
    tree_number(&t, "p", p);
    f->data = tree_value(&t);
}

/* Ranks by counting smaller ones in the sorted values: half of the equal ones count. */
static double rank_in(const double *sorted, size_t count, double value)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (sorted[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    size_t first = low;
    for (high = count; low < high;) {
        size_t middle = (low + high) / 2;
        if (sorted[middle] > value)
            high = middle;
        else
            low = middle + 1;
    }
    return (double)(first + low) / 2;
}

static double correlation_of(struct arena *a, const double *x, const double *y, size_t count,
                             size_t *ret_pairs)
{
    double *xs = arena_new_array(a, count + 1, double), *ys = arena_new_array(a, count + 1, double);
    size_t pairs = 0, kept;
    for (size_t i = 0; i < count; i++)
        if (!isnan(x[i]) && !isnan(y[i])) {
            xs[pairs] = x[i];
            ys[pairs++] = y[i];
        }
    const double *sorted_x = robust_sorted(a, xs, pairs, &kept);
    const double *sorted_y = robust_sorted(a, ys, pairs, &kept);
    double xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < pairs; i++) {
        double dx = rank_in(sorted_x, pairs, xs[i]) - (double)pairs / 2;
        double dy = rank_in(sorted_y, pairs, ys[i]) - (double)pairs / 2;
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    *ret_pairs = pairs;
    return xx > 0 && yy > 0 ? fmax(-1, fmin(1, xy / sqrt(xx * yy))) : (double)NAN;
}

/* ── the chart's series ── */

static struct json_value points_of(const struct work *w, const struct column_view *v)
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

static struct json_value forecast_points_of(const struct work *w, const struct column_view *v)
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

static struct json_value series_of(const struct work *w)
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

static struct str rows_in_words(const struct work *w)
{
    struct arena *a = w->arena;
    const struct table *t = w->table;
    struct str rows = words_things(a, (int64_t)(t->row_count - t->gap_count), "row", NULL);
    if (t->at_us == NULL)
        return rows;
    struct str span = words_duration(a, (double)(t->at_us[t->row_count - 1] - t->at_us[0]) / 1e6);
    return arena_printf(a, "%.*s over %.*s", STR_FMT(rows), STR_FMT(span));
}

static struct str column_in_words(const struct work *w, const struct column_view *v)
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

static void summarise(struct work *w)
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

static bool look_at(struct work *w, const struct table_column *c, struct column_view *v,
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
    if (w->horizon > 0 && (wants(w, ANALYZE_FORECAST) || wants(w, ANALYZE_TREND)))
        (void)forecast_make(w->arena, c->values, t->row_count, v->named, v->named_count, w->horizon,
                            &v->forecast);
    return true;
}

static void find_all(struct work *w)
{
    size_t columns = w->table->column_count;
    for (size_t i = 0; i < columns; i++) {
        const struct column_view *v = &w->views[i];
        if (wants(w, ANALYZE_ANOMALIES)) {
            find_shift(w, v);
            for (size_t k = 0; k < v->outliers.span_count; k++)
                find_outlier(w, v, &v->outliers.spans[k]);
        }
        /* A step is no trend: only one of them is said where both fit. */
        if (wants(w, ANALYZE_TREND) && (v->outliers.shift.at == 0 || w->kind == ANALYZE_TREND))
            find_trend(w, v);
        if (wants(w, ANALYZE_SUMMARY) || w->kind == ANALYZE_TREND)
            find_season(w, v);
        if (w->kind == ANALYZE_FORECAST)
            find_forecast(w, v);
    }
    for (size_t i = 0; i < columns && wants(w, ANALYZE_CORRELATION); i++)
        for (size_t k = i + 1; k < columns; k++)
            find_correlation(w, &w->views[i], &w->views[k]);
}

bool analyze(struct arena *a, const struct table *t, enum analyze_kind kind, size_t horizon,
             struct analysis *ret_analysis, struct err *e)
{
    struct analysis *an = arena_new(a, struct analysis);
    struct work w = { .arena = a, .table = t, .kind = kind, .horizon = horizon, .analysis = an };
    if (horizon > FORECAST_HORIZON_MAX)
        return err_set(e, ERR_LIMIT, "horizon: is more than %d points", FORECAST_HORIZON_MAX);
    if (kind == ANALYZE_CORRELATION && t->column_count < 2)
        return err_set(e, ERR_INVALID, "data: correlation needs two fields with numbers");
    w.views = arena_new_array(a, t->column_count, struct column_view);
    for (size_t i = 0; i < t->column_count; i++)
        if (!look_at(&w, &t->columns[i], &w.views[i], e))
            return false;
    an->kind = kind;
    find_all(&w);
    an->confidence = NAN;
    for (size_t i = 0; i < an->finding_count; i++)
        an->confidence = fmin(an->confidence, an->findings[i].confidence);
    an->statistics = statistics_of(&w);
    an->series = series_of(&w);
    summarise(&w);
    *ret_analysis = *an;
    return true;
}
