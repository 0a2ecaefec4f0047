/*
 * feed_tables: the feed out of change_log and the tables, for whoever was away for longer than
 * memory reaches. What the tables no longer hold, such as the result of a task that was reopened
 * since, is left out: a later event of the same task has more. Of one that was deleted since, how
 * it was made is told.
 */
#include "db/rows.h"
#include "json/json.h"
#include "store/queue/read_sql.h"
#include "store/queue/schedule_sql.h"
#include "worker/door.h"
#include "worker/feed.h"
#include "worker/feed_made.h"
#include "worker/jobs.h"
#include "worker/logrow.h"
#include "worker/meter.h"
#include "worker/record.h"
#include "worker/settings.h"
#include "worker/worker_priv.h"

enum { READ_MS = 20'000, TABLE_EVENTS_MAX = 2'000 };

struct told {
    struct change change;
    int64_t seq, at_us;
    struct log_extra extra;
};

struct reading {
    struct worker *w;
    struct http_request *r;
    int64_t from, max;
    struct told *told;
    size_t count;
    struct uuid *ids;
    size_t id_count;
    struct db_rows *tasks, *errors;
    struct db_rows *made;        /* NULL: none was deleted */
    struct db_rows *job_changes; /* NULL: no job has changed */
    size_t job_change_at;
    struct map *task_rows, *made_rows;
    struct buf text;
};

static void free_reading(void *owner)
{
    struct reading *q = owner;
    map_destroy(q->task_rows);
    map_destroy(q->made_rows);
    buf_clear(&q->text);
}

static void ask(struct reading *q, const struct db_statement *statement, const struct db_args *args,
                db_reply_fn *fn)
{
    door_read_within(q->w, DB_LANE_SLOW, READ_MS, statement, args, fn, q);
}

/* ── composing ── */

static void put_drop_range(struct buf *out, const struct told *t)
{
    struct uuid to = { 0 };
    uint64_t ms = (uint64_t)t->change.args[0];
    for (size_t i = 0; i < 6; i++)
        to.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    event_drop_range(out, t->seq, t->at_us, t->change.id, to, t->extra.counts);
}

/* The error that the attempt which this change ended left behind. */
static void read_error(const struct reading *q, const struct told *t, struct task_view *v)
{
    for (size_t i = 0; q->errors && i < db_rows_count(q->errors); i++)
        if (db_rows_i64(q->errors, i, 1) == t->seq && !db_rows_is_null(q->errors, i, 2)) {
            v->has_error = true;
            v->error = db_rows_text(q->errors, i, 2);
        }
}

static bool is_beginning(enum op op)
{
    return op == OP_ADD || op == OP_ADD_BLOCKED;
}

static enum rule_state finished_state(enum op op)
{
    return op == OP_COMPLETE || op == OP_COMPLETE_BLOCKED ? STATE_SUCCEEDED
           : op == OP_DIE || op == OP_DIE_WAITING         ? STATE_DEAD
                                                          : STATE_CANCELLED;
}

static void put_finish(struct reading *q, const struct told *t, const struct task_view *row)
{
    struct task_view v = *row;
    if (row->version != t->seq) { /* finished since, or open again */
        v = (struct task_view){ .id = row->id, .type = row->type };
        v.state = finished_state(t->change.op);
        v.attempt = t->change.attempt;
        v.finished_at_us = t->at_us;
        read_error(q, t, &v);
    }
    v.by = t->extra.by;
    event_finish(&q->text, t->seq, t->at_us, op_from(t->change.op), &v);
}

static void put_wait(struct reading *q, const struct told *t, struct task_view *v)
{
    v->attempt = t->change.attempt - (t->change.op == OP_RELEASE);
    v->run_at_us = t->change.args[0];
    v->state = rule_waiting_state(v->run_at_us, v->attempt, t->at_us);
    v->has_error = false;
    read_error(q, t, v);
    event_wait(&q->text, t->seq, t->at_us, v);
}

