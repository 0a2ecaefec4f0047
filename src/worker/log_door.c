/*
 * log_door: how lines are read.
 *
 *   follow ──▶ all of it in memory? ──▶ answer, or nothing new: park ──▶ (line, end, time)──┐
 *     ▲             │ no: read the tables ──▶ moved on meanwhile? again ──▶ answer, or park  │
 *     └─────────────────────────────────────────────────────────────────────────────────────┘
 */
#include "worker/log_door.h"

#include "base/clock.h"
#include "io/timer.h"
#include "store/queue/log_sql.h"
#include "worker/door.h"
#include "worker/worker_priv.h"

enum {
    WAIT_MAX_MS = 60'000,
    PAGE_ROWS = 200,
    ANSWER_LINES = 2'000,
    ANSWER_BYTES = 1 << 20,
    READS_MAX = 5,
};

struct follow {
    struct log_watch watch;
    struct worker *w;
    struct http_request *r;
    struct log_place after;
    int64_t until_us; /* monotonic */
    struct io_timer *timer;
    int64_t version; /* of the task when the tables were asked; -1: it was not unfinished */
    unsigned reads;
    /* the answer */
    struct json_writer out;
    struct log_place next;
    size_t lines;
};

static void follow(struct follow *f);

static int64_t version_of(const struct follow *f)
{
    const struct live *task = live_find(f->w->shard.live, f->watch.task);
    return task ? task->version : -1;
}

/* ── answering ── */

static bool put_line(void *owner, struct log_place place, uint32_t attempt,
                     const struct log_line *line)
{
    struct follow *f = owner;
    struct json_writer *w = &f->out;
    char n[LOG_PLACE_TEXT_MAX];
    log_place_format(place, n);
    json_begin_object(w);
    json_put_text(w, "n", str_of_c(n));
    json_put_i64(w, "attempt", attempt);
    json_put_i64(w, "at_us", line->at_us);
    json_put_text(w, "stream", line->stream);
    json_put_text(w, "text", line->text);
    json_end_object(w);
    f->next = place;
    return ++f->lines < ANSWER_LINES && f->r->out->len < ANSWER_BYTES;
}

static void begin_answer(struct follow *f)
{
    buf_reset(f->r->out);
    f->out = json_writer_to(f->r->out);
    f->next = f->after;
    f->lines = 0;
    json_begin_object(&f->out);
    json_key_c(&f->out, "lines");
    json_begin_array(&f->out);
}

static void end_answer(struct follow *f, bool is_finished)
{
    char next[LOG_PLACE_TEXT_MAX];
    log_place_format(f->next, next);
    json_end_array(&f->out);
    json_key_c(&f->out, "next");
    json_write_string(&f->out, str_of_c(next));
    json_key_c(&f->out, "is_finished");
    json_write_bool(&f->out, is_finished);
    json_end_object(&f->out);
    io_timer_destroy(take(f->timer));
    door_answer(f->r);
}

/* ── waiting ── */

static void woken(struct log_watch *watch)
{
    struct follow *f = container_of(watch, struct follow, watch);
    struct err e = { 0 };
    f->reads = 0;
    io_timer_stop(f->timer);
    if (shard_is_leading(&f->w->shard) && !f->w->is_draining) {
        follow(f);
        return;
    }
    shard_refuse(&e);
    io_timer_destroy(take(f->timer));
    door_fail(f->r, &e);
}

static void time_came(void *owner)
{
    struct follow *f = owner;
    logs_unwatch(f->w->shard.logs, &f->watch);
    begin_answer(f);
    end_answer(f, false);
}

static void park(struct follow *f)
{
    int64_t left_us = f->until_us - clock_mono_us();
    if (left_us <= 0 || f->w->is_draining) {
        begin_answer(f);
        end_answer(f, false);
        return;
    }
    if (!f->timer)
        f->timer = io_timer_create(f->w->loop, time_came, f);
    io_timer_start(f->timer, left_us / CLOCK_MS + 1);
    logs_watch(f->w->shard.logs, &f->watch);
}

static void client_gone(void *owner)
{
    struct follow *f = owner;
    if (!list_is_empty(&f->watch.node)) /* else what runs will answer */
        io_timer_start(f->timer, 0);
}

/* ── looking ── */

static void rows_read(void *owner, const struct db_reply *reply)
{
    struct follow *f = owner;
    struct shard *s = &f->w->shard;
    struct err e = { 0 };
    bool is_open = live_find(s->live, f->watch.task) != NULL;
    if (reply->err || !shard_is_leading(s)) {
        if (!reply->err)
            shard_refuse(&e);
        io_timer_destroy(take(f->timer));
        door_fail(f->r, reply->err ? reply->err : &e);
        return;
    }
    if (version_of(f) != f->version && f->reads < READS_MAX) {
        follow(f); /* lines may have gone from memory into the tables since */
        return;
    }
    const struct db_rows *rows = reply->rows[0];
    if (db_rows_count(rows) == 0 && !is_open) {
        err_set(&e, ERR_NOT_FOUND, "there is no such task");
        io_timer_destroy(take(f->timer));
        door_fail(f->r, &e);
        return;
    }
    bool is_page = db_rows_count(rows) == PAGE_ROWS;
    begin_answer(f);
    logs_walk(rows, is_page ? NULL : logs_find(s->logs, f->watch.task), f->after, put_line, f);
    bool is_all = !is_page && f->lines < ANSWER_LINES && f->r->out->len < ANSWER_BYTES;
    if (f->lines == 0 && is_open)
        park(f);
    else
        end_answer(f, !is_open && is_all);
}

