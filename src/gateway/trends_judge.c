#include "gateway/trends_priv.h"

#include <math.h>

#include "analyst/forecast.h"
#include "analyst/outlier.h"
#include "analyst/robust.h"
#include "base/clock.h"

/* What is judged: the newest whole buckets. */
struct judged {
    double *values;
    size_t count, first; /* place of values[0] among the points */
    size_t named[SEASON_NAMED_MAX], named_count;
    struct season season; /* of the values; only where has_season */
    bool has_season;
};

/* Of those that are there; NaN of none. */
static double mean_of(const double *values, size_t count)
{
    double sum = 0;
    size_t known = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(values[i])) {
            sum += values[i];
            known++;
        }
    return known > 0 ? sum / (double)known : (double)NAN;
}

/* The later half against the earlier one. */
static double change_of(const struct judged *j)
{
    size_t half = j->count / 2;
    double before = mean_of(j->values, half);
    double after = mean_of(j->values + j->count - half, half);
    return before > 0 ? (after - before) / before * 100 : (double)NAN;
}

static void find_anomalies(struct trend *trend, struct judged *j, struct arena *a)
{
    struct outlier_report report = outliers_find(a, j->values, j->count, j->named, j->named_count);
    j->season = report.season;
    j->has_season = !report.is_log;
    trend->anomalies = arena_new_array(a, j->count, void *);
    for (size_t i = 0; i < report.span_count; i++)
        for (size_t n = report.spans[i].from; n <= report.spans[i].to; n++)
            if (!isnan(j->values[n]))
                trend->anomalies[trend->anomaly_count++] = &trend->points[j->first + n];
}

/* It goes on where the whole buckets end. */
static void look_ahead(struct trend *trend, const struct judged *j, size_t horizon, struct arena *a)
{
    struct forecast forecast;
    struct season season = j->season;
    if (!j->has_season)
        season = season_find(a, j->values, j->count, j->named, j->named_count);
    if (!forecast_of_season(a, j->values, j->count, &season, horizon, &forecast))
        return;
    const struct trend_point *last = &trend->points[j->first + j->count - 1];
    trend->forecast = arena_new_array(a, forecast.count, struct trend_point);
    trend->forecast_objects = arena_new_array(a, forecast.count, void *);
    trend->forecast_count = forecast.count;
    for (size_t i = 0; i < forecast.count; i++) {
        int64_t ahead_s = (int64_t)(i + 1) * trend->bucket_s;
        trend->forecast[i] = (struct trend_point){ .at_us = last->at_us + ahead_s * CLOCK_S,
                                                   .value = forecast.points[i].value,
                                                   .low = forecast.points[i].low,
                                                   .high = forecast.points[i].high };
        trend->forecast_objects[i] = &trend->forecast[i];
    }
}

void trend_judge(struct trend *trend, const struct trend_wishes *wishes, struct arena *a)
{
    struct judged j = { .count = min_of(trend->whole_count, (size_t)TREND_JUDGED_MAX) };
    trend->change_percent = trend->slope = NAN;
    if (j.count == 0)
        return;
    j.first = trend->whole_count - j.count;
    j.named_count = season_named(trend->bucket_s, j.named);
    j.values = arena_new_array(a, j.count, double);
    for (size_t i = 0; i < j.count; i++)
        j.values[i] = trend->points[j.first + i].value;
    if (wishes->change)
        trend->change_percent = change_of(&j);
    if (wishes->slope) {
        struct robust_trend line = robust_trend_of(a, j.values, j.count);
        trend->slope = line.count >= 4 ? line.slope : (double)NAN;
    }
    if (wishes->anomalies && j.count >= OUTLIER_POINTS_MIN)
        find_anomalies(trend, &j, a);
    if (wishes->forecast > 0)
        look_ahead(trend, &j, wishes->forecast, a);
}
