/*
 * change: what can happen to a task, each in one call: memory, the journal, the log, the rows, the
 * counters and the feed's event. For an intent's `apply`.
 */
#pragma once
#include "worker/logs.h"
#include "worker/shard_priv.h"
#include "worker/task_view.h"

/*
 * A new task. `view` holds all of it but version, state and updated_at_us, which are set here; its
 * texts must live until the batch has ended. The id must be unknown and the type the shard's.
 */
struct live *change_add(struct batch *b, struct task_view *view, uint32_t type);
/* The same; it waits for other tasks until deps_ended says otherwise. */
struct live *change_add_blocked(struct batch *b, struct task_view *view, uint32_t type);
/* What the batch adds as this task, unless it has changed since; NULL: it was there before. */
[[nodiscard]] const struct task_view *change_added(const struct batch *b, const struct live *task);
/* A waiting task begins, in a session; the fence is the change's number. */
void change_start(struct batch *b, struct live *task, uint32_t session);

struct change_end {
    enum rule_outcome outcome;
    struct str worker;                /* of the session */
    const struct str *result, *error; /* NULL: none; JSON, text */
    const char *why_code, *why_text;  /* NULL: none */
    const struct uuid *blocked_by;    /* of `why`: the task that failed it; NULL: none */
    const struct log_lines *logs;     /* the attempt's last words; NULL: none */
    struct str by;                    /* the person who ended it; empty: nobody */
};
/* The task's `why` of that end, JSON; empty: none. */
[[nodiscard]] struct str change_why(struct arena *a, const struct change_end *end);
/* It has finished: SUCCEEDED, CANCELLED or DEAD. One that did not run has not succeeded. */
void change_finish(struct batch *b, struct live *task, enum rule_state state,
                   const struct change_end *end);
/* A running one waits again, until `run_at_us`: OP_RETRY, OP_LOST or OP_RELEASE. Of `end` the last
 * looks at the logs alone. */
void change_wait(struct batch *b, struct live *task, enum op op, int64_t run_at_us,
                 const struct change_end *end);
/* A scheduled or retrying one is ready now, with at least one more attempt. `by`, here and below,
 * is the person who does it; empty: nobody. */
void change_hurry(struct batch *b, struct live *task, struct str by);
/* A blocked one waits for nothing any more but its time. */
void change_unblock(struct batch *b, struct live *task);
/* A finished one, as the tables have it, is ready again, with at least one more attempt; or
 * blocked, and deps_add_in has told by what. */
void change_reopen(struct batch *b, const struct task_view *view, uint32_t type, bool is_blocked,
                   struct str by);
/* A running one shall be cancelled: its session gets the command. */
void change_ask_cancel(struct batch *b, struct live *task, struct str by);
/* Progress of a running one, 0 to 1. */
void change_note(struct batch *b, struct live *task, double progress);

/* A number of the log that concerns nobody. */
void change_none(struct batch *b);
