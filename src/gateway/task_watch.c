#include "gateway/task_watch.h"

#include "base/clock.h"
#include "gateway/changes.h"
#include "gateway/feed_replay.h"
#include "gateway/feed_subscribers.h"
#include "gateway/shards.h"
#include "gateway/subscription.h"
#include "gateway/tasks.h"
#include "gateway/worker_json.h"
#include "io/timer.h"

enum {
    READ_ROWS_MAX = 500,
    READ_DEADLINE_US = 5 * CLOCK_S,
    READ_BYTES = 1 << 20,
    MISSES_MAX = 20, /* tries to find a row that the mirror has yet to write */
};

struct watch {
    struct event_source base;
    struct gateway_loop *loop;
    bool is_of_jobs;
    const struct task_filter *filter; /* of tasks; NULL: of jobs */
    struct record_plan *plan;         /* what an event needs: id, version, filter, selection */
    struct feed_subscription *feed;
    struct watched {
        struct feed_replay *replay; /* of what happened while the client was away; NULL: none */
        int64_t replayed_to;        /* what the feed tells of before it came by the replay */
    } shards[GATEWAY_SHARDS_MAX];
    struct shards_cursor position; /* all before it was taken */
    struct io_timer *timer;
    struct changes changes;
    struct db_request *request; /* that reads `changes.reading`; NULL: none */
    struct arena *request_arena;
    struct err failure; /* ends the subscription */
};

/* ── from the feed ── */

static struct record record_of_event(const struct watch *w, const struct feed_event *event)
{
    return (struct record){ .table = w->plan->table, .cells = event->cells, .given = event->told };
}

/* What the worker tells of is accepted, and what it adds is nothing but what it tells. */
static void note_event(struct watch *w, size_t shard, struct change *change,
                       const struct feed_event *event)
{
    static const struct str yes = { "t", 1 };
    struct str cells[RECORD_COLUMNS_MAX] = { 0 };
    int accepted = w->is_of_jobs ? COL_jobs_accepted : COL_tasks_accepted;
    int shard_column = w->is_of_jobs ? COL_jobs_shard : COL_tasks_shard;
    uint64_t given = event->told | SELECT_BIT(accepted) | SELECT_BIT(shard_column);
    for (uint64_t left = event->told; left != 0; left &= left - 1)
        cells[__builtin_ctzll(left)] = event->cells[__builtin_ctzll(left)];
    cells[accepted] = yes;
    cells[shard_column] = shards_cell(shard);
    if (event->op == FEED_ADD)
        given |= SELECT_BIT(COL_tasks_error_template) | SELECT_BIT(COL_tasks_scheduled_for) |
                 SELECT_BIT(COL_tasks_duplicate_of);
    change->shard = shard;
    change->seq = event->seq;
    changes_note(&w->changes, change, cells, given & w->plan->columns);
}

static void take_task(struct watch *w, size_t shard, const struct feed_event *event)
{
    struct record task = record_of_event(w, event);
    struct change *change = changes_find(&w->changes, event->id);
    int from = feed_status_before(event);
    bool is_added = event->op == FEED_ADD;
    if (change == NULL && task_filter_match(w->filter, &task) == TASK_MATCH_NO &&
        (is_added || task_filter_match_before(w->filter, &task, from) == TASK_MATCH_NO))
        return;
    change = changes_at(&w->changes, event->id);
    if (!change->has_news) {
        change->from = from;
        change->is_added = is_added;
    }
    note_event(w, shard, change, event);
}

static void take_deleted(struct watch *w, size_t shard, struct uuid id, int64_t seq)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    const struct str cells[COL_tasks_COUNT] = { [COL_tasks_id] = str_of(text, UUID_TEXT_LEN) };
    const struct record task = { .table = w->plan->table,
                                 .cells = cells,
                                 .given = SELECT_BIT(COL_tasks_id) };
    struct change *change = changes_find(&w->changes, id);
    if (change == NULL && task_filter_match(w->filter, &task) == TASK_MATCH_NO)
        return;
    change = changes_at(&w->changes, id);
    change->is_deleted = true;
    change->shard = shard;
    change->seq = seq;
    changes_note(&w->changes, change, cells, 0);
}

