/*
 * attempt: one attempt of a task while it runs here, and what a task type is.
 *
 *   lease --> read the payload --> start --> complete, fail, fail for good --> acknowledged
 *                  `-- wrong --> fail for good      `-- cancelled, timed out, lost --> stop
 */
#pragma once
#include "base/list.h"
#include "io/timer.h"
#include "payload/payload.h"
#include "runner/acks.h"

struct runner;
struct task_log;
struct task_type;

struct attempt {
    struct list node; /* in runner->running */
    struct runner *runner;
    struct arena *arena; /* the task's own; it lives in it */
    const struct task_type *type;
    size_t type_index;
    struct str id, fence;
    int64_t attempt; /* from 1 on */
    int64_t started_us;
    struct io_timer *deadline; /* NULL: none */
    bool is_started;
    struct task_log *log; /* NULL: it has written nothing */
    const void *input;    /* what the type's schema made of the payload: payload/inputs.h */
    void *state;          /* the type's own */
};

struct task_type {
    /* It names the type; a payload that is wrong by it is never tried again. */
    const struct payload_schema *schema;
    /* Whether this runner takes such tasks: it may lack what they need. NULL: it does. */
    bool (*is_offered)(const struct runner *r);
    /* Whether it takes none of them for now, though it offers them. NULL: it always does. */
    bool (*is_quiet)(const struct runner *r);
    /* Begins; ends by exactly one attempt_… of below, maybe before it returns. */
    void (*start)(struct attempt *t);
    /* Lets go of all that `start` has got; once for each start, whatever the outcome. Or NULL. */
    void (*stop)(struct attempt *t);
};

/* In the order of docs/task-types.md. */
enum { TASK_TYPE_COUNT = 7 };
extern const struct task_type *const task_types[TASK_TYPE_COUNT];

/* A line of its output for whoever follows the task: `text` without its line end, valid UTF-8. */
void attempt_log(struct attempt *t, struct str stream, struct str text);

/* ── how a type ends its attempt; `t` is gone afterwards ── */

/* `result` is one JSON value; empty: null. */
void attempt_complete(struct attempt *t, struct str result);
/* To be tried again, after `retry_in_ms` or, where that is 0, the worker's back-off. */
void attempt_fail(struct attempt *t, struct str error, int64_t retry_in_ms);
/* It could not be run here, for no fault of its own: back to the worker, at no cost. */
void attempt_release(struct attempt *t);
/* The same, but not to be given out before so long. */
void attempt_snooze(struct attempt *t, int64_t for_ms);
/* Trying again would not help. */
void attempt_fail_for_good(struct attempt *t, struct str error);
