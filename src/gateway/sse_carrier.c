#include "gateway/sse_carrier.h"

#include "gateway/credential_watch.h"
#include "gateway/note.h"
#include "gateway/subscription.h"

enum { KEEP_ALIVE_TICKS = 15 };

struct stream {
    struct list by_loop; /* in loop.streams */
    struct request *r;
    struct http_request *http;
    struct subscription *subscription;
    struct credential_watch watch;
    unsigned quiet_ticks;
};

/* ── the end ── */

/* What a client says as Last-Event-ID when it comes again. */
static void put_id(const struct stream *s, struct buf *words)
{
    char cursor[EVENT_CURSOR_MAX];
    subscription_cursor(s->subscription, cursor);
    buf_printf(words, "id: %s\n", cursor);
}

/* It would say in vain where it was: from there the way is not open any more. */
static bool is_lost(const struct err *e)
{
    return e->code == ERR_NOT_FOUND || e->code == ERR_LIMIT;
}

static void write_end(struct stream *s, const struct err *e)
{
    struct buf words;
    buf_init(&words, 0);
    if (e != NULL) {
        buf_put_c(&words, is_lost(e) ? "id:\n" : "");
        buf_put_c(&words, "event: next\ndata: {\"errors\":[");
        request_put_err(&words, s->r, e);
        buf_put_c(&words, "]}\n\n");
    }
    buf_put_c(&words, "event: complete\ndata:\n\n");
    (void)http_stream_write(s->http, buf_str(&words));
    buf_clear(&words);
}

static void subscription_over(void *owner, const struct err *e)
{
    struct stream *s = owner;
    struct request *r = s->r;
    struct http_request *http = s->http;
    write_end(s, e);
    credential_watch_stop(&s->watch);
    list_remove(&s->by_loop);
    request_end(r);
    http_stream_end(http);
}

/* May come from within a write. */
static void closed(void *owner)
{
    struct stream *s = owner;
    subscription_stop(s->subscription, NULL);
}

static void credential_lost(void *owner, const struct err *e)
{
    struct stream *s = owner;
    struct err lost;
    err_set(&lost, ERR_UNAUTHENTICATED, "%s", e->message); /* whichever: show one that holds */
    subscription_stop(s->subscription, &lost);
}

/* ── while it runs ── */

static void next(void *owner, struct str response)
{
    struct stream *s = owner;
    struct buf words;
    buf_init(&words, 0);
    buf_put_c(&words, "event: next\n");
    put_id(s, &words);
    buf_put_c(&words, "data: ");
    (void)http_stream_write(s->http, buf_str(&words));
    (void)http_stream_write(s->http, response);
    (void)http_stream_write(s->http, STR("\n\n"));
    buf_clear(&words);
    s->quiet_ticks = 0;
}

/* Alone it is no event, but it moves on with what concerns nobody, and keeps the connection. */
static void write_id(struct stream *s)
{
    struct buf words;
    buf_init(&words, 0);
    put_id(s, &words);
    buf_put_c(&words, "\n");
    (void)http_stream_write(s->http, buf_str(&words));
    buf_clear(&words);
}

void sse_tick(struct gateway_loop *loop)
{
    list_each (node, &loop->streams) {
        struct stream *s = container_of(node, struct stream, by_loop);
        if (++s->quiet_ticks % KEEP_ALIVE_TICKS == 0)
            write_id(s);
    }
}

/* ── the beginning ── */

static void started(void *owner, struct subscription *subscription)
{
    static const struct http_stream_events events = { .on_closed = closed };
    struct stream *s = owner;
    struct request *r = s->r;
    struct request_note *note = request_note(s->http, NULL);
    if (r->credential != NULL)
        note->user = r->credential->owner.user_id;
    note->operation = "subscription";
    s->subscription = subscription;
    list_push(&r->loop->streams, &s->by_loop);
    credential_watch_start(&s->watch, r->loop, r->token, r->credential, credential_lost, s);
    http_stream_start(s->http, 200,
                      STR("Content-Type: text/event-stream; charset=utf-8\r\n"
                          "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n"),
                      &events, s);
    write_id(s);
    if (http_is_cancelled(s->http)) /* then `closed` does not come */
        subscription_stop(subscription, NULL);
}

void sse_begin(struct request *r, struct http_request *http)
{
    static const struct subscription_carrier carrier = { .started = started,
                                                         .next = next,
                                                         .over = subscription_over };
    struct stream *s = arena_new(r->arena, struct stream);
    r->token = arena_copy(r->arena, r->token); /* it was the HTTP request's */
    r->resume = arena_copy(r->arena, http_header(http, STR("Last-Event-ID")));
    s->r = r;
    s->http = http;
    list_init(&s->by_loop);
    list_init(&s->watch.by_loop);
    list_init(&s->watch.wait.waiting);
    subscription_begin(r, &carrier, s);
}
