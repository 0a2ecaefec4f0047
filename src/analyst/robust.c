#include "analyst/robust.h"

#include <math.h>

#include "analyst/chance.h"
#include "analyst/missing.h"

enum {
    TREND_POINTS_MIN = 4,
    MEDIAN_FEW = 32, /* for which no memory of the arena is taken */
    SORT_FEW = 12,   /* which insertion sorts faster */
};
static const double normal_by_mad = 1.4826022185056018;

/*
 * Puts what is less than the pivot first, or what is not greater; how many they are. Which way a
 * value goes is no branch: half of those would be guessed wrong.
 */
__attribute__((always_inline)) static inline size_t put_first(double *values, size_t count,
                                                              double pivot, bool or_same)
{
    size_t first = 0;
    for (size_t i = 0; i < count; i++) {
        double value = values[i];
        values[i] = values[first];
        values[first] = value;
        first += or_same ? value <= pivot : value < pivot;
    }
    return first;
}

/* The middle one of three that are drawn, so that no order of the input makes it a bad one. */
static double draw_pivot(const double *values, size_t count, uint64_t *draw)
{
    double drawn[3];
    for (size_t i = 0; i < countof(drawn); i++) {
        *draw = *draw * 6364136223846793005U + 1442695040888963407U;
        drawn[i] = values[(size_t)(*draw >> 33) % count];
    }
    double low = fmin(drawn[0], drawn[1]), high = fmax(drawn[0], drawn[1]);
    return fmax(low, fmin(high, drawn[2]));
}

static const uint64_t first_draw = 0x9e3779b97f4a7c15U;

/* Where the values are parted, above 0: none before is greater than any from there on.
 * `ret_is_same`: all before are one value. None may be missing. */
static size_t part(double *values, size_t count, uint64_t *draw, bool *ret_is_same)
{
    double pivot = draw_pivot(values, count, draw);
    size_t less = put_first(values, count, pivot, false);
    *ret_is_same = less == 0;
    return less > 0 ? less : max_of(put_first(values, count, pivot, true), (size_t)1);
}

static void sort_few(double *values, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        double value = values[i];
        size_t at = i;
        for (; at > 0 && values[at - 1] > value; at--)
            values[at] = values[at - 1];
        values[at] = value;
    }
}

/* Hoare's quicksort. */
static void sort(double *values, size_t count, uint64_t *draw)
{
    while (count > SORT_FEW) {
        bool is_same;
        size_t at = part(values, count, draw, &is_same);
        if (is_same) {
            values += at;
            count -= at;
        } else if (at < count - at) { /* the shorter part by itself: it is never deep */
            sort(values, at, draw);
            values += at;
            count -= at;
        } else {
            sort(values + at, count - at, draw);
            count = at;
        }
    }
    sort_few(values, count);
}

double *robust_sorted(struct arena *a, const double *values, size_t count, size_t *ret_count)
{
    double *sorted = arena_new_array(a, count + 1, double);
    uint64_t draw = first_draw;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(values[i]))
            sorted[kept++] = values[i];
    sort(sorted, kept, &draw);
    *ret_count = kept;
    return sorted;
}

/* The share `part` of the way from one to the other, which may be too long for a number. */
static double between(double lower, double upper, double part)
{
    double way = upper - lower;
    return isfinite(way) ? lower + part * way : lower * (1 - part) + upper * part;
}

double robust_quantile(const double *sorted, size_t count, double q)
{
    if (count == 0)
        return MISSING;
    double at = q * (double)(count - 1);
    size_t below = (size_t)at;
    double part = at - (double)below;
    if (part <= 0 || below + 1 >= count)
        return sorted[below];
    return between(sorted[below], sorted[below + 1], part);
}

/*
 * Hoare's selection: afterwards the value at `rank` is the one a sort would put there, and none
 * before it is greater.
 */
static void select_rank(double *values, size_t count, size_t rank)
{
    uint64_t draw = first_draw;
    for (size_t from = 0, to = count; to - from > 1;) {
        bool is_same;
        size_t at = from + part(values + from, to - from, &draw, &is_same);
        if (rank >= at)
            from = at;
        else if (is_same)
            return;
        else
            to = at;
    }
}

/* Of values none of which is missing; it puts them into another order. */
static double median_within(double *values, size_t count)
{
    if (count == 0)
        return MISSING;
    select_rank(values, count, count / 2);
    double upper = values[count / 2], lower = values[0];
    if (count % 2 != 0)
        return upper;
    for (size_t i = 1; i < count / 2; i++)
        lower = values[i] > lower ? values[i] : lower;
    return between(lower, upper, 0.5);
}

