/*
 * client: outgoing requests to one peer, by libcurl on the loop: connections are kept and reused,
 * what cannot run yet waits in a bounded queue, and every call has a deadline. Redirects are not
 * followed unless a call says so, and no proxy is taken from the environment.
 *
 * Thread: everything here, the loop's own.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "http/breaker.h"
#include "io/loop.h"

struct http_guard;

struct http_client_options {
    const char *unix_path;     /* connect to this socket, whatever the URLs name; NULL: TCP */
    size_t running_max;        /* calls at once, one connection each */
    size_t waiting_max;        /* calls that wait for one of those; beyond: RATE */
    size_t response_bytes_max; /* of a body: LIMIT */
    size_t response_header_bytes_max;
    int64_t connect_timeout_ms;
    struct http_breaker_options breaker;
    enum err_origin origin; /* whom errors name as unavailable */
    const char *user_agent;
    /* Judges every address before it is connected to; NULL: any. It must outlive the client. */
    const struct http_guard *guard;
};

#define HTTP_CLIENT_DEFAULT                                                                        \
    ((struct http_client_options){                                                                 \
        .running_max = 64,                                                                         \
        .waiting_max = 1'024,                                                                      \
        .response_bytes_max = 8 * 1024 * 1024,                                                     \
        .response_header_bytes_max = 32 * 1024,                                                    \
        .connect_timeout_ms = 2'000,                                                               \
        .breaker = { .failures_max = 5,                                                            \
                     .probes_needed = 1,                                                           \
                     .open_us = 250'000,                                                           \
                     .open_us_max = 10'000'000,                                                    \
                     .probe_deadline_us = 10'000'000 },                                            \
        .user_agent = "windlass",                                                                  \
    })

struct http_client;
struct http_call;

struct http_reply {
    int status;
    struct str headers; /* as they came: lines ended by CRLF; see http_reply_header */
    struct str body;    /* empty when `on_body` took it */
    bool is_cut;        /* the body was longer than http_call_options.body_bytes_kept */
    /* It is of a later one of several sendings (http_call_options.is_sent_once, or a redirect):
     * what came of an earlier one it does not tell. */
    bool is_of_repeat;
};

/* The outcome: `reply` is NULL when there is none, then `e` says why. Both live during the call. */
typedef void http_reply_fn(void *owner, const struct http_reply *reply, const struct err *e);
/* A piece of a body, as it comes (Server-Sent Events). False ends the call with CANCELLED. */
typedef bool http_body_fn(void *owner, struct str bytes);

struct http_call_options {
    const char *method; /* NULL: GET, or POST with a body */
    const char *url;
    const char *const *headers; /* "Name: value" */
    size_t header_count;
    struct str body;
    int64_t deadline_ms; /* for all of it, waiting included; at least 1 */
    /*
     * libcurl sends a call again when the kept connection that it took breaks before a byte of an
     * answer, so the peer may see it twice. Set this where a repeat does harm: the call then has a
     * connection of its own, and an early break is UNAVAILABLE.
     */
    bool is_sent_once;
    http_body_fn *on_body; /* NULL: the body is collected */
    /* Where not 0, no longer body is an error: so much of it is the reply's, the rest is not read.
     */
    size_t body_bytes_kept;
    unsigned redirects_max; /* followed, to http and https; GET and HEAD only. Beyond: INVALID */
    http_reply_fn *fn;      /* comes exactly once, never from within http_client_call */
    void *owner;
};

[[nodiscard]] struct http_client *http_client_create(struct io_loop *loop,
                                                     const struct http_client_options *options);
/* Calls that still run or wait end without a callback. */
void http_client_destroy(struct http_client *client); /* accepts NULL */
DEFINE_SCOPED(http_client);

/*
 * Starts a call; everything in `options` is copied. `ret_call` may be NULL.
 *
 * Errors: RATE when the queue is full, UNAVAILABLE while the breaker is open, INVALID for the URL;
 * then `fn` never comes. By `fn`: TIMEOUT, UNAVAILABLE, LIMIT, CANCELLED; DENIED where
 * the guard refused every address; INVALID after too many redirects or one to no http URL.
 */
[[nodiscard]] bool http_client_call(struct http_client *client,
                                    const struct http_call_options *options,
                                    struct http_call **ret_call, struct err *e);
/* From within its callback, where there is no reply: false where the peer cannot have seen any of
 * the request. */
[[nodiscard]] bool http_call_was_sent(const struct http_call *call);
/* Ends it without its callback. Only before the callback has come. */
void http_call_cancel(struct http_call *call);

/* The last field of that name (any case); `ptr` is NULL when there is none. */
[[nodiscard]] struct str http_reply_header(const struct http_reply *reply, struct str name);

struct http_client_stats {
    uint64_t running, waiting;
    uint64_t calls, failures, timeouts, refused;
    enum http_breaker_state breaker;
    int64_t breaker_since_us; /* wall: since when it is in that state */
};
[[nodiscard]] struct http_client_stats http_client_stats(const struct http_client *client);