static void take_drop(struct watch *w, size_t shard, const struct feed_event *event)
{
    const struct task_filter_ids *asked = w->filter->ids;
    for (size_t i = 0; i < event->id_count; i++)
        take_deleted(w, shard, event->ids[i], event->seq);
    for (size_t i = 0; event->is_range && asked != NULL && i < asked->count; i++)
        if (memcmp(&asked->items[i], &event->from_id, sizeof(struct uuid)) >= 0 &&
            memcmp(&asked->items[i], &event->to_id, sizeof(struct uuid)) < 0)
            take_deleted(w, shard, asked->items[i], event->seq);
}

static void take_event(struct watch *w, size_t shard, const struct feed_event *event)
{
    if (w->is_of_jobs && event->op == FEED_JOB)
        note_event(w, shard, changes_at(&w->changes, event->id), event);
    else if (!w->is_of_jobs && event->op == FEED_DROP)
        take_drop(w, shard, event);
    else if (!w->is_of_jobs && event->op >= FEED_ADD && event->op <= FEED_NOTE)
        take_task(w, shard, event);
}

static void take_all(struct watch *w, size_t shard, const struct feed_event *events, size_t count)
{
    bool is_lost = w->failure.code != ERR_NONE;
    for (size_t i = 0; i < count && !is_lost; i++) {
        if (events[i].seq >= w->shards[shard].replayed_to)
            take_event(w, shard, &events[i]);
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

/* What is stored, under what was told; alone where it is as new. */
static struct record *record_of_change(const struct watch *w, const struct change *change,
                                       struct arena *a)
{
    int version = w->is_of_jobs ? COL_jobs_version : COL_tasks_version;
    struct record *record = arena_new(a, struct record);
    *record = (struct record){ .table = w->plan->table,
                               .rows = change->rows,
                               .row = change->row,
                               .columns = w->plan->columns };
    if (change->rows != NULL)
        db_rows_keep(change->rows, a);
    if (change->rows != NULL && record_i64(record, version) >= change->seq)
        return record;
    record->cells = record_kept_cells(&change->kept, a);
    record->given = change->kept.given;
    return record;
}

/* False where the watcher need not know. */
static bool kind_of(enum task_match before, enum task_match now, enum event_kind *ret_kind)
{
    if (now == TASK_MATCH_NO) {
        *ret_kind = EVENT_LEFT;
        return before != TASK_MATCH_NO;
    }
    *ret_kind = before == TASK_MATCH_NO ? EVENT_ADDED : EVENT_CHANGED;
    return true;
}

static bool tell_deleted(struct watch *w, struct change *change, struct task_event *event)
{
    bool is_told = change->is_known ? change->known != TASK_MATCH_NO : !change->is_added;
    event->kind = EVENT_DELETED;
    changes_forget(&w->changes, change);
    return is_told;
}

static bool tell_task(struct watch *w, struct change *change, struct task_event *event,
                      struct arena *a)
{
    event->id = change->id;
    if (change->is_deleted)
        return tell_deleted(w, change, event);
    event->task = record_of_change(w, change, a);
    enum task_match now = task_filter_match(w->filter, event->task);
    enum task_match before = change->is_known ? change->known
                             : change->is_added
                                 ? TASK_MATCH_NO
                                 : task_filter_match_before(w->filter, event->task, change->from);
    if (!kind_of(before, now, &event->kind)) {
        changes_forget(&w->changes, change);
        return false;
    }
    changes_told(&w->changes, change, now, clock_mono_us());
    return true;
}

static void *tell_job(struct watch *w, struct change *change, struct arena *a)
{
    struct record *job = record_of_change(w, change, a);
    changes_told(&w->changes, change, TASK_MATCH_YES, clock_mono_us());
    return job;
}

static void *next_ready(struct watch *w, struct arena *a)
{
    while (!list_is_empty(&w->changes.ready)) {
        struct change *change = container_of(w->changes.ready.next, struct change, link);
        if (w->is_of_jobs)
            return tell_job(w, change, a);
        struct task_event *event = arena_new(a, struct task_event);
        if (tell_task(w, change, event, a))
            return event;
    }
    return NULL;
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
    w->is_of_jobs = filter == NULL;
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
