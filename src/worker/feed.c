#include "worker/feed.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/detached.h"
#include "worker/door.h"
#include "worker/meter.h"
#include "worker/worker_priv.h"

enum {
    AGE_LOOK_MAX_MS = 1'000,
    FLOOD_BYTES = 8 << 20, /* of events at once: when they have gone, the heap is worth tidying */
    QUIET_BYTES = 1 << 20, /* of events: they have gone */
};

/* A batch's events: `text` holds them one after the other, each with a comma behind it. */
struct chunk {
    struct list node;
    int64_t first, at_us; /* monotonic: when it came */
    size_t count;
    char *text;
    size_t text_len;
    uint32_t *ends;
};

struct waiter {
    struct list node;
    struct worker *w;
    struct http_request *r;
    int64_t from, max;
    struct io_timer *timer;
};

struct feed {
    struct shard *s;
    struct list chunks, waiters;
    struct io_timer *ageing; /* while there are chunks */
    size_t bytes, waiting;
    bool was_flooded; /* since memory was given back */
    struct io_detached *tidying;
    int64_t tidying_us; /* monotonic: since when */
};

static struct chunk *first_chunk(const struct feed *feed)
{
    return list_is_empty(&feed->chunks) ? NULL
                                        : container_of(feed->chunks.next, struct chunk, node);
}

static size_t bytes_of(const struct chunk *chunk)
{
    return sizeof *chunk + chunk->text_len + chunk->count * sizeof *chunk->ends;
}

static void drop_first(struct feed *feed)
{
    struct chunk *chunk = first_chunk(feed);
    assert(chunk);
    list_remove(&chunk->node);
    feed->bytes -= bytes_of(chunk);
    mem_free(chunk->text);
    mem_free(chunk->ends);
    mem_free(chunk);
}

static void give_back(void *data)
{
    (void)data;
    mem_give_back();
}

static void discard_nothing(void *data)
{
    (void)data;
}

static void tidied(void *owner)
{
    struct feed *feed = owner;
    feed->tidying = NULL;
    log_debug("feed.tidied", "us=%lld", (long long)(clock_mono_us() - feed->tidying_us));
}

/* What a flood of changes, and the requests that made them, left with the heap. It takes
 * milliseconds; nobody has to wait for its thread at the end. */
static void tidy(struct feed *feed)
{
    if (!feed->was_flooded || feed->tidying || feed->bytes > QUIET_BYTES)
        return;
    feed->tidying_us = clock_mono_us();
    feed->tidying = io_detached_start(
        feed->s->loop,
        &(struct io_detached_spec){
            .work = give_back, .done = tidied, .discard = discard_nothing, .owner = feed });
    feed->was_flooded = !feed->tidying;
}

static void look_at_age(struct feed *feed)
{
    int64_t age_ms = feed->s->options.feed_memory_us / CLOCK_MS;
    io_timer_start(feed->ageing, min_of(age_ms, (int64_t)AGE_LOOK_MAX_MS));
}

/* Whoever is further behind than that reads the tables: memory is for those that keep up. */
static void drop_old(void *owner)
{
    struct feed *feed = owner;
    int64_t from_us = clock_mono_us() - feed->s->options.feed_memory_us;
    for (const struct chunk *chunk; (chunk = first_chunk(feed)) && chunk->at_us < from_us;)
        drop_first(feed);
    tidy(feed);
    if (!list_is_empty(&feed->chunks))
        look_at_age(feed);
}

struct feed *feed_create(struct shard *s)
{
    struct feed *feed = mem_new(struct feed);
    feed->s = s;
    feed->ageing = io_timer_create(s->loop, drop_old, feed);
    list_init(&feed->chunks);
    list_init(&feed->waiters);
    return feed;
}

static struct waiter *take_waiter(struct feed *feed)
{
    struct list *node = list_pop(&feed->waiters);
    if (!node)
        return NULL;
    struct waiter *waiter = container_of(node, struct waiter, node);
    io_timer_destroy(take(waiter->timer));
    feed->waiting--;
    return waiter;
}

