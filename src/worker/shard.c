/* shard: the queue of intents, when batches are put together, and who may look in between. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "worker/batch_priv.h"
#include "worker/deps.h"
#include "worker/feed.h"
#include "worker/group.h"
#include "worker/inbox.h"
#include "worker/lead.h"
#include "worker/logs.h"
#include "worker/meter.h"
#include "worker/notes.h"
#include "worker/retain.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/tick.h"

enum {
    PAUSE_US = 100'000,
    MS_CEIL = CLOCK_MS - 1,
    ASLEEP_US = 5'000, /* since the last batch: the database's process sleeps */
};

bool shard_refuse(struct err *e)
{
    return err_set_from(e, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE, "this worker does not lead");
}

/* A leader that has not heard of the database for half its lease cannot know that it still is. */
bool shard_is_leading(const struct shard *s)
{
    return s->role == SHARD_LEADING && !s->is_leaving &&
           clock_mono_us() - s->confirmed_us < s->options.lease_us / 2;
}

bool shard_submit(struct shard *s, struct intent *intent, struct err *e)
{
    if (!shard_is_leading(s))
        return shard_refuse(e);
    if (s->queue_count >= SHARD_QUEUE_MAX)
        return err_set(e, ERR_UNAVAILABLE, "too many changes wait (limit %d)", SHARD_QUEUE_MAX);
    intent->tries = 0;
    list_push(&s->queue, &intent->node);
    s->queue_count++;
    shard_wake(s);
    return true;
}

/* ── types and queues ── */

static bool find_number(const struct map *ids, struct str name, uint32_t *ret_number)
{
    const void *number = map_get(ids, name);
    if (!number)
        return false;
    *ret_number = (uint32_t)((uintptr_t)number - 1);
    return true;
}

/* Room for the item of that number, zeroed. */
static void *make_room(void *items, size_t *capacity, uint32_t number, size_t size)
{
    if (number < *capacity)
        return items;
    size_t more = max_of((size_t)number + 1, *capacity * 2);
    items = mem_resize(items, more, size);
    memset((char *)items + *capacity * size, 0, (more - *capacity) * size);
    *capacity = more;
    return items;
}

bool shard_find_type(const struct shard *s, struct str name, uint32_t *ret_type)
{
    return find_number(s->type_ids, name, ret_type);
}

void shard_put_type(struct shard *s, uint32_t number, struct str name, bool is_stored)
{
    s->types = make_room(s->types, &s->type_capacity, number, sizeof *s->types);
    s->types[number].name = str_of(mem_cstr(name), name.len);
    s->types[number].is_stored = is_stored;
    s->type_count = max_of(s->type_count, (size_t)number + 1);
    (void)map_put(s->type_ids, name, (void *)((uintptr_t)number + 1));
}

bool shard_type_of(struct shard *s, struct str name, uint32_t *ret_type, struct err *e)
{
    if (shard_find_type(s, name, ret_type))
        return true;
    if (s->type_count >= LIVE_TYPES_MAX)
        return err_set(e, ERR_LIMIT, "more than %d task types", LIVE_TYPES_MAX);
    *ret_type = (uint32_t)s->type_count;
    shard_put_type(s, *ret_type, name, false);
    return true;
}

bool shard_find_queue(const struct shard *s, struct str name, uint32_t *ret_queue)
{
    return find_number(s->queue_ids, name, ret_queue);
}

void shard_put_queue(struct shard *s, uint32_t number, struct str name, bool is_stored)
{
    s->queues = make_room(s->queues, &s->queue_capacity, number, sizeof *s->queues);
    s->queues[number].name = str_of(mem_cstr(name), name.len);
    s->queues[number].is_stored = is_stored;
    s->queues_known = max_of(s->queues_known, (size_t)number + 1);
    (void)map_put(s->queue_ids, name, (void *)((uintptr_t)number + 1));
}

bool shard_queue_of(struct shard *s, struct str name, uint32_t *ret_queue, struct err *e)
{
    if (shard_find_queue(s, name, ret_queue))
        return true;
    if (s->queues_known >= LIVE_QUEUES_MAX)
        return err_set(e, ERR_LIMIT, "more than %d queues", LIVE_QUEUES_MAX);
    *ret_queue = (uint32_t)s->queues_known;
    shard_put_queue(s, *ret_queue, name, false);
    return true;
}

