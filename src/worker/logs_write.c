/*
 * logs_write: how lines come into table task_log. While an attempt runs, a call of its own each
 * second writes what is new and deletes what the limit has dropped, asynchronously and guarded by
 * the epoch, as the tick does; the batch that ends the attempt writes the rest. Both may write the
 * same lines when they meet: their rows differ by `source`, and readers pass a number over that
 * they have seen.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "json/writer.h"
#include "store/queue/batch_sql.h"
#include "store/queue/log_sql.h"
#include "store/queue/tick_sql.h"
#include "worker/columns.h"
#include "worker/logs_priv.h"

enum { EVERY_MS = 1'000, ROWS_MAX = 2'000 };

/* task_log.source */
enum { SOURCE_FLUSH = 0, SOURCE_BATCH = 1 };

static void look_in(struct logs *logs, int64_t ms)
{
    if (!list_is_empty(&logs->dirty) && !logs->call && !io_timer_is_running(logs->timer))
        io_timer_start(logs->timer, ms);
}

void logs_mark(struct logs *logs, struct task_log *log)
{
    if (list_is_empty(&log->dirty))
        list_push(&logs->dirty, &log->dirty);
    look_in(logs, EVERY_MS);
}

static bool is_dirty(const struct task_log *log)
{
    return log->stored < task_log_next(log) - 1 || log->trimmed < log->first;
}

/* ── each second ── */

static void written(struct logs *logs)
{
    for (size_t i = 0; i < logs->sent_count; i++) {
        const struct log_sent *sent = &logs->sent[i];
        struct task_log *log = task_log_of(logs, sent->task);
        if (!log || log->base != sent->base)
            continue; /* its attempt has ended: the batch wrote it */
        log->stored = max_of(log->stored, sent->last);
        log->trimmed = max_of(log->trimmed, sent->first);
        list_remove(&log->dirty);
        if (is_dirty(log))
            list_push(&logs->dirty, &log->dirty);
    }
}

/* What will never be written must not stand in the way of what can be. */
static bool is_for_good(const struct db_reply *reply)
{
    return reply->sqlstate[0] && reply->err->code != ERR_UNAVAILABLE &&
           reply->err->code != ERR_TIMEOUT && reply->err->code != ERR_CONFLICT;
}

static void replied(void *owner, const struct db_reply *reply)
{
    struct logs *logs = owner;
    logs->call = NULL;
    logs->has_failed = reply->err != NULL;
    if (reply->err)
        log_warn("logs.not_written", "attempts=%zu error=%s", logs->sent_count,
                 log_quote(str_of_c(err_text(reply->err))));
    if (!reply->err || is_for_good(reply))
        written(logs);
    look_in(logs, EVERY_MS);
}

/* Rows of task_log. */
struct rows {
    struct log_sent *at;
    int64_t *attempts;
    struct str *lines;
    size_t count;
};

static const struct db_args *put_args(struct arena *a, const struct rows *rows, int source)
{
    size_t n = rows->count;
    COLUMN(ids, struct uuid, rows->at[i].task);
    COLUMN(bases, int64_t, rows->at[i].base);
    COLUMN(lasts, int64_t, rows->at[i].last);
    return log_put_args(a, ids, n, bases, n, lasts, n, rows->attempts, n, rows->lines, n, source);
}

static const struct db_args *trim_args(struct arena *a, const struct log_sent *sent, size_t n)
{
    COLUMN(ids, struct uuid, sent[i].task);
    COLUMN(bases, int64_t, sent[i].base);
    COLUMN(firsts, int64_t, sent[i].first);
    return log_trim_args(a, ids, n, bases, n, firsts, n);
}

static void gather(struct logs *logs, struct rows *rows)
{
    struct arena *a = logs->a;
    size_t bytes = 0;
    logs->sent = arena_new_array(a, ROWS_MAX, struct log_sent);
    rows->at = arena_new_array(a, ROWS_MAX, struct log_sent);
    rows->attempts = arena_new_array(a, ROWS_MAX, int64_t);
    rows->lines = arena_new_array(a, ROWS_MAX, struct str);
    logs->sent_count = 0;
    list_each (node, &logs->dirty) {
        const struct task_log *log = container_of(node, struct task_log, dirty);
        if (logs->sent_count == ROWS_MAX || bytes >= LOG_FLUSH_BYTES)
            break;
        struct log_sent *sent = &logs->sent[logs->sent_count++];
        int64_t from = max_of(log->stored + 1, log->first);
        *sent = (struct log_sent){ log->task, log->base, log->stored, log->first };
        if (from >= task_log_next(log))
            continue;
        rows->lines[rows->count] = task_log_json(a, log, from, LOG_FLUSH_BYTES, &sent->last);
        rows->attempts[rows->count] = log->attempt;
        rows->at[rows->count] = *sent;
        bytes += rows->lines[rows->count++].len;
    }
}

