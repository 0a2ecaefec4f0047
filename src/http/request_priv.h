/* request_priv: a request as the server's own files see it, and its life from pool to pool. */
#pragma once
#include <netinet/in.h>

#include "base/list.h"
#include "http/server.h"

struct connection;

struct field {
    uint32_t name_at, name_len;
    uint32_t value_at, value_len;
};

/*
 *   READING --> RUNNING --> DONE --> (written) pool
 *                  |--> STREAMING --|
 *                  `--> UPGRADING --' and the connection is a WebSocket's
 */
enum request_state {
    REQUEST_READING,
    REQUEST_RUNNING,
    REQUEST_STREAMING,
    REQUEST_UPGRADING,
    REQUEST_DONE
};

struct request {
    struct http_request pub; /* first: what handlers hold points here */
    enum request_state state;
    struct list node; /* in its connection's queue, or in the server's pool */
    struct http_server *server;
    struct connection *conn; /* NULL once the client has gone */
    const struct route *route;

    struct buf head; /* the target, then each field's name and value */
    size_t target_len;
    struct field *fields;
    size_t field_count, field_capacity;
    struct buf body;
    struct buf out; /* what pub.out points to */
    char peer[INET6_ADDRSTRLEN];
    unsigned methods_allowed; /* for a 405 */

    bool is_handled; /* it was given to a handler, or answered like one */
    bool is_cancelled;
    bool ends_with_client;
    bool is_http10;
    bool is_kept_alive;   /* the client wants the connection to stay */
    bool has_body;        /* announced */
    bool wants_continue;  /* 100 Continue is still to be sent */
    bool is_chunked;      /* the streamed answer */
    bool is_head_written; /* of the streamed answer */
    bool is_stream_ended;
    bool is_stream_closed; /* the client has gone or was too slow */

    int status;
    struct str headers, answer; /* what http_respond was given */
    struct buf added;           /* header lines of http_add_header */
    struct buf pieces;          /* of a streamed answer, not written yet */
    uint64_t body_bytes;        /* of the answer */

    io_fn *on_cancel;
    void *cancel_owner;
    struct http_stream_events stream;
    void *stream_owner;
};

static inline struct request *http_request_of(struct http_request *r)
{
    return container_of(r, struct request, pub);
}

static_assert(offsetof(struct request, pub) == 0, "the casts below");

static inline const struct request *http_request_of_const(const struct http_request *r)
{
    return (const struct request *)r;
}

/* `server` may be NULL, for a parser without a server. */
[[nodiscard]] struct request *http_request_create(struct http_server *server, size_t arena_bytes);
void http_request_destroy(struct request *r); /* accepts NULL */
/* The client has gone: tells the handler, once. */
void http_request_cancel(struct request *r);
/* Empties it for its next use, and gives back buffers that grew beyond the usual. */
void http_request_reset(struct request *r);

static inline struct str http_request_name(const struct request *r, const struct field *f)
{
    return str_of(r->head.ptr + f->name_at, f->name_len);
}

static inline struct str http_request_value(const struct request *r, const struct field *f)
{
    return str_of(r->head.ptr + f->value_at, f->value_len);
}
