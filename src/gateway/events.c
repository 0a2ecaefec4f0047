#include "gateway/events.h"

#include "base/clock.h"
#include "json/writer.h"

enum { KEEP_ALIVE_TICKS = 15, EVENT_BYTES_MAX = 1 << 20 };

struct stream {
    struct list by_loop; /* in loop.streams */
    struct request *r;   /* of the subscription; ctx of every event */
    struct arena *arena; /* r's own: it holds the stream too */
    struct str token;
    struct grant grant; /* when it began */
    struct uuid user_id;
    bool has_user; /* else anybody */
    struct credential_wait recheck;
    struct gql_operation *operation; /* the subscription */
    struct event_source *source;
    struct buf out; /* of the event that runs */
    unsigned quiet_ticks;
    bool is_telling; /* within tell: events follow each other without nesting */
    bool is_running; /* an event */
    bool is_ending;
};

static void finish(struct stream *s)
{
    struct request *r = s->r;
    struct http_request *http = r->http;
    if (s->is_running)
        return; /* the event's end comes here again */
    credential_wait_cancel(&s->recheck);
    list_remove(&s->by_loop);
    s->source->class->close(s->source);
    gql_subscription_close(s->operation);
    buf_clear(&s->out);
    r->http = NULL;
    request_end(r);
    http_stream_end(http);
}

static void end(struct stream *s, struct str last_words)
{
    if (s->is_ending)
        return;
    s->is_ending = true;
    (void)http_stream_write(s->r->http, last_words);
    (void)http_stream_write(s->r->http, STR("event: complete\ndata:\n\n"));
    finish(s);
}

/* With an error as its last event. */
static void end_with(struct stream *s, const struct err *e)
{
    struct gql_error told = { 0 };
    struct buf words;
    request_map_err(s->r, e, &told);
    buf_init(&words, 0);
    buf_put_c(&words, "event: next\ndata: {\"errors\":[{\"message\":");
    json_put_string(&words, told.message);
    buf_printf(&words, ",\"extensions\":{\"code\":\"%s\"%s%.*s}}]}\n\n", told.code,
               str_is_empty(told.extensions_json) ? "" : ",", STR_FMT(told.extensions_json));
    end(s, buf_str(&words));
    buf_clear(&words);
}

/* May come from within a write: the next tick, or the end of the event that runs, finishes. */
static void closed(void *owner)
{
    struct stream *s = owner;
    s->is_ending = true;
}

/* ── one event ── */

static void event_answered(struct gql_operation *op, const struct gql_outcome *outcome, void *owner)
{
    struct stream *s = owner;
    (void)op;
    if (outcome->is_cancelled || s->is_ending)
        return;
    (void)http_stream_write(s->r->http, STR("event: next\ndata: "));
    (void)http_stream_write(s->r->http, buf_str(&s->out));
    (void)http_stream_write(s->r->http, STR("\n\n"));
    s->quiet_ticks = 0;
}

static void tell(void *owner);

static void event_ended(void *owner)
{
    struct stream *s = owner;
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
static bool tell_one(struct stream *s, struct err *e)
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
    struct stream *s = owner;
    struct err e = { 0 };
    if (s->is_telling || s->is_running || s->is_ending)
        return;
    s->is_telling = true;
    while (!s->is_running && !s->is_ending && tell_one(s, &e))
        continue;
    s->is_telling = false;
    if (e.code != ERR_NONE)
        end_with(s, &e);
    else if (s->is_ending)
        finish(s);
    else if (!s->is_running && s->source->is_over)
        end(s, STR(""));
}

/* ── who still may watch ── */

static void rechecked(void *owner, const struct credential *c, const struct err *e)
{
    struct stream *s = owner;
    if (e != NULL)
        return; /* nobody can tell now; the next second asks again */
    if (c == NULL || c->grant.role != s->grant.role || c->grant.scopes != s->grant.scopes) {
        struct err gone;
        err_set(&gone, ERR_UNAUTHENTICATED, "the credential has changed or ended");
        end_with(s, &gone);
    }
}

static void recheck(struct stream *s)
{
    if (s->is_ending || str_is_empty(s->token) || !list_is_empty(&s->recheck.waiting))
        return;
    s->recheck = (struct credential_wait){ .fn = rechecked,
                                           .owner = s,
                                           .deadline_us = clock_mono_us() + CLOCK_S };
    credentials_ask(s->r->loop->credentials, s->token, &s->recheck);
}

void events_tick(struct gateway_loop *loop)
{
    list_each (node, &loop->streams) {
        struct stream *s = container_of(node, struct stream, by_loop);
        if (s->is_ending) {
            finish(s);
            continue;
        }
        if (++s->quiet_ticks % KEEP_ALIVE_TICKS == 0)
            (void)http_stream_write(s->r->http, STR(":\n\n"));
        tell(s);
    }
    list_each (node, &loop->streams)
        recheck(container_of(node, struct stream, by_loop));
}

void events_end_all(struct gateway_loop *loop)
{
    list_each (node, &loop->streams)
        end(container_of(node, struct stream, by_loop), STR(""));
}

/* ── the beginning ── */

static void started(struct gql_operation *op, void *source, const struct gql_outcome *outcome,
                    void *owner)
{
    static const struct http_stream_events stream_events = { .on_closed = closed };
    struct stream *s = owner;
    struct request *r = s->r;
    struct request_note *note = request_note(r->http, NULL);
    s->operation = op;
    note->code = outcome->code;
    if (source == NULL) {
        gql_subscription_close(op);
        buf_clear(&s->out);
        r->answer = HEADERS_GRAPHQL;
        request_respond(r, 400);
        request_end(r);
        return;
    }
    note->operation = "subscription";
    s->source = source;
    s->source->wake = tell;
    s->source->carrier = s;
    list_push(&r->loop->streams, &s->by_loop);
    http_stream_start(r->http, 200,
                      STR("Content-Type: text/event-stream; charset=utf-8\r\n"
                          "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n"),
                      &stream_events, s);
    s->is_ending = http_is_cancelled(r->http); /* then `closed` does not come */
    tell(s);
}

bool events_allow(const struct request *r, struct err *e)
{
    int64_t max = conf_int(r->loop->gateway->conf, CONF_SUBSCRIPTIONS_MAX), count = 0;
    if (r->credential == NULL)
        return true; /* what anybody may follow is small */
    list_each (node, &r->loop->streams) {
        const struct stream *s = container_of(node, struct stream, by_loop);
        count += s->has_user && uuid_eq(s->user_id, r->credential->owner.user_id);
    }
    return count < max ||
           err_set(e, ERR_RATE, "%lld subscriptions are open; close some first", (long long)count);
}

void events_begin(struct request *r, struct str token)
{
    struct stream *s = arena_new(r->arena, struct stream);
    const struct gql_subscriber subscriber = { .started = started, .owner = s };
    list_remove(&r->by_age); /* a stream has no deadline */
    s->r = r;
    s->arena = r->arena;
    s->token = arena_copy(r->arena, token);
    if (r->credential != NULL) {
        s->grant = r->credential->grant;
        s->user_id = r->credential->owner.user_id;
        s->has_user = true;
    }
    list_init(&s->by_loop);
    list_init(&s->recheck.waiting);
    buf_init(&s->out, EVENT_BYTES_MAX);
    r->gql.queries_only = false; /* nothing but a subscription runs here */
    (void)gql_subscribe(r->loop->engine, r->arena, &r->gql, r->http->out, &subscriber);
}
