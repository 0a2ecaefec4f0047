/* server_priv: the server and its connections, as the server's own files see them. */
#pragma once
#include "http/gzip.h"
#include "http/parser_priv.h"
#include "http/websocket.h"
#include "io/stream.h"
#include "io/timer.h"

/* What a connection waits for; each kind has one duration, so each has one list in order of end. */
enum wait_kind {
    WAIT_IDLE,
    WAIT_HEAD,
    WAIT_BODY,
    WAIT_LINGER,
    WAIT_WRITE,
    WAIT_QUIET, /* of a WebSocket, from here on: a ping is due */
    WAIT_PONG,
    WAIT_MESSAGE,
    WAIT_CLOSE,
    WAIT_UNSENT,
    WAIT_KIND_COUNT,
    WAIT_NONE
};

struct wait {
    struct list node; /* in server->waits[kind] */
    enum wait_kind kind;
    int64_t until_us;
};

/*
 * Requests are read --> the last one was read or refused --> answers written, our side ended.
 * Or the last one asked for a WebSocket: what comes after it is kept for that.
 */
enum connection_state {
    CONNECTION_OPEN,
    CONNECTION_LAST,
    CONNECTION_UPGRADING,
    CONNECTION_LINGERING
};

struct connection {
    struct list node; /* in server->connections */
    struct http_server *server;
    struct io_stream *stream;
    enum connection_state state;
    struct parser parser;
    struct list requests; /* struct request, in order of arrival */
    size_t request_count;
    struct http_websocket *websocket; /* UPGRADING: gets the stream when all answers are written */
    struct buf unparsed;              /* read, and held back by back-pressure */
    struct list dirty;                /* in server->dirty: has something to do at the turn's end */
    struct list drained;              /* in server->drained: a stream's producer is to be called */
    struct wait reading, writing;
    uint64_t window_body; /* parser.body_got when WAIT_BODY began */
    size_t window_unsent; /* unsent when WAIT_WRITE began */
    bool is_paused;       /* reading */
    bool has_ended;       /* the client's side */
    bool is_doomed;       /* to be destroyed at the turn's end */
    bool is_serial;       /* HTTP/1.0: one request after the other */
};

struct route {
    struct str path; /* without the star */
    bool is_prefix;
    unsigned methods;
    size_t body_bytes_max;
    http_handler_fn *fn;
    void *owner;
};

struct http_server {
    struct io_loop *loop;
    struct http_limits limits;
    struct route *routes; /* exact ones first, then prefixes, longest first */
    size_t route_count;
    struct str common_headers, problem_prefix;
    http_answered_fn *on_answered;
    void *owner;

    struct io_listener **listeners;
    size_t listener_count;
    struct list connections;
    struct list waits[WAIT_KIND_COUNT];
    struct list dirty, drained;
    struct list websockets, dirty_websockets;
    struct frames_shop *frames;
    struct io_turn *turn;
    struct io_timer *sweep, *drained_timer, *drain_deadline;
    struct list pool; /* struct request */
    size_t pool_count, request_count;

    struct buf scratch;      /* what one connection's answers are gathered in */
    struct buf fixed_fields; /* Date and the common headers, as of this second */
    int64_t fixed_second;
    struct http_gzip *gzip;
    char id_prefix[9];
    uint64_t id_next;
    struct http_stats stats;

    bool is_draining, is_drain_over, is_destroyed;
    io_fn *on_drained;
    void *drain_owner;
};

/* Told to http_answered_fn, never written: the answer found no client. */
enum { STATUS_CLIENT_GONE = 499 };

/* server.c */
[[nodiscard]] struct request *http_server_take_request(struct connection *c);
/* A handler has it from now on. */
void http_server_hand_over(struct request *r);
/* The request has ended: tells the owner of the server, and takes it back. */
void http_server_end_request(struct request *r, int status);
/* At the turn's end the connection has something to do. */
void http_server_mark(struct connection *c);
/* The producer of the stream at the queue's front, if any, is called in the next turn. */
void http_server_tell_drained(struct connection *c);
void http_server_check_drained(struct http_server *s);

/* route.c */
void http_route_table_init(struct http_server *s, const struct http_server_options *options);
/* The route, or NULL; then `ret_allowed` is the set of methods of its path, 0 when there is none.
 */
[[nodiscard]] const struct route *http_route_find(const struct http_server *s, struct str path,
                                                  enum http_method method, unsigned *ret_allowed);

/* wait.c */
void http_wait_start(struct http_server *s, struct wait *w, enum wait_kind kind);
void http_wait_stop(struct http_server *s, struct wait *w);
void http_wait_sweep(void *server);

/* connection.c */
[[nodiscard]] struct connection *http_connection_create(struct http_server *s,
                                                        struct io_stream *stream);
void http_connection_destroy(struct connection *c);
/* Writes what is ready, and goes on to what may come next. */
void http_connection_advance(struct connection *c);
/* Answers with the reason's status after all earlier answers; reads nothing more. */
void http_connection_refuse(struct connection *c, enum http_refused reason, const char *why);
void http_connection_begin_drain(struct connection *c);

/* websocket.c */
/* The stream is the socket's from now on, and `unread` came after the handshake. A stream of NULL
 * says that the client has gone before it. */
void http_websocket_begin(struct http_websocket *socket, struct io_stream *stream,
                          struct str unread);
void http_websocket_expire(struct wait *w);
/* At the turn's end: writes, and ends what is over. */
void http_websockets_advance(struct http_server *s);
void http_websockets_begin_drain(struct http_server *s);
/* Breaks all; their owners are told. */
void http_websockets_destroy(struct http_server *s);

/* response.c */
/* The handler's part of the request is over; 101 is written in its turn. */
void http_response_upgrade(struct request *r, struct http_websocket *socket);
/* Puts together what the queue's front has ready and hands it to the stream. */
void http_response_flush(struct connection *c);
void http_response_refuse(struct request *r, int status, const char *why);
/* 404 or 405 of a request that has no route. */
void http_response_unrouted(struct request *r, int status, const char *why);
