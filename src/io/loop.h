/*
 * loop: the event loop of one thread, by libuv. A loop and everything created on it belong to the
 * thread that runs it; only io_loop_post and io_loop_stop may be called from others.
 * Source: docs/style.md section 6.
 */
#pragma once
#include "base/base.h"
#include "base/err.h"

struct io_loop;

/* What a callback looks like: it records what came and runs its owner's driver. */
typedef void io_fn(void *owner);

/*
 * From the first loop on the process ignores SIGPIPE: a peer that has gone is an error of the write
 * to it.
 */
[[nodiscard]] struct io_loop *io_loop_create(void);
/* Every handle made on it must have been destroyed; their closing is completed here. */
void io_loop_destroy(struct io_loop *loop); /* accepts NULL */
DEFINE_SCOPED(io_loop);

/* Runs until io_loop_stop, or until nothing is left that could call back. */
void io_loop_run(struct io_loop *loop);
/* Ends io_loop_run after the callbacks of this turn. Thread: any. */
void io_loop_stop(struct io_loop *loop);

/* The monotonic time at which this turn began; cheap, for deadlines. */
[[nodiscard]] int64_t io_loop_now_us(const struct io_loop *loop);

/*
 * Calls `fn(owner)` on the loop's thread, soon and in order of posting. Posts that are still there
 * when the loop is destroyed are dropped. Thread: any, as long as the loop exists.
 */
void io_loop_post(struct io_loop *loop, io_fn *fn, void *owner);

/*
 * turn: a call at the end of a turn, after the callbacks of everything that was ready and before
 * the loop waits again. What many callbacks collect, one turn sends: this is where pipelines are
 * synced and answers are flushed.
 */
struct io_turn;

[[nodiscard]] struct io_turn *io_turn_create(struct io_loop *loop, io_fn *fn, void *owner);
/* One call at the end of this turn, however often it is armed; also from another turn's call. */
void io_turn_arm(struct io_turn *turn);
void io_turn_destroy(struct io_turn *turn); /* accepts NULL */