static void forget_names(struct shard *s)
{
    for (size_t i = 0; i < s->type_count; i++) {
        settings_free_type(s->types[i].settings);
        mem_free((void *)(uintptr_t)s->types[i].name.ptr);
        s->types[i] = (struct shard_type){ 0 };
    }
    for (size_t i = 0; i < s->queues_known; i++) {
        settings_free_queue(s->queues[i].settings);
        mem_free((void *)(uintptr_t)s->queues[i].name.ptr);
        s->queues[i] = (struct shard_queue){ 0 };
    }
    s->type_count = s->queues_known = 0;
}

/* ── when ── */

static bool has_work(const struct shard *s)
{
    return !list_is_empty(&s->queue) || deps_is_failing(s->deps) ||
           session_set_can_claim(s->sessions);
}

void shard_wake(struct shard *s)
{
    if (!s->batch && s->role == SHARD_LEADING)
        io_turn_arm(s->turn);
}

void shard_expect(struct shard *s)
{
    bool is_idle = s->role == SHARD_LEADING && !s->batch && list_is_empty(&s->queue);
    if (is_idle && clock_mono_us() - s->batch_started_us >= ASLEEP_US)
        db_pool_rouse(s->pool, DB_LANE_WRITE);
}

static void look_again_in(struct shard *s, int64_t us)
{
    if (!io_timer_is_running(s->gap))
        io_timer_start(s->gap, (us + MS_CEIL) / CLOCK_MS);
}

/* Idle: at once. Else for a moment, until enough of those whom the last batch answered are back. */
static bool must_wait(struct shard *s)
{
    int64_t now_us = clock_mono_us();
    bool is_full = s->suspects > 0 || s->queue_count >= SHARD_FLUSH_AT;
    int64_t until_us = is_full ? 0 : coalesce_until_us(&s->coalesce, s->queue_count);
    until_us = max_of(until_us, s->paused_until_us);
    if (now_us >= until_us)
        return false;
    look_again_in(s, until_us - now_us);
    return true;
}

void shard_pause(struct shard *s)
{
    s->paused_until_us = clock_mono_us() + PAUSE_US;
}

/* The log must have a partition for every number that a batch may begin with. */
static bool has_room(struct shard *s)
{
    if (s->end < s->log_room)
        return true;
    look_again_in(s, PAUSE_US);
    return false;
}

static void assemble(struct shard *s)
{
    struct batch *b = batch_create(s);
    size_t intents_max = s->suspects > 0 ? max_of(s->suspects_max, (size_t)1) : SIZE_MAX;
    live_ripen(s->live, b->at_us);
    while (!list_is_empty(&s->queue) && b->intent_count < intents_max &&
           batch_size(b) < s->options.batch_max && b->intent_count < SHARD_QUEUE_MAX &&
           b->events.len < SHARD_BATCH_BYTES) {
        struct intent *intent = container_of(s->queue.next, struct intent, node);
        if (intent->is_alone && b->intent_count > 0)
            break;
        list_remove(&intent->node);
        s->queue_count--;
        batch_apply(b, intent);
        b->is_alone = intent->is_alone;
        if (b->is_alone)
            break;
    }
    if (s->suspects == 0 && !b->is_alone) {
        deps_settle(b);
        size_t others = b->intent_count;
        session_set_claim(s->sessions, b);
        b->claim_count = b->intent_count - others;
    }
    s->batch = b;
    if (batch_size(b) == 0) {
        batch_nothing(b);
        return;
    }
    s->batch_started_us = clock_mono_us();
    s->end = batch_next(b);
    coalesce_sent(&s->coalesce, b->intent_count, s->batch_started_us);
    batch_send(b);
}

static void on_turn(void *owner)
{
    struct shard *s = owner;
    if (s->role != SHARD_LEADING || s->batch || s->is_leaving || !has_work(s) || must_wait(s) ||
        !has_room(s))
        return;
    assemble(s);
}

static void on_gap(void *owner)
{
    shard_wake(owner);
}