static void follow(struct follow *f)
{
    struct shard *s = &f->w->shard;
    const struct task_log *log = logs_find(s->logs, f->watch.task);
    struct log_place first = log ? task_log_first(log) : (struct log_place){ 0 };
    bool is_in_memory = log && f->after.base == first.base && f->after.n + 1 >= first.n;
    if (!is_in_memory) {
        f->reads++;
        f->version = version_of(f);
        door_read(f->w, &log_page,
                  log_page_args(f->r->arena, f->watch.task, f->after.base, f->after.n, PAGE_ROWS),
                  rows_read, f);
    } else if (log_place_before(f->after, task_log_last(log))) {
        begin_answer(f);
        logs_walk(NULL, log, f->after, put_line, f);
        end_answer(f, false);
    } else {
        park(f);
    }
}

bool log_door(struct worker *w, struct http_request *r)
{
    struct str id, word, after;
    struct err e = { 0 };
    int64_t wait_ms = 0;
    if (!str_cut(r->rest, '/', &id, &word) || !str_eq_c(word, "log"))
        return false;
    struct follow *f = arena_new(r->arena, struct follow);
    *f = (struct follow){ .w = w, .r = r, .watch = { .wake = woken } };
    list_init(&f->watch.node);
    if (!uuid_parse(id, &f->watch.task))
        err_set(&e, ERR_NOT_FOUND, "there is no such address");
    else if (http_query(r, STR("after"), &after) && !log_place_parse(after, &f->after))
        err_set(&e, ERR_INVALID, "after: is no place in a log");
    else if (http_query(r, STR("wait_ms"), &after) &&
             (!str_to_i64(after, &wait_ms) || wait_ms < 0 || wait_ms > WAIT_MAX_MS))
        err_set(&e, ERR_INVALID, "wait_ms: is not within 0 and %d", WAIT_MAX_MS);
    if (door_is_bad(&e)) {
        door_fail(r, &e);
        return true;
    }
    f->until_us = clock_mono_us() + wait_ms * CLOCK_MS;
    http_on_cancel(r, client_gone, f);
    follow(f);
    return true;
}

/* ── the attempts' logs ── */

struct attempt_log {
    struct attempt_log *next;
    uint32_t attempt;
    bool is_cut; /* earlier lines are missing */
    struct buf text;
};

struct attempt_logs {
    struct arena *a;
    struct attempt_log *first;
    size_t limit;
};

static void free_text(void *text)
{
    buf_clear(text);
}

static struct attempt_log *attempt_log_of(const struct attempt_logs *logs, uint32_t attempt)
{
    struct attempt_log *log = logs->first;
    while (log && log->attempt != attempt)
        log = log->next;
    return log;
}

static bool add_line(void *owner, struct log_place place, uint32_t attempt,
                     const struct log_line *line)
{
    struct attempt_logs *logs = owner;
    struct attempt_log *log = attempt_log_of(logs, attempt);
    (void)place;
    if (!log) {
        log = arena_new(logs->a, struct attempt_log);
        *log = (struct attempt_log){ .next = logs->first, .attempt = attempt };
        buf_init(&log->text, 0);
        arena_defer(logs->a, free_text, &log->text);
        logs->first = log;
    }
    if (str_eq_c(line->stream, LOG_OWN_STREAM) && log->text.len == 0) {
        log->is_cut = true;
        return true;
    }
    buf_put_str(&log->text, line->text);
    buf_put_char(&log->text, '\n');
    return true;
}

struct attempt_logs *attempt_logs_read(struct arena *a, const struct shard *s,
                                       const struct db_rows *rows, struct uuid task)
{
    struct attempt_logs *logs = arena_new(a, struct attempt_logs);
    *logs = (struct attempt_logs){ .a = a, .limit = s->options.log_limit };
    logs_walk(rows, logs_find(s->logs, task), (struct log_place){ 0 }, add_line, logs);
    return logs;
}

void attempt_logs_put(const struct attempt_logs *logs, struct json_writer *w, uint32_t attempt)
{
    const struct attempt_log *log = attempt_log_of(logs, attempt);
    json_key_c(w, "log");
    if (!log) {
        json_write_null(w);
        return;
    }
    struct str text = buf_str(&log->text), line, rest;
    bool is_cut = log->is_cut;
    while (text.len > logs->limit && str_cut(text, '\n', &line, &rest) && rest.len > 0) {
        text = rest;
        is_cut = true;
    }
    json_write_string(
        w,
        is_cut ? arena_printf(logs->a, "earlier lines were dropped\n%.*s", STR_FMT(text)) : text);
}