static void put_add(struct reading *q, const struct told *t, const struct task_view *row)
{
    struct task_view v = *row;
    v.version = t->seq;
    v.state = t->change.op == OP_ADD_BLOCKED ? STATE_BLOCKED
                                             : rule_waiting_state(v.run_at_us, 0, t->at_us);
    v.attempt = 0;
    v.max_attempts = row->max_attempts;
    v.updated_at_us = v.created_at_us;
    v.started_at_us = v.finished_at_us = 0;
    v.has_result = v.has_error = false;
    v.why = STR("");
    event_add(&q->text, t->seq, t->at_us, &v);
}

static void put_task_event(struct reading *q, const struct told *t, size_t row)
{
    struct task_view v;
    (void)read_task(q->r->arena, &q->w->shard, q->tasks, row, &v);
    v.by = t->extra.by;
    int64_t asked_max = db_rows_i64(q->tasks, row, 4);
    switch (t->change.op) {
    case OP_ADD:
    case OP_ADD_BLOCKED:
        v.max_attempts = (uint32_t)asked_max;
        put_add(q, t, &v);
        return;
    case OP_START_FIRST:
    case OP_START:
        v.attempt = t->change.attempt;
        v.started_at_us = t->at_us;
        v.run_at_us = t->change.op == OP_START ? t->change.args[0] : v.run_at_us;
        event_start(&q->text, t->seq, t->at_us, &v);
        return;
    case OP_COMPLETE:
    case OP_DIE:
    case OP_CANCEL_RUNNING:
    case OP_CANCEL_WAITING:
    case OP_DIE_WAITING:
    case OP_COMPLETE_BLOCKED:
        put_finish(q, t, &v);
        return;
    case OP_RETRY:
    case OP_LOST:
    case OP_RELEASE:
        put_wait(q, t, &v);
        return;
    case OP_REOPEN_FAILED:
    case OP_REOPEN_WAITING:
    case OP_REOPEN_BLOCKED:
        v.state = t->change.op == OP_REOPEN_BLOCKED ? STATE_BLOCKED : STATE_READY;
        v.attempt = t->change.attempt;
        v.run_at_us = t->change.args[0];
        v.max_attempts = (uint32_t)t->change.args[1];
        event_reopen(&q->text, t->seq, t->at_us, op_from(t->change.op), &v);
        return;
    case OP_UNBLOCK:
        v.state = rule_waiting_state(v.run_at_us, 0, t->at_us);
        v.attempt = 0;
        v.max_attempts = (uint32_t)asked_max;
        event_reopen(&q->text, t->seq, t->at_us, STATUS_PENDING, &v);
        return;
    case OP_CANCEL_ASKED:
    case OP_NOTE:
        v.progress = t->change.op == OP_NOTE ? (double)t->change.args[0] / OP_NOTE_ONE : -1;
        event_note(&q->text, t->seq, t->at_us, &v, t->change.op == OP_CANCEL_ASKED);
        return;
    case OP_NONE:
    case OP_DROP:
    case OP_DROP_RANGE:
    case OP_JOB:
    case OP_JOB_GONE:
    case OP_TYPE:
    case OP_QUEUE:
    case OP_RECORD:
    case OP_COUNT:
        break;
    }
    event_none(&q->text, t->seq);
}

static void put_job(struct reading *q, const struct told *t)
{
    struct shard *s = &q->w->shard;
    struct str change = job_change_told(q->r->arena, q->job_changes, &q->job_change_at, t->seq);
    struct buf job;
    buf_init(&job, 0);
    if (t->change.op == OP_JOB_GONE)
        event_job_gone(&q->text, t->seq, t->at_us, t->change.id, change);
    else if (s->job_hooks && s->job_hooks->put_one(s, t->change.id, &job))
        event_job(&q->text, t->seq, t->at_us, buf_str(&job), change);
    else if (!str_is_empty(change)) /* of one that is gone by now */
        event_job_gone(&q->text, t->seq, t->at_us, t->change.id, change);
    else
        event_none(&q->text, t->seq);
    buf_clear(&job);
}

