/*
 * stats: the dashboard's figures and trends, from the counters and roll-ups that the mirror keeps.
 * Each step is one db_pool_call of its own.
 * SQL: stats.sql.
 */
#pragma once
#include "db/pool.h"

[[nodiscard]] struct db_step stats_totals_step(void);
enum stats_totals_column {
    STATS_USERS,
    STATS_MESSAGES,
    STATS_JOBS_ACTIVE,
    STATS_JOBS_PAUSED,
    STATS_JOBS_FAILED,
    STATS_OLDEST_PENDING, /* seconds; nullable */
};

/* Of each type and status, in order of type. */
[[nodiscard]] struct db_step stats_task_counts_step(void);
enum stats_task_counts_column { STATS_COUNT_TYPE, STATS_COUNT_STATUS, STATS_COUNT };

/* Roll-ups of `span_s` that begin at from_us or later, and before to_us. */
struct stats_range {
    int64_t span_s, from_us, to_us;
};
/* Ranges as statements take them: an array each. */
struct stats_range_columns {
    int64_t *spans_s, *from_us, *to_us;
};
[[nodiscard]] struct stats_range_columns
stats_range_columns(struct arena *a, const struct stats_range *ranges, size_t count);

/* Of all types together, in no order. */
[[nodiscard]] struct db_step stats_rollups_step(struct arena *a, const struct stats_range *ranges,
                                                size_t count);
/* Of each type, in order of type; without waits. */
[[nodiscard]] struct db_step
stats_type_rollups_step(struct arena *a, const struct stats_range *ranges, size_t count);
enum stats_rollups_column {
    STATS_ROLLUP_RANGE, /* from 1 */
    STATS_ROLLUP_TYPE,
    STATS_ROLLUP_CREATED,
    STATS_ROLLUP_COMPLETED,
    STATS_ROLLUP_FAILED,
    STATS_ROLLUP_WAIT, /* histograms: int8[] */
    STATS_ROLLUP_RUN,
    STATS_ROLLUP_WAIT_MAX, /* seconds; nullable */
    STATS_ROLLUP_RUN_MAX,
};

/* At most so many; db_rows_affected tells how many. */
[[nodiscard]] struct db_step stats_expire_step(struct arena *a, int64_t span_s, int64_t before_us,
                                               size_t count_max);

/* Of users and messages, buckets of `bucket_s` from from_us on, each at its beginning; those
 * without rows do not come. Of tasks, the roll-ups of span_s as they are. */
struct stats_buckets {
    int64_t from_us, to_us, bucket_s;
    int64_t span_s;           /* of the roll-ups that buckets are made of */
    struct str task_type;     /* empty: all */
    bool has_waits, has_runs; /* which durations are wanted */
};
[[nodiscard]] struct db_step stats_trend_tasks_step(struct arena *a, const struct stats_buckets *b);
enum stats_trend_tasks_column {
    STATS_TREND_AT_S, /* the first column of all trends but those of times */
    STATS_TREND_CREATED,
    STATS_TREND_COMPLETED,
    STATS_TREND_FAILED,
    STATS_TREND_IS_GAP,
    STATS_TREND_IS_COUNTED, /* else the row only tells of a gap */
};
[[nodiscard]] struct db_step stats_trend_times_step(struct arena *a, const struct stats_buckets *b);
/* One row: stats.sql says how all of them stand in it. */
enum stats_trend_times_column { STATS_TREND_ATS, STATS_TREND_WAIT, STATS_TREND_RUN };
[[nodiscard]] struct db_step stats_trend_users_step(struct arena *a, const struct stats_buckets *b);
[[nodiscard]] struct db_step stats_trend_messages_step(struct arena *a,
                                                       const struct stats_buckets *b);
enum stats_trend_count_column { STATS_TREND_COUNT = 1 };