void feed_clear(struct feed *feed)
{
    struct err e = { 0 };
    shard_refuse(&e);
    while (!list_is_empty(&feed->chunks))
        drop_first(feed);
    for (struct waiter *waiter; (waiter = take_waiter(feed));)
        door_fail(waiter->r, &e);
}

void feed_destroy(struct feed *feed)
{
    if (!feed)
        return;
    feed_clear(feed);
    io_timer_destroy(feed->ageing);
    io_detached_abandon(feed->tidying);
    mem_free(feed);
}

int64_t feed_first(const struct feed *feed)
{
    const struct chunk *first = first_chunk(feed);
    return first ? first->first : feed->s->committed;
}

size_t feed_bytes(const struct feed *feed)
{
    return feed->bytes;
}

size_t feed_waiting(const struct feed *feed)
{
    return feed->waiting;
}

/* ── answering ── */

void feed_answer(const struct shard *s, struct http_request *r, int64_t cursor, struct str text)
{
    struct json_writer w = json_writer_to(r->out);
    json_begin_object(&w);
    door_put_cursor(&w, "cursor", s, cursor);
    door_put_cursor(&w, "head", s, s->committed);
    json_key_c(&w, "now_us");
    json_write_i64(&w, clock_wall_us());
    json_key_c(&w, "events");
    buf_put_char(r->out, '[');
    buf_put_str(r->out, text);
    buf_put_char(r->out, ']');
    json_end_object(&w);
    r->may_compress = true;
    door_answer(r);
}

/* The events of the ring from `from` on; at most `max`, and no more than fit an answer. */
static void answer_from_ring(struct feed *feed, struct http_request *r, int64_t from, int64_t max)
{
    struct buf text;
    int64_t next = from, until = from + max;
    buf_init(&text, 0);
    list_each (node, &feed->chunks) {
        const struct chunk *chunk = container_of(node, struct chunk, node);
        if (chunk->first + (int64_t)chunk->count <= next)
            continue;
        if (next >= until || text.len >= FEED_ANSWER_BYTES)
            break;
        size_t begin = (size_t)(next - chunk->first);
        size_t end = min_of(chunk->count, begin + (size_t)(until - next));
        uint32_t at = begin > 0 ? chunk->ends[begin - 1] : 0;
        while (end > begin + 1 && chunk->ends[end - 1] - at > FEED_ANSWER_BYTES)
            end--;
        buf_put(&text, chunk->text + at, chunk->ends[end - 1] - at);
        next = chunk->first + (int64_t)end;
        if (end < chunk->count)
            break;
    }
    worker_meter_feed(feed->s->meter, false, (size_t)(next - from));
    feed_answer(feed->s, r, next, text.len ? str_of(text.ptr, text.len - 1) : STR(""));
    buf_clear(&text);
}

/* ── growing ── */

static void wake_all(struct feed *feed)
{
    struct list woken;
    list_init(&woken);
    for (struct waiter *waiter; (waiter = take_waiter(feed));)
        list_push(&woken, &waiter->node);
    for (struct list *node; (node = list_pop(&woken));) {
        struct waiter *waiter = container_of(node, struct waiter, node);
        answer_from_ring(feed, waiter->r, waiter->from, waiter->max);
    }
}

/* It stays for seconds: it keeps no more room than it needs. */
static void add(struct feed *feed, struct chunk *chunk)
{
    chunk->text = mem_resize(chunk->text, chunk->text_len, 1);
    chunk->ends = mem_resize(chunk->ends, chunk->count, sizeof *chunk->ends);
    chunk->at_us = clock_mono_us();
    list_push(&feed->chunks, &chunk->node);
    feed->bytes += bytes_of(chunk);
    feed->was_flooded |= feed->bytes >= FLOOD_BYTES;
    while (feed->bytes > feed->s->options.feed_memory && first_chunk(feed) != chunk)
        drop_first(feed);
    if (!io_timer_is_running(feed->ageing))
        look_at_age(feed);
    wake_all(feed);
}