/* The beginning of one that was deleted. */
static bool put_made(struct reading *q, const struct told *t)
{
    const void *row = q->made_rows ? map_get(q->made_rows, uuid_bytes(&t->change.id)) : NULL;
    return row && is_beginning(t->change.op) &&
           feed_made_put(&q->text, &q->w->shard, q->made, (size_t)(uintptr_t)row - 1, t->seq,
                         t->at_us);
}

static bool is_of_job(enum op op)
{
    return op == OP_JOB || op == OP_JOB_GONE;
}

static void put_event(struct reading *q, const struct told *t)
{
    if (t->change.op == OP_DROP) {
        event_drop(&q->text, t->seq, t->at_us, t->change.id, t->extra.counts, t->extra.by);
    } else if (t->change.op == OP_DROP_RANGE) {
        put_drop_range(&q->text, t);
    } else if (is_of_job(t->change.op)) {
        put_job(q, t);
    } else if (t->change.op == OP_RECORD && !str_is_empty(t->extra.record)) {
        event_record(&q->text, t->seq, t->at_us, t->extra.record);
    } else if (t->change.op == OP_TYPE || t->change.op == OP_QUEUE) {
        if (!settings_put_event(&q->w->shard, &q->text, t->seq, t->at_us, &t->change))
            event_none(&q->text, t->seq);
    } else {
        const void *row = map_get(q->task_rows, uuid_bytes(&t->change.id));
        if (row)
            put_task_event(q, t, (size_t)(uintptr_t)row - 1);
        else if (t->change.op == OP_NONE)
            event_none(&q->text, t->seq);
        else if (!put_made(q, t))
            event_gone(&q->text, t->seq);
    }
}

static void answer(struct reading *q)
{
    size_t i = 0;
    for (; i < q->count && q->text.len < FEED_ANSWER_BYTES; i++) {
        if (i > 0)
            buf_put_char(&q->text, ',');
        put_event(q, &q->told[i]);
    }
    worker_meter_feed(q->w->shard.meter, true, i);
    feed_answer(&q->w->shard, q->r, q->from + (int64_t)i,
                q->text.len ? buf_str(&q->text) : STR(""));
}

/* ── reading ── */

static void errors_read(void *owner, const struct db_reply *reply)
{
    struct reading *q = owner;
    if (reply->err) {
        door_fail(q->r, reply->err);
        return;
    }
    db_rows_keep(reply->rows[0], q->r->arena);
    q->errors = reply->rows[0];
    answer(q);
}

static void read_errors_of(struct reading *q);

static void job_changes_read_to(void *owner, const struct db_reply *reply)
{
    struct reading *q = owner;
    if (reply->err) {
        door_fail(q->r, reply->err);
        return;
    }
    db_rows_keep(reply->rows[0], q->r->arena);
    q->job_changes = reply->rows[0];
    read_errors_of(q);
}

static bool needs_job_changes(const struct reading *q)
{
    for (size_t i = 0; i < q->count; i++)
        if (is_of_job(q->told[i].change.op))
            return true;
    return false;
}

static bool needs_errors(const struct reading *q)
{
    for (size_t i = 0; i < q->count; i++)
        if (q->told[i].change.op == OP_RETRY || q->told[i].change.op == OP_LOST ||
            q->told[i].change.op == OP_DIE || q->told[i].change.op == OP_CANCEL_RUNNING)
            return true;
    return false;
}

static void read_errors_of(struct reading *q)
{
    if (needs_errors(q))
        ask(q, &read_errors, read_errors_args(q->r->arena, q->ids, q->id_count), errors_read);
    else
        answer(q);
}

static void read_changes_of(struct reading *q)
{
    if (needs_job_changes(q)) /* what is not read stands behind a full answer */
        ask(q, &job_changes_between,
            job_changes_between_args(q->r->arena, q->from, q->from + (int64_t)q->count, q->max,
                                     FEED_ANSWER_BYTES),
            job_changes_read_to);
    else
        read_errors_of(q);
}

