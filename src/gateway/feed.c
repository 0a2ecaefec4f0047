#include "gateway/feed_priv.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/feed_age.h"
#include "gateway/own_rows.h"
#include "gateway/told.h"
#include "gateway/worker_client.h"
#include "gateway/worker_json.h"
#include "io/timer.h"

enum {
    EVENTS_MAX = 2'000, /* of one answer */
    WAIT_MS_MAX = 1'000,
    ANSWER_MARGIN_US = 5 * CLOCK_S, /* beyond what the worker was asked to wait */
    BUSY_RATE = 500,                /* changes a second, from which on polls are paced */
    BUSY_PAUSE_MS = 20,
    RETRY_MIN_MS = 100,
    RETRY_MAX_MS = 2'000,
    SENSELESS_MAX = 10, /* answers in a row that make no sense: then it begins anew */
};

struct feed {
    struct gateway *gw;
    struct gateway_loop *loop; /* the first */
    size_t shard;
    struct mirror *mirror;
    struct io_timer *timer; /* to the next poll */
    struct backoff backoff;
    bool is_running, is_polling, has_cursor, is_down;
    bool has_told; /* types and queues were asked for since the feed began, or came back */
    int64_t next;  /* the number to ask for */
    int64_t told;  /* the first number that subscribers have not got */
    int64_t asked;
    int64_t asked_at_us;
    size_t limit;
    size_t senseless; /* answers in a row */
    double rate;      /* changes a second, lately */
    struct feed_age age;
    uint64_t skipped; /* events that could not be read */

    /* For any thread. */
    atomic_llong outbox_waiting;
    atomic_llong outbox_puts;
    atomic_llong outbox_oldest_us;
    atomic_bool has_outbox_apart;
    atomic_llong began; /* the number from which on loops have been told; 0: not known yet */
    atomic_llong worker_since_us; /* wall: when it came, or, negative, when it went */
};

struct feed_age *feed_age_of(const struct gateway *gw, size_t shard)
{
    return &gw->feeds[shard]->age;
}

void feed_table_reached(struct feed *feed, int64_t seq)
{
    feed_age_reach(&feed->age, seq);
}

int64_t feed_position(const struct gateway_loop *loop, size_t shard)
{
    int64_t position = loop->feed_positions[shard];
    return position > 0 ? position : atomic_load(&loop->gateway->feeds[shard]->began);
}

/* ── the outbox ── */

int64_t feed_shard_outbox_waiting(const struct gateway *gw, size_t shard)
{
    return atomic_load_explicit(&gw->feeds[shard]->outbox_waiting, memory_order_relaxed);
}

int64_t feed_outbox_waiting(const struct gateway *gw)
{
    int64_t waiting = 0;
    for (size_t i = 0; i < gw->shard_count; i++)
        waiting += feed_shard_outbox_waiting(gw, i);
    return waiting;
}

void feed_set_outbox_waiting(struct gateway *gw, size_t shard, int64_t count, int64_t puts_before)
{
    int64_t since = feed_outbox_puts(gw, shard) - puts_before;
    atomic_store(&gw->feeds[shard]->outbox_waiting, count + since);
}

int64_t feed_outbox_puts(const struct gateway *gw, size_t shard)
{
    return atomic_load(&gw->feeds[shard]->outbox_puts);
}

void feed_add_outbox_waiting(struct gateway *gw, size_t shard, int64_t count)
{
    struct feed *feed = gw->feeds[shard];
    if (count > 0)
        atomic_fetch_add(&feed->outbox_puts, count);
    if (atomic_fetch_add(&feed->outbox_waiting, count) <= 0)
        feed_set_outbox_oldest(gw, shard, clock_wall_us());
}

void feed_set_outbox_oldest(struct gateway *gw, size_t shard, int64_t at_us)
{
    /* None: unless one was put in since the table was read. */
    if (at_us > 0 || feed_shard_outbox_waiting(gw, shard) <= 0)
        atomic_store_explicit(&gw->feeds[shard]->outbox_oldest_us, at_us, memory_order_relaxed);
}

