/*
 * load: what a leader must know, read from the tables and the log. A standby reads it ahead, while
 * the tables move, and follows the log; whoever takes over reads the rest. One way for both:
 *
 *   begin ──▶ names ──▶ task_live, a page at a time ──▶ counters ──▶ log ──▶ its present end
 *   ckpt C0                                             ckpt C1       ▲             │ again, later
 *                                                                     └─────────────┘ or finish:
 *                                       log up to the epoch row ──▶ settings ──▶ sessions ──▶
 * blocked ──▶ done
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
#include "json/json.h"
#include "store/queue/lead_sql.h"
#include "worker/batch_priv.h"
#include "worker/deps.h"
#include "worker/lead.h"
#include "worker/logrow.h"
#include "worker/notes.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/tick.h"

enum { FIRST = 256, PHASE_CALL_MS = 60'000, EXTRA_BYTES = 64 << 20, BLOCKED_AT_ONCE = 5'000 };

enum load_phase { LOAD_NOTHING, LOAD_BASE, LOAD_LOG, LOAD_LAST };

struct ended {
    struct uuid id;
    int64_t seq;
};

struct contested {
    struct uuid id;
    struct live_key key;
};

/* A task whose row is gone already: it was deleted, as the log will say. */
struct missing {
    enum rule_status now;
    enum rule_status counted; /* as what the counters know it; STATUS_COUNT: not at all */
};

/* The end of such a one, in the row of the log that is being replayed. */
struct uncounted {
    int64_t seq;
    enum rule_status counted;
};

struct load {
    struct shard *s;
    struct arena *a; /* of the call that is out */
    struct db_request *call;
    struct db_rows *log; /* a page that waits for its types and its tasks' rows */
    struct db_rows *counters;
    enum load_phase phase;
    int64_t next;       /* of the log */
    int64_t counted_at; /* the number at which memory is exact and `counters` hold */
    int64_t until;      /* finishing: its own epoch row */
    int64_t ckpt_seq;   /* finishing: what the tables are at */
    int64_t replayed;
    size_t blocked_at; /* how far the blocked ones have been asked for */
    /* Those that ended and may stand in task_live, in order. */
    struct ended *ended;
    size_t ended_count, ended_capacity;
    /* Keys that another task held when theirs was read, and may have lost since. */
    struct contested *contested;
    size_t contested_count, contested_capacity;
    struct map *missing; /* struct missing, by id */
    struct uncounted *uncounted;
    size_t uncounted_count, uncounted_capacity;
    bool is_finishing;
    load_done_fn *done;
    void *owner;
};

static void ask_live(struct load *load, struct uuid after);
static void ask_log(struct load *load);
static void ask_sessions(struct load *load, int64_t after);
static void ask_types(struct load *load);
static void ask_queues(struct load *load);
static void ask_settings(struct load *load, int64_t after);
static void ask_tasks(struct load *load);
static void ask_blocked(struct load *load);

static void end(struct load *load, const struct err *err)
{
    load_done_fn *done = load->done;
    load->done = NULL;
    done(load->owner, err);
}

/* ── keys ── */

/* In the middle of a load somebody may hold it who has ended already. */
static void hold_key(struct load *load, struct live *task, struct str key)
{
    struct live_set *live = load->s->live;
    if (key.len == 0)
        return;
    if (!live_by_key(live, live_key_of(key))) {
        live_hold_key(live, live_key_of(key), task);
        return;
    }
    load->contested = mem_grow(load->contested, load->contested_count, &load->contested_capacity,
                               FIRST, sizeof *load->contested);
    load->contested[load->contested_count++] =
        (struct contested){ .id = task->id, .key = live_key_of(key) };
}

/* Memory is exact: whoever holds a key now holds it. */
static void settle_keys(struct load *load)
{
    struct live_set *live = load->s->live;
    for (size_t i = 0; i < load->contested_count; i++) {
        struct live *task = live_find(live, load->contested[i].id);
        if (task && !(task->flags & LIVE_KEYED) && !live_by_key(live, load->contested[i].key))
            live_hold_key(live, load->contested[i].key, task);
    }
    load->contested_count = 0;
}

