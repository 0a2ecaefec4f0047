#include "client/follow.h"

#include "base/backoff.h"
#include "base/mem.h"
#include "client/client_priv.h"
#include "http/sse.h"
#include "io/timer.h"

/*
 *   connect --(bytes)--> on_begin where it does not go on --> on_next … --+--> on_end
 *      ^                                                                   |
 *      `------------- a while ------------ on_break <---- it breaks -------'
 */
enum {
    EVENT_BYTES_MAX = 2 << 20,     /* beyond a gateway's gql-event-limit by default */
    REFUSAL_BYTES_MAX = 64 << 10,  /* kept of what may turn out to be no stream */
    STREAM_MS = 24 * 3'600 * 1000, /* then it is opened anew, and goes on */
    SILENCE_MS = 60'000,           /* a gateway says something each 15 s */
    RETRY_MS_MIN = 250,
    RETRY_MS_MAX = 10'000,
};

struct follow {
    struct client *client;
    const struct follow_events *events;
    void *owner;
    struct buf body;    /* of the request */
    struct buf id;      /* where to go on; empty: from the beginning */
    struct buf refusal; /* the first bytes, until they proved to be a stream's */
    struct http_sse sse;
    struct http_call *call; /* NULL: between two connections */
    struct io_timer *timer; /* silence while there is a call, else the pause */
    struct backoff backoff;
    struct err end;
    bool is_resumed;  /* this connection asked to go on */
    bool has_begun;   /* what answers is a stream */
    bool is_complete; /* it said so */
    bool is_failed;   /* by `end` */
};

static void connect_stream(struct follow *f);

/* ── the end of a connection ── */

/* A gateway that is there again, or has its worker again, can go on. */
static bool is_passing(const struct err *e)
{
    return e->code == ERR_UNAVAILABLE || e->code == ERR_TIMEOUT || e->code == ERR_RATE;
}

static void try_again(struct follow *f, const struct err *e)
{
    f->events->on_break(f->owner, e);
    io_timer_start(f->timer, backoff_next_ms(&f->backoff));
}

/* The place where it was is not kept any more: all that is known may be old. */
static bool is_lost(const struct follow *f)
{
    return f->is_failed && f->is_resumed && f->id.len == 0;
}

static void connection_over(struct follow *f, const struct err *e)
{
    f->call = NULL;
    io_timer_stop(f->timer);
    if (is_lost(f))
        connect_stream(f);
    else if (f->is_failed && !is_passing(&f->end))
        f->events->on_end(f->owner, &f->end);
    else if (f->is_complete && !f->is_failed)
        f->events->on_end(f->owner, NULL);
    else
        try_again(f, f->is_failed ? &f->end : e);
}

/* What answered without a stream: a refusal, or no gateway at all. */
static void read_refusal(struct follow *f, int status)
{
    scoped(arena_destroyp) struct arena *a = arena_create(SIZE_MAX);
    const struct json_value *ignored;
    f->is_failed = true;
    if (client_read_response(a, status, buf_str(&f->refusal), &ignored, &f->end))
        err_set(&f->end, ERR_INTERNAL, "the gateway answered a subscription without a stream");
}

static void replied(void *owner, const struct http_reply *reply, const struct err *e)
{
    struct follow *f = owner;
    struct err ended;
    err_set(&ended, ERR_UNAVAILABLE, "the gateway ended the stream");
    if (reply != NULL && !f->has_begun)
        read_refusal(f, reply->status);
    connection_over(f, e != NULL ? e : &ended);
}

/* ── the stream ── */

/* A line of `id` alone is the first thing that a stream says. */
static void note_beginning(struct follow *f)
{
    if (f->has_begun)
        return;
    f->has_begun = true;
    backoff_reset(&f->backoff);
    if (!f->is_resumed)
        f->events->on_begin(f->owner);
}

static void note_id(struct follow *f)
{
    struct str id = http_sse_last_id(&f->sse);
    buf_reset(&f->id);
    buf_put_str(&f->id, id);
}

