/* poll: readiness of a descriptor that another library owns (libpq, libcurl, a pipe). */
#pragma once
#include "io/loop.h"

enum io_events { IO_READABLE = 1, IO_WRITABLE = 2 };

/* `events` is a set of io_events. A descriptor in error is told as readable and writable. */
typedef void io_poll_fn(void *owner, int events);

struct io_poll;

/* The descriptor stays its owner's, must be pollable, and must outlive the poll. */
[[nodiscard]] bool io_poll_create(struct io_loop *loop, int fd, io_poll_fn *fn, void *owner,
                                  struct io_poll **ret_poll, struct err *e);
/* What to wait for from now on; 0 is nothing. Cheap when nothing changes. */
void io_poll_set(struct io_poll *poll, int events);
/* Before its descriptor is closed. */
void io_poll_destroy(struct io_poll *poll); /* accepts NULL */