static bool try_ask(struct load *load, const struct db_statement *statement,
                    const struct db_args *args, db_reply_fn *fn, struct err *e)
{
    const struct db_step step = { statement, args };
    const struct db_call c = { .lane = DB_LANE_READ,
                               .steps = &step,
                               .step_count = 1,
                               .deadline_us = clock_mono_us() + PHASE_CALL_MS * CLOCK_MS,
                               .fn = fn,
                               .owner = load };
    if (db_pool_call(load->s->pool, &c, &load->call, e))
        return true;
    load->call = NULL;
    return false;
}

static void ask(struct load *load, const struct db_statement *statement, const struct db_args *args,
                db_reply_fn *fn)
{
    struct err e;
    if (!try_ask(load, statement, args, fn, &e))
        end(load, &e);
}

static bool answered(struct load *load, const struct db_reply *reply)
{
    load->call = NULL;
    if (!reply->err)
        return true;
    struct err e = *reply->err;
    end(load, &e);
    return false;
}

/* ── the log's tail ── */

/* Its row is needed. */
static bool is_new_task(enum op op)
{
    return op == OP_ADD || op == OP_ADD_BLOCKED || op == OP_REOPEN_FAILED ||
           op == OP_REOPEN_BLOCKED;
}

/* Its queue by name; `lane` has the rest. */
static void join(struct shard *s, struct live *task, struct live_lane *lane, struct str queue)
{
    struct err e;
    if (!shard_queue_of(s, queue, &lane->queue, &e))
        lane->queue = 0; /* as when it was made */
    live_join(s->live, task, lane);
}

static struct live *replay_add(struct load *load, const struct change *change, int64_t seq,
                               const struct db_rows *tasks, size_t row)
{
    struct shard *s = load->s;
    struct live *task = live_add(s->live, change->id);
    join(s, task,
         &(struct live_lane){ .type = (uint32_t)db_rows_i64(tasks, row, 1),
                              .priority = (enum rule_priority)db_rows_i64(tasks, row, 2),
                              .key = (uint64_t)db_rows_i64(tasks, row, 9) },
         db_rows_text(tasks, row, 8));
    task->max_attempts = (uint16_t)db_rows_i64(tasks, row, 3);
    live_set_timeout(task, db_rows_i64(tasks, row, 4));
    task->at_us = db_rows_time(tasks, row, 5);
    task->state = change->op == OP_ADD_BLOCKED || change->op == OP_REOPEN_BLOCKED ? LIVE_BLOCKED
                                                                                  : LIVE_WAITING;
    task->version = seq;
    task->flags = LIVE_FRESH;
    if (change->op == OP_REOPEN_FAILED || change->op == OP_REOPEN_BLOCKED) {
        task->flags = 0;
        task->at_us = change->args[0];
        task->attempt = (uint16_t)change->attempt;
        task->max_attempts = (uint16_t)change->args[1];
    }
    if (db_rows_bool(tasks, row, 7))
        task->flags |= LIVE_JOB;
    hold_key(load, task, db_rows_text(tasks, row, 6));
    return task;
}

static void replay_waiting(struct shard *s, struct live *task, const struct change *change)
{
    task->state = LIVE_WAITING;
    task->at_us = change->args[0];
    task->attempt = (uint16_t)(change->attempt - (change->op == OP_RELEASE));
    if (change->op == OP_LOST)
        live_leave(s->live, live_crash(s->live, task));
    live_set_run(s->live, task, (struct live_run){ 0 });
    task->flags &= (uint8_t) ~(LIVE_CANCEL_ASKED | LIVE_OVERDUE);
    if (change->op == OP_REOPEN_WAITING) {
        task->max_attempts = (uint16_t)change->args[1];
        task->flags &= (uint8_t)~LIVE_FRESH;
    }
}

