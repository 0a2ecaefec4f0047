/*
 * load: what a new leader reads: types, sessions, counters and task_live, which are as of
 * shard.ckpt_seq, then the log from there to its own epoch row.
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
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/tick.h"

enum { PHASE_CALL_MS = 60'000, EXTRA_BYTES = 64 << 20, BLOCKED_AT_ONCE = 5'000 };

struct load {
    struct shard *s;
    struct arena *a; /* of the call that is out */
    struct db_request *call;
    struct db_rows *log; /* a page that waits for its tasks' rows */
    int64_t next, until;
    int64_t replayed;
    size_t blocked_at; /* how far the blocked ones have been asked for */
    load_done_fn *done;
    void *owner;
};

static void ask_live(struct load *load, struct uuid after);
static void ask_log(struct load *load);
static void ask_blocked(struct load *load);

static void end(struct load *load, const struct err *err)
{
    load->done(load->owner, err);
}

static void ask(struct load *load, const struct db_statement *statement, const struct db_args *args,
                db_reply_fn *fn)
{
    struct err e;
    const struct db_step step = { statement, args };
    const struct db_call c = { .lane = DB_LANE_READ,
                               .steps = &step,
                               .step_count = 1,
                               .deadline_us = clock_mono_us() + PHASE_CALL_MS * CLOCK_MS,
                               .fn = fn,
                               .owner = load };
    if (!db_pool_call(load->s->pool, &c, &load->call, &e)) {
        load->call = NULL;
        end(load, &e);
    }
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
    return op == OP_ADD || op == OP_ADD_BLOCKED || op == OP_REOPEN_FAILED;
}

/* Its queue by name; `lane` has the rest. */
static void join(struct shard *s, struct live *task, struct live_lane *lane, struct str queue)
{
    struct err e;
    if (!shard_queue_of(s, queue, &lane->queue, &e))
        lane->queue = 0; /* as when it was made */
    live_join(s->live, task, lane);
}

static void replay_add(struct load *load, const struct change *change, int64_t seq,
                       const struct db_rows *tasks, size_t row)
{
    struct shard *s = load->s;
    struct live *task = live_add(s->live, change->id);
    struct str key = db_rows_text(tasks, row, 6);
    join(s, task,
         &(struct live_lane){ .type = (uint32_t)db_rows_i64(tasks, row, 1),
                              .priority = (enum rule_priority)db_rows_i64(tasks, row, 2),
                              .key = (uint64_t)db_rows_i64(tasks, row, 9) },
         db_rows_text(tasks, row, 8));
    task->max_attempts = (uint16_t)db_rows_i64(tasks, row, 3);
    task->timeout_s = (uint32_t)db_rows_i64(tasks, row, 4);
    task->at_us = db_rows_time(tasks, row, 5);
    task->state = change->op == OP_ADD_BLOCKED ? LIVE_BLOCKED : LIVE_WAITING;
    task->version = seq;
    task->flags = LIVE_FRESH;
    if (change->op == OP_REOPEN_FAILED) {
        task->flags = 0;
        task->at_us = change->args[0];
        task->attempt = (uint16_t)change->attempt;
        task->max_attempts = (uint16_t)change->args[1];
    }
    if (db_rows_bool(tasks, row, 7))
        task->flags |= LIVE_JOB;
    if (key.len > 0 && !live_by_key(s->live, live_key_of(key)))
        live_hold_key(s->live, live_key_of(key), task);
}

static void replay_waiting(struct shard *s, struct live *task, const struct change *change)
{
    task->state = LIVE_WAITING;
    task->at_us = change->args[0];
    task->attempt = (uint16_t)(change->attempt - (change->op == OP_RELEASE));
    if (change->op == OP_LOST)
        live_leave(s->live, live_crash(s->live, task));
    task->fence = 0;
    task->session = 0;
    task->flags &= (uint8_t) ~(LIVE_CANCEL_ASKED | LIVE_OVERDUE);
    if (change->op == OP_REOPEN_WAITING)
        task->max_attempts = (uint16_t)change->args[1];
}

static void replay_running(struct live *task, const struct change *change, int64_t seq,
                           int64_t at_us)
{
    if (change->op == OP_CANCEL_ASKED) {
        task->flags |= LIVE_CANCEL_ASKED;
    } else if (change->op == OP_START || change->op == OP_START_FIRST) {
        task->state = LIVE_RUNNING;
        task->at_us = at_us;
        task->attempt = (uint16_t)change->attempt;
        task->session = change->session;
        task->fence = seq;
        task->flags &= (uint8_t) ~(LIVE_CANCEL_ASKED | LIVE_OVERDUE | LIVE_FRESH);
    }
}

