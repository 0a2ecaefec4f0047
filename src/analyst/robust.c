#include "analyst/robust.h"

#include <math.h>

#include "analyst/chance.h"
#include "analyst/missing.h"

enum { TREND_POINTS_MIN = 4, MEDIAN_FEW = 512 /* for which no memory of the arena is taken */ };
static const double normal_by_mad = 1.4826022185056018;

static int compare(const void *one, const void *other)
{
    double x, y;
    memcpy(&x, one, sizeof x);
    memcpy(&y, other, sizeof y);
    return (x > y) - (x < y);
}

double *robust_sorted(struct arena *a, const double *values, size_t count, size_t *ret_count)
{
    double *sorted = arena_new_array(a, count + 1, double);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(values[i]))
            sorted[kept++] = values[i];
    if (kept > 1)
        qsort(sorted, kept, sizeof *sorted, compare);
    *ret_count = kept;
    return sorted;
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
    return sorted[below] + part * (sorted[below + 1] - sorted[below]);
}

static void swap(double *one, double *other)
{
    double kept = *one;
    *one = *other;
    *other = kept;
}

/*
 * Hoare's selection: afterwards the value at `rank` is the one a sort would put there, and none
 * before it is greater. Pivots are drawn, so that no order of the input makes it slow, and equal
 * values are set aside together.
 */
static void select_rank(double *values, size_t count, size_t rank)
{
    uint64_t draw = 0x9e3779b97f4a7c15U;
    for (size_t from = 0, to = count; to - from > 1;) {
        draw = draw * 6364136223846793005U + 1442695040888963407U;
        double pivot = values[from + (size_t)(draw >> 33) % (to - from)];
        size_t less = from, more = to;
        for (size_t i = from; i < more;) {
            if (values[i] < pivot)
                swap(&values[i++], &values[less++]);
            else if (values[i] > pivot)
                swap(&values[i], &values[--more]);
            else
                i++;
        }
        if (rank >= less && rank < more)
            return;
        if (rank < less)
            to = less;
        else
            from = more;
    }
}

double robust_median(struct arena *a, const double *values, size_t count)
{
    double few[MEDIAN_FEW];
    double *kept = count <= MEDIAN_FEW ? few : arena_new_array(a, count, double);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(values[i]))
            kept[n++] = values[i];
    if (n == 0)
        return MISSING;
    select_rank(kept, n, n / 2);
    double upper = kept[n / 2], lower = kept[0];
    if (n % 2 != 0)
        return upper;
    for (size_t i = 1; i < n / 2; i++)
        lower = fmax(lower, kept[i]);
    return lower + 0.5 * (upper - lower);
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

/* Kendall's S, and all slopes of pairs into `slopes`. */
static double compare_pairs(const struct point *points, size_t count, double *slopes)
{
    double s = 0;
    for (size_t i = 0, n = 0; i < count; i++)
        for (size_t j = i + 1; j < count; j++) {
            double rise = points[j].y - points[i].y;
            slopes[n++] = rise / (points[j].x - points[i].x);
            s += (rise > 0) - (rise < 0);
        }
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
    size_t kept;
    struct point *points = thinned(a, values, count, &kept);
    trend.count = kept;
    if (kept < TREND_POINTS_MIN)
        return trend;
    double *slopes = arena_new_array(a, kept * (kept - 1) / 2, double);
    double s = compare_pairs(points, kept, slopes);
    trend.slope = robust_median(a, slopes, kept * (kept - 1) / 2);
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
