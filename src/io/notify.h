/*
 * notify: how a service tells whoever started it that it is ready: one datagram of KEY=value lines
 * to the socket that NOTIFY_SOCKET names, as systemd does it. `windlass up` listens, services send.
 * Source: sd_notify(3).
 */
#pragma once
#include "base/base.h" /* first: it chooses what the system's headers show */

#include <sys/types.h>

#include "base/str.h"
#include "io/loop.h"

/* True when somebody listens: NOTIFY_SOCKET is set. */
[[nodiscard]] bool io_notify_is_wanted(void);

/*
 * Sends lines such as "READY=1\nSTATUS=serving\n"; does nothing when nobody listens.
 *
 * Errors: INVALID for a bad NOTIFY_SOCKET, UNAVAILABLE.
 */
[[nodiscard]] bool io_notify_send(struct str lines, struct err *e);

/* The value of the first line "KEY=value"; false when there is none. */
[[nodiscard]] bool io_notify_value(struct str lines, struct str key, struct str *ret_value);

enum { IO_NOTIFY_BYTES_MAX = 4096 };

struct io_notify;
/* `sender` is vouched for by the kernel; `lines` live during the call. */
typedef void io_notify_fn(void *owner, pid_t sender, struct str lines);

/*
 * Listens at `path`, which must not exist; longer datagrams than IO_NOTIFY_BYTES_MAX are cut.
 *
 * Errors: INVALID for a path that is too long, UNAVAILABLE.
 */
[[nodiscard]] bool io_notify_create(struct io_loop *loop, const char *path, io_notify_fn *fn,
                                    void *owner, struct io_notify **ret_notify, struct err *e);
/* Removes the socket's file too. */
void io_notify_destroy(struct io_notify *notify); /* accepts NULL */
