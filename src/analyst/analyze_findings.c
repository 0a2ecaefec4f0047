/* What stands out of the columns: levels, outliers, trends, seasons, correlations. */
#include "analyst/analyze_priv.h"

#include <math.h>

#include "analyst/chance.h"
#include "analyst/missing.h"
#include "analyst/words.h"

static struct finding *add_finding(struct analyze_work *w, enum insight_severity severity,
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
static struct str where(const struct analyze_work *w, size_t row)
{
    if (w->table->at_us == NULL)
        return arena_printf(w->arena, "row %zu", row);
    return words_time(w->arena, w->table->at_us[row]);
}

/* From the line's beginning to its end, as a share of the beginning; NaN from about nothing. */
static double change_of(const struct analyze_column *v, size_t rows)
{
    double from = v->trend.intercept, rise = v->trend.slope * (double)(rows - 1);
    double size = fmax(fabs(robust_quantile(v->sorted, v->known, 0.95)),
                       fabs(robust_quantile(v->sorted, v->known, 0.05)));
    return fabs(from) > 0.01 * size ? rise / fabs(from) : MISSING;
}

static void find_trend(struct analyze_work *w, const struct analyze_column *v)
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

static void find_season(struct analyze_work *w, const struct analyze_column *v)
{
    struct arena *a = w->arena;
    const struct season *s = &v->outliers.season;
    if (s->period == 0)
        return;
    struct finding *f = add_finding(w, INSIGHT_INFO, MISSING, SIZE_MAX);
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

static void find_shift(struct analyze_work *w, const struct analyze_column *v)
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

static void find_outlier(struct analyze_work *w, const struct analyze_column *v,
                         const struct outlier *o)
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

static void find_forecast(struct analyze_work *w, const struct analyze_column *v)
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

static void find_correlation(struct analyze_work *w, const struct analyze_column *v,
                             const struct analyze_column *u)
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
    return xx > 0 && yy > 0 ? fmax(-1, fmin(1, xy / sqrt(xx * yy))) : MISSING;
}

/* ── all of them ── */

void analyze_find(struct analyze_work *w)
{
    size_t columns = w->table->column_count;
    for (size_t i = 0; i < columns; i++) {
        const struct analyze_column *v = &w->views[i];
        if (analyze_wants(w, ANALYZE_ANOMALIES)) {
            find_shift(w, v);
            for (size_t k = 0; k < v->outliers.span_count; k++)
                find_outlier(w, v, &v->outliers.spans[k]);
        }
        /* A step is no trend: only one of them is said where both fit. */
        if (analyze_wants(w, ANALYZE_TREND) &&
            (v->outliers.shift.at == 0 || w->kind == ANALYZE_TREND))
            find_trend(w, v);
        if (analyze_wants(w, ANALYZE_SUMMARY) || w->kind == ANALYZE_TREND)
            find_season(w, v);
        if (w->kind == ANALYZE_FORECAST)
            find_forecast(w, v);
    }
    for (size_t i = 0; i < columns && analyze_wants(w, ANALYZE_CORRELATION); i++)
        for (size_t k = i + 1; k < columns; k++)
            find_correlation(w, &w->views[i], &w->views[k]);
}
