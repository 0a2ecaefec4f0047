#include "worker/tick.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/queue/batch_sql.h"
#include "store/queue/tick_sql.h"
#include "worker/columns.h"
#include "worker/meter.h"
#include "worker/notes.h"

enum { EVERY_MS = 1'000, AGAIN_MS = 5, ROWS_MAX = 5'000, FIRST = 256, KEEP_MAX = 65'536 };

struct tick {
    struct shard *s;
    struct io_timer *timer;
    struct view view;
    struct live **marked; /* some may have gone since, or stand twice */
    size_t marked_count, marked_capacity;
    size_t marked_taken; /* the first of them, which are written */
    struct uuid *gone;
    size_t gone_count, gone_capacity;
    size_t gone_sent; /* of `gone`, in the call that is out */
    struct arena *a;
    struct db_request *call;
    struct uuid *sent; /* tasks whose rows are in the call that is out; in the arena */
    size_t sent_count;
    int64_t seq, seq_sent; /* what the tables are at, and will be; 0: more is to come */
    bool is_on, is_looking, needs_all_counts;
};

/* Tasks whose rows are to be written: those that no tick has written before, and others. */
struct taken {
    struct live **fresh, **others;
    size_t fresh_count, other_count;
};

/* Under a steady load there is always one that is not written yet: the list would never be empty,
 * and its beginning never free. At half it costs a move per mark, on average. */
static void reuse_taken(struct tick *tick)
{
    tick->marked_count -= tick->marked_taken;
    memmove(tick->marked, tick->marked + tick->marked_taken,
            tick->marked_count * sizeof *tick->marked);
    tick->marked_taken = 0;
}

static void mark(struct tick *tick, struct live *task)
{
    if (tick->marked_count == tick->marked_capacity && tick->marked_taken > 0 &&
        tick->marked_taken >= tick->marked_count / 2)
        reuse_taken(tick);
    tick->marked = mem_grow(tick->marked, tick->marked_count, &tick->marked_capacity, FIRST,
                            sizeof(struct live *));
    tick->marked[tick->marked_count++] = task;
    task->flags |= LIVE_DIRTY;
}

void tick_mark(struct tick *tick, struct live *task)
{
    if (!(task->flags & LIVE_DIRTY))
        mark(tick, task);
}

void tick_gone(struct tick *tick, struct uuid id)
{
    tick->gone =
        mem_grow(tick->gone, tick->gone_count, &tick->gone_capacity, FIRST, sizeof(struct uuid));
    tick->gone[tick->gone_count++] = id;
}

int64_t tick_seq(const struct tick *tick)
{
    return tick->seq;
}

static void look_in(struct tick *tick, int64_t ms)
{
    if (tick->is_on)
        io_timer_start(tick->timer, ms);
}

/* Written anew, all of it: what is there already is harmless. */
static void mark_again(struct tick *tick)
{
    tick->needs_all_counts = true;
    for (size_t i = 0; i < tick->sent_count; i++) {
        struct live *task = live_find(tick->s->live, tick->sent[i]);
        if (task)
            tick_mark(tick, task);
    }
}

static void written(void *owner, const struct db_reply *reply)
{
    struct tick *tick = owner;
    tick->call = NULL;
    if (reply->err) {
        log_debug("tick.failed", "error=%s", log_quote(str_of_c(err_text(reply->err))));
        mark_again(tick);
        look_in(tick, EVERY_MS);
        return;
    }
    worker_meter_tick(tick->s->meter, tick->sent_count);
    if (tick->seq_sent == 0) {
        look_in(tick, AGAIN_MS);
        return;
    }
    tick->seq = tick->seq_sent;
    tick->gone_count -= tick->gone_sent;
    if (tick->gone_count > 0)
        memmove(tick->gone, tick->gone + tick->gone_sent, tick->gone_count * sizeof *tick->gone);
    look_in(tick, EVERY_MS);
}

/* How far a running one is, as the feed knows it; -1: it has not said so. */
static int64_t millionths_of(const struct shard *s, const struct live *task)
{
    const struct note *note = task->state == LIVE_RUNNING ? notes_find(s->notes, task->id) : NULL;
    bool has_told = note && note->told >= 0 && note->fence == live_run_of(s->live, task).fence;
    return has_told ? (int64_t)(note->told * OP_NOTE_ONE) : -1;
}

/* What all rows have, in arrays. */
struct columns {
    struct uuid *ids;
    int64_t *versions, *types, *states, *priorities, *flags, *maxima, *timeouts, *ats, *queues,
        *hashes;
    bool *keyed;
    size_t keyed_count, hash_count; /* 0: of none of them */
};

static struct columns columns_of(struct arena *a, const struct shard *s, struct live *const *t,
                                 size_t n)
{
    COLUMN(lanes, struct live_lane, live_lane_of(s->live, t[i]));
    COLUMN(ids, struct uuid, t[i]->id);
    COLUMN(versions, int64_t, t[i]->version);
    COLUMN(types, int64_t, lanes[i].type);
    COLUMN(states, int64_t, t[i]->state);
    COLUMN(priorities, int64_t, lanes[i].priority);
    COLUMN(flags, int64_t, t[i]->flags);
    COLUMN(maxima, int64_t, t[i]->max_attempts);
    COLUMN(timeouts, int64_t, t[i]->timeout_s);
    COLUMN(ats, int64_t, t[i]->at_us);
    SPARSE(keyed, bool, (t[i]->flags & LIVE_KEYED) != 0, (t[i]->flags & LIVE_KEYED) != 0);
    COLUMN(queues, int64_t, lanes[i].queue);
    SPARSE(hashes, int64_t, lanes[i].key != 0, (int64_t)lanes[i].key);
    return (struct columns){ .ids = ids,
                             .versions = versions,
                             .types = types,
                             .states = states,
                             .priorities = priorities,
                             .flags = flags,
                             .maxima = maxima,
                             .timeouts = timeouts,
                             .ats = ats,
                             .queues = queues,
                             .hashes = hashes,
                             .keyed = keyed,
                             .keyed_count = keyed_count,
                             .hash_count = hashes_count };
}

static const struct db_args *live_args(struct arena *a, const struct shard *s,
                                       struct live *const *t, size_t n)
{
    struct columns c = columns_of(a, s, t, n);
    COLUMN(runs, struct live_run, live_run_of(s->live, t[i]));
    COLUMN(crashes, int64_t, t[i]->crashes);
    COLUMN(attempts, int64_t, t[i]->attempt);
    COLUMN(sessions, int64_t, runs[i].session);
    COLUMN(fences, int64_t, runs[i].fence);
    COLUMN(progress, int64_t, millionths_of(s, t[i]));
    return tick_live_args(a, c.ids, n, c.versions, n, c.types, n, c.states, n, c.priorities, n,
                          c.flags, n, crashes, n, attempts, n, c.maxima, n, c.timeouts, n, sessions,
                          n, fences, n, c.ats, n, c.keyed, c.keyed_count, c.queues, n, c.hashes,
                          c.hash_count, progress, n);
}

/* No tick has written it, and its attempt, session, fence and progress are those of a task that
 * never began. Should the tables have its row nevertheless, the tick fails, and then it is as all
 * others. */
static bool is_new(const struct live *task)
{
    return (task->flags & (LIVE_FRESH | LIVE_STORED)) == LIVE_FRESH;
}

static const struct db_args *new_args(struct arena *a, const struct shard *s, struct live *const *t,
                                      size_t n)
{
    struct columns c = columns_of(a, s, t, n);
    return tick_live_new_args(a, c.ids, n, c.versions, n, c.types, n, c.states, n, c.priorities, n,
                              c.flags, n, c.maxima, n, c.timeouts, n, c.ats, n, c.keyed,
                              c.keyed_count, c.queues, n, c.hashes, c.hash_count);
}

/* Of the types whose counts have changed; after a failure and at the start, of all. */
static const struct db_args *counter_args(struct tick *tick)
{
    struct arena *a = tick->a;
    struct shard *s = tick->s;
    size_t n = 0;
    uint32_t *changed = arena_new_array(a, s->type_count, uint32_t);
    for (uint32_t i = 0; i < s->type_count; i++) {
        if (tick->needs_all_counts || s->types[i].is_counted)
            changed[n++] = i;
        s->types[i].is_counted = false;
    }
    tick->needs_all_counts = false;
    n *= STATUS_COUNT;
    COLUMN(types, int64_t, changed[i / STATUS_COUNT]);
    COLUMN(statuses, int64_t, (int64_t)(i % STATUS_COUNT));
    COLUMN(counts, int64_t, s->types[changed[i / STATUS_COUNT]].counts[i % STATUS_COUNT]);
    return tick_counters_args(a, types, n, statuses, n, counts, n);
}

static bool has_marked(const struct tick *tick)
{
    return tick->marked_taken < tick->marked_count;
}

static void forget_taken(struct tick *tick)
{
    tick->marked_count = tick->marked_taken = 0;
    if (tick->marked_capacity > KEEP_MAX) { /* after a flood */
        mem_free(take(tick->marked));
        tick->marked_capacity = 0;
    }
}

/* Takes those that are marked and still there, at most ROWS_MAX of them; they are marked no more.
 * The first ones first: so ids mostly rise, and PostgreSQL finds their places at the index's end.
 */
static void take_marked(struct tick *tick, struct taken *ret_taken)
{
    size_t most = min_of(tick->marked_count - tick->marked_taken, (size_t)ROWS_MAX);
    *ret_taken = (struct taken){ .others = arena_new_array(tick->a, most, struct live *),
                                 .fresh = arena_new_array(tick->a, most, struct live *) };
    tick->sent = arena_new_array(tick->a, most, struct uuid);
    tick->sent_count = 0;
    while (has_marked(tick) && tick->sent_count < ROWS_MAX) {
        struct live *task = tick->marked[tick->marked_taken++];
        bool is_there = task->state != LIVE_FREE && task->state != LIVE_GONE;
        if (!is_there || !(task->flags & LIVE_DIRTY))
            continue;
        if (is_new(task))
            ret_taken->fresh[ret_taken->fresh_count++] = task;
        else
            ret_taken->others[ret_taken->other_count++] = task;
        task->flags = (uint8_t)((task->flags & ~LIVE_DIRTY) | LIVE_STORED);
        tick->sent[tick->sent_count++] = task->id;
    }
    if (!has_marked(tick))
        forget_taken(tick);
}

/* Of those that went: one that was tried again meanwhile is there. NULL: none. */
static const struct db_args *gone_args(struct tick *tick)
{
    struct uuid *ids = arena_new_array(tick->a, tick->gone_count, struct uuid);
    size_t count = 0;
    for (size_t i = 0; i < tick->gone_count; i++)
        if (!live_find(tick->s->live, tick->gone[i]))
            ids[count++] = tick->gone[i];
    return count > 0 ? tick_gone_rows_args(tick->a, ids, count) : NULL;
}

/* Memory is exactly what is committed now. */
static void write_now(struct view *view)
{
    struct tick *tick = container_of(view, struct tick, view);
    struct shard *s = tick->s;
    tick->is_looking = false;
    if (!tick->is_on)
        return;
    if (s->committed == tick->seq && !has_marked(tick)) {
        look_in(tick, EVERY_MS);
        return;
    }
    struct arena *a = tick->a;
    struct db_step steps[7] = { 0 };
    size_t count = 0;
    struct taken taken;
    arena_reset(a);
    /* Waits for the disk: a checkpoint that PostgreSQL shows and then loses in a crash would be
     * built on by us, and by a standby that has seen it. */
    steps[count++] = (struct db_step){ &batch_limits, batch_limits_args(a, STR("1s"), STR("8s")) };
    steps[count++] = (struct db_step){ &tick_guard, tick_guard_args(a, s->id, s->epoch) };
    take_marked(tick, &taken);
    if (taken.fresh_count > 0)
        steps[count++] =
            (struct db_step){ &tick_live_new, new_args(a, s, taken.fresh, taken.fresh_count) };
    if (taken.other_count > 0)
        steps[count++] =
            (struct db_step){ &tick_live, live_args(a, s, taken.others, taken.other_count) };
    tick->seq_sent = has_marked(tick) ? 0 : s->committed;
    if (tick->seq_sent != 0) {
        const struct db_args *gone = gone_args(tick);
        tick->gone_sent = tick->gone_count;
        if (gone)
            steps[count++] = (struct db_step){ &tick_gone_rows, gone };
        steps[count++] = (struct db_step){ &tick_counters, counter_args(tick) };
        steps[count++] =
            (struct db_step){ &tick_checkpoint,
                              tick_checkpoint_args(a, s->id, s->epoch, tick->seq_sent) };
    }
    struct err e;
    const struct db_call call = { .lane = DB_LANE_WRITE,
                                  .steps = steps,
                                  .step_count = count,
                                  .deadline_us = clock_mono_us() + SHARD_CALL_MS * CLOCK_MS,
                                  .fn = written,
                                  .owner = tick };
    if (db_pool_call(s->pool, &call, &tick->call, &e))
        return;
    tick->call = NULL;
    mark_again(tick);
    look_in(tick, EVERY_MS);
}

static void on_timer(void *owner)
{
    struct tick *tick = owner;
    if (tick->call || tick->is_looking)
        return;
    tick->is_looking = true;
    tick->view.fn = write_now;
    shard_view(tick->s, &tick->view);
}

struct tick *tick_create(struct shard *s)
{
    struct tick *tick = mem_new(struct tick);
    tick->s = s;
    tick->a = arena_create(0);
    tick->timer = io_timer_create(s->loop, on_timer, tick);
    list_init(&tick->view.node);
    return tick;
}

void tick_start(struct tick *tick, int64_t ckpt_seq)
{
    tick->seq = ckpt_seq;
    tick->needs_all_counts = true;
    tick->is_on = true;
    look_in(tick, EVERY_MS);
}

void tick_stop(struct tick *tick)
{
    tick->is_on = false;
    io_timer_stop(tick->timer);
    if (tick->call)
        db_request_forget(tick->call);
    tick->call = NULL;
    if (tick->is_looking)
        shard_view_cancel(&tick->view);
    tick->is_looking = false;
    tick->marked_count = tick->marked_taken = tick->gone_count = tick->sent_count = 0;
}

void tick_destroy(struct tick *tick)
{
    if (!tick)
        return;
    tick_stop(tick);
    io_timer_destroy(tick->timer);
    arena_destroy(tick->a);
    mem_free(tick->marked);
    mem_free(tick->gone);
    mem_free(tick);
}
