/*
 * forecast: the next points of a series: its season, and a level whose trend fades (damped
 * exponential smoothing), with the bounds that nine in ten points keep.
 *
 * The smoothing is chosen among a grid by the one-step errors of the past; the bounds are the
 * quantiles of those errors, widened with the distance as the model says.
 * Pure; scratch memory from the arena.  Source: Hyndman et al., Forecasting with Exponential
 * Smoothing, 2008, ETS(A,Ad,N).
 */
#pragma once
#include "analyst/season.h"
#include "base/arena.h"

enum {
    FORECAST_POINTS_MIN = 8,
    FORECAST_HORIZON_MAX = 1'000,
    FORECAST_POINTS_USED = 4'096, /* older points are not looked at */
};
#define FORECAST_COVERAGE 0.9

struct forecast_point {
    double value, low, high;
};

struct forecast {
    struct forecast_point *points;
    size_t count;
    size_t period; /* of the season, or 0 */
};

/* False with fewer than FORECAST_POINTS_MIN points. A series that was never negative is not
 * forecast to be. Cost: the points used, times some fifty settings. */
[[nodiscard]] bool forecast_make(struct arena *a, const double *values, size_t count,
                                 const size_t *named, size_t named_count, size_t horizon,
                                 struct forecast *ret_forecast);
/* The same of at most FORECAST_POINTS_USED points whose season is known. */
[[nodiscard]] bool forecast_of_season(struct arena *a, const double *values, size_t count,
                                      const struct season *season, size_t horizon,
                                      struct forecast *ret_forecast);