static void flush(struct logs *logs)
{
    struct rows rows = { 0 };
    struct db_step steps[4];
    size_t count = 0;
    struct arena *a = logs->a;
    struct err e;
    arena_reset(a);
    gather(logs, &rows);
    if (logs->sent_count == 0)
        return;
    steps[count++] =
        (struct db_step){ &batch_limits_async, batch_limits_async_args(a, STR("1s"), STR("5s")) };
    steps[count++] =
        (struct db_step){ &tick_guard, tick_guard_args(a, logs->s->id, logs->s->epoch) };
    if (rows.count > 0)
        steps[count++] = (struct db_step){ &log_put, put_args(a, &rows, SOURCE_FLUSH) };
    steps[count++] = (struct db_step){ &log_trim, trim_args(a, logs->sent, logs->sent_count) };
    const struct db_call call = { .lane = DB_LANE_WRITE,
                                  .steps = steps,
                                  .step_count = count,
                                  .deadline_us = clock_mono_us() + SHARD_CALL_MS * CLOCK_MS,
                                  .fn = replied,
                                  .owner = logs };
    if (db_pool_call(logs->s->pool, &call, &logs->call, &e))
        return;
    logs->call = NULL;
    logs->has_failed = true;
    look_in(logs, EVERY_MS);
}

void logs_on_timer(void *owner)
{
    struct logs *logs = owner;
    if (!logs->call && logs->s->role == SHARD_LEADING)
        flush(logs);
}

bool logs_flush(struct logs *logs)
{
    if (logs->call)
        return true;
    if (list_is_empty(&logs->dirty) || logs->has_failed || logs->s->role != SHARD_LEADING)
        return false;
    io_timer_stop(logs->timer);
    flush(logs);
    return logs->call != NULL;
}

void logs_write_stop(struct logs *logs)
{
    io_timer_stop(logs->timer);
    if (logs->call)
        db_request_forget(logs->call);
    logs->call = NULL;
    logs->sent_count = 0;
    logs->has_failed = false;
    list_init(&logs->dirty);
}

/* ── the batch that ends an attempt ── */

/* An attempt that ends: its log, and what its last words were. */
struct ending {
    struct ending *next;
    struct logs *logs;
    struct log_attempt of;
    const struct log_lines *lines;
};

struct endings {
    struct ending *first;
    size_t count;
};

/* The lines that the tables do not have yet, and those of the acknowledgement behind them. */
static struct str rest_of(struct arena *a, const struct ending *ending, struct log_sent *ret_at)
{
    const struct task_log *log = task_log_of(ending->logs, ending->of.task);
    int64_t last = log ? task_log_next(log) - 1 : 0;
    struct buf out;
    buf_init(&out, 0);
    if (log && log->stored < last) {
        struct str text =
            task_log_json(a, log, max_of(log->stored + 1, log->first), SIZE_MAX, &last);
        buf_put_str(&out, str_first(text, text.len - 1));
    } else {
        buf_put_char(&out, '[');
    }
    const struct log_lines *lines = ending->lines;
    if (lines && lines->count > 0 && lines->dropped > 0) {
        buf_reset(&out); /* what comes after a gap stands alone */
        buf_put_char(&out, '[');
    }
    for (size_t i = 0; lines && i < lines->count; i++) {
        if (out.len > 1)
            buf_put_char(&out, ',');
        log_line_json(&out, &lines->items[i]);
    }
    if (lines)
        last += (int64_t)(lines->dropped + lines->count);
    buf_put_char(&out, ']');
    *ret_at = (struct log_sent){ ending->of.task, max_of(ending->of.fence, ending->logs->began),
                                 last, 0 };
    struct str text = arena_copy(a, buf_str(&out));
    buf_clear(&out);
    return text;
}

static void ending_steps(struct batch *b, void *data)
{
    const struct endings *endings = data;
    struct arena *a = b->a;
    struct rows rows = { .at = arena_new_array(a, endings->count, struct log_sent),
                         .attempts = arena_new_array(a, endings->count, int64_t),
                         .lines = arena_new_array(a, endings->count, struct str) };
    for (const struct ending *ending = endings->first; ending; ending = ending->next) {
        struct str text = rest_of(a, ending, &rows.at[rows.count]);
        if (text.len <= 2)
            continue; /* all is there */
        rows.attempts[rows.count] = ending->of.attempt;
        rows.lines[rows.count++] = text;
    }
    if (rows.count > 0)
        batch_step(b, &log_put, put_args(a, &rows, SOURCE_BATCH));
}

static const struct batch_section_kind ending_section = { "logs", sizeof(struct endings),
                                                          ending_steps };

static void ended(struct shard *s, void *data)
{
    const struct ending *ending = data;
    if (ending->lines && ending->lines->count > 0)
        logs_add(s->logs, ending->of, ending->lines); /* for those who follow */
    struct task_log *log = task_log_of(s->logs, ending->of.task);
    if (log)
        task_log_forget(s->logs, log);
}

void logs_end(struct batch *b, const struct live *task, const struct log_lines *lines)
{
    struct logs *logs = b->s->logs;
    bool has_lines = lines && lines->count > 0;
    if (!has_lines && !task_log_of(logs, task->id))
        return;
    struct endings *endings = batch_section(b, &ending_section);
    struct ending *ending = arena_new(b->a, struct ending);
    *ending = (struct ending){ .next = endings->first,
                               .logs = logs,
                               .of = log_attempt_of(b->s, task),
                               .lines = has_lines ? lines : NULL };
    endings->first = ending;
    endings->count++;
    batch_on_commit(b, ended, ending);
}
