#include "analyst/forecast.h"

#include <math.h>

#include "analyst/robust.h"

struct setting {
    double alpha, beta, phi; /* of level and trend; how much of the trend stays each step */
};

struct state {
    double level, trend;
};

/* Begins at the median of the first points; a trend must earn itself. */
static struct state first_state(struct arena *a, const double *values, size_t count)
{
    enum { FIRST_POINTS = 6 };
    double level = robust_median(a, values, min_of(count, (size_t)FIRST_POINTS));
    return (struct state){ isnan(level) ? robust_median(a, values, count) : level, 0 };
}

/* Walks over the values; the one-step errors into `errors`, NaN where a value is missing. */
static struct state walk(const struct setting *s, struct state at, const double *values,
                         size_t count, double *errors)
{
    for (size_t i = 0; i < count; i++) {
        double trend = s->phi * at.trend, error = values[i] - at.level - trend;
        errors[i] = error;
        at.level += trend;
        at.trend = trend;
        if (!isnan(error)) {
            at.level += s->alpha * error;
            at.trend += s->alpha * s->beta * error;
        }
    }
    return at;
}

enum { ALPHAS = 8 };
static const double alphas[ALPHAS] = { 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9 };

/*
 * The mean absolute error of each alpha, from `from` on: absolute, so that a wild value of the past
 * does not choose the setting. All alphas walk side by side, since one step waits for the one
 * before.
 */
static void mean_errors(double beta, double phi, struct state first, const double *values,
                        size_t count, size_t from, double ret_errors[ALPHAS])
{
    double level[ALPHAS], trend[ALPHAS], sum[ALPHAS] = { 0 }, n = 0;
    for (size_t k = 0; k < ALPHAS; k++) {
        level[k] = first.level;
        trend[k] = first.trend;
    }
    for (size_t i = 0; i < count; i++) {
        bool is_known = !isnan(values[i]);
        bool is_counted = is_known && i >= from;
        n += is_counted;
        for (size_t k = 0; k < ALPHAS; k++) {
            double step = phi * trend[k], error = values[i] - level[k] - step;
            double learnt = is_known ? error : 0;
            level[k] += step;
            trend[k] = step;
            level[k] += alphas[k] * learnt;
            trend[k] += alphas[k] * beta * learnt;
            sum[k] += is_counted ? fabs(error) : 0;
        }
    }
    for (size_t k = 0; k < ALPHAS; k++)
        ret_errors[k] = n > 0 ? sum[k] / n : 0;
}

static struct setting choose(struct state first, const double *values, size_t count)
{
    static const double betas[] = { 0, 0.02, 0.05, 0.1, 0.2, 0.4 };
    const double phi = 0.97, gain_of_trend = 0.98; /* a trend must lower the error by 2 % */
    struct setting best = { 0.1, 0, phi };
    double least = (double)INFINITY;
    for (size_t b = 0; b < countof(betas); b++) {
        double errors[ALPHAS];
        mean_errors(betas[b], phi, first, values, count, count / 5, errors);
        for (size_t i = 0; i < ALPHAS; i++)
            if (errors[i] < least * (betas[b] > 0 && best.beta <= 0 ? gain_of_trend : 1)) {
                least = errors[i];
                best = (struct setting){ alphas[i], betas[b], phi };
            }
    }
    return best;
}

bool forecast_of_season(struct arena *a, const double *values, size_t count,
                        const struct season *season, size_t horizon, struct forecast *ret_forecast)
{
    size_t kept, known;
    assert(horizon <= FORECAST_HORIZON_MAX && count <= FORECAST_POINTS_USED);
    const double *sorted = robust_sorted(a, values, count, &kept);
    if (kept < FORECAST_POINTS_MIN)
        return false;
    const double *rest = season_removed(a, season, values, count);
    double *errors = arena_new_array(a, count, double);
    struct state first = first_state(a, rest, count);
    struct setting s = choose(first, rest, count);
    struct state end = walk(&s, first, rest, count, errors);
    const double *by_size = robust_sorted(a, errors, count, &known);
    double low = robust_quantile(by_size, known, (1 - FORECAST_COVERAGE) / 2);
    double high = robust_quantile(by_size, known, (1 + FORECAST_COVERAGE) / 2);
    struct forecast_point *points = arena_new_array(a, horizon + 1, struct forecast_point);
    double damped = 0, power = 1, variance = 1;
    for (size_t h = 0; h < horizon; h++) {
        power *= s.phi;
        damped += power;
        double value = end.level + damped * end.trend + season_at(season, count + h);
        double width = sqrt(variance);
        points[h] = (struct forecast_point){ value, value + fmin(low, 0) * width,
                                             value + fmax(high, 0) * width };
        double weight = s.alpha * (1 + s.beta * damped);
        variance += weight * weight;
        if (sorted[0] >= 0)
            points[h] = (struct forecast_point){ fmax(0, points[h].value), fmax(0, points[h].low),
                                                 fmax(0, points[h].high) };
    }
    *ret_forecast = (struct forecast){ points, horizon, season->period };
    return true;
}

bool forecast_make(struct arena *a, const double *values, size_t count, const size_t *named,
                   size_t named_count, size_t horizon, struct forecast *ret_forecast)
{
    size_t skipped = count > FORECAST_POINTS_USED ? count - FORECAST_POINTS_USED : 0;
    values += skipped;
    count -= skipped;
    struct season season = season_find(a, values, count, named, named_count);
    return forecast_of_season(a, values, count, &season, horizon, ret_forecast);
}
