#include "gateway/task_watch.h"

#include "base/clock.h"
#include "gateway/feed_replay.h"
#include "gateway/feed_subscribers.h"
#include "gateway/task_watch_priv.h"
#include "io/timer.h"

enum {
    READ_ROWS_MAX = 500,
    READ_DEADLINE_US = 5 * CLOCK_S,
    READ_BYTES = 1 << 20,
    MISSES_MAX = 20, /* tries to find a row that the mirror has yet to write */
};

/* ── from the feed ── */

static void take_all(struct watch *w, size_t shard, const struct feed_event *events, size_t count)
{
    bool is_lost = w->failure.code != ERR_NONE;
    for (size_t i = 0; i < count && !is_lost; i++) {
        if (events[i].seq >= w->shards[shard].replayed_to)
            w->kind->on_event(w, shard, &events[i]);
        is_lost = changes_are_too_many(&w->changes);
    }
    if (is_lost && w->failure.code == ERR_NONE)
        err_set(&w->failure, ERR_LIMIT, "more changes than can be followed; narrow the filter");
}

static void fail_missed(struct watch *w)
{
    err_set_from(&w->failure, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE,
                 "changes were missed; read anew and subscribe again");
}

/* While a replay runs, what comes is left to it: older events must not come after newer ones. */
static void take_events(void *owner, size_t shard, const struct feed_event *events, size_t count)
{
    struct watch *w = owner;
    if (count == 0) {
        fail_missed(w);
    } else if (w->shards[shard].replay == NULL) {
        int64_t *position = &w->position.seqs[shard];
        take_all(w, shard, events, count);
        *position = max_of(*position, events[count - 1].seq + 1);
    }
    w->base.wake(w->base.waker);
}

/* The replay is over when it has come to what the loop was told last. */
static bool take_replayed(void *owner, size_t shard, const struct feed_event *events, size_t count,
                          int64_t next_seq, const struct err *e)
{
    struct watch *w = owner;
    if (e != NULL) {
        w->failure = *e;
    } else {
        take_all(w, shard, events, count);
        w->position.seqs[shard] = next_seq;
    }
    bool is_over = w->failure.code != ERR_NONE || next_seq >= feed_position(w->loop, shard);
    if (is_over) {
        w->shards[shard].replayed_to = next_seq;
        feed_replay_end(take(w->shards[shard].replay));
    }
    w->base.wake(w->base.waker);
    return !is_over;
}

/* ── what events did not tell ── */

static bool is_complete(const struct watch *w, const struct change *change)
{
    return change->is_deleted || change->rows != NULL ||
           (w->plan->columns & ~change->kept.given) == 0;
}

static void move(struct list *to, struct change *change)
{
    list_remove(&change->link);
    list_push(to, &change->link);
}

static void take_row(struct watch *w, struct db_rows *rows, size_t row)
{
    struct change *change = changes_find(&w->changes, db_rows_uuid(rows, row, 0));
    if (change == NULL)
        return;
    db_rows_ref(rows);
    change->rows = rows;
    change->row = row;
    move(&w->changes.ready, change);
}

/* The rest was not there: the mirror is behind the feed, or the row has gone already. */
static void put_off(struct watch *w, bool is_missing)
{
    int64_t now_us = clock_mono_us();
    list_each (node, &w->changes.reading) {
        struct change *change = container_of(node, struct change, link);
        if (is_complete(w, change))
            move(&w->changes.ready, change);
        else if (is_missing && ++change->misses >= MISSES_MAX)
            changes_forget(&w->changes, change);
        else
            changes_retry(&w->changes, change, now_us);
    }
}

static void rows_came(void *owner, const struct db_reply *reply)
{
    struct watch *w = owner;
    w->request = NULL;
    for (size_t i = 0; reply->err == NULL && i < db_rows_count(reply->rows[0]); i++)
        take_row(w, reply->rows[0], i);
    put_off(w, reply->err == NULL);
    arena_destroy(take(w->request_arena));
    w->base.wake(w->base.waker);
}

/* Of those that are due, at most a page that waits for its row; the others are ready. */
static size_t sort_due(struct watch *w, struct uuid ids[READ_ROWS_MAX])
{
    size_t count = 0;
    list_each (node, &w->changes.due) {
        struct change *change = container_of(node, struct change, link);
        if (is_complete(w, change)) {
            move(&w->changes.ready, change);
        } else if (w->request == NULL && count < READ_ROWS_MAX) {
            move(&w->changes.reading, change);
            ids[count++] = change->id;
        }
    }
    return count;
}

static void read_due(struct watch *w)
{
    struct uuid ids[READ_ROWS_MAX];
    size_t count = sort_due(w, ids);
    struct err e;
    if (count == 0)
        return;
    w->request_arena = arena_create(READ_BYTES);
    const struct db_step by_ids = record_by_ids_step(w->plan, w->request_arena, ids, count);
    const struct db_call call = { .lane = DB_LANE_READ,
                                  .steps = &by_ids,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + READ_DEADLINE_US,
                                  .fn = rows_came,
                                  .owner = w };
    if (!db_pool_call(w->loop->pool, &call, &w->request, &e)) {
        put_off(w, false);
        arena_destroy(take(w->request_arena));
    }
}

