#include "analyst/season.h"

#include <math.h>

#include "analyst/missing.h"
#include "analyst/robust.h"

/* Shares of the variance of later cycles; what less explains is not worth taking away. */
static const double strength_min = 0.3;
static const double correlation_min = 0.2;

/* Without its line and its wild values, around 0; missing ones are 0, the middle. */
static double *flattened(struct arena *a, const double *values, size_t count)
{
    struct robust_trend line = robust_trend_of(a, values, count);
    double *flat = arena_new_array(a, count, double);
    for (size_t i = 0; i < count; i++)
        flat[i] = values[i] - (line.p < 0.01 ? line.slope * (double)i : 0);
    size_t kept;
    const double *sorted = robust_sorted(a, flat, count, &kept);
    double low = robust_quantile(sorted, kept, 0.01), high = robust_quantile(sorted, kept, 0.99);
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        flat[i] = fmax(low, fmin(high, flat[i])); /* fmin and fmax pass NaN over */
        sum += isnan(values[i]) ? 0 : flat[i];
    }
    for (size_t i = 0; i < count; i++)
        flat[i] = isnan(values[i]) ? 0 : flat[i] - sum / (double)kept;
    return flat;
}

static double correlation_at(const double *flat, size_t count, size_t lag, double squares)
{
    double products = 0;
    for (size_t i = lag; i < count; i++)
        products += flat[i] * flat[i - lag];
    return products / squares * (double)count / (double)(count - lag);
}

enum { LAGS = 4 };

/* Of so many lags from that one on: they are summed side by side, since one sum waits for itself.
 */
static void correlations_at(const double *flat, size_t count, size_t lag, double squares,
                            double ret[LAGS])
{
    double products[LAGS] = { 0 };
    for (size_t k = 0; k < LAGS; k++)
        for (size_t i = lag + k; i < min_of(lag + LAGS, count); i++)
            products[k] += flat[i] * flat[i - lag - k];
    for (size_t i = lag + LAGS; i < count; i++)
        for (size_t k = 0; k < LAGS; k++)
            products[k] += flat[i] * flat[i - lag - k];
    for (size_t k = 0; k < LAGS; k++)
        ret[k] = products[k] / squares * (double)count / (double)(count - lag - k);
}

static double sum_of_squares(const double *flat, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += flat[i] * flat[i];
    return sum;
}

/* The median of each phase over `count` points, around their median. */
static double *profile_of(struct arena *a, const double *values, size_t count, size_t period)
{
    double *profile = arena_new_array(a, period, double);
    double *phase = arena_new_array(a, count / period + 1, double);
    for (size_t p = 0; p < period; p++) {
        size_t n = 0;
        for (size_t i = p; i < count; i += period)
            phase[n++] = values[i];
        profile[p] = robust_median(a, phase, n);
    }
    double center = robust_median(a, profile, period);
    for (size_t p = 0; p < period; p++)
        profile[p] = isnan(profile[p]) ? 0 : profile[p] - center;
    return profile;
}

/* How much of the last cycles' variance the shape of the ones before explains. */
static double strength_of(struct arena *a, const double *flat, size_t count, size_t period)
{
    size_t cycles = count / period;
    size_t split = cycles / 2 * period;
    if (cycles % 2 != 0)
        split += period; /* the larger half teaches */
    const double *profile = profile_of(a, flat, split, period);
    double mean = 0, rest_mean = 0, all = 0, rest = 0, n = (double)(count - split);
    for (size_t i = split; i < count; i++) {
        mean += flat[i] / n;
        rest_mean += (flat[i] - profile[i % period]) / n;
    }
    for (size_t i = split; i < count; i++) {
        double x = flat[i] - mean, y = flat[i] - profile[i % period] - rest_mean;
        all += x * x;
        rest += y * y;
    }
    return all > 0 ? 1 - rest / all : 0;
}

/* The shortest lag whose peak of the correlation is near the highest one; 0 where there is none. */
static size_t search(struct arena *a, const double *flat, size_t count, double squares)
{
    size_t lag_max = min_of(count / SEASON_CYCLES_MIN, (size_t)SEASON_LAG_MAX);
    double *correlation = arena_new_array(a, lag_max + 2 + LAGS, double);
    double best = correlation_min;
    for (size_t lag = 1; lag <= lag_max + 1; lag += LAGS)
        correlations_at(flat, count, lag, squares, correlation + lag);
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t lag = 2; lag <= lag_max; lag++) {
            double c = correlation[lag];
            if (c < correlation[lag - 1] || c < correlation[lag + 1])
                continue;
            if (pass == 0)
                best = fmax(best, c);
            else if (c > correlation_min && c >= 0.9 * best)
                return lag;
        }
    return 0;
}

struct season season_find(struct arena *a, const double *values, size_t count, const size_t *named,
                          size_t named_count)
{
    struct season none = { 0 }, found = { 0 };
    if (count < 2 * SEASON_CYCLES_MIN)
        return none;
    double *flat = flattened(a, values, count);
    double squares = sum_of_squares(flat, count);
    if (!(squares > 0 && isfinite(squares)))
        return none;
    for (size_t i = 0; i < named_count; i++) {
        if (named[i] < 2 || named[i] > count / SEASON_CYCLES_MIN ||
            correlation_at(flat, count, named[i], squares) < correlation_min)
            continue;
        double strength = strength_of(a, flat, count, named[i]);
        /* A longer one must be clearly better: a week contains the day. */
        if (strength > strength_min && strength > found.strength + (found.period > 0 ? 0.05 : 0))
            found = (struct season){ .period = named[i], .strength = strength };
    }
    if (found.period == 0 && count <= SEASON_POINTS_SEARCHED) {
        size_t period = search(a, flat, count, squares);
        double strength = period > 0 ? strength_of(a, flat, count, period) : 0;
        if (strength > strength_min)
            found = (struct season){ .period = period, .strength = strength };
    }
    if (found.period > 0) {
        for (size_t i = 0; i < count; i++)
            if (isnan(values[i]))
                flat[i] = MISSING;
        found.profile = profile_of(a, flat, count, found.period);
    }
    return found;
}

double *season_removed(struct arena *a, const struct season *s, const double *values, size_t count)
{
    double *rest = arena_new_array(a, count + 1, double);
    for (size_t i = 0; i < count; i++)
        rest[i] = values[i] - season_at(s, i);
    return rest;
}

size_t season_named(int64_t step_s, size_t ret_periods[SEASON_NAMED_MAX])
{
    static const int64_t spans_s[] = { 3'600, 86'400, 7 * 86'400 };
    size_t count = 0;
    for (size_t i = 0; step_s > 0 && i < countof(spans_s); i++)
        if (spans_s[i] % step_s == 0 && spans_s[i] / step_s > 1)
            ret_periods[count++] = (size_t)(spans_s[i] / step_s);
    return count;
}
