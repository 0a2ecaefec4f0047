/* trends_priv: a series and what is said of it, for trends.c, which reads, and trends_judge.c. */
#pragma once
#include "analyst/histogram.h"
#include "base/arena.h"
#include "gateway/trends.h"
#include "gql/gql.h"

enum trend_metric {
    TREND_TASKS_CREATED,
    TREND_TASKS_COMPLETED,
    TREND_TASKS_FAILED,
    TREND_FAILURE_RATE,
    TREND_WAIT_P50,
    TREND_WAIT_P99,
    TREND_RUN_P50,
    TREND_RUN_P99,
    TREND_USERS_CREATED,
    TREND_CHAT_MESSAGES,
    TREND_METRIC_COUNT
};

/* A TrendPoint or a ForecastPoint. */
struct trend_point {
    int64_t at_us;
    double value; /* NaN: null */
    double low, high;
};

/* A Trend. */
struct trend {
    enum trend_metric metric;
    struct str bucket; /* HOUR */
    int64_t bucket_s;
    struct trend_point *points;
    void **objects; /* the points' addresses */
    size_t count;
    size_t whole_count; /* of those whose bucket is over */

    double change_percent, slope; /* NaN: not known */
    void **anomalies;
    size_t anomaly_count;
    struct trend_point *forecast;
    void **forecast_objects;
    size_t forecast_count;
};

/* What a request wants to know. */
struct trend_wishes {
    bool anomalies, change, slope;
    size_t forecast; /* points; 0: none */
};

/* Fills the rest of a trend whose points are there. Thread: any; the arena is its own. */
void trend_judge(struct trend *trend, const struct trend_wishes *wishes, struct arena *a);
