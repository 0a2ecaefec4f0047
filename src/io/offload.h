/*
 * offload: work of over a millisecond (password hashing, compression) on libuv's thread pool, a
 * bounded number at once, behind a bounded queue.
 */
#pragma once
#include "io/loop.h"

struct io_offload;

[[nodiscard]] struct io_offload *io_offload_create(struct io_loop *loop, size_t running_max,
                                                   size_t waiting_max);
/*
 * Runs `work(owner)` on another thread, then `done(owner)` on the loop's. `owner` must stay alive
 * until `done`, which always comes.
 *
 * Errors: RATE when `waiting_max` jobs wait already; nothing was queued then.
 */
[[nodiscard]] bool io_offload_submit(struct io_offload *offload, io_fn *work, io_fn *done,
                                     void *owner, struct err *e);
[[nodiscard]] size_t io_offload_waiting(const struct io_offload *offload);
/* Nothing may run or wait any more. */
void io_offload_destroy(struct io_offload *offload); /* accepts NULL */
