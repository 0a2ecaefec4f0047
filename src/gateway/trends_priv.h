/* trends_priv: a series and what is said of it, for trends.c, which reads, trends_times.c,
 * trends_judge.c and trends_fields.c. */
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
extern const struct str trend_metric_names[TREND_METRIC_COUNT];

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

/* ── trends.c ── */

enum gql_next trends_resolve(struct gql_step *step);

/* ── trends_times.c ── */

/* Durations of one bucket. Nearly always one row tells of it, whose cell is enough. */
struct trend_times {
    struct str cell;         /* of the rows; ptr NULL: none */
    struct histogram *added; /* of all rows together, where they are several */
};
/* The times of stats_trend_times, one after the other, wall clock. */
[[nodiscard]] bool trend_times_next(struct str *rest, int64_t *ret_at_us);
/* The next of "{0,12,3}{1}": a histogram as the tables have it. */
[[nodiscard]] bool trend_times_cell(struct str *rest, struct str *ret_cell);
void trend_times_add(struct trend_times *times, struct arena *a, struct str cell);
/* NaN: nothing was counted. */
[[nodiscard]] double trend_times_quantile(const struct trend_times *times, double q);
