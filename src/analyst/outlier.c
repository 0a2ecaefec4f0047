#include "analyst/outlier.h"

#include <math.h>

#include "analyst/chance.h"
#include "analyst/robust.h"

enum {
    GAP_POINTS_MAX = 2, /* usual points between two wild ones of one span */
    SHIFT_POINTS_MIN = 20,
    SHIFT_SIDE_MIN = 6, /* points on each side of a change of level */
    TAIL_POINTS_MIN = 5,
};
static const double line_p_max = 0.01;
static const double shift_p_max = 1e-3;
static const double shift_scales_min = 2;

/* ── a change of level ── */

struct ranked {
    double value;
    size_t index;
};

static int compare_ranked(const void *one, const void *other)
{
    struct ranked x, y;
    memcpy(&x, one, sizeof x);
    memcpy(&y, other, sizeof y);
    return (x.value > y.value) - (x.value < y.value);
}

/* Ranks from 1, ties sharing theirs; missing values have the middle one. */
static double *ranks_of(struct arena *a, const double *values, size_t count)
{
    struct ranked *sorted = arena_new_array(a, count, struct ranked);
    double *ranks = arena_new_array(a, count, double);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(values[i]))
            sorted[kept++] = (struct ranked){ values[i], i };
    qsort(sorted, kept, sizeof *sorted, compare_ranked);
    for (size_t i = 0; i < count; i++)
        ranks[i] = (double)(kept + 1) / 2;
    for (size_t i = 0, run; i < kept; i += run) {
        for (run = 1; i + run < kept && !(sorted[i + run].value > sorted[i].value);)
            run++;
        for (size_t k = i; k < i + run; k++)
            ranks[sorted[k].index] = (double)i + (double)(run + 1) / 2;
    }
    return ranks;
}

/* The cut with the fewest points on the wrong side of the middle: ranks alone place it loosely. */
static size_t refine_cut(const double *rest, size_t count, const struct outlier_shift *s)
{
    double middle = (s->before + s->after) / 2;
    bool rises = s->after > s->before;
    ptrdiff_t wrong = 0, least = PTRDIFF_MAX;
    size_t at = s->at;
    for (size_t i = 0; i < count; i++) {
        bool has_sides = i >= SHIFT_SIDE_MIN && count - i >= SHIFT_SIDE_MIN;
        if (has_sides && wrong < least) {
            least = wrong;
            at = i;
        }
        if (!isnan(rest[i]))
            wrong += (rest[i] > middle) == rises ? 1 : -1; /* it is now before the cut */
    }
    return at;
}

/*
 * Pettitt's test: the place where the ranks before and after differ most. Points that remember
 * count as so many fewer; the memory is that of the rest, since a step itself looks like memory.
 */
static struct outlier_shift find_shift(struct arena *a, const double *rest, size_t count)
{
    struct outlier_shift none = { .p = 1 };
    if (count < SHIFT_POINTS_MIN)
        return none;
    const double *ranks = ranks_of(a, rest, count);
    double sum = 0, most = 0, n = (double)count;
    size_t at = 0;
    for (size_t i = 1; i < count; i++) {
        sum += ranks[i - 1];
        double u = fabs(2 * sum - (double)i * (n + 1));
        bool has_sides = i >= SHIFT_SIDE_MIN && count - i >= SHIFT_SIDE_MIN;
        if (has_sides && u > most) {
            most = u;
            at = i;
        }
    }
    if (at == 0)
        return none;
    struct outlier_shift s = { .at = at,
                               .before = robust_median(a, rest, at),
                               .after = robust_median(a, rest + at, count - at) };
    s.at = refine_cut(rest, count, &s);
    s.before = robust_median(a, rest, s.at);
    s.after = robust_median(a, rest + s.at, count - s.at);
    double *flat = arena_new_array(a, count, double);
    for (size_t i = 0; i < count; i++)
        flat[i] = rest[i] - (i < s.at ? s.before : s.after);
    double memory = fmax(0, fmin(0.95, robust_memory(a, flat, count)));
    double worth = (1 - memory) / (1 + memory);
    s.p = fmin(1, 2 * exp(-6 * most * most / (n * n * n + n * n) * worth));
    double scale = robust_scale(a, flat, count, 0);
    if (s.p > shift_p_max || fabs(s.after - s.before) < shift_scales_min * scale)
        return none;
    s.confidence = chance_confidence(s.p, 1);
    return s;
}

