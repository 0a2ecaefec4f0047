/*
 * jobs: the scheduler. Every job of the shard is in memory; each change of one goes through the
 * batch, like those of tasks: its row (compare and set), its number in the log, its event. When a
 * job is due, an intent fires it: one transaction holds its next time, the row that forbids a
 * second firing of the same instant, and the run's task.
 * Source: docs/protocol.md "Jobs", docs/cron.md.   Thread: the loop's.
 */
#pragma once
#include "worker/shard_priv.h"

enum {
    JOBS_MAX = 10'000,         /* that are not deleted */
    JOBS_LOOK_MS_MAX = 60'000, /* the wall clock may be set: looked at as often as this */
    JOBS_RETRY_MS = 1'000,     /* after a firing that could not be */
    JOBS_SWEEP_MS = 3'600'000, /* how often what is too old is removed */
};

struct jobs;

/* Sets the shard's job_hooks too. */
[[nodiscard]] struct jobs *jobs_create(struct shard *s);
void jobs_destroy(struct jobs *jobs); /* accepts NULL */

/* Of rows of job_changes_between: the member `change` of the event of that number, or empty, where
 * events are asked for in their order: `at`, from 0 on, is how far the rows have been told; and all
 * of them as the member `job_changes` of the object that is open, and whether there are more as
 * `job_changes_cut`. */
[[nodiscard]] struct str job_change_told(struct arena *a, const struct db_rows *rows, size_t *at,
                                         int64_t version);
void job_changes_put(struct json_writer *w, const struct db_rows *rows);