double robust_median(struct arena *a, const double *values, size_t count)
{
    double few[MEDIAN_FEW];
    double *kept = count <= MEDIAN_FEW ? few : arena_new_array(a, count, double);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(values[i]))
            kept[n++] = values[i];
    return median_within(kept, n);
}

double robust_scale(struct arena *a, const double *values, size_t count, double center)
{
    double *distances = arena_new_array(a, count + 1, double);
    for (size_t i = 0; i < count; i++)
        distances[i] = fabs(values[i] - center);
    return normal_by_mad * robust_median(a, distances, count);
}

double robust_memory(struct arena *a, const double *values, size_t count)
{
    double center = robust_median(a, values, count);
    double reach = 4 * robust_scale(a, values, count, center);
    double products = 0, squares = 0, before = MISSING;
    for (size_t i = 0; i < count; i++) {
        double x = values[i] - center;
        if (reach > 0 && fabs(x) > reach)
            x = copysign(reach, x);
        if (!isnan(x))
            squares += x * x;
        if (!isnan(x) && !isnan(before))
            products += x * before;
        before = x;
    }
    return squares > 0 ? fmax(-1, fmin(1, products / squares)) : 0;
}

struct point {
    double x, y;
};

/* The points that are there, or medians of blocks of them. */
static struct point *thinned(struct arena *a, const double *values, size_t count, size_t *ret_count)
{
    size_t blocks = min_of(count, (size_t)ROBUST_TREND_POINTS_MAX), kept = 0;
    struct point *points = arena_new_array(a, blocks + 1, struct point);
    for (size_t b = 0; b < blocks; b++) {
        size_t from = b * count / blocks, to = (b + 1) * count / blocks;
        double y = robust_median(a, values + from, to - from);
        if (!isnan(y))
            points[kept++] = (struct point){ (double)(from + to - 1) / 2, y };
    }
    *ret_count = kept;
    return points;
}

/* Kendall's S, and the slopes of pairs into `slopes`: two that are infinite have none. */
static double compare_pairs(const struct point *points, size_t count, double *slopes,
                            size_t *ret_slope_count)
{
    double s = 0;
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = i + 1; j < count; j++) {
            double rise = points[j].y - points[i].y;
            slopes[n] = rise / (points[j].x - points[i].x);
            n += isnan(rise) ? 0 : 1;
            s += (rise > 0) - (rise < 0);
        }
    *ret_slope_count = n;
    return s;
}

static double variance_of_s(struct arena *a, const double *values, size_t count)
{
    size_t kept;
    const double *sorted = robust_sorted(a, values, count, &kept);
    double n = (double)kept, variance = n * (n - 1) * (2 * n + 5);
    for (size_t i = 0, run = 1; i < kept; i += run) {
        for (run = 1; i + run < kept && !(sorted[i + run] > sorted[i]);)
            run++;
        double t = (double)run;
        variance -= t * (t - 1) * (2 * t + 5);
    }
    return variance / 18;
}

/*
 * How many times larger the variance of a sum is because neighbours resemble one another: a series
 * that remembers has fewer independent points than it shows. Negative memory is not believed.
 */
static double memory_factor(double memory, size_t count)
{
    double r = fmax(0, fmin(memory, 0.98)), factor = 1, power = 1;
    for (size_t k = 1; k < count; k++) {
        power *= r;
        if (power < 1e-9)
            break;
        factor += 2 * (1 - (double)k / (double)count) * power;
    }
    return factor;
}

struct robust_trend robust_trend_of(struct arena *a, const double *values, size_t count)
{
    struct robust_trend trend = { .p = 1 };
    size_t kept, slope_count;
    struct point *points = thinned(a, values, count, &kept);
    trend.count = kept;
    if (kept < TREND_POINTS_MIN)
        return trend;
    double *slopes = arena_new_array(a, kept * (kept - 1) / 2, double);
    double s = compare_pairs(points, kept, slopes, &slope_count);
    double slope = median_within(slopes, slope_count);
    if (!isfinite(slope))
        return trend;
    trend.slope = slope;
    double *rest = arena_new_array(a, kept, double), *ys = arena_new_array(a, kept, double);
    for (size_t i = 0; i < kept; i++) {
        ys[i] = points[i].y;
        rest[i] = points[i].y - trend.slope * points[i].x;
    }
    trend.intercept = robust_median(a, rest, kept);
    double variance =
        variance_of_s(a, ys, kept) * memory_factor(robust_memory(a, rest, kept), kept);
    if (variance > 0 && fabs(s) > 1)
        trend.z = (s - copysign(1, s)) / sqrt(variance);
    trend.p = 2 * chance_normal_above(fabs(trend.z));
    return trend;
}
