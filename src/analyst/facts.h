/*
 * facts: what insights are made of: an installation's counters and roll-ups, as the gateway sends
 * them. Read strictly: an error names the place, "facts.series[3].created[2]: is negative".
 * Source: docs/protocol.md, ai.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "json/json.h"

enum {
    FACTS_BUCKETS_MAX = 2'000, /* twelve weeks of hours */
    FACTS_TYPES_MAX = 1'000,   /* in series, and in totals */
    FACTS_CELLS_MAX = 200'000, /* buckets of all types together */
    FACTS_JOBS_MAX = 10'000,
    FACTS_ERRORS_MAX = 1'000,
};

/* One bucket an entry in each array, facts.bucket_count of them; what was left out is 0 for counts
 * and NaN for durations. */
struct facts_series {
    struct str type;
    const double *created, *completed, *failed;
    const double *wait_p50_s, *wait_p99_s, *run_p50_s, *run_p99_s;
};

struct facts_total {
    struct str type;
    double pending, in_progress, completed, failed;
};

struct facts_job {
    struct str id, name, status, schedule, time_zone; /* status: active, paused, failed */
    int64_t last_run_us, next_run_us;                 /* 0: never */
    int64_t consecutive_failures;
};

struct facts_error {
    struct str type, template_text;
    double count;
    int64_t first_at_us, last_at_us;
};

struct facts {
    int64_t bucket_s, from_us, now_us;
    double oldest_pending_s; /* NaN: nothing is pending */
    size_t bucket_count;     /* the last one is not complete */
    double last_part;        /* how much of the last one has passed, 0 to 1 */
    const struct facts_series *series;
    size_t series_count;
    const struct facts_total *totals;
    size_t total_count;
    const struct facts_job *jobs;
    size_t job_count;
    const struct facts_error *errors;
    size_t error_count;
};

/* Errors: INVALID and LIMIT, naming the place. What is read points into `v` and the arena. */
[[nodiscard]] bool facts_read(struct arena *a, const struct json_value *v, struct facts *ret_facts,
                              struct err *e);

/* NULL where the type has no totals. */
[[nodiscard]] const struct facts_total *facts_total_of(const struct facts *f, struct str type);
