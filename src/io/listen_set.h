/*
 * listen_set: the listening sockets of one address, one for each loop that accepts: those that were
 * passed on to this process (LISTEN_FDS), else ones of its own.
 */
#pragma once
#include "io/stream.h"

enum { IO_LISTEN_SET_MAX = 64 };

struct io_listen_set {
    int fds[IO_LISTEN_SET_MAX];
    size_t count;
    char address[IO_ADDRESS_MAX]; /* as io_listen_name gives it */
    uint16_t port;                /* 0: a unix socket */
};

/*
 * `host` is a name or an address, or "unix:/path", which takes no port; port 0 takes a free one. A
 * port that anybody else has, another Windlass included, is refused.
 *
 * Owns: the caller, io_listen_set_close, but for descriptors that it has handed on (set to -1).
 * Errors: as io_listen_open and io_listen_inherited.
 */
[[nodiscard]] bool io_listen_set_open(struct io_listen_set *ret_set, struct str host, int64_t port,
                                      size_t count, struct err *e);
void io_listen_set_close(struct io_listen_set *set);

/* What a browser on this machine would open: "http://127.0.0.1:8080". */
enum { IO_URL_MAX = IO_ADDRESS_MAX + 24 };
void io_listen_set_url(const struct io_listen_set *set, char ret_url[IO_URL_MAX]);
