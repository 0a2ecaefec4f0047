/*
 * job: what a scheduler does when a job is due: which of its firings become runs, and when it is
 * due again. The numbers of the enums are stored (schema worker) and must not change. Pure.
 * Source: docs/protocol.md "Jobs", docs/cron.md "Missed firings".
 */
#pragma once
#include "base/uuid.h"
#include "rules/cron.h"

enum rule_job { JOB_ACTIVE, JOB_PAUSED, JOB_FAILED, JOB_COUNT };

/* Of firings that were due while nobody could fire them. */
enum rule_misfire { MISFIRE_SKIP, MISFIRE_RUN_ONCE, MISFIRE_RUN_ALL, MISFIRE_COUNT };

/* Of a firing whose predecessor still runs. */
enum rule_overlap { OVERLAP_ALLOW, OVERLAP_SKIP, OVERLAP_CANCEL_RUNNING, OVERLAP_COUNT };

[[nodiscard]] struct str rule_job_name(enum rule_job status);
[[nodiscard]] struct str rule_misfire_name(enum rule_misfire misfire);
[[nodiscard]] struct str rule_overlap_name(enum rule_overlap overlap);
[[nodiscard]] bool rule_misfire_of(struct str name, enum rule_misfire *ret_misfire);
[[nodiscard]] bool rule_overlap_of(struct str name, enum rule_overlap *ret_overlap);

enum {
    RULE_CATCH_UP_MAX = 100, /* missed firings that MISFIRE_RUN_ALL makes up for: the latest */
    RULE_FIRING_LATE_S = 60, /* a firing that is no later than this was not missed */
};

/* What to do for a job that is due. */
struct rule_firing {
    int64_t fire_us[RULE_CATCH_UP_MAX]; /* firings that become runs, rising */
    size_t fire_count;
    bool is_overlapped; /* a firing was left out because its predecessor still runs */
    bool has_next;
    int64_t next_us; /* later than `now_us` and than every firing up to it */
};

/*
 * `due_us` is the firing that the job waited for, at most `now_us`. `is_running`: a run of it has
 * not finished.
 */
void rule_job_fire(const struct cron *cron, const struct zone *zone, int64_t due_us, int64_t now_us,
                   enum rule_misfire misfire, enum rule_overlap overlap, bool is_running,
                   struct rule_firing *ret_firing);

/* What is added to a firing's time: 0 to `jitter_s`, the same whenever it is asked. */
[[nodiscard]] int64_t rule_job_jitter_us(struct uuid job, int64_t firing_us, uint32_t jitter_s);