/* ── to the watcher ── */

static void *next_ready(struct watch *w, struct arena *a)
{
    void *event = NULL;
    while (event == NULL && !list_is_empty(&w->changes.ready))
        event = w->kind->tell(w, container_of(w->changes.ready.next, struct change, link), a);
    return event;
}

static bool next_event(struct event_source *base, struct arena *a, void **ret_event, struct err *e)
{
    struct watch *w = container_of(base, struct watch, base);
    if (w->failure.code != ERR_NONE) {
        *e = w->failure;
        return false;
    }
    int64_t now_us = clock_mono_us();
    int64_t next_us = changes_expire(&w->changes, now_us);
    read_due(w);
    *ret_event = next_ready(w, a);
    if (*ret_event == NULL && next_us != INT64_MAX)
        io_timer_start(w->timer, (next_us - now_us) / CLOCK_MS + 1);
    return true;
}

static void time_came(void *owner)
{
    struct watch *w = owner;
    w->base.wake(w->base.waker);
}

static void close_watch(struct event_source *base)
{
    struct watch *w = container_of(base, struct watch, base);
    feed_unsubscribe(w->feed);
    for (size_t i = 0; i < w->loop->gateway->shard_count; i++)
        feed_replay_end(w->shards[i].replay);
    io_timer_destroy(w->timer);
    if (w->request != NULL)
        db_request_forget(w->request);
    arena_destroy(w->request_arena);
    changes_clear(&w->changes);
}

static bool tell_cursor(struct event_source *base, char ret_cursor[EVENT_CURSOR_MAX])
{
    const struct watch *w = container_of(base, struct watch, base);
    const struct gateway *gw = w->loop->gateway;
    struct shards_cursor cursor = w->position;
    static_assert((int)EVENT_CURSOR_MAX >= (int)SHARDS_CURSOR_MAX, "it is one of shards");
    for (size_t i = 0; i < gw->shard_count; i++) {
        int64_t untold = changes_first_untold(&w->changes, i);
        /* What came since did not concern it. */
        if (w->shards[i].replay == NULL && w->failure.code == ERR_NONE)
            cursor.seqs[i] = max_of(cursor.seqs[i], feed_position(w->loop, i));
        if (untold > 0)
            cursor.seqs[i] = untold;
    }
    shards_cursor_write(gw, &cursor, ret_cursor);
    return ret_cursor[0] != '\0';
}

/* ── the beginning ── */

/* Where the client says that it was; 0: it says nothing. */
static bool read_resume(const struct gateway *gw, struct str text, struct shards_cursor *ret_cursor,
                        struct err *e)
{
    *ret_cursor = (struct shards_cursor){ 0 };
    return str_is_empty(text) || str_eq_c(text, EVENT_CURSOR_NOW) ||
           shards_cursor_parse(gw, text, ret_cursor) ||
           err_set(e, ERR_INVALID, "Last-Event-ID is none of this subscription's");
}

/* Of a shard: what the client has not seen, and then what comes. Where its cursor does not name the
 * shard, which nobody knew then, what it has not seen cannot be told. */
static void begin_shard(struct watch *w, size_t shard, int64_t resumed, bool is_resumed)
{
    struct err e;
    w->position.seqs[shard] = resumed > 0 ? resumed : feed_position(w->loop, shard);
    if (is_resumed && resumed == 0)
        fail_missed(w);
    else if (resumed > 0 && !feed_replay_begin(w->loop, shard, resumed, take_replayed, w,
                                               &w->shards[shard].replay, &e))
        w->failure = e; /* told as the stream's own, which is there to be tried again */
}

enum gql_next task_watch_begin(struct gql_step *step, const struct task_filter *filter,
                               struct record_plan *plan)
{
    static const struct event_source_class class = { next_event, close_watch };
    const struct gateway *gw = await_request(step)->loop->gateway;
    struct watch *w = arena_new(step->arena, struct watch);
    struct shards_cursor resumed;
    bool is_resumed = false;
    struct err e;
    if (!read_resume(gw, await_request(step)->resume, &resumed, &e))
        return gql_step_fail(step, &e);
    w->base.class = &class;
    w->base.cursor = tell_cursor;
    w->kind = filter != NULL ? &task_watch_of_tasks : &task_watch_of_jobs;
    w->filter = filter;
    w->plan = plan;
    w->loop = await_request(step)->loop;
    changes_init(&w->changes, &w->loop->watched_bytes);
    w->timer = io_timer_create(w->loop->io, time_came, w);
    io_timer_unref(w->timer);
    w->feed = feed_subscribers_add(w->loop->feed_subscribers, filter, take_events, w);
    for (size_t i = 0; i < gw->shard_count; i++)
        is_resumed = is_resumed || resumed.seqs[i] > 0;
    for (size_t i = 0; i < gw->shard_count; i++)
        begin_shard(w, i, resumed.seqs[i], is_resumed);
    step->results[0] = gql_object(w);
    return GQL_DONE;
}
