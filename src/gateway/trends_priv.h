/* trends_priv: a series and what is said of it, for trends.c, which reads, trends_times.c and
 * trends_judge.c. */
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

/* ── trends_times.c ── */

/* Durations of one bucket. Nearly always one row tells of it, whose cell is enough. */
struct trend_times {
    struct str cell;         /* of the rows; ptr NULL: none */
    struct histogram *added; /* of all rows together, where they are several */
};
/* The next of "17{0,12,3}18{1}": the bucket, and its histogram as the tables have it. False: there
 * is none; one of a bucket that there is not is passed over. */
[[nodiscard]] bool trend_times_next(struct str *rest, size_t bucket_count, size_t *ret_bucket,
                                    struct str *ret_cell);
void trend_times_add(struct trend_times *times, struct arena *a, struct str cell);
/* NaN: nothing was counted. */
[[nodiscard]] double trend_times_quantile(const struct trend_times *times, double q);