bool feed_has_outbox_apart(const struct gateway *gw)
{
    bool has_some = false;
    for (size_t i = 0; i < gw->shard_count; i++)
        has_some |= atomic_load_explicit(&gw->feeds[i]->has_outbox_apart, memory_order_relaxed);
    return has_some;
}

void feed_set_outbox_apart(struct gateway *gw, size_t shard, bool has_some)
{
    atomic_store_explicit(&gw->feeds[shard]->has_outbox_apart, has_some, memory_order_relaxed);
}

int64_t feed_outbox_oldest_us(const struct gateway *gw)
{
    int64_t oldest_us = INT64_MAX;
    for (size_t i = 0; i < gw->shard_count; i++) {
        int64_t at_us = atomic_load_explicit(&gw->feeds[i]->outbox_oldest_us, memory_order_relaxed);
        if (feed_shard_outbox_waiting(gw, i) > 0 && at_us > 0)
            oldest_us = min_of(oldest_us, at_us);
    }
    return oldest_us == INT64_MAX ? 0 : oldest_us;
}

/* ── polling ── */

static void poll(void *owner);

static void poll_after(struct feed *feed, int64_t delay_ms)
{
    if (feed->is_running && !feed->is_polling)
        io_timer_start(feed->timer, delay_ms);
}

/* What the worker keeps begins later than what was asked for, or its log began anew. */
static void lost_track(struct feed *feed)
{
    log_warn("feed.gap", "cursor=%zu:%lld reason=\"the worker keeps no such cursor\"", feed->shard,
             (long long)feed->asked);
    feed->has_cursor = false;
    atomic_store(&feed->began, 0);
    feed_age_forget(&feed->age);
    feed_tell_loops(feed->gw, feed->shard, NULL, 0);
    told_forget(feed->gw->told, feed->shard);
    feed->has_told = false;
    mirror_lost_track(feed->mirror);
    poll_after(feed, BUSY_PAUSE_MS);
}

static bool read_answer(struct feed *feed, const struct json_value *body, struct feed_batch *batch,
                        int64_t *ret_head, struct err *e)
{
    int64_t cursor;
    if (!worker_read_cursor(json_get_c(body, "cursor"), feed->shard, &cursor, e) ||
        !worker_read_cursor(json_get_c(body, "head"), feed->shard, ret_head, e))
        return false;
    if (!feed->has_cursor) {
        feed->has_cursor = true;
        feed->next = feed->told = feed->asked = cursor;
        atomic_store(&feed->began, cursor);
    }
    if (!feed_batch_read(batch, body, feed->asked, e))
        return false;
    feed->skipped += batch->skipped;
    return batch->next_seq == cursor ||
           err_set(e, ERR_INVALID, "the events end at %lld, the cursor at %lld",
                   (long long)batch->next_seq, (long long)cursor);
}

static void measure(struct feed *feed, const struct feed_batch *batch)
{
    double took_s =
        (double)max_of(clock_mono_us() - feed->asked_at_us, (int64_t)CLOCK_MS) / (double)CLOCK_S;
    double now = (double)(batch->next_seq - batch->first_seq) / took_s;
    feed->rate = feed->rate * 0.8 + now * 0.2;
}

static void note_worker(struct feed *feed, bool is_up)
{
    if (is_up != (atomic_load(&feed->worker_since_us) > 0))
        atomic_store(&feed->worker_since_us, is_up ? clock_wall_us() : -clock_wall_us());
}

static void take_told(const struct feed *feed, const struct feed_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct feed_event *event = &batch->events[i];
        if (event->op == FEED_TYPE || event->op == FEED_QUEUE)
            told_put(feed->gw->told, feed->shard, event->op == FEED_TYPE ? TOLD_TYPES : TOLD_QUEUES,
                     event->object);
    }
}

