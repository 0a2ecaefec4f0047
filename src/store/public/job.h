/*
 * job: what is shown of jobs beside their own rows, which store/select.h reads.
 * SQL: job.sql.
 */
#pragma once
#include "db/pool.h"

/* The newest `count` tasks of each job, the newest first. */
[[nodiscard]] struct db_step job_recent_runs_step(struct arena *a, const struct uuid *ids,
                                                  size_t id_count, size_t count);
enum job_recent_runs_column {
    JOB_RUN_JOB, /* the job's place among the ids, from 1 */
    JOB_RUN_TASK_ID,
    JOB_RUN_STATUS,
    JOB_RUN_SCHEDULED_FOR,
    JOB_RUN_STARTED_AT,  /* nullable */
    JOB_RUN_RUN_SECONDS, /* nullable */
};
