#include "gateway/creates_priv.h"

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/await_worker.h"
#include "gateway/feed_priv.h"
#include "gateway/worker_client.h"
#include "io/timer.h"

enum {
    BATCH_BYTES = 64 << 20,
    BODY_BYTES_MAX = 4 << 20, /* of one request; a larger one goes alone */
    FRESH_BYTES = 32,         /* more than is added to a task's own text */
    GATHER_US = 2 * CLOCK_MS, /* since the last answer; see gathers() */
    HOLD_MS = 10,             /* between two looks at whether the outbox is empty */
    HOLD_MAX_US = 1'500 * CLOCK_MS,
    HOLD_PAUSE_US = CLOCK_S / 2, /* after which those that come are held again */
};

static void turn_ended(void *owner);

struct creates *creates_create(struct gateway_loop *loop, size_t shard)
{
    struct creates *c = mem_new(struct creates);
    c->loop = loop;
    c->shard = shard;
    list_init(&c->waiting);
    c->turn = io_turn_create(loop->io, turn_ended, c);
    c->hold = io_timer_create(loop->io, turn_ended, c);
    return c;
}

void creates_destroy(struct creates *c)
{
    if (c == NULL)
        return;
    io_turn_destroy(c->turn);
    io_timer_destroy(c->hold);
    mem_free(c);
}

void creates_submit(struct creates *c, struct create_call *call)
{
    assert(call->count > 0);
    list_push(&c->waiting, &call->node);
    c->waiting_count++;
    io_turn_arm(c->turn);
}

/* ── batches ── */

static void batch_unref(void *owner)
{
    struct creates_batch *b = owner;
    if (--b->refs == 0)
        arena_destroy(b->arena);
}

/* Of the request; FRESH_BYTES each for what is added. */
static size_t bytes_of(const struct create_call *call)
{
    size_t bytes = 0;
    for (size_t i = 0; i < call->count; i++)
        bytes += call->tasks[i].body.len + FRESH_BYTES;
    return bytes;
}

static struct creates_batch *batch_create(struct creates *c)
{
    struct arena *a = arena_create(BATCH_BYTES);
    struct creates_batch *b = arena_new(a, struct creates_batch);
    *b = (struct creates_batch){ .creates = c, .arena = a, .refs = 1, .deadline_us = INT64_MAX };
    return b;
}

static void batch_add(struct creates_batch *b, struct create_call *call)
{
    list_remove(&call->node);
    b->creates->waiting_count--;
    b->calls[b->call_count++] = call;
    for (size_t i = 0; i < call->count; i++) {
        b->calls_of[b->task_count] = call;
        b->tasks[b->task_count++] = &call->tasks[i];
    }
    b->is_atomic = call->is_atomic;
    b->deadline_us = min_of(b->deadline_us, call->deadline_us);
    b->refs++;
    arena_defer(call->arena, batch_unref, b);
}

static bool is_alone(const struct create_call *call)
{
    return call->is_atomic || call->was_refused;
}

/* The oldest call, and those behind it that fit beside it. */
static struct creates_batch *batch_of_waiting(struct creates *c)
{
    struct creates_batch *b = batch_create(c);
    size_t tasks = 0, calls = 0, bytes = 0;
    list_each (node, &c->waiting) {
        const struct create_call *call = container_of(node, struct create_call, node);
        size_t more = bytes_of(call);
        bool fits = !is_alone(call) && tasks + call->count <= CREATES_TOGETHER_MAX &&
                    bytes + more <= BODY_BYTES_MAX;
        if (calls > 0 && !fits)
            break;
        calls++;
        tasks += call->count;
        bytes += more;
        if (is_alone(call))
            break;
    }
    b->calls = arena_new_array(b->arena, calls, struct create_call *);
    b->tasks = arena_new_array(b->arena, tasks, struct create_task *);
    b->calls_of = arena_new_array(b->arena, tasks, struct create_call *);
    b->bytes = bytes;
    for (size_t i = 0; i < calls; i++)
        batch_add(b, container_of(c->waiting.next, struct create_call, node));
    return b;
}

void creates_ask_alone(struct creates *c, struct create_call *call)
{
    call->was_refused = true;
    list_push_front(&c->waiting, &call->node);
    c->waiting_count++;
    io_turn_arm(c->turn);
}

void creates_batch_done(struct creates_batch *b)
{
    creates_let_go(b);
    for (size_t i = 0; i < b->call_count; i++)
        b->calls[i]->fn(b->calls[i]->owner);
    batch_unref(b);
}

void creates_batch_fail(struct creates_batch *b, const struct err *e)
{
    for (size_t i = 0; i < b->task_count; i++)
        b->tasks[i]->err = *e;
    creates_batch_done(b);
}

/* ── the worker ── */

bool creates_is_vouched(const struct creates_batch *b, const struct create_task *task)
{
    return task->is_fresh && !b->is_atomic;
}

/* One of them is what the worker cannot take; the others are not to suffer for it. */
static void ask_singly(struct creates_batch *b)
{
    creates_let_go(b);
    for (size_t i = b->call_count; i-- > 0;)
        creates_ask_alone(b->creates, b->calls[i]);
    batch_unref(b);
}

