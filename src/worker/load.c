/*
 * load: what a leader must know, read from the tables and the log. A standby reads it ahead, while
 * the tables move, and follows the log; whoever takes over reads the rest. One way for both:
 *
 *   begin ──▶ names ──▶ task_live, a page at a time ──▶ counters ──▶ log ──▶ its present end
 *   ckpt C0                                             ckpt C1       ▲             │
 *                                                                     └─────────────┤ again, later
 *                                                                                   ▼
 *          done ◀── what only a leader needs (load_leader.c) ◀── log up to the epoch row
 *
 *   a page of the log: read ──▶ names ──▶ the rows of tasks that it made ──▶ replayed
 *
 * Pages that were read while the tables moved are of different times, none older than C0. Replaying
 * the log from C0 mends that, since each row tells the number of its last change: a change that a
 * row has already is passed over, one of a task that is not there was followed by its end. At C1
 * memory is exact, the counters are taken as they were then, and from there on every change counts.
 * When nothing moves, C0 and C1 are the same.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/queue/lead_sql.h"
#include "worker/batch_priv.h"
#include "worker/load_priv.h"

static load_fn read_queues, names_read, ask_tasks, ask_log;

/* ── names: types and queues that are not known yet ── */

static struct db_args *type_args(struct load *load, const struct db_rows *before)
{
    int64_t known = (int64_t)load->s->type_count - 1;
    return load_types_args(load->a, (int32_t)load_after(before, known));
}

static bool type_row(struct load *load, const struct db_rows *rows, size_t row, struct err *e)
{
    (void)e;
    shard_put_type(load->s, (uint32_t)db_rows_i64(rows, row, 0), db_rows_text(rows, row, 1), true);
    return true;
}

static const struct load_pages type_pages = { &load_types, type_args, type_row, read_queues };

static struct db_args *queue_args(struct load *load, const struct db_rows *before)
{
    int64_t known = (int64_t)load->s->queues_known - 1;
    return load_queues_args(load->a, (int32_t)load_after(before, known));
}

static bool queue_row(struct load *load, const struct db_rows *rows, size_t row, struct err *e)
{
    (void)e;
    shard_put_queue(load->s, (uint32_t)db_rows_i64(rows, row, 0), db_rows_text(rows, row, 1), true);
    return true;
}

static const struct load_pages queue_pages = { &load_queues, queue_args, queue_row, names_read };

static void read_names(struct load *load, load_fn *then)
{
    load->names_for = then;
    load_read_pages(load, &type_pages);
}

static void read_queues(struct load *load)
{
    load_read_pages(load, &queue_pages);
}

static void names_read(struct load *load)
{
    load->names_for(load);
}

/* ── the log ── */

static void replay_page(struct load *load, const struct db_rows *tasks)
{
    struct err e;
    if (load_replay(load, tasks, &e))
        ask_log(load);
    else
        load_end(load, &e);
}

static void tasks_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (load_answered(load, reply))
        replay_page(load, reply->rows[0]);
}

static void ask_tasks(struct load *load)
{
    struct uuid *ids;
    arena_reset(load->a);
    size_t count = load_replay_wants(load, &ids);
    if (count > 0)
        load_ask(load, &load_tasks, load_tasks_args(load->a, ids, count), tasks_read);
    else
        replay_page(load, NULL);
}

static void at_end_of_log(struct load *load)
{
    load_settle_keys(load);
    if (load->is_finishing) {
        log_debug("load.done", "replayed=%lld", (long long)load->replayed);
        load_leader(load);
    } else {
        load_end(load, NULL);
    }
}

/* There must be all of it: what was dropped cannot be known any more. */
static bool has_gap(const struct load *load, const struct db_rows *rows)
{
    int64_t next = load->next;
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        if (db_rows_i64(rows, i, 0) != next)
            return true;
        next += db_rows_i64(rows, i, 1);
    }
    return false;
}

static void log_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    struct err e;
    if (!load_answered(load, reply))
        return;
    struct db_rows *rows = reply->rows[0];
    if (has_gap(load, rows)) {
        err_set(&e, ERR_INTERNAL, "the log has no more what comes after %lld",
                (long long)load->next - 1);
        load_end(load, &e);
    } else if (db_rows_count(rows) == 0) {
        at_end_of_log(load);
    } else {
        db_rows_ref(rows);
        load->log = rows;
        read_names(load, ask_tasks);
    }
}

