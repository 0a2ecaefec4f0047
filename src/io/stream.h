/*
 * stream: byte streams over TCP and unix sockets, as a server sees them.
 */
#pragma once
#include "base/str.h"
#include "io/loop.h"

/*
 * Opens a listening socket. `address` is "HOST:PORT", "[IPV6]:PORT", "unix:/path"; port 0 takes a
 * free one. With `share_port` several sockets that all say so listen on the port (SO_REUSEPORT),
 * one a loop; open and close one without it before them, to notice a port that somebody else has. A
 * unix socket's path may be at most 107 bytes; a stale socket file that nobody listens on is
 * replaced.
 *
 * Owns: the caller closes the descriptor.   Errors: INVALID for the address, CONFLICT when taken,
 * DENIED, UNAVAILABLE.
 */
[[nodiscard]] bool io_listen_open(struct str address, bool share_port, int *ret_fd, struct err *e);
/*
 * The listening sockets that whoever started this process passed on: descriptors from 3 as
 * LISTEN_FDS counts them, when LISTEN_PID is this process. Takes both variables out of the
 * environment, so that no child takes the sockets for its own.
 *
 * Owns: the caller closes them.   Errors: INVALID when there are more than `max` or one does not
 * listen.   Source: sd_listen_fds(3).
 */
[[nodiscard]] bool io_listen_inherited(int *ret_fds, size_t max, size_t *ret_count, struct err *e);
/* The address a socket is bound to, in io_listen_open's form. */
enum { IO_ADDRESS_MAX = 128 };
void io_listen_name(int fd, char ret_name[IO_ADDRESS_MAX]);

struct io_stream;

struct io_stream_events {
    /* Bytes came; they are valid during the call. */
    void (*on_data)(void *owner, struct str bytes);
    /*
     * The other side sends no more, or the connection broke. Writing goes on after an end that is
     * no break, and if it breaks then, that is told too. Nothing comes after a break; destroy.
     */
    void (*on_end)(void *owner, bool is_broken);
    /* Everything written so far has been handed to the kernel. May be NULL. */
    void (*on_drained)(void *owner);
};

struct io_listener;
/* `stream` is the callee's: io_stream_start it, or destroy it. */
typedef void io_accept_fn(void *owner, struct io_stream *stream);

/* Owns: the descriptor from now on, also on failure. */
[[nodiscard]] bool io_listener_create(struct io_loop *loop, int fd, io_accept_fn *fn, void *owner,
                                      struct io_listener **ret_listener, struct err *e);
/* Closes the socket: nothing more is accepted. */
void io_listener_destroy(struct io_listener *listener); /* accepts NULL */

/* Begins reading. */
void io_stream_start(struct io_stream *stream, const struct io_stream_events *events, void *owner);
/* Back pressure: no on_data until resumed. */
void io_stream_pause(struct io_stream *stream);
void io_stream_resume(struct io_stream *stream);

/*
 * Writes what the kernel takes now and keeps a copy of the rest, to be sent as it can. Errors come
 * as on_end(is_broken).
 */
void io_stream_write(struct io_stream *stream, const struct str *parts, size_t count);
/* Bytes kept because the other side reads too slowly; bound it. */
[[nodiscard]] size_t io_stream_unsent(const struct io_stream *stream);
/* Sends what is unsent, then the end of our side; reading goes on. */
void io_stream_finish(struct io_stream *stream);

/* "203.0.113.7", "::1", or "unix"; lives as long as the stream. */
[[nodiscard]] const char *io_stream_peer(const struct io_stream *stream);
/* Closes at once; no call comes any more. */
void io_stream_destroy(struct io_stream *stream); /* accepts NULL */
