/*
 * runner: runs the built-in task types. It takes leases from the worker like every executor, over
 * HTTP (docs/protocol.md), and has no database. One loop, one thread.
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"
#include "io/loop.h"

struct runner;

/*
 * Begins to ask the worker for leases. `spawner`: the address of what runs commands; "": there is
 * none, and `command` is not offered. Errors: INVALID for settings.
 */
[[nodiscard]] bool runner_create(struct io_loop *loop, const struct conf *conf, const char *spawner,
                                 struct runner **ret_runner, struct err *e);
/* NULL while it has a session with the worker. */
[[nodiscard]] const char *runner_not_ready(const struct runner *r);
void runner_put_metrics(struct runner *r, struct buf *out);
/* Takes no more leases, finishes what runs or gives it back, ends the session, calls `done`. */
void runner_drain(struct runner *r, io_fn *done, void *owner);
void runner_destroy(struct runner *r); /* accepts NULL */