static void replay_running(struct shard *s, struct live *task, const struct change *change,
                           int64_t seq, int64_t at_us)
{
    if (change->op == OP_CANCEL_ASKED) {
        task->flags |= LIVE_CANCEL_ASKED;
    } else if (change->op == OP_START || change->op == OP_START_FIRST) {
        task->state = LIVE_RUNNING;
        task->at_us = at_us;
        task->attempt = (uint16_t)change->attempt;
        live_set_run(s->live, task, (struct live_run){ seq, change->session });
        task->flags &= (uint8_t) ~(LIVE_CANCEL_ASKED | LIVE_OVERDUE | LIVE_FRESH);
    }
}

static bool is_finish(enum op op)
{
    return op == OP_COMPLETE || op == OP_DIE || op == OP_CANCEL_RUNNING ||
           op == OP_CANCEL_WAITING || op == OP_DIE_WAITING || op == OP_COMPLETE_BLOCKED;
}

static void replay_finish(struct load *load, struct live *task, int64_t seq)
{
    load->ended =
        mem_grow(load->ended, load->ended_count, &load->ended_capacity, FIRST, sizeof *load->ended);
    load->ended[load->ended_count++] = (struct ended){ .id = task->id, .seq = seq };
    live_remove(load->s->live, task);
}

/* Of a task that is in memory, and was changed since. */
static void replay_known(struct load *load, struct live *task, const struct change *change,
                         int64_t seq, int64_t at_us)
{
    struct shard *s = load->s;
    if (is_finish(change->op)) {
        replay_finish(load, task, seq);
        return;
    }
    live_lift(s->live, task);
    task->version = seq;
    if (change->op == OP_UNBLOCK)
        task->state = LIVE_WAITING;
    else if (op_to(change->op) == STATUS_PENDING)
        replay_waiting(s, task, change);
    else
        replay_running(s, task, change, seq, at_us);
    live_place(s->live, task, at_us);
}

static void count(struct shard *s, uint32_t type, enum op op)
{
    if (op_from(op) != STATUS_COUNT)
        s->types[type].counts[op_from(op)]--;
    if (op_to(op) != STATUS_COUNT)
        s->types[type].counts[op_to(op)]++;
}

/* A change of a finished task, or of one whose row is gone: its type is not known, so that it
 * cannot be counted; then its end must not be either, but as what it was counted. */
static void replay_missing(struct load *load, const struct change *change, int64_t seq)
{
    struct str key = str_of((const char *)change->id.bytes, sizeof change->id.bytes);
    struct missing *m = map_count(load->missing) > 0 ? map_get(load->missing, key) : NULL;
    if (!m && is_new_task(change->op)) {
        bool is_add = change->op == OP_ADD || change->op == OP_ADD_BLOCKED;
        m = mem_new(struct missing);
        m->counted = is_add ? STATUS_COUNT : STATUS_FAILED;
        (void)map_put(load->missing, key, m);
    }
    if (m && op_to(change->op) != STATUS_COUNT)
        m->now = op_to(change->op);
    if (!m || change->op != OP_DROP)
        return;
    load->uncounted = mem_grow(load->uncounted, load->uncounted_count, &load->uncounted_capacity,
                               FIRST, sizeof *load->uncounted);
    load->uncounted[load->uncounted_count++] = (struct uncounted){ seq, m->counted };
    (void)map_remove(load->missing, key);
    mem_free(m);
}

static void replay(struct load *load, const struct change *change, int64_t seq, int64_t at_us,
                   const struct db_rows *tasks, const struct map *rows)
{
    struct shard *s = load->s;
    struct live *task = live_find(s->live, change->id);
    bool is_new = is_new_task(change->op);
    const void *row =
        is_new && !task ? map_get(rows, str_of((const char *)change->id.bytes, 16)) : NULL;
    if (row) {
        task = replay_add(load, change, seq, tasks, (uintptr_t)row - 1);
        live_place(s->live, task, at_us);
        count(s, live_type_of(s->live, task), change->op);
        return;
    }
    if (!task) {
        replay_missing(load, change, seq);
        return;
    }
    count(s, live_type_of(s->live, task), change->op);
    if (seq > task->version)
        replay_known(load, task, change, seq, at_us);
}