static void made_read(void *owner, const struct db_reply *reply)
{
    struct reading *q = owner;
    if (reply->err) {
        door_fail(q->r, reply->err);
        return;
    }
    db_rows_keep(reply->rows[0], q->r->arena);
    q->made = reply->rows[0];
    q->made_rows = db_rows_by_id(q->made);
    read_changes_of(q);
}

/* Those that began here and have no row any more. */
static size_t find_gone(const struct reading *q, struct uuid *gone)
{
    size_t count = 0;
    for (size_t i = 0; i < q->count; i++) {
        const struct change *change = &q->told[i].change;
        if (is_beginning(change->op) && !map_get(q->task_rows, uuid_bytes(&change->id)))
            gone[count++] = change->id;
    }
    return count;
}

static void tasks_read(void *owner, const struct db_reply *reply)
{
    struct reading *q = owner;
    if (reply->err) {
        door_fail(q->r, reply->err);
        return;
    }
    db_rows_keep(reply->rows[0], q->r->arena);
    q->tasks = reply->rows[0];
    q->task_rows = db_rows_by_id(q->tasks);
    struct uuid *gone = arena_new_array(q->r->arena, q->count, struct uuid);
    size_t count = find_gone(q, gone);
    if (count > 0)
        ask(q, &read_made, read_made_args(q->r->arena, gone, count), made_read);
    else
        read_changes_of(q);
}

static bool is_of_task(enum op op)
{
    return op != OP_NONE && !is_of_job(op) && op != OP_DROP && op != OP_DROP_RANGE &&
           op != OP_TYPE && op != OP_QUEUE && op != OP_RECORD;
}

static void add_row(struct reading *q, const struct log_row *row, int64_t until)
{
    struct str extra = row->extra;
    struct ops_reader reader = ops_read(row->ops, row->ids, row->args);
    struct change change;
    for (int64_t seq = row->seq; ops_next(&reader, &change); seq++) {
        if (seq != q->from + (int64_t)q->count || seq >= until)
            continue;
        struct told *t = &q->told[q->count++];
        *t = (struct told){ .change = change, .seq = seq, .at_us = row->at_us };
        t->extra = log_extra_take(q->r->arena, &extra, seq);
        if (is_of_task(change.op))
            q->ids[q->id_count++] = change.id;
    }
}

static void log_read(void *owner, const struct db_reply *reply)
{
    struct reading *q = owner;
    if (reply->err) {
        door_fail(q->r, reply->err);
        return;
    }
    const struct db_rows *rows = reply->rows[0];
    db_rows_keep(reply->rows[0], q->r->arena);
    size_t n = db_rows_count(rows);
    int64_t until = q->from + q->max;
    bool is_there = n > 0 && db_rows_i64(rows, 0, 0) <= q->from &&
                    db_rows_i64(rows, 0, 0) + db_rows_i64(rows, 0, 1) > q->from;
    if (!is_there) {
        door_gone(q->r, "the cursor is older than what is kept: take a snapshot");
        return;
    }
    q->told = arena_new_array(q->r->arena, (size_t)q->max, struct told);
    q->ids = arena_new_array(q->r->arena, (size_t)q->max, struct uuid);
    for (size_t i = 0; i < n; i++) {
        struct log_row row = log_row_read(q->r->arena, rows, i);
        add_row(q, &row, until);
    }
    if (q->count == 0) { /* its leader read only what came behind the checkpoint */
        door_gone(q->r, "the log has changes that this version does not know: take a snapshot");
        return;
    }
    ask(q, &read_tasks, read_tasks_args(q->r->arena, q->ids, q->id_count), tasks_read);
}

void feed_from_tables(struct worker *w, struct http_request *r, int64_t from, int64_t max)
{
    struct reading *q = arena_new(r->arena, struct reading);
    *q = (struct reading){ .w = w, .r = r, .from = from };
    buf_init(&q->text, 0);
    arena_defer(r->arena, free_reading, q);
    q->max = min_of(max, (int64_t)TABLE_EVENTS_MAX);
    q->max = min_of(q->max, w->shard.committed - from);
    ask(q, &read_log, read_log_args(r->arena, w->shard.id, from, from + q->max), log_read);
}
