/*
 * websocket: a connection that a handler has taken over from the server to speak WebSocket on it.
 *
 *   asked --> (101 written) open --> close sent or received --> both, our side ended --> gone
 *                                `-- broken ---------------------------------------------^
 *
 * The owner is told of it once, on_closed, when its close is sent or received or the connection
 * broke; the rest of the way the server goes alone. Pings are the server's, too. No extension
 * (compression) is spoken. Bounds: http_limits.websocket_*.
 * Source: RFC 6455; docs/subscriptions.md. Thread: the loop's own.
 */
#pragma once
#include "http/frames.h"
#include "http/server.h"

struct http_websocket;

struct http_websocket_events {
    /* A whole message; `text` lives during the call. Not after http_websocket_close. */
    void (*on_message)(void *owner, struct str text, bool is_binary);
    /* The server drains: close it soon (1001), at the latest its deadline does. NULL: at once. */
    void (*on_drain)(void *owner);
    /*
     * The end, with the code that was sent, received, or says why there was none. Nothing is called
     * after it, and the socket may not be used any more. Not from within http_websocket_send
     * or http_websocket_close.
     */
    void (*on_closed)(void *owner, unsigned code);
};

/* It asks for one; whether soundly, http_websocket_accept tells. */
[[nodiscard]] bool http_websocket_is_asked(const struct http_request *r);
/*
 * Answers the request with 101 and the first of the client's protocols that is one of ours, if any:
 * its index in `ret_protocol`, or -1. NULL where it was no opening handshake: then it has been
 * answered, with 400 or 426. The request has ended for the handler in both cases.
 */
[[nodiscard]] struct http_websocket *
http_websocket_accept(struct http_request *r, const struct str *protocols, size_t protocol_count,
                      const struct http_websocket_events *events, void *owner, int *ret_protocol);

/* Sends a text message, UTF-8. One that waits beyond websocket_unsent_bytes closes the socket. */
void http_websocket_send(struct http_websocket *socket, struct str text);
/* Begins the closing handshake; harmless when it has begun. */
void http_websocket_close(struct http_websocket *socket, unsigned code, struct str reason);
