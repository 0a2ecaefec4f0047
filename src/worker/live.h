/*
 * live: every unfinished task of the shard, in few bytes each: found by id, by the key that makes
 * it unique, and where it waits.
 *
 *   waiting, due       in its lane: lanes of one type, queue, partition key and priority take turns
 *                      (live_lane.h)
 *   waiting, later     the due heap, by time
 *   running            the deadline heap, by the end of its attempt
 *
 * Nothing here knows of batches, SQL or clocks: callers say what time it is.
 */
#pragma once
#include "base/uuid.h"
#include "rules/task.h"

/* The numbers are stored (task_live.state). BLOCKED: it waits for other tasks, in no heap. */
enum live_state { LIVE_FREE, LIVE_WAITING, LIVE_RUNNING, LIVE_GONE, LIVE_BLOCKED };

enum live_flag {
    LIVE_CANCEL_ASKED = 1, /* running, and shall not go on */
    LIVE_KEYED = 2,        /* it has an idempotency key */
    LIVE_OVERDUE = 4,      /* told to stop because its time is over */
    LIVE_STORED = 8,       /* a row in task_live may stand for it */
    LIVE_DIRTY = 16,       /* changed since the last tick */
    LIVE_FRESH = 32,       /* never begun */
    LIVE_ENDING = 64,      /* its time-out is on its way */
    LIVE_JOB = 128,        /* a run of a job */

    /* Said of one attempt, and of no other. */
    LIVE_OF_ATTEMPT = LIVE_CANCEL_ASKED | LIVE_OVERDUE | LIVE_ENDING,
    /* Those that a stored row tells; the rest is its reader's, or follows from another column. */
    LIVE_OF_ROW = LIVE_CANCEL_ASKED | LIVE_FRESH | LIVE_JOB,
};

struct live {
    struct uuid id;
    int64_t version;    /* the number of its last change */
    int64_t at_us;      /* waiting: when it may run; running: when it began */
    uint32_t lane : 28; /* live_join sets it */
    uint32_t state : 4;
    uint32_t heap_pos : 28; /* in the heap that its state names */
    uint32_t crashes : 4;
    uint16_t attempt, max_attempts;
    uint32_t timeout_s : 24; /* live_set_timeout sets it */
    uint32_t flags : 8;
};
static_assert(sizeof(struct live) == 48, "what a waiting task costs, with ways to find it beside");

/* Of one that runs, kept apart since few do. */
struct live_run {
    int64_t fence; /* the number of its claim; 0: it does not run */
    uint32_t session;
};

enum {
    LIVE_TYPES_MAX = 10'000,
    LIVE_QUEUES_MAX = 10'000,
    LIVE_GRACE_S = 10, /* from the command to stop to the time-out */
};

struct live_set;

[[nodiscard]] struct live_set *live_create(void);
void live_destroy(struct live_set *set); /* accepts NULL */

/* NULL where there is none. */
[[nodiscard]] struct live *live_find(const struct live_set *set, struct uuid id);
/* A new one with that id, in no lane and no heap: live_join it, fill it and call live_place. The id
 * must not be there. */
[[nodiscard]] struct live *live_add(struct live_set *set, struct uuid id);
/* Out of its heap and its lane, and forgotten. */
void live_remove(struct live_set *set, struct live *task);
[[nodiscard]] size_t live_count(const struct live_set *set);

/* Who runs it; a finished one has it until it is removed. All zeros: nobody. */
[[nodiscard]] struct live_run live_run_of(const struct live_set *set, const struct live *task);
void live_set_run(struct live_set *set, const struct live *task, struct live_run run);
static inline void live_set_timeout(struct live *task, int64_t timeout_s)
{
    assert(timeout_s >= 0 && timeout_s < 1 << 24);
    task->timeout_s = (uint32_t)timeout_s & 0xffffff;
}

/* The key of an unfinished task: any 128 bits that stand for type and text. */
struct live_key {
    uint64_t high, low;
};
[[nodiscard]] struct live_key live_key_of(struct str key);
[[nodiscard]] struct live *live_by_key(const struct live_set *set, struct live_key key);
/* The task holds the key until it is gone; nobody may hold it. */
void live_hold_key(struct live_set *set, struct live_key key, struct live *task);

/* Out of the heap it is in. */
void live_lift(struct live_set *set, struct live *task);
/* Into the heap of its state; waiting: whether it is due at `now_us`. */
void live_place(struct live_set *set, struct live *task, int64_t now_us);
/* Makes it what it was (`was` is a copy of it, `run` what live_run_of told then) and places it
 * accordingly. The lane that it was in must still have this task among its own: see live_crash. */
void live_restore(struct live_set *set, struct live *task, const struct live *was,
                  struct live_run run, int64_t now_us);
/* Those that have become due at `now_us` change heaps. */
void live_ripen(struct live_set *set, int64_t now_us);

/* The first of each heap; NULL: empty. */
[[nodiscard]] struct live *live_first_due(const struct live_set *set);
[[nodiscard]] struct live *live_first_deadline(const struct live_set *set);
/* When its time is over; LIVE_OVERDUE: when it has not stopped; LIVE_ENDING: never. */
[[nodiscard]] int64_t live_deadline_us(const struct live *task);
[[nodiscard]] size_t live_ready_count(const struct live_set *set);
[[nodiscard]] size_t live_running_count(const struct live_set *set);
/* Running ones in no order; `i` < live_running_count. */
[[nodiscard]] struct live *live_running_at(const struct live_set *set, size_t i);

/* Every one, in no order: start with *at = 0; NULL at the end. */
[[nodiscard]] struct live *live_next(const struct live_set *set, size_t *at);
/* What it all occupies on the heap. */
[[nodiscard]] size_t live_bytes(const struct live_set *set);