/* As what the counters know the task that went at that number. */
static enum rule_status counted_as(const struct load *load, struct str number, struct str told)
{
    int64_t seq;
    for (size_t i = 0; i < load->uncounted_count && str_to_i64(number, &seq); i++)
        if (load->uncounted[i].seq == seq)
            return load->uncounted[i].counted;
    for (size_t k = 0; k < STATUS_COUNT; k++)
        if (str_eq(told, rule_status_name((enum rule_status)k)))
            return (enum rule_status)k;
    return STATUS_COUNT;
}

/* What was dropped, as `number [{"type", "status", "count"}]` a line. */
static void replay_extra(struct load *load, struct str extra)
{
    scoped(arena_destroyp) struct arena *a = arena_create(EXTRA_BYTES);
    struct shard *s = load->s;
    struct str line, number, text;
    for (bool more = extra.len > 0; more;) {
        const struct json_value *list;
        struct err e;
        more = str_cut(extra, '\n', &line, &extra);
        if (!str_cut(line, ' ', &number, &text) || !json_parse(a, text, &list, &e))
            continue;
        for (size_t i = 0; list->type == JSON_ARRAY && i < list->item_count; i++) {
            const struct json_value *type = json_get_c(&list->items[i], "type");
            const struct json_value *status = json_get_c(&list->items[i], "status");
            const struct json_value *n = json_get_c(&list->items[i], "count");
            uint32_t at;
            int64_t gone;
            if (!type || !status || !n || !shard_find_type(s, type->text, &at) ||
                !json_to_i64(n, &gone))
                continue;
            enum rule_status counted = counted_as(load, number, status->text);
            if (counted != STATUS_COUNT)
                s->types[at].counts[counted] -= gone;
        }
    }
}

/* Memory is what it was at that number; what was counted on the way is not. */
static void take_counters(struct load *load)
{
    struct shard *s = load->s;
    const struct db_rows *rows = load->counters;
    for (size_t i = 0; i < s->type_count; i++)
        memset(s->types[i].counts, 0, sizeof s->types[i].counts);
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        int64_t type = db_rows_i64(rows, i, 1), status = db_rows_i64(rows, i, 2);
        if (type >= 0 && type < (int64_t)s->type_count && status < STATUS_COUNT)
            s->types[type].counts[status] = db_rows_i64(rows, i, 3);
    }
    size_t at = 0;
    struct str key;
    for (void *m; map_next(load->missing, &at, &key, &m);)
        ((struct missing *)m)->counted = ((struct missing *)m)->now;
    db_rows_unref(take(load->counters));
    load->phase = LOAD_LOG;
}

static void replay_page(struct load *load, const struct db_rows *tasks)
{
    struct shard *s = load->s;
    scoped(map_destroyp) struct map *rows = map_create();
    for (size_t i = 0; tasks && i < db_rows_count(tasks); i++) {
        struct uuid id = db_rows_uuid(tasks, i, 0);
        (void)map_put(rows, str_of((const char *)id.bytes, 16), (void *)(i + 1));
    }
    for (size_t i = 0; i < db_rows_count(load->log); i++) {
        scoped(arena_destroyp) struct arena *a = arena_create(0);
        struct log_row row = log_row_read(a, load->log, i);
        struct ops_reader reader = ops_read(row.ops, row.ids, row.args);
        struct change change;
        for (int64_t seq = row.seq; ops_next(&reader, &change); seq++, load->replayed++)
            replay(load, &change, seq, row.at_us, tasks, rows);
        replay_extra(load, row.extra);
        load->uncounted_count = 0;
        load->next = row.seq + row.n;
        s->at_us = max_of(s->at_us, row.at_us);
    }
    db_rows_unref(take(load->log));
    ask_log(load);
}

static void tasks_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (answered(load, reply))
        replay_page(load, reply->rows[0]);
}