static void fell(struct feed *feed)
{
    feed->is_down = true;
    feed->has_told = false;
    note_worker(feed, false);
    feed->rate = 0;
    poll_after(feed, backoff_next_ms(&feed->backoff));
}

/* Not the worker's, perhaps, but of something between: it is asked again for the same. */
static void got_nonsense(struct feed *feed, const struct err *e)
{
    log_error("feed.broken", "shard=%zu error=%s", feed->shard, log_quote(str_of_c(err_text(e))));
    if (++feed->senseless % SENSELESS_MAX == 0)
        lost_track(feed);
    fell(feed);
}

static void got_answer(struct feed *feed, const struct json_value *body, struct feed_batch *batch)
{
    struct err e;
    int64_t head;
    if (!read_answer(feed, body, batch, &head, &e)) {
        got_nonsense(feed, &e);
        return;
    }
    feed->senseless = 0;
    if (feed->is_down)
        log_info("feed.up", "cursor=%zu:%lld", feed->shard, (long long)feed->next);
    feed->is_down = false;
    note_worker(feed, true);
    if (!feed->has_told) /* of what changed before this the feed may not tell */
        told_refresh(feed->loop, feed->shard);
    feed->has_told = true;
    feed->next = batch->next_seq;
    backoff_reset(&feed->backoff);
    measure(feed, batch);
    feed_age_sample(&feed->age, head, clock_mono_us());
    take_told(feed, batch);
    mirror_take(feed->mirror, batch);
    feed_tell_loops(feed->gw, feed->shard, batch, feed->told);
    feed->told = max_of(feed->told, batch->next_seq);
    bool is_behind = feed->next < head;
    feed->limit = min_of(feed->limit * 2, (size_t)EVENTS_MAX);
    poll_after(feed, feed->rate > BUSY_RATE && !is_behind ? BUSY_PAUSE_MS : 0);
}

static void got_failure(struct feed *feed, const struct worker_reply *reply)
{
    if (reply->status == 410) {
        lost_track(feed);
        return;
    }
    if (reply->err->code == ERR_LIMIT && feed->limit > 1)
        feed->limit /= 2;
    else if (!feed->is_down)
        log_warn("feed.down", "shard=%zu error=%s", feed->shard,
                 log_quote(str_of_c(err_text(reply->err))));
    fell(feed);
}

struct poll {
    struct feed *feed;
    struct feed_batch *batch;
};

static void polled(void *owner, const struct worker_reply *reply)
{
    struct poll *poll = owner; /* lives in the batch */
    struct feed *feed = poll->feed;
    struct feed_batch *batch = poll->batch;
    feed->is_polling = false;
    if (feed->is_running) {
        if (feed->has_cursor && feed->asked != feed->next)
            poll_after(feed, 0); /* the mirror went elsewhere meanwhile */
        else if (reply->body != NULL)
            got_answer(feed, reply->body, batch);
        else
            got_failure(feed, reply);
    }
    feed_batch_unref(batch);
}

static int64_t wait_ms(const struct feed *feed)
{
    int64_t bound_ms = conf_duration_us(feed->gw->conf, CONF_FEED_LAG_MAX) / 2 / CLOCK_MS;
    bound_ms = min_of(bound_ms, (int64_t)WAIT_MS_MAX);
    return max_of(bound_ms, (int64_t)1);
}

static void poll(void *owner)
{
    struct feed *feed = owner;
    char path[128];
    struct err e;
    if (feed->is_polling || !feed->is_running)
        return;
    if (mirror_is_full(feed->mirror))
        return; /* feed_go_on */
    struct feed_batch *batch = feed_batch_create(feed->shard);
    struct poll *poll = arena_new(batch->arena, struct poll);
    *poll = (struct poll){ feed, batch };
    feed->asked = feed->next;
    feed->asked_at_us = clock_mono_us();
    if (feed->has_cursor)
        snprintf(path, sizeof path, "/v1/feed?cursor=%zu:%lld&wait_ms=%lld&max=%zu", feed->shard,
                 (long long)feed->next, (long long)wait_ms(feed), feed->limit);
    else
        snprintf(path, sizeof path, "/v1/feed");
    const struct worker_call_options options = {
        .path = path,
        .arena = batch->arena,
        .deadline_us = clock_mono_us() + wait_ms(feed) * CLOCK_MS + ANSWER_MARGIN_US,
        .fn = polled,
        .owner = poll,
    };
    if (worker_client_call(feed->loop->workers[feed->shard], &options, &e)) {
        feed->is_polling = true;
        return;
    }
    const struct worker_reply reply = { .err = &e, .is_away = true };
    got_failure(feed, &reply);
    feed_batch_unref(batch);
}

