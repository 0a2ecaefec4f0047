/* timer: a call after a delay. Grain: one millisecond. */
#pragma once
#include "io/loop.h"

struct io_timer;

[[nodiscard]] struct io_timer *io_timer_create(struct io_loop *loop, io_fn *fn, void *owner);
/* Starts, or starts anew. */
void io_timer_start(struct io_timer *timer, int64_t delay_ms);
/* Calls every `interval_ms` until stopped. */
void io_timer_repeat(struct io_timer *timer, int64_t interval_ms);
void io_timer_stop(struct io_timer *timer); /* harmless when it does not run */
[[nodiscard]] bool io_timer_is_running(const struct io_timer *timer);
/* No call comes any more, also from within the call itself. */
void io_timer_destroy(struct io_timer *timer); /* accepts NULL */
/* A timer that alone keeps no loop running, such as a periodic sweep. */
void io_timer_unref(struct io_timer *timer);
