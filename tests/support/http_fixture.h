/*
 * http_fixture: an HTTP server on a thread of its own, and a plain blocking client to talk to it
 * byte by byte. Every wait of the client ends in a failed test after GUARD_S.
 */
#pragma once
#include "http/server.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/timer.h"

struct http_fixture {
    struct io_loop *loop;
    struct http_server *server;
    struct io_timer *keeper; /* keeps the loop running when the server has nothing left */
    char address[IO_ADDRESS_MAX];
    thrd_t thread;
};

/* Listens on `listen_address`, or on a free port of 127.0.0.1 when that is NULL. */
void fixture_start(struct http_fixture *f, const struct http_server_options *options,
                   const char *listen_address);
/* Destroys the server unless a test has, ends the thread. */
void fixture_stop(struct http_fixture *f);
/* Runs `fn(owner)` on the loop's thread and returns when it has. */
void fixture_call(struct http_fixture *f, io_fn *fn, void *owner);
[[nodiscard]] struct http_stats fixture_stats(struct http_fixture *f);
/* Looks at the statistics until `is_so`, or fails. */
typedef bool fixture_stats_fn(const struct http_stats *stats);
void fixture_await(struct http_fixture *f, fixture_stats_fn *is_so);

/* ---- The client ---- */

[[nodiscard]] int client_connect(const struct http_fixture *f);
/* Ignores a broken connection: a server may have refused already. */
void client_send(int fd, struct str bytes);
static inline void client_send_c(int fd, const char *text)
{
    client_send(fd, str_of_c(text));
}

struct client_answer {
    int status;
    struct str head, body; /* in `bytes` */
    char bytes[64 * 1024];
};
/* Reads one answer with a Content-Length, and not a byte more. `has_body` false: to a HEAD. */
void client_read(int fd, bool has_body, struct client_answer *ret_answer);
/* The value of a field; empty when absent. */
[[nodiscard]] struct str client_field(const struct client_answer *answer, const char *name);
/* Reads to the end of the connection; `ret_text` is reset first. */
void client_read_all(int fd, struct buf *ret_text);
/* The status of the last answer in `text`; 0 when there is none. */
[[nodiscard]] int client_last_status(struct str text);
/* True when the server has ended its side and nothing came before it. */
[[nodiscard]] bool client_is_closed(int fd);
