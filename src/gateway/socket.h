/*
 * socket: GraphQL over WebSocket, the protocol `graphql-transport-ws`: any number of operations on
 * one socket, of all three types, side by side.
 *
 *   open --> (connection_init) --> who is it? --> acked --> operations ... --> closed
 *     `-- 4408 after a time          `-- 4403         `-- logged out 4401, other rights 4403
 *
 * Source: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md; docs/subscriptions.md.
 * Thread: the loop's.
 */
#pragma once
#include "gateway/gateway_priv.h"

/* What closes say; those of the protocol by its own numbers. */
enum socket_close {
    SOCKET_BAD_MESSAGE = 4400,
    SOCKET_UNAUTHORIZED = 4401, /* before the acknowledgement; or the credential has ended */
    SOCKET_FORBIDDEN = 4403,    /* no such credential, or not for this; or its rights changed */
    SOCKET_BAD_PROTOCOL = 4406,
    SOCKET_INIT_TIMEOUT = 4408,
    SOCKET_ID_IN_USE = 4409,
    SOCKET_TOO_MANY_INITS = 4429,
};

/* GET /graphql with an Upgrade: answers with 101, or refuses. */
void socket_open(struct gateway_loop *loop, struct http_request *http);
/* Closes those that were not initialised in time; a timer of the loop. */
void socket_sweep(struct gateway_loop *loop);
/* The gateway is stopping: subscriptions end with the socket (1001), which is theirs to renew. */
void socket_drain_all(struct gateway_loop *loop);
