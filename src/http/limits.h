/*
 * limits: every bound the server sets to what a client can make it hold or wait for, and the
 * reasons for which it refuses.
 */
#pragma once
#include "base/base.h"

struct http_limits {
    size_t target_bytes;  /* of the request target: 414 */
    size_t header_bytes;  /* of all fields, trailers and chunk extensions of a request: 431 */
    size_t header_fields; /* 431 */
    size_t body_bytes;    /* where the route names no other: 413, at once when announced */

    int64_t header_deadline_ms; /* from a request's first byte to its last field, in all: 408 */
    int64_t body_window_ms;     /* in each such time ... */
    size_t body_window_bytes;   /* ... so much of a body must come: 408 */
    int64_t idle_ms;            /* between requests: closed */
    int64_t write_stall_ms;     /* a client that takes nothing of what waits for it: closed */
    int64_t linger_ms;          /* after a refusal, for the client to read it: closed */

    size_t pipelined_max;       /* requests of a connection in work; it is not read beyond */
    size_t connections_max;     /* beyond: 503 */
    size_t unsent_bytes;        /* unsent answers of a connection; it is not read beyond */
    size_t stream_unsent_bytes; /* unsent pieces of a streamed answer: closed */
    size_t arena_bytes;         /* budget of a request's arena; see arena_over_budget */

    size_t websocket_message_bytes; /* of one message, in all its frames: 1009 */
    size_t websocket_unsent_bytes;  /* what waits for a client that does not read: 1013 */
    int64_t websocket_message_ms;   /* from a message's first byte to its last: 1008 */
    int64_t websocket_ping_ms;      /* nothing was heard: the client is asked with a ping ... */
    int64_t websocket_pong_ms;      /* ... and has so long to say anything: gone */
    int64_t websocket_close_ms;     /* for the client's part of a close: gone */

    size_t gzip_bytes_min; /* smaller answers are not compressed ... */
    size_t gzip_bytes_max; /* ... nor larger ones: half a millisecond of the loop; 0: none */
};

#define HTTP_LIMITS_DEFAULT                                                                        \
    ((struct http_limits){                                                                         \
        .target_bytes = 8 * 1024,                                                                  \
        .header_bytes = 16 * 1024,                                                                 \
        .header_fields = 100,                                                                      \
        .body_bytes = 1024 * 1024,                                                                 \
        .header_deadline_ms = 10'000,                                                              \
        .body_window_ms = 5'000,                                                                   \
        .body_window_bytes = 5 * 1024,                                                             \
        .idle_ms = 75'000,                                                                         \
        .write_stall_ms = 30'000,                                                                  \
        .linger_ms = 2'000,                                                                        \
        .pipelined_max = 16,                                                                       \
        .connections_max = 16'384,                                                                 \
        .unsent_bytes = 256 * 1024,                                                                \
        .stream_unsent_bytes = 1024 * 1024,                                                        \
        .arena_bytes = 16 * 1024 * 1024,                                                           \
        .websocket_message_bytes = 1024 * 1024,                                                    \
        .websocket_unsent_bytes = 1024 * 1024,                                                     \
        .websocket_message_ms = 30'000,                                                            \
        .websocket_ping_ms = 30'000,                                                               \
        .websocket_pong_ms = 20'000,                                                               \
        .websocket_close_ms = 5'000,                                                               \
        .gzip_bytes_min = 2 * 1024,                                                                \
        .gzip_bytes_max = 64 * 1024,                                                               \
    })

/* Why a request or a connection was refused. Each has one status and one name, for metrics. */
enum http_refused {
    HTTP_REFUSED_NONE,
    HTTP_REFUSED_SYNTAX,       /* 400: not HTTP as RFC 9112 says */
    HTTP_REFUSED_FRAMING,      /* 400: where the body ends is unclear */
    HTTP_REFUSED_HOST,         /* 400: Host missing, twice, or not a host */
    HTTP_REFUSED_TARGET,       /* 400: bad percent-encoding, path traversal, other forms */
    HTTP_REFUSED_HEADER_SLOW,  /* 408 */
    HTTP_REFUSED_BODY_SLOW,    /* 408 */
    HTTP_REFUSED_BODY_LARGE,   /* 413 */
    HTTP_REFUSED_TARGET_LONG,  /* 414 */
    HTTP_REFUSED_ENCODING,     /* 415: a content coding; none is decoded here */
    HTTP_REFUSED_EXPECTATION,  /* 417 */
    HTTP_REFUSED_HEADER_LARGE, /* 431 */
    HTTP_REFUSED_METHOD,       /* 501: a method that the server does not know */
    HTTP_REFUSED_CODING,       /* 501: a transfer coding other than chunked */
    HTTP_REFUSED_CONNECTIONS,  /* 503: limits.connections_max */
    HTTP_REFUSED_VERSION,      /* 505 */
    HTTP_REFUSED_COUNT
};

[[nodiscard]] int http_refused_status(enum http_refused reason);
/* "header-large": stable, a label of metrics. */
[[nodiscard]] const char *http_refused_name(enum http_refused reason);

/* How WebSockets end, for metrics: codes that have a count of their own, and one for all others. */
enum { HTTP_CLOSED_COUNT = 19 };
[[nodiscard]] size_t http_closed_index(unsigned code);
/* "1001", "other". */
[[nodiscard]] const char *http_closed_name(size_t index);