/* ── tails ── */

struct tail {
    double scale;                /* of the normal tail; 0: the values are the same */
    double from, share, decline; /* of the exponential one; share 0: there is none */
};

static struct tail fit_tail(struct arena *a, const double *distances, size_t count, double scale)
{
    const double outer = 0.9;
    struct tail t = { .scale = scale };
    size_t kept, above = 0;
    const double *sorted = robust_sorted(a, distances, count, &kept);
    t.from = robust_quantile(sorted, kept, outer);
    while (above < kept && sorted[kept - 1 - above] > t.from)
        above++;
    /* Where almost all values are the same, what differs is either rare or has a tail of its own.
     */
    if (above < TAIL_POINTS_MIN || (scale <= 0 && above * 100 < kept))
        return t;
    t.share = (double)above / (double)kept;
    t.decline = (robust_quantile(sorted + kept - above, above, 0.5) - t.from) / M_LN2;
    return t;
}

static double tail_at(const struct tail *t, double distance)
{
    double normal = t->scale > 0 ? 2 * chance_normal_above(distance / t->scale) : distance <= 0;
    if (t->share <= 0 || distance <= t->from)
        return t->share > 0 ? fmax(normal, t->share) : normal;
    return fmax(normal, t->share * exp(-(distance - t->from) / t->decline));
}

/* ── the report ── */

/* How lopsided, 0 to 1: Bowley's measure at the outer tenths. */
static double skew_of(const double *sorted, size_t count)
{
    double low = robust_quantile(sorted, count, 0.1), high = robust_quantile(sorted, count, 0.9);
    double middle = robust_quantile(sorted, count, 0.5);
    return high > low ? fabs(high + low - 2 * middle) / (high - low) : 0;
}

/* Whether logarithms make positive, lopsided values even. */
static bool wants_logarithm(struct arena *a, const double *values, size_t count)
{
    size_t kept;
    double *sorted = robust_sorted(a, values, count, &kept);
    if (kept == 0 || sorted[0] <= 0)
        return false;
    double skew = skew_of(sorted, kept);
    for (size_t i = 0; i < kept; i++)
        sorted[i] = log(sorted[i]);
    return skew > 0.3 && skew_of(sorted, kept) < skew / 2;
}

static void add_spans(struct arena *a, const double *values, size_t count, struct outlier_report *r)
{
    size_t capacity = count / (GAP_POINTS_MAX + 2) + 1;
    r->spans = arena_new_array(a, capacity, struct outlier);
    for (size_t i = 0; i < count; i++) {
        if (!(r->p[i] < OUTLIER_FALSE_ALARMS))
            continue;
        struct outlier *last = r->span_count > 0 ? &r->spans[r->span_count - 1] : NULL;
        if (last == NULL || i - last->to > GAP_POINTS_MAX + 1) {
            last = &r->spans[r->span_count++];
            *last = (struct outlier){ .from = i, .peak = i, .p = (double)INFINITY };
        }
        last->to = i;
        if (r->p[i] < last->p) {
            last->peak = i;
            last->p = r->p[i];
            last->value = values[i];
            last->expected = r->expected[i];
            last->confidence = chance_confidence(last->p, 1);
        }
    }
}

static int compare_p(const void *one, const void *other)
{
    struct outlier x, y;
    memcpy(&x, one, sizeof x);
    memcpy(&y, other, sizeof y);
    return x.p < y.p || (x.p <= y.p && x.from < y.from) ? -1 : 1;
}

static int compare_from(const void *one, const void *other)
{
    struct outlier x, y;
    memcpy(&x, one, sizeof x);
    memcpy(&y, other, sizeof y);
    return x.from < y.from ? -1 : 1;
}

