/* signals: a call on the loop for each arrival of a signal. */
#pragma once
#include "io/loop.h"

struct io_signal;

[[nodiscard]] struct io_signal *io_signal_create(struct io_loop *loop, int signum, io_fn *fn,
                                                 void *owner);
void io_signal_destroy(struct io_signal *signal); /* accepts NULL */
