/* retain_priv: what retain.c (the passes, the partitions, and what is kept beside the tasks) and
 * retain_tasks.c (the tasks) share. */
#pragma once
#include "worker/retain.h"

struct retain {
    struct shard *s;
    struct io_timer *timer;
    struct arena *a; /* of one call, and of the intent after it */
    struct db_request *call;
    struct intent intent;
    bool is_on, is_busy, is_intent_out;
    unsigned looks;
    unsigned passes;
    int64_t now_us; /* of the pass */
    int64_t *days;  /* that there are, counted from 1970, in order */
    size_t day_total, day_capacity;
    size_t day_count; /* so many of them are old enough to be looked at */
    size_t day_at;
    /* Types that keep less than the others, and from when on. */
    int64_t *short_types, *short_befores;
    size_t short_count, short_capacity;
    bool is_by_type;     /* the days are gone through for these */
    int64_t checked_seq; /* what was committed when the day was looked at */
    bool is_whole;       /* the day goes whole */
    struct drop *expired;
    struct drop_count *counts;
    size_t gone_count; /* of either */
    int64_t log_part;
};

/* ── retain.c ── */

/* The timer, while we lead. */
void retain_look_in(struct retain *t, int64_t ms);
/* Until the next pass. */
void retain_end_pass(struct retain *t);
/* The call that is out; `steps` and `args` in t->a. Where it cannot begin, the pass has ended. */
void retain_call(struct retain *t, enum db_lane lane, const struct db_step *steps, size_t count,
                 db_reply_fn *fn);
void retain_ask(struct retain *t, const struct db_statement *statement, const struct db_args *args,
                db_reply_fn *fn);
/* The first thing in a reply. False: the pass has ended. */
[[nodiscard]] bool retain_answered(struct retain *t, const struct db_reply *reply);
/* The tasks are done: what is kept beside them, and the log; then the pass ends. */
void retain_sweep(struct retain *t);

/* ── retain_tasks.c ── */

/* All tasks that are too old at t->now_us, then retain_sweep. */
void retain_tasks_begin(struct retain *t);
/* It paused between two batches: on. */
void retain_tasks_next(struct retain *t);
