/*
 * facts: what the mirror's tables tell of tasks and jobs, for the analyst and for the assistant.
 * SQL: facts.sql.
 */
#pragma once
#include "db/pool.h"

/* One row: tasks by status, jobs by status. */
enum facts_overview_column {
    FACTS_PENDING,
    FACTS_IN_PROGRESS,
    FACTS_COMPLETED,
    FACTS_FAILED,
    FACTS_JOBS_ACTIVE,
    FACTS_JOBS_PAUSED,
    FACTS_JOBS_FAILED,
};
[[nodiscard]] struct db_step facts_overview_step(void);

/* The busiest task types since then, the most active first. */
[[nodiscard]] struct db_step facts_types_step(struct arena *a, int64_t since_us, size_t limit);

/* Rows of those types: type, and the four statuses. */
enum facts_totals_column {
    FACTS_TOTALS_TYPE,
    FACTS_TOTALS_PENDING,
    FACTS_TOTALS_IN_PROGRESS,
    FACTS_TOTALS_COMPLETED,
    FACTS_TOTALS_FAILED,
};
[[nodiscard]] struct db_step facts_totals_step(struct arena *a, const struct str *types,
                                               size_t type_count);

/* Hours from `since_us`, a whole hour, by type. */
enum facts_rollups_column {
    FACTS_ROLLUPS_TYPE,
    FACTS_ROLLUPS_BUCKET, /* the hour's number from there */
    FACTS_ROLLUPS_CREATED,
    FACTS_ROLLUPS_COMPLETED,
    FACTS_ROLLUPS_FAILED,
    FACTS_ROLLUPS_WAIT, /* histograms, see analyst/histogram.h */
    FACTS_ROLLUPS_RUN,
};
[[nodiscard]] struct db_step facts_rollups_step(struct arena *a, const struct str *types,
                                                size_t type_count, int64_t since_us);

/* Those that fail first; times are Unix microseconds or null. */
enum facts_jobs_column {
    FACTS_JOBS_ID,
    FACTS_JOBS_NAME,
    FACTS_JOBS_STATUS,
    FACTS_JOBS_SCHEDULE,
    FACTS_JOBS_TIME_ZONE,
    FACTS_JOBS_LAST_RUN,
    FACTS_JOBS_NEXT_RUN,
    FACTS_JOBS_CONSECUTIVE_FAILURES,
};
[[nodiscard]] struct db_step facts_jobs_step(struct arena *a, size_t limit);

/* Failures of a day, by type and error template, the most frequent first. */
enum facts_errors_column {
    FACTS_ERRORS_TYPE,
    FACTS_ERRORS_TEMPLATE,
    FACTS_ERRORS_COUNT,
    FACTS_ERRORS_FIRST_AT,
    FACTS_ERRORS_LAST_AT,
};
enum { FACTS_FAILED_LOOK_MAX = 5'000 }; /* the newest failed tasks, looked through for that */
[[nodiscard]] struct db_step facts_errors_step(struct arena *a, size_t limit);

/* One row of one float8: seconds, or null. */
enum { FACTS_PENDING_LOOK_MAX = 1'000 }; /* the oldest pending tasks, looked through for that */
[[nodiscard]] struct db_step facts_oldest_step(struct arena *a);