void feed_seek(struct feed *feed, int64_t seq)
{
    feed->next = seq;
    feed->has_cursor = true;
    poll_after(feed, 0);
}

bool feed_is_up(const struct gateway *gw, size_t shard)
{
    return atomic_load_explicit(&gw->feeds[shard]->worker_since_us, memory_order_relaxed) > 0;
}

void feed_go_on(struct feed *feed)
{
    if (!io_timer_is_running(feed->timer))
        poll_after(feed, 0);
}

struct mirror_stats feed_mirror_stats(const struct gateway *gw)
{
    struct mirror_stats all = { 0 };
    for (size_t i = 0; i < gw->shard_count; i++) {
        struct mirror_stats stats = mirror_stats(gw->feeds[i]->mirror);
        all.windows += stats.windows;
        all.changes += stats.changes;
        all.refused_rows += stats.refused_rows;
        all.snapshots += stats.snapshots;
        all.audits += stats.audits;
        all.mended += stats.mended;
        all.unreadable += gw->feeds[i]->skipped;
    }
    return all;
}

/* ── life ── */

static struct feed *feed_create(struct gateway *gw, size_t shard)
{
    struct feed *feed = mem_new(struct feed);
    *feed = (struct feed){ .gw = gw,
                           .loop = &gw->loops[0],
                           .shard = shard,
                           .backoff = { .min_ms = RETRY_MIN_MS, .max_ms = RETRY_MAX_MS },
                           .limit = EVENTS_MAX };
    atomic_init(&feed->worker_since_us, -clock_wall_us());
    feed_age_init(&feed->age, conf_duration_us(gw->conf, CONF_FEED_LAG_MAX));
    feed->timer = io_timer_create(feed->loop->io, poll, feed);
    feed->mirror = mirror_create(gw, feed, shard);
    return feed;
}

void feed_open(struct gateway *gw)
{
    for (size_t i = 0; i < gw->shard_count; i++) {
        gw->own_rows[i] = own_rows_create();
        gw->feeds[i] = feed_create(gw, i);
    }
}

void feed_begin(struct gateway *gw)
{
    for (size_t i = 0; i < gw->shard_count && gw->loops[0].workers[i] != NULL; i++) {
        gw->feeds[i]->is_running = true;
        mirror_begin(gw->feeds[i]->mirror);
        poll_after(gw->feeds[i], 0);
    }
}

void feed_end(struct gateway *gw)
{
    for (size_t i = 0; i < gw->shard_count && gw->feeds[i] != NULL; i++) {
        gw->feeds[i]->is_running = false;
        io_timer_stop(gw->feeds[i]->timer);
        mirror_end(gw->feeds[i]->mirror);
    }
}

void feed_close(struct gateway *gw)
{
    for (size_t i = 0; i < gw->shard_count && gw->feeds[i] != NULL; i++) {
        mirror_destroy(gw->feeds[i]->mirror);
        io_timer_destroy(gw->feeds[i]->timer);
        mem_free(take(gw->feeds[i]));
        own_rows_destroy(take(gw->own_rows[i]));
    }
}

bool feed_worker_is_up(const struct gateway *gw, size_t shard, int64_t *ret_since_us)
{
    int64_t since_us = atomic_load(&gw->feeds[shard]->worker_since_us);
    *ret_since_us = since_us > 0 ? since_us : -since_us;
    return since_us > 0;
}