static bool is_finish(enum op op)
{
    return op == OP_COMPLETE || op == OP_DIE || op == OP_CANCEL_RUNNING || op == OP_CANCEL_WAITING;
}

/* Of a task that is in memory, and was changed since. */
static void replay_known(struct shard *s, struct live *task, const struct change *change,
                         int64_t seq, int64_t at_us)
{
    if (is_finish(change->op)) {
        if (task->flags & LIVE_STORED)
            tick_gone(s->tick, task->id);
        live_remove(s->live, task);
        return;
    }
    live_lift(s->live, task);
    task->version = seq;
    if (change->op == OP_UNBLOCK)
        task->state = LIVE_WAITING;
    else if (op_to(change->op) == STATUS_PENDING)
        replay_waiting(s, task, change);
    else
        replay_running(task, change, seq, at_us);
    live_place(s->live, task, at_us);
    tick_mark(s->tick, task);
}

static void count(struct shard *s, uint32_t type, enum op op)
{
    if (op_from(op) != STATUS_COUNT)
        s->types[type].counts[op_from(op)]--;
    if (op_to(op) != STATUS_COUNT)
        s->types[type].counts[op_to(op)]++;
}

static void replay(struct load *load, const struct change *change, int64_t seq, int64_t at_us,
                   const struct db_rows *tasks, const struct map *rows)
{
    struct shard *s = load->s;
    struct live *task = live_find(s->live, change->id);
    bool is_new = is_new_task(change->op);
    if (is_new && !task) {
        const void *row = map_get(rows, str_of((const char *)change->id.bytes, 16));
        if (!row) {
            log_error("load.row_missing", "seq=%lld", (long long)seq);
            return;
        }
        replay_add(load, change, seq, tasks, (uintptr_t)row - 1);
        task = live_find(s->live, change->id);
        live_place(s->live, task, at_us);
        tick_mark(s->tick, task);
        count(s, live_type_of(s->live, task), change->op);
        return;
    }
    if (!task)
        return;
    count(s, live_type_of(s->live, task), change->op);
    if (seq > task->version)
        replay_known(s, task, change, seq, at_us);
}

/* What retention took out, as `number [{"type", "status", "count"}]` a line. */
static void replay_extra(struct shard *s, struct str extra)
{
    scoped(arena_destroyp) struct arena *a = arena_create(EXTRA_BYTES);
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
            for (size_t k = 0; k < STATUS_COUNT; k++)
                if (str_eq(status->text, rule_status_name((enum rule_status)k)))
                    s->types[at].counts[k] -= gone;
        }
    }
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
        replay_extra(s, row.extra);
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

/* ── what waits for what ── */