int64_t shard_now_us(const struct shard *s)
{
    int64_t since_us = clock_mono_us() - s->at_mono_us;
    return max_of(clock_wall_us(), s->at_us + since_us / 2);
}

/* ── views ── */

void shard_view(struct shard *s, struct view *view)
{
    list_init(&view->node);
    if (!s->batch) {
        view->fn(view);
        return;
    }
    list_push(&s->views, &view->node);
}

void shard_view_cancel(struct view *view)
{
    list_remove(&view->node);
}

static void run_views(struct shard *s)
{
    for (struct list *node; !s->batch && (node = list_pop(&s->views));) {
        struct view *view = container_of(node, struct view, node);
        list_init(&view->node);
        view->fn(view);
    }
}

/* ── the end of leading ── */

void shard_refuse_waiting(struct shard *s, const struct err *err)
{
    for (struct list *node; (node = list_pop(&s->queue));) {
        struct intent *intent = container_of(node, struct intent, node);
        s->queue_count--;
        intent->done(intent, err);
    }
}

void shard_forget(struct shard *s)
{
    assert(s->role != SHARD_LEADING && !s->batch);
    session_set_clear(s->sessions);
    notes_clear(s->notes);
    deps_clear(s->deps);
    live_destroy(s->live);
    s->live = live_create();
    forget_names(s);
    map_destroy(s->type_ids);
    map_destroy(s->queue_ids);
    s->type_ids = map_create();
    s->queue_ids = map_create();
}

static void forget_all(struct shard *s)
{
    struct err e = { 0 };
    shard_refuse(&e);
    s->is_leaving = false;
    tick_stop(s->tick);
    retain_stop(s->retain);
    inbox_stop(s->inbox);
    shard_refuse_waiting(s, &e); /* while the jobs are there whose firings wait */
    if (s->job_hooks)
        s->job_hooks->stop(s);
    logs_clear(s->logs);
    groups_clear(s->groups);
    feed_clear(s->feed);
    shard_forget(s);
    s->suspects = s->suspects_max = 0;
    run_views(s); /* they see that nobody leads */
}

void shard_step_down(struct shard *s, const char *why)
{
    if (s->role != SHARD_LEADING && s->role != SHARD_TAKING)
        return;
    log_warn("shard.stepped_down", "epoch=%lld reason=%s", (long long)s->epoch,
             log_quote(str_of_c(why)));
    worker_meter_step_down(s->meter);
    s->role = SHARD_STANDBY;
    s->is_leaving = true;
    if (!s->batch)
        forget_all(s);
    lead_again(s->lead);
}

void shard_batch_ended(struct shard *s)
{
    if (s->is_leaving) {
        forget_all(s);
        return;
    }
    run_views(s);
    session_set_clock(s->sessions);
    shard_wake(s);
}

/* ── life ── */

void shard_init(struct shard *s)
{
    list_init(&s->queue);
    list_init(&s->views);
    s->live = live_create();
    s->type_ids = map_create();
    s->queue_ids = map_create();
    s->notes = notes_create();
    s->logs = logs_create(s);
    s->groups = groups_create(s);
    s->deps = deps_create();
    s->turn = io_turn_create(s->loop, on_turn, s);
    s->gap = io_timer_create(s->loop, on_gap, s);
}

void shard_abandon(struct shard *s)
{
    struct batch *b = s->batch;
    s->role = SHARD_ENDED;
    if (b) {
        struct err e = { 0 };
        doubt_forget(b);
        if (b->call)
            db_request_forget(b->call);
        shard_refuse(&e);
        s->is_leaving = true;
        batch_refused(b, &e);
    } else {
        forget_all(s);
    }
}

void shard_clear(struct shard *s)
{
    io_turn_destroy(s->turn);
    io_timer_destroy(s->gap);
    live_destroy(s->live);
    forget_names(s);
    mem_free(s->types);
    mem_free(s->queues);
    map_destroy(s->type_ids);
    map_destroy(s->queue_ids);
    notes_destroy(s->notes);
    logs_destroy(s->logs);
    groups_destroy(s->groups);
    deps_destroy(s->deps);
}
