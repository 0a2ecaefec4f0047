/*
 * follow: one subscription over Server-Sent Events, for as long as it is wanted. A broken
 * connection is opened again, and the stream goes on where it was, by Last-Event-ID; where it
 * cannot, `on_begin` tells that what is shown must be read anew.
 * Source: docs/subscriptions.md.
 */
#pragma once
#include "client/client.h"

struct follow_events {
    /* The stream begins, at first or anew: what happens from now on will be told. */
    void (*on_begin)(void *owner);
    void (*on_next)(void *owner, const struct json_value *data); /* it lives during the call */
    /* The connection broke, or no gateway is there; it is tried again by itself. */
    void (*on_break)(void *owner, const struct err *e);
    /* No more comes: the API refused, or the stream is complete (`e` is NULL). */
    void (*on_end)(void *owner, const struct err *e);
};

struct follow;

/* `events` must outlive it. Nothing is called from within. */
[[nodiscard]] struct follow *follow_create(struct client *client,
                                           const struct client_request *request,
                                           const struct follow_events *events, void *owner);
/* From within on_break: what is asked for on the next connection. */
void follow_ask(struct follow *follow, const struct client_request *request);
void follow_destroy(struct follow *follow); /* accepts NULL */
DEFINE_SCOPED(follow);