/* Of an all-or-none call the answer tells which one. */
static void refuse_all(struct creates_batch *b, const struct worker_reply *reply)
{
    struct err e = *reply->err;
    if (b->call_count > 1) {
        ask_singly(b);
        return;
    }
    bool is_told = b->is_atomic ? reply->index >= 0 && (size_t)reply->index < b->task_count
                                : b->task_count == 1;
    if (is_told) {
        struct str message = str_of_c(reply->err->message);
        size_t index = b->is_atomic ? (size_t)reply->index : 0;
        creates_tell_refusal(b->tasks[0], b->calls[0], index, e.code, message);
        e = b->tasks[0]->err;
        for (size_t i = 0; i < b->task_count; i++)
            b->tasks[i]->err = e;
        creates_left_open(b, index, message, reply->status);
        creates_keep_left(b);
        return;
    }
    creates_batch_fail(b, &e);
}

static void replied(void *owner, const struct worker_reply *reply)
{
    struct creates_batch *b = owner;
    struct creates *c = b->creates;
    const struct json_value *results = json_get_c(reply->body, "results");
    bool is_read =
        results != NULL && results->type == JSON_ARRAY && results->item_count == b->task_count;
    c->asking--;
    c->answered_count = b->call_count;
    c->answered_us = clock_mono_us();
    if (!list_is_empty(&c->waiting))
        io_turn_arm(c->turn);
    if (!is_read) {
        if (reply->err != NULL && !reply->is_away && !reply->is_in_doubt)
            refuse_all(b, reply);
        else
            creates_keep_all(b, reply->body != NULL || !reply->is_not_taken);
        return;
    }
    creates_take_results(b, results->items);
}

static void put_task(struct buf *out, const struct creates_batch *b, const struct create_task *task)
{
    if (!creates_is_vouched(b, task)) {
        buf_put_str(out, task->body);
        return;
    }
    buf_put(out, task->body.ptr, task->body.len - 1); /* without its brace */
    buf_put_c(out, ",\"is_fresh\":true}");
}

static void ask(struct creates_batch *b)
{
    struct creates *c = b->creates;
    int64_t now_us = clock_mono_us();
    int64_t wait_us = await_worker_create_us(c->loop, b->deadline_us, now_us);
    struct buf body;
    struct err e;
    creates_claim(b);
    buf_init(&body, 0);
    (void)buf_reserve(&body, b->bytes);
    buf_put_c(&body, "{\"tasks\":[");
    for (size_t i = 0; i < b->task_count; i++) {
        if (i > 0)
            buf_put_char(&body, ',');
        put_task(&body, b, b->tasks[i]);
    }
    buf_put_c(&body, b->is_atomic ? "],\"is_atomic\":true}" : "]}");
    const struct worker_call_options options = { .path = "/v1/tasks",
                                                 .header = "Prefer: return=minimal",
                                                 .body = buf_str(&body),
                                                 .arena = b->arena,
                                                 .deadline_us = now_us + wait_us,
                                                 .fn = replied,
                                                 .owner = b };
    bool is_asked = worker_client_call(c->loop->workers[c->shard], &options, &e);
    buf_clear(&body);
    if (is_asked)
        c->asking++;
    else
        creates_keep_all(b, false);
}

/* ── the turn's end ── */

/*
 * The worker is back and what waits for it is almost sent: what comes now is held back until it is,
 * so that the outbox becomes empty however much comes.
 */
static bool holds_back(struct creates *c)
{
    const struct gateway *gw = c->loop->gateway;
    int64_t now_us = io_loop_now_us(c->loop->io);
    if (!feed_is_up(gw, c->shard) || feed_shard_outbox_waiting(gw, c->shard) > CREATES_TOGETHER_MAX)
        return false;
    if (c->held_since_us == 0 || now_us - c->held_since_us > HOLD_MAX_US + HOLD_PAUSE_US)
        c->held_since_us = now_us;
    if (now_us - c->held_since_us > HOLD_MAX_US)
        return false;
    io_timer_start(c->hold, HOLD_MS);
    return true;
}

/*
 * Those who were answered last may ask again: until they have come back, and for GATHER_US at most,
 * what comes waits for them, since what a request costs worker and database is shared by all in it.
 * Nobody else is waited for, so a caller by himself never waits.
 */
static bool gathers(struct creates *c)
{
    int64_t rest_us = c->answered_us + GATHER_US - clock_mono_us();
    if (c->waiting_count >= c->answered_count || rest_us <= 0)
        return false;
    io_timer_start(c->hold, (rest_us + CLOCK_MS - 1) / CLOCK_MS);
    return true;
}

/* At the turn's end, so that what came in one turn leaves together. */
static void turn_ended(void *owner)
{
    struct creates *c = owner;
    while (!list_is_empty(&c->waiting)) {
        bool is_queued = outbox_is_waiting(c->loop->gateway, c->shard);
        bool goes_alone = is_alone(container_of(c->waiting.next, struct create_call, node));
        if (is_queued && holds_back(c))
            return;
        if (!is_queued)
            c->held_since_us = 0;
        if (!is_queued && !goes_alone && (c->asking > 0 || gathers(c)))
            return;
        struct creates_batch *b = batch_of_waiting(c);
        if (is_queued)
            creates_keep_all(b, false);
        else
            ask(b);
    }
}
