/*
 * service: the frame of a service that runs on one loop: its log, its listening sockets and
 * server, probes and metrics, readiness, and the drain at a signal. The gateway, which has several
 * loops, brings its own.
 *
 *   start --> serve (ready or not, as not_ready says) --signal--> leave --> drain --> end
 */
#pragma once
#include "cmd/cmd.h"
#include "http/server.h"

enum { SERVICE_ROUTES_MAX = 40, SERVICE_TOKENS_MAX = 2 };

struct service_kind {
    const char *name; /* "worker": in the log, and of the subcommand */
    enum conf_id listen, port;
    enum conf_id tokens[SERVICE_TOKENS_MAX]; /* must be set on TCP; CONF_COUNT fills up */
    /* Begins to work on `loop`. Errors: INVALID for settings. */
    bool (*create)(struct io_loop *loop, const struct conf *conf, void **ret_service,
                   struct err *e);
    size_t (*routes)(void *service, struct http_route *ret_routes); /* NULL: probes alone */
    const char *(*not_ready)(void *service);                        /* NULL: it is ready */
    void (*put_metrics)(void *service, struct buf *out);
    /* It will be drained: what others should know before is told, while all goes on; then `done`,
     * maybe at once. NULL: nothing. */
    void (*leave)(void *service, io_fn *done, void *owner);
    /* Accepts no more work, finishes what is open, then calls `done`, maybe at once. The frame's
     * server drains at the same time. */
    void (*drain)(void *service, io_fn *done, void *owner);
    /* After the drain: false when it ended itself, for settings that do not fit what it found.
     * NULL: none does. Errors: INVALID. */
    bool (*was_good)(void *service, struct err *e);
    void (*destroy)(void *service);
};

/* Until it was asked to stop. Returns an enum cmd_exit. */
int service_run(const struct conf *conf, const struct service_kind *kind);
