/*
 * socket_message: the messages of the protocol `graphql-transport-ws`, read strictly: what is not
 * in the protocol closes the socket (4400). Pure.
 * Source: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
 */
#pragma once
#include "base/buf.h"
#include "json/json.h"

enum socket_message_type {
    SOCKET_INIT,
    SOCKET_PING,
    SOCKET_PONG,
    SOCKET_SUBSCRIBE,
    SOCKET_COMPLETE,
    SOCKET_MESSAGE_TYPE_COUNT
};

struct socket_message {
    enum socket_message_type type;
    struct str id;                    /* of SUBSCRIBE and COMPLETE */
    const struct json_value *payload; /* an object; NULL: none */
};

/* What `text` says, in the arena. Errors: INVALID, in the words of a close reason. */
[[nodiscard]] bool socket_message_read(struct arena *a, struct str text,
                                       struct socket_message *ret_message, struct err *e);

/* The token of a connection_init: {"token": "…"} or {"Authorization": "Bearer …"}; empty where the
 * payload has neither. Errors: INVALID, where one of them is something else. */
[[nodiscard]] bool socket_message_token(const struct json_value *payload, struct str *ret_token,
                                        struct err *e);

/* `{"id":…,"type":"next","payload":`, to be followed by a response and `}`. */
void socket_message_put_next(struct buf *out, struct str id);
/* The whole message; `errors` is a JSON array. */
void socket_message_put_error(struct buf *out, struct str id, struct str errors);
void socket_message_put_complete(struct buf *out, struct str id);
/* Pings are answered with what they carried; NULL: nothing. */
void socket_message_put_pong(struct buf *out, const struct json_value *payload);
