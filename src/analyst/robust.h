/*
 * robust: figures that a few wild values cannot move: medians, quantiles, the median absolute
 * deviation, and the trend of a series. A missing value is NaN and is left out everywhere.
 * Pure; scratch memory comes from the arena.
 * Source: Sen 1968; Mann 1945, Kendall 1975; Yue and Wang 2004 for series that remember.
 */
#pragma once
#include "base/arena.h"

/* The values without the missing ones, ascending. */
[[nodiscard]] double *robust_sorted(struct arena *a, const double *values, size_t count,
                                    size_t *ret_count);
/* Of sorted values, interpolated; `q` 0 to 1. NaN of none. */
[[nodiscard]] double robust_quantile(const double *sorted, size_t count, double q);
/* NaN of none. */
[[nodiscard]] double robust_median(struct arena *a, const double *values, size_t count);
/* The median distance from `center`, times 1.4826: the standard deviation where the values are
 * normal. NaN of none. */
[[nodiscard]] double robust_scale(struct arena *a, const double *values, size_t count,
                                  double center);

/* The correlation of neighbours, -1 to 1, after clipping; 0 where it cannot be told. */
[[nodiscard]] double robust_memory(struct arena *a, const double *values, size_t count);

/* Beyond so many points the trend is taken of medians of so many blocks: pairs grow as the square.
 */
enum { ROBUST_TREND_POINTS_MAX = 128 };

struct robust_trend {
    double slope;     /* a point; Theil and Sen's */
    double intercept; /* at the first point */
    double z;         /* Mann and Kendall's, corrected for ties and memory */
    double p;         /* two-sided: so often chance alone shows as much */
    size_t count;     /* points that were there */
};
/* All zero and p 1 below 4 points, and where the values are too large for a slope. */
[[nodiscard]] struct robust_trend robust_trend_of(struct arena *a, const double *values,
                                                  size_t count);
