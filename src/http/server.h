/*
 * server: HTTP/1.1 for one loop. A handler is called with a whole request (its body included) and
 * answers it at once or later, with one body or with a stream. Answers of a connection leave in the
 * order of its requests, those of one turn of the loop in one write.
 * Source: RFC 9110, RFC 9112; docs/decisions/0002, 0015.
 *
 * The one rule of ownership: a request belongs to its handler from the call of the handler until
 * http_respond, or http_stream_end of its stream. It stays valid that long even when the client has
 * gone, and it must be ended exactly once.
 *
 * Thread: everything here, the loop's own.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "http/limits.h"
#include "io/loop.h"

/* A set, so that a route can name several. */
enum http_method {
    HTTP_METHOD_GET = 1,
    HTTP_METHOD_HEAD = 2, /* every route with GET answers it too; the body is left out for it */
    HTTP_METHOD_POST = 4,
    HTTP_METHOD_PUT = 8,
    HTTP_METHOD_PATCH = 16,
    HTTP_METHOD_DELETE = 32,
    HTTP_METHOD_OPTIONS = 64,
};

/* "GET". */
[[nodiscard]] const char *http_method_name(enum http_method method);

enum { HTTP_REQUEST_ID_LEN = 20 };

struct http_request {
    enum http_method method;
    struct str path;  /* percent-decoded; no "." or ".." segments, no encoded slash, valid UTF-8 */
    struct str rest;  /* of the path: what the '*' of a prefix route stands for */
    struct str query; /* raw, without the '?'; its percent-encoding is well-formed */
    struct str host;  /* of the Host field, with its port if it has one */
    struct str body;
    const char *peer;    /* the connection's other end: "203.0.113.7", "::1" or "unix" */
    struct arena *arena; /* emptied when the request ends; handlers may use it freely */
    struct buf *out;     /* a reused buffer to build the answer's body in, empty at first */
    char id[HTTP_REQUEST_ID_LEN + 1]; /* unique in this installation, for logs */
    int64_t started_us;               /* monotonic: when the request's first byte was read */
    /* Set it to have the answer's body compressed when the client accepts and the size pays. */
    bool may_compress;
    void *user; /* the handler's own; NULL at first */
};

typedef void http_handler_fn(void *owner, struct http_request *request);

struct http_route {
    const char *path;      /* exact, or a prefix when its last character is a star */
    unsigned methods;      /* set of http_method; others are answered 405 with Allow; none: 404 */
    size_t body_bytes_max; /* 0: limits.body_bytes */
    http_handler_fn *fn;
    void *owner;
};

/* What the server counts, for metrics. All but the first three only rise. */
struct http_stats {
    uint64_t connections_open;
    uint64_t connections_idle; /* of these, kept between two requests */
    uint64_t requests_running; /* handed to a handler and not yet ended */
    uint64_t connections_accepted;
    uint64_t requests, bytes_in, bytes_out;
    uint64_t writes;          /* times that answers were handed to the kernel */
    uint64_t cancelled;       /* requests whose client went before their answer */
    uint64_t slow_consumers;  /* connections closed because the client does not read */
    uint64_t websockets_open; /* of the connections that are open */
    uint64_t websockets, messages_in, messages_out;
    uint64_t websockets_closed[HTTP_CLOSED_COUNT];
    uint64_t refused[HTTP_REFUSED_COUNT];
};

/* Called once a request when it has ended. `status` 499: the client had gone before. */
typedef void http_answered_fn(void *owner, const struct http_request *request, int status,
                              uint64_t body_bytes);

struct http_server_options {
    struct http_limits limits; /* start from HTTP_LIMITS_DEFAULT */
    /* The longest match wins, an exact path before a prefix; a path may be there once a method. */
    const struct http_route *routes;
    size_t route_count;
    struct str common_headers; /* complete lines, each ended by CRLF, added to every answer */
    /* What the server itself refuses below this path is told as application/problem+json, all else
     * as a line of text. Empty: nothing is. */
    struct str problem_prefix;
    http_answered_fn *on_answered; /* may be NULL */
    void *owner;
};

struct http_server;

/* The routes and everything the options point to must outlive the server. */
[[nodiscard]] struct http_server *http_server_create(struct io_loop *loop,
                                                     const struct http_server_options *options);