static void ask_log(struct load *load)
{
    if (load->phase == LOAD_BASE && load->next == load->counted_at) {
        load_take_counters(load);
        load->phase = LOAD_LOG;
    }
    int64_t until = load->phase == LOAD_BASE ? load->counted_at
                    : load->is_finishing     ? load->until
                                             : INT64_MAX;
    arena_reset(load->a);
    load_ask(load, &load_log, load_log_args(load->a, load->s->id, load->next, until), log_read);
}

/* ── the tables ── */

static void counters_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (!load_answered(load, reply))
        return;
    db_rows_ref(reply->rows[0]);
    load->counters = reply->rows[0];
    load->counted_at = db_rows_i64(load->counters, 0, 0);
    ask_log(load);
}

static void put_page(void *owner)
{
    struct load *load = owner;
    struct db_rows *rows = take(load->page);
    int64_t now_us = clock_wall_us();
    for (size_t i = 0; i < db_rows_count(rows); i++)
        load_put_stored(load, rows, i, now_us);
    db_rows_unref(rows);
}

/* The next page is on its way while this one is put into memory: calls go at the turn's end, in the
 * order in which who wants it was armed. */
static void live_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (!load_answered(load, reply))
        return;
    struct db_rows *rows = reply->rows[0];
    size_t n = db_rows_count(rows);
    struct err e;
    arena_reset(load->a);
    bool is_asked =
        n > 0 ? load_try_ask(load, &load_live,
                             load_live_args(load->a, db_rows_uuid(rows, n - 1, 0)), live_read, &e)
              : load_try_ask(load, &load_counters, load_counters_args(load->a, load->s->id),
                             counters_read, &e);
    if (!is_asked) {
        load_end(load, &e);
    } else if (n > 0) {
        db_rows_ref(rows);
        load->page = rows;
        io_turn_arm(load->turn);
    }
}

static void ask_live(struct load *load)
{
    arena_reset(load->a);
    load_ask(load, &load_live, load_live_args(load->a, (struct uuid){ 0 }), live_read);
}

static void begun(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (!load_answered(load, reply))
        return;
    load->phase = LOAD_BASE;
    load->next = db_rows_i64(reply->rows[0], 0, 0);
    read_names(load, ask_live);
}

/* ── the two ways ── */

struct load *load_create(struct shard *s)
{
    struct load *load = mem_new(struct load);
    load->s = s;
    load->missing = map_create();
    load->turn = io_turn_create(s->loop, put_page, load);
    load->a = arena_create(0);
    return load;
}

void load_destroy(struct load *load)
{
    if (!load)
        return;
    if (load->call)
        db_request_forget(load->call);
    io_turn_destroy(load->turn);
    db_rows_unref(load->page);
    db_rows_unref(load->log);
    db_rows_unref(load->counters);
    load_replay_clear(load);
    mem_free(load->ended);
    mem_free(load->contested);
    mem_free(load->uncounted);
    arena_destroy(load->a);
    mem_free(load);
}

static void go(struct load *load)
{
    if (load->phase == LOAD_NOTHING) {
        arena_reset(load->a);
        load_ask(load, &load_begin, load_begin_args(load->a, load->s->id), begun);
    } else {
        ask_log(load);
    }
}

void load_follow(struct load *load, int64_t ckpt_seq, load_done_fn *done, void *owner)
{
    size_t stored = 0;
    assert(!load->done && !load->is_finishing);
    while (stored < load->ended_count && load->ended[stored].seq < ckpt_seq)
        stored++;
    load->ended_count -= stored;
    if (stored > 0 && load->ended_count > 0)
        memmove(load->ended, load->ended + stored, load->ended_count * sizeof *load->ended);
    load->done = done;
    load->owner = owner;
    go(load);
}

bool load_is_following(const struct load *load)
{
    return load->done != NULL;
}

void load_finish(struct load *load, int64_t ckpt_seq, int64_t until, load_done_fn *done,
                 void *owner)
{
    bool is_reading = load->done != NULL;
    load->is_finishing = true;
    load->ckpt_seq = ckpt_seq;
    load->until = until;
    load->done = done;
    load->owner = owner;
    if (!is_reading)
        go(load);
}