static void blocked_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (!answered(load, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    for (size_t i = 0; i < db_rows_count(rows); i++)
        deps_add(load->s->deps, db_rows_uuid(rows, i, 0), db_rows_uuid(rows, i, 1));
    ask_blocked(load);
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
    if (count > 0)
        ask(load, &load_blocked, load_blocked_args(load->a, ids, count), blocked_read);
    else
        end(load, NULL);
}

static void log_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (!answered(load, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    if (db_rows_count(rows) == 0) {
        log_debug("load.done", "replayed=%lld", (long long)load->replayed);
        ask_blocked(load);
        return;
    }
    arena_reset(load->a);
    size_t changes = 0, wanted = 0;
    for (size_t i = 0; i < db_rows_count(rows); i++)
        changes += (size_t)db_rows_i64(rows, i, 1);
    struct uuid *ids = arena_new_array(load->a, changes, struct uuid);
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct log_row row = log_row_read(load->a, rows, i);
        struct ops_reader reader = ops_read(row.ops, row.ids, row.args);
        for (struct change change; wanted < changes && ops_next(&reader, &change);)
            if (is_new_task(change.op))
                ids[wanted++] = change.id;
    }
    db_rows_ref(reply->rows[0]);
    load->log = reply->rows[0];
    if (wanted == 0)
        replay_page(load, NULL);
    else
        ask(load, &load_tasks, load_tasks_args(load->a, ids, wanted), tasks_read);
}

static void ask_log(struct load *load)
{
    arena_reset(load->a);
    ask(load, &load_log, load_log_args(load->a, SHARD_ID, load->next, load->until), log_read);
}

/* ── the tables ── */

static void join_stored(struct shard *s, struct live *task, const struct db_rows *rows, size_t row)
{
    struct live_lane lane = { .type = (uint32_t)db_rows_i64(rows, row, 2),
                              .priority = (enum rule_priority)db_rows_i64(rows, row, 4),
                              .key = (uint64_t)db_rows_i64(rows, row, 15) };
    int64_t queue = db_rows_i64(rows, row, 14), crashes = db_rows_i64(rows, row, 6);
    if (queue < 0) {
        join(s, task, &lane, db_rows_text(rows, row, 16));
    } else {
        lane.queue = (uint32_t)queue;
        live_join(s->live, task, &lane);
    }
    while (task->crashes < crashes)
        live_leave(s->live, live_crash(s->live, task));
}

static void live_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    struct shard *s = load->s;
    if (!answered(load, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    size_t n = db_rows_count(rows);
    int64_t now_us = clock_wall_us();
    for (size_t i = 0; i < n; i++) {
        struct live *task = live_add(s->live, db_rows_uuid(rows, i, 0));
        task->version = db_rows_i64(rows, i, 1);
        task->state = (uint8_t)db_rows_i64(rows, i, 3);
        task->flags =
            (uint8_t)((db_rows_i64(rows, i, 5) & (LIVE_CANCEL_ASKED | LIVE_FRESH | LIVE_JOB)) |
                      LIVE_STORED);
        join_stored(s, task, rows, i);
        task->attempt = (uint16_t)db_rows_i64(rows, i, 7);
        task->max_attempts = (uint16_t)db_rows_i64(rows, i, 8);
        task->timeout_s = (uint32_t)db_rows_i64(rows, i, 9);
        task->session = (uint32_t)db_rows_i64(rows, i, 10);
        task->fence = db_rows_i64(rows, i, 11);
        task->at_us = db_rows_i64(rows, i, 12);
        struct str key = db_rows_text(rows, i, 13);
        if (key.len > 0 && !live_by_key(s->live, live_key_of(key)))
            live_hold_key(s->live, live_key_of(key), task);
        live_place(s->live, task, now_us);
    }
    if (n > 0)
        ask_live(load, db_rows_uuid(rows, n - 1, 0));
    else
        ask_log(load);
}

static void ask_live(struct load *load, struct uuid after)
{
    arena_reset(load->a);
    ask(load, &load_live, load_live_args(load->a, after), live_read);
}

static void counters_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    struct shard *s = load->s;
    if (!answered(load, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        int64_t type = db_rows_i64(rows, i, 0), status = db_rows_i64(rows, i, 1);
        if (type < (int64_t)s->type_count && status < STATUS_COUNT)
            s->types[type].counts[status] = db_rows_i64(rows, i, 2);
    }
    ask_live(load, (struct uuid){ 0 });
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
    arena_reset(load->a);
    if (n > 0)
        ask(load, &load_sessions, load_sessions_args(load->a, db_rows_i64(rows, n - 1, 0)),
            sessions_read);
    else
        ask(load, &load_counters, load_counters_args(load->a, -1), counters_read);
}

static void queues_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (!answered(load, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    size_t n = db_rows_count(rows);
    for (size_t i = 0; i < n; i++) {
        shard_put_queue(load->s, (uint32_t)db_rows_i64(rows, i, 0), db_rows_text(rows, i, 1), true);
        settings_load_queue(load->s, rows, i);
    }
    arena_reset(load->a);
    if (n > 0)
        ask(load, &load_queues, load_queues_args(load->a, (int32_t)db_rows_i64(rows, n - 1, 0)),
            queues_read);
    else
        ask(load, &load_sessions, load_sessions_args(load->a, 0), sessions_read);
}

static void types_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (!answered(load, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    size_t n = db_rows_count(rows);
    for (size_t i = 0; i < n; i++) {
        shard_put_type(load->s, (uint32_t)db_rows_i64(rows, i, 0), db_rows_text(rows, i, 1), true);
        settings_load_type(load->s, rows, i);
    }
    arena_reset(load->a);
    if (n > 0)
        ask(load, &load_types, load_types_args(load->a, (int32_t)db_rows_i64(rows, n - 1, 0)),
            types_read);
    else
        ask(load, &load_queues, load_queues_args(load->a, -1), queues_read);
}

struct load *load_start(struct shard *s, int64_t ckpt_seq, int64_t until, load_done_fn *done,
                        void *owner)
{
    struct load *load = mem_new(struct load);
    load->s = s;
    load->a = arena_create(0);
    load->next = ckpt_seq;
    load->until = until;
    load->done = done;
    load->owner = owner;
    ask(load, &load_types, load_types_args(load->a, -1), types_read);
    return load;
}

void load_destroy(struct load *load)
{
    if (!load)
        return;
    if (load->call)
        db_request_forget(load->call);
    db_rows_unref(load->log);
    arena_destroy(load->a);
    mem_free(load);
}
