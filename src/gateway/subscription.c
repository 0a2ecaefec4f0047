#include "gateway/subscription.h"

#include "base/clock.h"

struct subscription {
    struct list by_loop; /* in loop.subscriptions */
    struct request *r;   /* ctx of every event */
    struct arena *arena; /* r's own: it holds the subscription too */
    const struct subscription_carrier *carrier;
    void *owner;
    struct gql_operation *operation; /* the engine's of the subscription */
    struct event_source *source;
    struct buf out; /* of the event that runs */
    struct err reason;
    bool is_telling; /* within tell: events follow each other without nesting */
    bool is_running; /* an event */
    bool is_ending;
};

static void finish(struct subscription *s)
{
    const struct subscription_carrier *carrier = s->carrier;
    struct err reason = s->reason;
    if (s->is_running || s->is_telling)
        return; /* what goes on comes here at its end */
    list_remove(&s->by_loop);
    s->source->class->close(s->source);
    gql_subscription_close(s->operation);
    buf_clear(&s->out);
    carrier->over(s->owner, reason.code != ERR_NONE ? &reason : NULL);
}

void subscription_stop(struct subscription *s, const struct err *e)
{
    if (s->is_ending)
        return;
    s->is_ending = true;
    if (e != NULL)
        s->reason = *e;
    finish(s);
}

void subscription_cursor(const struct subscription *s, char ret_cursor[EVENT_CURSOR_MAX])
{
    if (s->source->cursor == NULL || !s->source->cursor(s->source, ret_cursor))
        snprintf(ret_cursor, EVENT_CURSOR_MAX, EVENT_CURSOR_NOW);
}

/* ── one event ── */

static void event_answered(struct gql_operation *op, const struct gql_outcome *outcome, void *owner)
{
    struct subscription *s = owner;
    (void)op;
    if (!outcome->is_cancelled && !s->is_ending)
        s->carrier->next(s->owner, buf_str(&s->out));
}

static void tell(void *owner);

static void event_ended(void *owner)
{
    struct subscription *s = owner;
    gateway_arena_done(s->r->loop, s->r->arena, false);
    s->r->arena = s->arena;
    s->is_running = false;
    if (s->is_telling)
        return; /* it goes on there */
    if (s->is_ending)
        finish(s);
    else
        tell(s);
}

/* False where the source has none now, or ends. */
static bool tell_one(struct subscription *s, struct err *e)
{
    const struct gql_end event_end = { .answered = event_answered,
                                       .ended = event_ended,
                                       .owner = s };
    struct arena *a =
        gateway_arena(s->r->loop, false); /* what its values need lives as long as it */
    void *event = NULL;
    if (!s->source->class->next(s->source, a, &event, e) || event == NULL) {
        gateway_arena_done(s->r->loop, a, false);
        return false;
    }
    s->is_running = true;
    s->r->arena = a;
    s->r->deadline_us = clock_mono_us() + s->r->loop->gateway->request_timeout_us;
    buf_reset(&s->out);
    (void)gql_event(s->operation, a, event, &s->out, &event_end);
    return true;
}

/* Tells all that the source has, one after the other. */
static void tell(void *owner)
{
    struct subscription *s = owner;
    struct err e = { 0 };
    if (s->is_telling || s->is_running || s->is_ending)
        return;
    s->is_telling = true;
    while (!s->is_running && !s->is_ending && tell_one(s, &e))
        continue;
    s->is_telling = false;
    if (s->is_ending)
        finish(s);
    else if (e.code != ERR_NONE)
        subscription_stop(s, &e);
    else if (!s->is_running && s->source->is_over)
        subscription_stop(s, NULL);
}

void subscription_tick(struct gateway_loop *loop)
{
    list_each (node, &loop->subscriptions)
        tell(container_of(node, struct subscription, by_loop));
}

void subscription_stop_all(struct gateway_loop *loop)
{
    list_each (node, &loop->subscriptions)
        subscription_stop(container_of(node, struct subscription, by_loop), NULL);
}

/* ── the beginning ── */

static void started(struct gql_operation *op, void *source, const struct gql_outcome *outcome,
                    void *owner)
{
    struct subscription *s = owner;
    struct request *r = s->r;
    if (source == NULL) {
        gql_subscription_close(op);
        buf_clear(&s->out);
        r->is_answered = true;
        r->carrier->answered(r, outcome);
        request_end(r);
        return;
    }
    documents_ran(r->loop->gateway->documents, &r->document);
    s->operation = op;
    s->source = source;
    s->source->wake = tell;
    s->source->waker = s;
    list_push(&r->loop->subscriptions, &s->by_loop);
    s->is_telling = true; /* `started` may stop it */
    s->carrier->started(s->owner, s);
    s->is_telling = false;
    if (s->is_ending)
        finish(s);
    else
        tell(s);
}

static bool is_one_more_allowed(const struct request *r, struct err *e)
{
    int64_t max = conf_int(r->loop->gateway->conf, CONF_SUBSCRIPTIONS_MAX), count = 0;
    if (r->credential == NULL)
        return true; /* what anybody may follow is small */
    list_each (node, &r->loop->subscriptions) {
        const struct credential *c =
            container_of(node, struct subscription, by_loop)->r->credential;
        count += c != NULL && uuid_eq(c->owner.user_id, r->credential->owner.user_id);
    }
    return count < max ||
           err_set(e, ERR_RATE, "%lld subscriptions are open; close some first", (long long)count);
}

void subscription_begin(struct request *r, const struct subscription_carrier *carrier, void *owner)
{
    struct subscription *s = arena_new(r->arena, struct subscription);
    const struct gql_subscriber subscriber = { .started = started, .owner = s };
    struct err e;
    if (!is_one_more_allowed(r, &e)) {
        request_refuse_err(r, &e);
        return;
    }
    list_remove(&r->by_age); /* it has no deadline */
    s->r = r;
    s->arena = r->arena;
    s->carrier = carrier;
    s->owner = owner;
    list_init(&s->by_loop);
    buf_init(&s->out, conf_bytes(r->loop->gateway->conf, CONF_GQL_EVENT_LIMIT));
    r->gql.queries_only = false; /* nothing but a subscription runs here */
    (void)gql_subscribe(r->loop->engine, r->arena, &r->gql, r->out, &subscriber);
}
