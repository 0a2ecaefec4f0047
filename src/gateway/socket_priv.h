/* socket_priv: a socket and its operations, as the files of the socket see them. */
#pragma once
#include "gateway/credential_watch.h"
#include "gateway/request.h"
#include "gateway/socket.h"
#include "gateway/socket_message.h"
#include "http/websocket.h"

enum socket_state { SOCKET_OPEN, SOCKET_IDENTIFYING, SOCKET_ACKED, SOCKET_CLOSED };

/* Counted: it stays until the last operation has ended, also when the client has gone. */
struct socket {
    struct list by_loop; /* in loop.sockets */
    struct list by_init; /* in loop.sockets_waiting, until its time is over */
    struct gateway_loop *loop;
    struct http_websocket *http; /* NULL once it is closed */
    enum socket_state state;
    bool is_draining;
    char *id, *address, *user_agent; /* of the request that opened it */
    char *token;                     /* empty: none */
    bool is_by_cookie;
    int64_t opened_us, init_deadline_us;
    struct credential_wait wait;
    struct credential_watch watch;
    struct list operations; /* struct operation, those that the client waits for */
    size_t running;         /* and those that have not ended yet */
    uint64_t started;       /* so far */
};

/* Closes; all operations end when it is told so. */
void socket_close(struct socket *s, unsigned code, const char *reason);
/* One operation has ended. */
void socket_operation_ended(struct socket *s);

/* ── socket_operation.c ── */

/* Runs what a `subscribe` asks; the arena is the operation's from now on. */
void socket_operation_begin(struct socket *s, struct arena *a, const struct socket_message *m);
/* The client waits for it no more; harmless where there is none. */
void socket_operation_complete(struct socket *s, struct str id);
void socket_operations_drop(struct socket *s);
[[nodiscard]] bool socket_operation_is_there(const struct socket *s, struct str id);
