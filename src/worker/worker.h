/*
 * worker: the Worker Service, the source of truth for tasks and jobs: the dispatcher of one shard,
 * the scheduler of its jobs, and their HTTP doors (docs/protocol.md). One loop, one thread.
 * Source: docs/decisions/0012-one-writer-queue.md.
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"
#include "http/server.h"
#include "io/loop.h"

enum { WORKER_ROUTES_MAX = 32 };

struct worker;

/* Errors: INVALID for settings. What the database needs is waited for: see worker_not_ready. */
[[nodiscard]] bool worker_create(struct io_loop *loop, const struct conf *conf,
                                 struct worker **ret_worker, struct err *e);
[[nodiscard]] size_t worker_routes(struct worker *w, struct http_route *ret_routes);
/* NULL while it leads, or stands by for one that does. */
[[nodiscard]] const char *worker_not_ready(const struct worker *w);
void worker_put_metrics(struct worker *w, struct buf *out);
/* It will be drained: a standby is told, and all goes on; then `done`, maybe at once. */
void worker_leave(struct worker *w, io_fn *done, void *owner);
/* Takes nothing new, commits what is in hand, gives the lease back, then calls `done`. */
void worker_drain(struct worker *w, io_fn *done, void *owner);
/* When it is drained: false when it ended itself, since its settings do not fit the database.
 * Errors: INVALID. */
[[nodiscard]] bool worker_was_good(const struct worker *w, struct err *e);
void worker_destroy(struct worker *w); /* accepts NULL */
