/*
 * events: subscriptions over Server-Sent Events, one stream a request, as the protocol "GraphQL
 * over SSE" says in its distinct connections mode: `event: next` with a response each, then
 * `complete`.
 *
 *   begin --> (source stream) --> next … next --> complete
 *      `-- refused --> an ordinary answer       ^-- logged out, role changed, draining
 *
 * Who watches is asked anew each second: a stream ends when its credential does.
 * Source: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
 */
#pragma once
#include "gateway/request.h"

/*
 * What a subscription tells. The field's `subscribe` hook makes one in the step's arena and gives
 * it as its object; whoever carries the subscription to the client then asks it for events: at the
 * beginning, after each wake, after each event and once a second.
 */
struct event_source {
    const struct event_source_class *class;
    /* Set by the carrier: something may be there to be told. Not from within the class's calls. */
    void (*wake)(void *carrier);
    void *carrier;
    /* Set by the source from within `next`: what that gives is the last event, and then the
     * subscription is complete. */
    bool is_over;
};
struct event_source_class {
    /* The next event, in the arena: the parent of the root field. NULL: none now. Errors: the
     * subscription ends with it. */
    bool (*next)(struct event_source *source, struct arena *a, void **ret_event, struct err *e);
    void (*close)(struct event_source *source); /* nothing is called after it */
};

/* False where the request's user has as many open as `subscriptions-max` says. */
[[nodiscard]] bool events_allow(const struct request *r, struct err *e);
/* Runs the request's document as a subscription. `token` is what it was sent with; empty: none. */
void events_begin(struct request *r, struct str token);

/* Once a second: asks the sources and who still may watch, keeps connections alive. */
void events_tick(struct gateway_loop *loop);
/* The gateway is stopping. */
void events_end_all(struct gateway_loop *loop);