/* Accepts on one more listening socket (TCP or unix). Owns: the descriptor, also on failure. */
[[nodiscard]] bool http_server_listen(struct http_server *server, int fd, struct err *e);
/*
 * Stops accepting, answers what runs with `Connection: close`, closes idle connections at once, and
 * what is left after `deadline_ms` by force. Then `done(owner)`, from the loop.
 */
void http_server_drain(struct http_server *server, int64_t deadline_ms, io_fn *done, void *owner);
/* Closes all connections. Requests that still run are cancelled and may be ended after it. */
void http_server_destroy(struct http_server *server); /* accepts NULL */
[[nodiscard]] const struct http_stats *http_server_stats(const struct http_server *server);

/* ---- Reading a request ---- */

/* The first field of that name (any case); `ptr` is NULL when there is none. */
[[nodiscard]] struct str http_header(const struct http_request *r, struct str name);
/* All fields of that name: start with *at = 0; false at the end. */
[[nodiscard]] bool http_header_next(const struct http_request *r, struct str name, size_t *at,
                                    struct str *ret_value);
/* A parameter of the query, decoded into the arena ('+' is a space); false when absent. */
[[nodiscard]] bool http_query(const struct http_request *r, struct str name, struct str *ret_value);
/*
 * Calls `fn` once if the connection breaks before the request is ended: a reset, a write that
 * failed, a client that does not read. The request stays the handler's: it gives up its work and
 * calls http_respond with any status, which goes nowhere.
 *
 * A client that has only ended its side (a FIN) gets its answer, since it may wait for it; when it
 * has gone, the write of that answer fails. Streams alone end with the client's side.
 */
void http_on_cancel(struct http_request *r, io_fn *fn, void *owner);
[[nodiscard]] bool http_is_cancelled(const struct http_request *r);
/*
 * For an answer that does harm where nobody reads it, as one that hands out work: from now on a
 * client that ends its side is taken for gone, and the request is cancelled like one whose
 * connection broke. Look at http_is_cancelled afterwards: it may have gone already.
 */
void http_end_with_client(struct http_request *r);

/* ---- Answering it ---- */

/* Ready-made header blocks for http_respond. */
#define HTTP_NO_HEADERS STR("")
#define HTTP_TEXT STR("Content-Type: text/plain; charset=utf-8\r\n")
#define HTTP_HTML STR("Content-Type: text/html; charset=utf-8\r\n")
#define HTTP_JSON STR("Content-Type: application/json\r\n")
#define HTTP_PROBLEM STR("Content-Type: application/problem+json\r\n")

/*
 * Adds one field to the answer to come. A value with CR, LF or NUL would split the answer; such a
 * field is left out. Content-Length, Connection, Date and Transfer-Encoding are the server's.
 */
void http_add_header(struct http_request *r, struct str name, struct str value);
/*
 * Ends the request. `headers` are complete lines, each ended by CRLF (a constant, usually). Both
 * `headers` and `body` must be constant or live in the request's arena or its `out`.
 */
void http_respond(struct http_request *r, int status, struct str headers, struct str body);
/* "Not Found". */
[[nodiscard]] struct str http_reason(int status);
/* A plain text answer of one line: the status's reason, then `text` if it is not empty. */
void http_respond_text(struct http_request *r, int status, struct str text);

struct http_stream_events {
    /* Everything written has been handed to the kernel. May be NULL. */
    void (*on_drained)(void *owner);
    /* The client has gone or ended its side, or was too slow: writes go nowhere. Call
     * http_stream_end, now or later.
     */
    void (*on_closed)(void *owner);
};

/*
 * Begins an answer whose body is written in pieces (Server-Sent Events, exports): chunked, or for
 * HTTP/1.0 until the connection closes. Small writes of one turn leave together. The request is
 * ended by http_stream_end alone, and must not be used between except for its own fields. When the
 * client has gone or ended its side already (http_is_cancelled, from now on), writes are false from
 * the start and on_closed, which would tell what on_cancel has told, does not come.
 */
void http_stream_start(struct http_request *r, int status, struct str headers,
                       const struct http_stream_events *events, void *owner);
/*
 * Copies `bytes`. False when the stream is closed, which it also becomes when more than
 * limits.stream_unsent_bytes wait for a client that does not read.
 */
bool http_stream_write(struct http_request *r, struct str bytes);
/* What the client has not taken yet: a producer that can wait does so while this is large. */
[[nodiscard]] size_t http_stream_unsent(const struct http_request *r);
void http_stream_end(struct http_request *r);
