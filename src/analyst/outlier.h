/*
 * outlier: what does not fit a series: spans of wild values, and a lasting change of its level.
 *
 * The line, the season and a change of level are taken away first, on the logarithm where that
 * makes the values more even. What is left is judged by the larger of two tails: the normal one of
 * its MAD, and an exponential one fitted to the outer tenth, so that a series with heavy tails is
 * not full of outliers. A point is one when fewer than OUTLIER_FALSE_ALARMS such points are
 * expected by chance in the whole series. Pure; scratch memory from the arena.
 */
#pragma once
#include "base/arena.h"

#include "analyst/season.h"

#define OUTLIER_FALSE_ALARMS 0.05 /* a series */
enum { OUTLIER_POINTS_MIN = 8, OUTLIER_SPANS_MAX = 50 };

struct outlier {
    size_t from, to;        /* points, both included */
    size_t peak;            /* the most unlikely one */
    double value, expected; /* at the peak */
    double p; /* so many such points chance would show in the whole series, at most 1 */
    double confidence;
};

/* The level from `at` on differs from the one before. */
struct outlier_shift {
    size_t at; /* 0: there is none */
    double before, after;
    double p;
    double confidence;
};

struct outlier_report {
    struct outlier *spans; /* in order of time; the OUTLIER_SPANS_MAX most unlikely ones */
    size_t span_count;
    struct outlier_shift shift;
    struct season season; /* of the values, or of their logarithms */
    bool is_log;
    double *expected; /* a point each */
    double *p;        /* of each point, as in outlier.p, not bounded; NaN where it is missing */
};

[[nodiscard]] struct outlier_report outliers_find(struct arena *a, const double *values,
                                                  size_t count, const size_t *named,
                                                  size_t named_count);