static void keep_the_most_unlikely(struct outlier_report *r)
{
    if (r->span_count <= OUTLIER_SPANS_MAX)
        return;
    qsort(r->spans, r->span_count, sizeof *r->spans, compare_p);
    r->span_count = OUTLIER_SPANS_MAX;
    qsort(r->spans, r->span_count, sizeof *r->spans, compare_from);
}

/* The spread that is left when a step, or a line, is taken away; the smaller one explains more. */
static double spread_without(struct arena *a, const double *rest, size_t count,
                             const struct outlier_shift *shift, const struct robust_trend *line)
{
    double *flat = arena_new_array(a, count, double);
    for (size_t i = 0; i < count; i++) {
        double base = i < shift->at ? shift->before : shift->after;
        flat[i] = rest[i] - (line == NULL ? base : line->intercept + line->slope * (double)i);
    }
    return robust_scale(a, flat, count, 0);
}

/* What is left of the values without season and shift or line; those into `expected`. */
static double *take_away(struct arena *a, const double *values, size_t count, const size_t *named,
                         size_t named_count, struct outlier_report *r)
{
    double *rest = arena_new_array(a, count, double);
    r->season = season_find(a, values, count, named, named_count);
    for (size_t i = 0; i < count; i++) {
        r->expected[i] = season_at(&r->season, i);
        rest[i] = values[i] - r->expected[i];
    }
    struct robust_trend line = robust_trend_of(a, rest, count);
    bool has_line = line.p < line_p_max;
    r->shift = find_shift(a, rest, count);
    /* Of a line that rises all the time the halves differ, too. */
    if (has_line && r->shift.at > 0 &&
        spread_without(a, rest, count, &r->shift, &line) <=
            spread_without(a, rest, count, &r->shift, NULL))
        r->shift = (struct outlier_shift){ .p = 1 };
    double level = robust_median(a, rest, count);
    for (size_t i = 0; i < count; i++) {
        double base = level;
        if (r->shift.at > 0)
            base = i < r->shift.at ? r->shift.before : r->shift.after;
        else if (has_line)
            base = line.intercept + line.slope * (double)i;
        r->expected[i] += base;
        rest[i] = values[i] - r->expected[i];
    }
    return rest;
}

struct outlier_report outliers_find(struct arena *a, const double *values, size_t count,
                                    const size_t *named, size_t named_count)
{
    struct outlier_report r = { .expected = arena_new_array(a, count + 1, double),
                                .p = arena_new_array(a, count + 1, double) };
    size_t kept;
    const double *sorted = robust_sorted(a, values, count, &kept);
    bool is_log = r.is_log = wants_logarithm(a, values, count);
    double *scaled = arena_new_array(a, count + 1, double);
    for (size_t i = 0; i < count; i++) {
        scaled[i] = is_log ? log(values[i]) : values[i];
        r.p[i] = isnan(values[i]) ? values[i] : 1;
        r.expected[i] = kept > 0 ? sorted[kept / 2] : values[i];
    }
    if (kept < OUTLIER_POINTS_MIN)
        return r;
    double *rest = take_away(a, scaled, count, named, named_count, &r);
    double center = robust_median(a, rest, count);
    double scale = robust_scale(a, rest, count, center);
    for (size_t i = 0; i < count; i++)
        rest[i] = fabs(rest[i] - center);
    struct tail tail = fit_tail(a, rest, count, scale);
    for (size_t i = 0; i < count; i++) {
        if (!isnan(rest[i]))
            r.p[i] = tail_at(&tail, rest[i]) * (double)kept;
        r.expected[i] = is_log ? exp(r.expected[i] + center) : r.expected[i] + center;
    }
    if (is_log && r.shift.at > 0) {
        r.shift.before = exp(r.shift.before);
        r.shift.after = exp(r.shift.after);
    }
    add_spans(a, values, count, &r);
    keep_the_most_unlikely(&r);
    return r;
}