/* The tables that changes of tasks not yet known stand for. */
static void ask_tasks(struct load *load)
{
    arena_reset(load->a);
    size_t changes = 0, wanted = 0;
    for (size_t i = 0; i < db_rows_count(load->log); i++)
        changes += (size_t)db_rows_i64(load->log, i, 1);
    struct uuid *ids = arena_new_array(load->a, changes, struct uuid);
    for (size_t i = 0; i < db_rows_count(load->log); i++) {
        struct log_row row = log_row_read(load->a, load->log, i);
        struct ops_reader reader = ops_read(row.ops, row.ids, row.args);
        for (struct change change; wanted < changes && ops_next(&reader, &change);)
            if (is_new_task(change.op))
                ids[wanted++] = change.id;
    }
    if (wanted == 0)
        replay_page(load, NULL);
    else
        ask(load, &load_tasks, load_tasks_args(load->a, ids, wanted), tasks_read);
}

/* ── types and queues ── */

/* Those that are not known yet; then what they were wanted for. */
static void types_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (!answered(load, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    size_t n = db_rows_count(rows);
    for (size_t i = 0; i < n; i++)
        shard_put_type(load->s, (uint32_t)db_rows_i64(rows, i, 0), db_rows_text(rows, i, 1), true);
    if (n > 0)
        ask_types(load);
    else
        ask_queues(load);
}

/* The same of queues; then what both were wanted for. */
static void queues_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (!answered(load, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    size_t n = db_rows_count(rows);
    for (size_t i = 0; i < n; i++)
        shard_put_queue(load->s, (uint32_t)db_rows_i64(rows, i, 0), db_rows_text(rows, i, 1), true);
    if (n > 0)
        ask_queues(load);
    else if (load->log)
        ask_tasks(load);
    else
        ask_live(load, (struct uuid){ 0 });
}

static void ask_queues(struct load *load)
{
    arena_reset(load->a);
    ask(load, &load_queues, load_queues_args(load->a, (int32_t)load->s->queues_known - 1),
        queues_read);
}

static void ask_types(struct load *load)
{
    arena_reset(load->a);
    ask(load, &load_types, load_types_args(load->a, (int32_t)load->s->type_count - 1), types_read);
}

/* ── the log ── */

static void at_end_of_log(struct load *load)
{
    settle_keys(load);
    if (load->is_finishing) {
        log_debug("load.done", "replayed=%lld", (long long)load->replayed);
        load->phase = LOAD_LAST;
        session_set_clear(load->s->sessions);
        ask_settings(load, -1);
    } else {
        end(load, NULL);
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
    if (!answered(load, reply))
        return;
    struct db_rows *rows = reply->rows[0];
    if (has_gap(load, rows)) {
        err_set(&e, ERR_INTERNAL, "the log has no more what comes after %lld",
                (long long)load->next - 1);
        end(load, &e);
    } else if (db_rows_count(rows) == 0) {
        at_end_of_log(load);
    } else {
        db_rows_ref(rows);
        load->log = rows;
        ask_types(load);
    }
}

static void ask_log(struct load *load)
{
    if (load->phase == LOAD_BASE && load->next == load->counted_at)
        take_counters(load);
    int64_t until = load->phase == LOAD_BASE ? load->counted_at
                    : load->is_finishing     ? load->until
                                             : INT64_MAX;
    arena_reset(load->a);
    ask(load, &load_log, load_log_args(load->a, SHARD_ID, load->next, until), log_read);
}

/* ── the tables ── */

static void counters_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (!answered(load, reply))
        return;
    db_rows_ref(reply->rows[0]);
    load->counters = reply->rows[0];
    load->counted_at = db_rows_i64(load->counters, 0, 0);
    ask_log(load);
}

static void join_stored(struct shard *s, struct live *task, const struct db_rows *rows, size_t row)
{
    struct live_lane lane = { .type = (uint32_t)db_rows_i64(rows, row, 2),
                              .priority = (enum rule_priority)db_rows_i64(rows, row, 4),
                              .key = (uint64_t)db_rows_i64(rows, row, 15) };
    int64_t queue = db_rows_i64(rows, row, 14), crashes = db_rows_i64(rows, row, 6);
    if (queue < 0) { /* written by a version that knew no queues */
        join(s, task, &lane, STR("default"));
    } else {
        lane.queue = (uint32_t)queue;
        live_join(s->live, task, &lane);
    }
    while (task->crashes < crashes)
        live_leave(s->live, live_crash(s->live, task));
}

static void add_live(struct load *load, const struct db_rows *rows, size_t i, int64_t now_us)
{
    struct live *task = live_add(load->s->live, db_rows_uuid(rows, i, 0));
    task->version = db_rows_i64(rows, i, 1);
    task->state = (uint32_t)db_rows_i64(rows, i, 3) & 15;
    task->flags = (uint8_t)(db_rows_i64(rows, i, 5) & (LIVE_CANCEL_ASKED | LIVE_FRESH | LIVE_JOB));
    join_stored(load->s, task, rows, i);
    task->attempt = (uint16_t)db_rows_i64(rows, i, 7);
    task->max_attempts = (uint16_t)db_rows_i64(rows, i, 8);
    live_set_timeout(task, db_rows_i64(rows, i, 9));
    live_set_run(load->s->live, task,
                 (struct live_run){ .fence = db_rows_i64(rows, i, 11),
                                    .session = (uint32_t)db_rows_i64(rows, i, 10) });
    task->at_us = db_rows_i64(rows, i, 12);
    hold_key(load, task, db_rows_text(rows, i, 13));
    live_place(load->s->live, task, now_us);
}

/* The next page is on its way while this one is read. */
static void live_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (!answered(load, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    size_t n = db_rows_count(rows);
    int64_t now_us = clock_wall_us();
    struct err e;
    arena_reset(load->a);
    bool is_asked =
        n > 0 ? try_ask(load, &load_live, load_live_args(load->a, db_rows_uuid(rows, n - 1, 0)),
                        live_read, &e)
              : try_ask(load, &load_counters, load_counters_args(load->a, SHARD_ID), counters_read,
                        &e);
    for (size_t i = 0; i < n; i++)
        add_live(load, rows, i, now_us);
    if (!is_asked)
        end(load, &e);
}

static void ask_live(struct load *load, struct uuid after)
{
    arena_reset(load->a);
    ask(load, &load_live, load_live_args(load->a, after), live_read);
}

static void begun(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (!answered(load, reply))
        return;
    load->phase = LOAD_BASE;
    load->next = db_rows_i64(reply->rows[0], 0, 0);
    ask_types(load);
}

/* ── what only a leader needs ── */

/* A queue that tasks of an older version are in was numbered here, and may have been numbered
 * otherwise by somebody else since. */
static bool is_same_queue(const struct shard *s, const struct db_rows *rows, size_t row)
{
    int64_t number = db_rows_i64(rows, row, 0);
    return number < (int64_t)s->queues_known && s->queues[number].is_stored &&
           str_eq(s->queues[number].name, db_rows_text(rows, row, 1));
}

static void ask_queue_settings(struct load *load, int64_t after);

static void queue_settings_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    struct err e;
    if (!answered(load, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    size_t n = db_rows_count(rows);
    for (size_t i = 0; i < n; i++) {
        if (!is_same_queue(load->s, rows, i)) {
            err_set(&e, ERR_INTERNAL, "queue %lld has another name than here",
                    (long long)db_rows_i64(rows, i, 0));
            end(load, &e);
            return;
        }
        settings_load_queue(load->s, rows, i);
    }
    if (n > 0)
        ask_queue_settings(load, db_rows_i64(rows, n - 1, 0));
    else
        ask_sessions(load, 0);
}

static void ask_queue_settings(struct load *load, int64_t after)
{
    arena_reset(load->a);
    ask(load, &load_queues, load_queues_args(load->a, (int32_t)after), queue_settings_read);
}

/* As they are now, and from now on: a rate begins with an empty bucket. */
static void settings_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (!answered(load, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    size_t n = db_rows_count(rows);
    for (size_t i = 0; i < n; i++)
        settings_load_type(load->s, rows, i);
    if (n > 0)
        ask_settings(load, db_rows_i64(rows, n - 1, 0));
    else
        ask_queue_settings(load, -1);
}

static void ask_settings(struct load *load, int64_t after)
{
    arena_reset(load->a);
    ask(load, &load_types, load_types_args(load->a, (int32_t)after), settings_read);
}

static void sessions_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (!answered(load, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    size_t n = db_rows_count(rows);
    for (size_t i = 0; i < n; i++)
        session_set_load(load->s->sessions, rows, i);
    if (n > 0)
        ask_sessions(load, db_rows_i64(rows, n - 1, 0));
    else
        ask_blocked(load);
}

static void ask_sessions(struct load *load, int64_t after)
{
    arena_reset(load->a);
    ask(load, &load_sessions, load_sessions_args(load->a, after), sessions_read);
}

static void blocked_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (!answered(load, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct uuid on = db_rows_uuid(rows, i, 1);
        deps_add(load->s->deps, db_rows_uuid(rows, i, 0), on);
        if (!live_find(load->s->live, on))
            deps_load_failed(load->s->deps, on, (enum rule_state)db_rows_i64(rows, i, 2));
    }
    ask_blocked(load);
}

/* What the tables do not have yet, or have still, is the tick's to write. */
static void hand_to_tick(struct load *load)
{
    struct shard *s = load->s;
    size_t at = 0;
    for (struct live *task; (task = live_next(s->live, &at));) {
        task->flags |= LIVE_STORED;
        if (task->version >= load->ckpt_seq)
            tick_mark(s->tick, task);
    }
    for (size_t i = 0; i < load->ended_count; i++)
        if (load->ended[i].seq >= load->ckpt_seq)
            tick_gone(s->tick, load->ended[i].id);
}

/* ── which unfinished tasks have a checkpoint ── */

static void ask_checkpoints(struct load *load, struct uuid after);

static void checkpoints_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (!answered(load, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    size_t n = db_rows_count(rows);
    for (size_t i = 0; i < n; i++)
        notes_of(load->s->notes, db_rows_uuid(rows, i, 0))->has_checkpoint = true;
    if (n > 0) {
        ask_checkpoints(load, db_rows_uuid(rows, n - 1, 0));
    } else {
        hand_to_tick(load);
        end(load, NULL);
    }
}

static void ask_checkpoints(struct load *load, struct uuid after)
{
    arena_reset(load->a);
    ask(load, &load_checkpoints, load_checkpoints_args(load->a, after), checkpoints_read);
}

static void ask_blocked(struct load *load)
{
    struct uuid *ids;
    size_t count = 0;
    arena_reset(load->a);
    ids = arena_new_array(load->a, BLOCKED_AT_ONCE, struct uuid);
    for (struct live *task;
         count < BLOCKED_AT_ONCE && (task = live_next(load->s->live, &load->blocked_at));)
        if (task->state == LIVE_BLOCKED)
            ids[count++] = task->id;
    if (count > 0) {
        ask(load, &load_blocked, load_blocked_args(load->a, ids, count), blocked_read);
    } else {
        ask_checkpoints(load, (struct uuid){ 0 });
    }
}

/* ── the two ways ── */

struct load *load_create(struct shard *s)
{
    struct load *load = mem_new(struct load);
    load->s = s;
    load->missing = map_create();
    load->a = arena_create(0);
    return load;
}

void load_destroy(struct load *load)
{
    if (!load)
        return;
    if (load->call)
        db_request_forget(load->call);
    db_rows_unref(load->log);
    db_rows_unref(load->counters);
    mem_free(load->ended);
    mem_free(load->contested);
    mem_free(load->uncounted);
    size_t at = 0;
    struct str key;
    for (void *m; map_next(load->missing, &at, &key, &m);)
        mem_free(m);
    map_destroy(load->missing);
    arena_destroy(load->a);
    mem_free(load);
}

static void go(struct load *load)
{
    if (load->phase == LOAD_NOTHING) {
        arena_reset(load->a);
        ask(load, &load_begin, load_begin_args(load->a, SHARD_ID), begun);
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
