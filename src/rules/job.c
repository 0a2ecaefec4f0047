#include "rules/job.h"

#include "base/clock.h"
#include "rules/hash_priv.h"

/* ── names ── */

static const struct str job_names[] = { { "active", 6 }, { "paused", 6 }, { "failed", 6 } };
static const struct str misfire_names[] = { { "skip", 4 }, { "run-once", 8 }, { "run-all", 7 } };
static const struct str overlap_names[] = { { "allow", 5 },
                                            { "skip", 4 },
                                            { "cancel-running", 14 } };
static_assert(countof(job_names) == JOB_COUNT && countof(misfire_names) == MISFIRE_COUNT &&
                  countof(overlap_names) == OVERLAP_COUNT,
              "each has a name");

struct str rule_job_name(enum rule_job status)
{
    assert(status < JOB_COUNT);
    return job_names[status];
}

struct str rule_misfire_name(enum rule_misfire misfire)
{
    assert(misfire < MISFIRE_COUNT);
    return misfire_names[misfire];
}

struct str rule_overlap_name(enum rule_overlap overlap)
{
    assert(overlap < OVERLAP_COUNT);
    return overlap_names[overlap];
}

static bool find_name(const struct str *names, size_t count, struct str name, size_t *ret_at)
{
    for (*ret_at = 0; *ret_at < count; (*ret_at)++)
        if (str_eq(names[*ret_at], name))
            return true;
    return false;
}

bool rule_misfire_of(struct str name, enum rule_misfire *ret_misfire)
{
    size_t at;
    if (!find_name(misfire_names, MISFIRE_COUNT, name, &at))
        return false;
    *ret_misfire = (enum rule_misfire)at;
    return true;
}

bool rule_overlap_of(struct str name, enum rule_overlap *ret_overlap)
{
    size_t at;
    if (!find_name(overlap_names, OVERLAP_COUNT, name, &at))
        return false;
    *ret_overlap = (enum rule_overlap)at;
    return true;
}

/* ── firing ── */

/* The latest firings, at most `wanted`, of those in [from_us, now_us]. */
struct due {
    int64_t at_us[RULE_CATCH_UP_MAX]; /* a ring */
    size_t count, wanted;
};

static void collect(struct due *due, const struct cron *cron, const struct zone *zone,
                    int64_t from_us, int64_t now_us)
{
    int64_t at_us = from_us - 1;
    for (due->count = 0; cron_next(cron, zone, at_us, &at_us) && at_us <= now_us; due->count++)
        due->at_us[due->count % due->wanted] = at_us;
}

/* Schedules are searched forwards only, and a month of seconds may have been missed: looks back a
 * second, two, four, … until there are enough. */
static void find_due(struct due *due, const struct cron *cron, const struct zone *zone,
                     int64_t due_us, int64_t now_us)
{
    int64_t back_us = CLOCK_S;
    do {
        collect(due, cron, zone, max_of(due_us, now_us - back_us), now_us);
        back_us *= 2;
    } while (due->count < due->wanted && now_us - back_us / 2 > due_us);
}

void rule_job_fire(const struct cron *cron, const struct zone *zone, int64_t due_us, int64_t now_us,
                   enum rule_misfire misfire, enum rule_overlap overlap, bool is_running,
                   struct rule_firing *ret_firing)
{
    bool has_all = misfire == MISFIRE_RUN_ALL && overlap == OVERLAP_ALLOW;
    struct due due = { .wanted = has_all ? RULE_CATCH_UP_MAX : 1 };
    assert(due_us <= now_us);
    *ret_firing = (struct rule_firing){ .fire_count = 0 };
    find_due(&due, cron, zone, due_us, now_us);
    ret_firing->has_next = cron_next(cron, zone, now_us, &ret_firing->next_us);
    if (due.count == 0)
        return;
    size_t count = min_of(due.count, due.wanted);
    for (size_t i = 0; i < count; i++) /* the oldest first */
        ret_firing->fire_us[i] = due.at_us[(due.count - count + i) % due.wanted];
    bool is_late = ret_firing->fire_us[count - 1] < now_us - RULE_FIRING_LATE_S * CLOCK_S;
    if (misfire == MISFIRE_SKIP && is_late)
        return;
    ret_firing->is_overlapped = overlap == OVERLAP_SKIP && is_running;
    ret_firing->fire_count = ret_firing->is_overlapped ? 0 : count;
}

int64_t rule_job_jitter_us(struct uuid job, int64_t firing_us, uint32_t jitter_s)
{
    uint64_t span_us = (uint64_t)jitter_s * CLOCK_S;
    struct str bytes = uuid_bytes(&job);
    return span_us == 0 ? 0 : (int64_t)(rule_hash(bytes, (uint64_t)firing_us) % (span_us + 1));
}