static void take_next(struct follow *f, struct str data)
{
    scoped(arena_destroyp) struct arena *a = arena_create(SIZE_MAX);
    const struct json_value *value;
    if (client_read_response(a, 200, data, &value, &f->end))
        f->events->on_next(f->owner, value);
    else
        f->is_failed = true;
}

static bool take_event(void *owner, const struct http_sse_event *event)
{
    struct follow *f = owner;
    note_beginning(f);
    if (str_eq_c(event->name, "next"))
        take_next(f, event->data);
    else if (str_eq_c(event->name, "complete"))
        f->is_complete = true;
    return !f->is_complete;
}

static bool took_bytes(void *owner, struct str bytes)
{
    struct follow *f = owner;
    struct err e;
    if (!f->has_begun && f->refusal.len + bytes.len <= REFUSAL_BYTES_MAX)
        buf_put_str(&f->refusal, bytes);
    bool is_wanted = http_sse_feed(&f->sse, bytes, &e);
    if (http_sse_last_id(&f->sse).len > 0)
        note_beginning(f);
    if (f->has_begun)
        note_id(f);
    if (!is_wanted && !f->is_complete) {
        f->end = e;
        f->is_failed = true;
    }
    io_timer_start(f->timer, SILENCE_MS);
    return is_wanted;
}

/* ── connections ── */

static void start_call(struct follow *f)
{
    char last_id[128];
    const char *headers[4] = { "Content-Type: application/json", "Accept: text/event-stream" };
    size_t count = 2;
    struct err e;
    if (f->client->authorization != NULL)
        headers[count++] = f->client->authorization;
    snprintf(last_id, sizeof last_id, "Last-Event-ID: %.*s",
             STR_FMT(str_first(buf_str(&f->id), 100)));
    if (f->is_resumed)
        headers[count++] = last_id;
    const struct http_call_options options = {
        .url = f->client->url,
        .headers = headers,
        .header_count = count,
        .body = buf_str(&f->body),
        .deadline_ms = STREAM_MS,
        .on_body = took_bytes,
        .fn = replied,
        .owner = f,
    };
    if (http_client_call(f->client->http, &options, &f->call, &e))
        io_timer_start(f->timer, SILENCE_MS);
    else
        connection_over(f, &e);
}

static void connect_stream(struct follow *f)
{
    http_sse_clear(&f->sse);
    http_sse_init(&f->sse, EVENT_BYTES_MAX, take_event, f);
    buf_reset(&f->refusal);
    f->is_resumed = f->id.len > 0;
    f->has_begun = f->is_complete = f->is_failed = false;
    start_call(f);
}

/* Silence where a gateway would have said something, or the end of a pause. */
static void on_timer(void *owner)
{
    struct follow *f = owner;
    struct err e;
    if (f->call == NULL) {
        connect_stream(f);
        return;
    }
    http_call_cancel(f->call);
    err_set(&e, ERR_TIMEOUT, "nothing came for %d s", SILENCE_MS / 1000);
    connection_over(f, &e);
}

struct follow *follow_create(struct client *client, const struct client_request *request,
                             const struct follow_events *events, void *owner)
{
    struct follow *f = mem_new(struct follow);
    *f = (struct follow){ .client = client,
                          .events = events,
                          .owner = owner,
                          .backoff = { .min_ms = RETRY_MS_MIN, .max_ms = RETRY_MS_MAX } };
    buf_init(&f->body, 0);
    buf_init(&f->id, 0);
    buf_init(&f->refusal, 0);
    http_sse_init(&f->sse, EVENT_BYTES_MAX, take_event, f);
    client_put_request(&f->body, request);
    f->timer = io_timer_create(client->loop, on_timer, f);
    io_timer_start(f->timer, 0);
    return f;
}

void follow_ask(struct follow *f, const struct client_request *request)
{
    buf_reset(&f->body);
    client_put_request(&f->body, request);
}

void follow_destroy(struct follow *f)
{
    if (f == NULL)
        return;
    if (f->call != NULL)
        http_call_cancel(f->call);
    io_timer_destroy(f->timer);
    http_sse_clear(&f->sse);
    buf_clear(&f->body);
    buf_clear(&f->id);
    buf_clear(&f->refusal);
    mem_free(f);
}
