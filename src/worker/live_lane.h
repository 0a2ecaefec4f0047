/*
 * live_lane: which of the tasks that are due begins next, and which may not.
 *
 * A LANE is what tasks of one type, queue, priority and partition key wait in; those that crashed
 * have lanes of their own, since they run alone. Within a lane the one that is due longest goes
 * first, then the lower id. Lanes take turns: those of a queue within it, the queues of a type
 * within that, at each level of priority.
 *
 *   type ── level ──▶ ring of its queues ──▶ ring of their lanes ──▶ heap of tasks
 *
 * A session takes any of its types, so:
 *   1. At each level of each type stands one candidate: the first of the lane whose turn it is.
 *   2. A task that has waited for `ageing` counts as one level higher, for twice that as two, HIGH
 * at most. A level counts as much as the best of its candidates.
 *   3. Of the levels that count most, the type (at its level) that was served longest ago is next.
 * So nothing starves, and a type, a queue or a key with a million tasks delays others by one turn.
 *
 * What may not run leaves the rings when it is met, and comes back when that ends: a lane whose key
 * runs as many as it may or has no token, a queue that is paused. A type that is paused, full or
 * without a token is passed over at once. So a pick costs nothing for those that cannot run.
 *
 * Source: docs/decisions/0022-lanes.md.
 */
#pragma once
#include "worker/live.h"

/* 0: no limit. */
struct live_limits {
    bool is_paused;
    uint32_t max_running, max_running_per_key;
    double rate_per_s; /* of starts; a bucket of `burst` tokens, empty at first */
    uint32_t burst;
    double rate_per_key_per_s; /* the same of each key; empty again when either is changed */
    uint32_t burst_per_key;
};

struct live_lane {
    uint32_t type, queue;
    enum rule_priority priority;
    uint64_t key; /* 0: none */
};

/* A new task's lane, made where there is none. */
void live_join(struct live_set *set, struct live *task, const struct live_lane *lane);
[[nodiscard]] struct live_lane live_lane_of(const struct live_set *set, const struct live *task);
[[nodiscard]] uint32_t live_type_of(const struct live_set *set, const struct live *task);
/*
 * It has crashed once more; in no heap. The lane that it leaves keeps it among its own, so that
 * live_restore can undo this, until live_leave is called with the lane returned.
 */
[[nodiscard]] uint32_t live_crash(struct live_set *set, struct live *task);
void live_leave(struct live_set *set, uint32_t lane);

/* A bucket that is new is empty at `mono_us`. */
void live_set_limits(struct live_set *set, uint32_t type, const struct live_limits *limits,
                     int64_t mono_us);
void live_pause_queue(struct live_set *set, uint32_t queue, bool is_paused);

/* What one choice is made of: begin, consider each type, and end. */
struct live_pick {
    struct live_set *set;
    int64_t now_us;    /* wall */
    int64_t mono_us;   /* monotonic, for rates */
    int64_t ageing_us; /* 0: no ageing */
    bool of_crashed;
    struct live *best[PRIORITY_COUNT];
    uint64_t turn[PRIORITY_COUNT];
    uint8_t counts_as[PRIORITY_COUNT];
    int64_t token_us; /* monotonic: when to look again for a token; 0: nobody needs one */
};

void live_pick_consider(struct live_pick *pick, uint32_t type);
[[nodiscard]] struct live *live_pick_end(const struct live_pick *pick); /* NULL: none */
/* Whether `a` goes before `b` where turns do not matter: by what they count as, age and id. */
[[nodiscard]] bool live_is_before(const struct live_pick *pick, const struct live *a,
                                  const struct live *b);
/* It begins: before it is lifted. Its turn, and those of its lane, queue and type, are over. */
void live_take_turn(struct live_set *set, const struct live *task, int64_t mono_us);
/* The batch in which it began is undone: its tokens are there again. `key` 0: it had none. */
void live_untake_token(struct live_set *set, uint32_t type, uint64_t key);
/* What time gives to keys: callers of live_ripen call it as well, so that memory of keys that have
 * not run for a while goes. */
void live_refill(struct live_set *set, int64_t mono_us);
/* Keys that have begun something of late. */
[[nodiscard]] size_t live_bucket_count(const struct live_set *set);

/* ── why ── */

struct live_standing {
    uint32_t type_running, key_running;
    size_t queue_waiting, queue_running; /* of all types; waiting: due or not */
    size_t type_ready;
    int64_t token_us;     /* monotonic: when the type has a token again; 0: it has one */
    int64_t key_token_us; /* the same of its key */
    size_t ahead;         /* in its lane, where it is due */
    bool is_estimate;     /* `ahead` is of a part, since the lane is long */
    size_t lanes;         /* that take turns with its own, it included */
    bool has_more_urgent; /* of its type */
};

[[nodiscard]] struct live_standing live_standing_of(struct live_set *set, const struct live *task,
                                                    int64_t mono_us);
struct live_queue_sums {
    size_t waiting, running;
    int64_t oldest_us; /* since when the first that is due waits; 0: none. Of a sweep in parts: as
                          each lane was when it was looked at */
};
/* Of queues 0 to `count`. Cost: a look at each lane. */
void live_queue_sums(const struct live_set *set, struct live_queue_sums *ret_sums, size_t count);
/* The same a part at a time, for there may be a lane a task: begins with `at` 0 and zeroed sums. */
struct live_queue_sweep {
    struct live_queue_sums *sums;
    size_t count;
    uint32_t at; /* the lane that comes next */
};
/* Looks at so many more. True: at all of them; the numbers are of now, but oldest_us. */
[[nodiscard]] bool live_queue_sweep(const struct live_set *set, struct live_queue_sweep *sweep,
                                    uint32_t looks);
/* Lanes with tasks, and keys. */
[[nodiscard]] size_t live_lane_count(const struct live_set *set);
