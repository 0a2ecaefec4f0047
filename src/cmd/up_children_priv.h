/*
 * up_children: one supervised process: started, its output logged line by line, its readiness
 * noted, started again with growing waits when it dies, stopped with a deadline.
 *
 *   idle --start--> running --ended--> resting --timer--> running      (restarts)
 *                      |                  `--stop--> ended
 *                      `--ended, when stopped or not to be restarted--> ended
 */
#pragma once
#include "cmd/up_log_priv.h"
#include "io/child.h"
#include "io/loop.h"

struct up_child;

typedef void up_child_fn(void *owner, struct up_child *child);

struct up_child_plan {
    const char *name;          /* in the log */
    struct io_child_spec spec; /* without outputs: they come here */
    bool is_postgres;          /* logs in PostgreSQL's form */
    bool is_restarted;
};

enum up_child_state { UP_CHILD_IDLE, UP_CHILD_RUNNING, UP_CHILD_RESTING, UP_CHILD_ENDED };

/* `fn` is called after each change of state. The plan's strings must outlive the child. */
[[nodiscard]] struct up_child *up_child_create(struct io_loop *loop,
                                               const struct up_child_plan *plan, up_child_fn *fn,
                                               void *owner);
/* It must not run any more. */
void up_child_destroy(struct up_child *child); /* accepts NULL */

/* Errors: as io_child_create; then it stays idle. */
[[nodiscard]] bool up_child_start(struct up_child *child, struct err *e);
/*
 * Ends it, for good: `signum` now and `last_signum` when it still runs after `patience_ms`. May be
 * called again, to be less patient.
 */
void up_child_stop(struct up_child *child, int signum, int64_t patience_ms, int last_signum);

[[nodiscard]] enum up_child_state up_child_state(const struct up_child *child);
[[nodiscard]] const char *up_child_name(const struct up_child *child);
/* 0 when it does not run. */
[[nodiscard]] pid_t up_child_pid(const struct up_child *child);
[[nodiscard]] bool up_child_is_ready(const struct up_child *child);
/* It said so; cleared when it ends. */
void up_child_set_ready(struct up_child *child);
/* How often it has ended without having been ready since it last was. */
[[nodiscard]] unsigned up_child_failures(const struct up_child *child);
/* How it ended last; meaningful once it has. */
[[nodiscard]] struct io_exit up_child_exit(const struct up_child *child);
/* The last message that names a failure, "" when there was none; for PostgreSQL and initdb. */
[[nodiscard]] struct str up_child_complaint(const struct up_child *child);