void feed_append(struct feed *feed, struct batch *b)
{
    struct chunk *chunk = mem_new(struct chunk);
    chunk->first = b->first;
    chunk->count = batch_size(b);
    chunk->text = buf_take(&b->events, &chunk->text_len);
    chunk->ends = take(b->event_ends);
    add(feed, chunk);
}

void feed_none(struct feed *feed, int64_t seq, int64_t at_us)
{
    struct buf text;
    (void)at_us;
    struct chunk *chunk = mem_new(struct chunk);
    buf_init(&text, 0);
    event_none(&text, seq);
    buf_put_char(&text, ',');
    chunk->first = seq;
    chunk->count = 1;
    chunk->ends = mem_zalloc(1, sizeof *chunk->ends);
    chunk->ends[0] = (uint32_t)text.len;
    chunk->text = buf_take(&text, &chunk->text_len);
    add(feed, chunk);
}

/* ── the door ── */

static void waited(void *owner)
{
    struct waiter *waiter = owner;
    struct feed *feed = waiter->w->shard.feed;
    list_remove(&waiter->node);
    io_timer_destroy(take(waiter->timer));
    feed->waiting--;
    feed_answer(&waiter->w->shard, waiter->r, waiter->from, STR(""));
}

static void wait_for_change(struct worker *w, struct http_request *r, int64_t from, int64_t max,
                            int64_t wait_ms)
{
    struct feed *feed = w->shard.feed;
    struct waiter *waiter = arena_new(r->arena, struct waiter);
    *waiter = (struct waiter){ .w = w, .r = r, .from = from, .max = max };
    waiter->timer = io_timer_create(w->loop, waited, waiter);
    io_timer_start(waiter->timer, wait_ms);
    list_push(&feed->waiters, &waiter->node);
    feed->waiting++;
}

static bool read_number(struct http_request *r, const char *name, int64_t max, int64_t *ret_value,
                        struct err *e)
{
    struct str text;
    if (!http_query(r, str_of_c(name), &text))
        return true;
    if (str_to_i64(text, ret_value) && *ret_value >= 0 && *ret_value <= max)
        return true;
    return err_set(e, ERR_INVALID, "%s: is not within 0 and %lld", name, (long long)max);
}

static bool read_cursor(const struct shard *s, struct str text, int64_t *ret_number)
{
    return shard_number_parse(s, text, ret_number) && *ret_number >= 1;
}

void feed_door(void *owner, struct http_request *r)
{
    struct worker *w = owner;
    struct shard *s = &w->shard;
    struct err e = { 0 };
    struct str cursor;
    int64_t from, wait_ms = 0, max = FEED_EVENTS_MAX / 2;
    if (!door_open(w, r, DOOR_GATEWAY))
        return;
    if (!read_number(r, "wait_ms", FEED_WAIT_MAX_MS, &wait_ms, &e) ||
        !read_number(r, "max", FEED_EVENTS_MAX, &max, &e)) {
        door_fail(r, &e);
        return;
    }
    if (!http_query(r, STR("cursor"), &cursor) || cursor.len == 0) {
        feed_answer(s, r, s->committed, STR(""));
        return;
    }
    if (!read_cursor(s, cursor, &from)) {
        err_set(&e, ERR_INVALID, "cursor: is none");
        door_fail(r, &e);
        return;
    }
    max = max_of(max, (int64_t)1);
    if (from > s->committed)
        door_gone(r, "the cursor is ahead of the head: take a snapshot");
    else if (from == s->committed && wait_ms > 0)
        wait_for_change(w, r, from, max, wait_ms);
    else if (from == s->committed)
        feed_answer(s, r, from, STR(""));
    else if (from >= feed_first(s->feed))
        answer_from_ring(s->feed, r, from, max);
    else
        feed_from_tables(w, r, from, max);
}
