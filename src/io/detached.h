/*
 * detached: a call that may hang (connecting, cancelling), on a thread of its own. Its owner may
 * walk away at any time: the thread then ends by itself, whenever that is, and calls nobody.
 */
#pragma once
#include "io/loop.h"

struct io_detached;

struct io_detached_spec {
    io_fn *work; /* work(data), on the new thread; data is the thread's alone meanwhile */
    io_fn *done; /* done(owner), on the loop's thread; may take out of data what it wants */
    /* discard(data): after `done`, or after the thread's end when the owner has walked away. On
     * either thread, even when the loop is gone. */
    io_fn *discard;
    void *data, *owner;
};

/* NULL when there is no thread or descriptor left; then `data` was discarded. */
[[nodiscard]] struct io_detached *io_detached_start(struct io_loop *loop,
                                                    const struct io_detached_spec *spec);
/* Its work has ended, and `done` comes as soon as the loop looks. */
[[nodiscard]] bool io_detached_is_over(const struct io_detached *detached);
/* Walks away: `done` does not come any more. Not after `done` has begun.  Accepts NULL. */
void io_detached_abandon(struct io_detached *detached);
