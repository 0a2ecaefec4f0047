/*
 * subscription: runs one subscription for whoever carries it to the client: asks its source for
 * events and makes a response of each.
 *
 *   begin --> started --> next … next --> over
 *     `-- refused, or answered with errors: by the request's own carrier
 *
 * Source: GraphQL Sep 2025, section 6.2.3.
 */
#pragma once
#include "gateway/request.h"

/*
 * What a subscription tells. The field's `subscribe` hook makes one in the step's arena and gives
 * it as its object; it is asked for events at the beginning, after each wake, after each event and
 * once a second.
 */
enum { EVENT_CURSOR_MAX = 384 };
struct event_source {
    const struct event_source_class *class;
    /* Set by the subscription: something may be there to be told. Not from within the class's
     * calls. */
    void (*wake)(void *waker);
    void *waker;
    /*
     * Where a client may go on that has seen all that `next` gave so far: request.resume of a later
     * subscription, on any gateway. False, or NULL: it cannot say, and what matters is told at each
     * beginning.
     */
    bool (*cursor)(struct event_source *source, char ret_cursor[EVENT_CURSOR_MAX]);
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

struct subscription;

/* None of these is called within subscription_stop, but `over` when nothing runs. */
struct subscription_carrier {
    void (*started)(void *owner, struct subscription *s);
    void (*next)(void *owner, struct str response);
    /* The last call; `e` NULL: complete. The subscription is gone; the carrier ends the request. */
    void (*over)(void *owner, const struct err *e);
};

/*
 * Runs the request's document as a subscription. Where the request's user has as many open as
 * `subscriptions-max` says it is refused, where the document or its source have errors it is
 * answered: by the request's carrier, and the request ends.
 */
void subscription_begin(struct request *r, const struct subscription_carrier *carrier, void *owner);
/* No `next` comes any more; `over` comes with `e` (copied, may be NULL) as soon as nothing runs,
 * within this call, the callback that called it, or later. Harmless when repeated. */
void subscription_stop(struct subscription *s, const struct err *e);

/* Where who has seen all so far may go on; EVENT_CURSOR_NOW where nothing says. */
#define EVENT_CURSOR_NOW "now"
void subscription_cursor(const struct subscription *s, char ret_cursor[EVENT_CURSOR_MAX]);

/* Once a second: asks the sources. */
void subscription_tick(struct gateway_loop *loop);
/* The gateway is stopping. */
void subscription_stop_all(struct gateway_loop *loop);
