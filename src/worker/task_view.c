#include "worker/task_view.h"

static void put_ends(struct json_writer *w, const struct task_view *t)
{
    json_put_maybe_raw(w, "result", t->has_result, t->result);
    json_put_maybe_text(w, "error", t->has_error, t->error);
    json_put_maybe_raw(w, "why", t->why.len > 0, t->why);
}

static void put_depends_on(struct json_writer *w, const struct task_view *t)
{
    json_key_c(w, "depends_on");
    json_begin_array(w);
    for (size_t i = 0; i < t->depends_on_count; i++) {
        char text[UUID_TEXT_LEN + 1];
        uuid_format(t->depends_on[i], text);
        json_write_string(w, str_of(text, UUID_TEXT_LEN));
    }
    json_end_array(w);
}

void task_view_put(struct json_writer *w, const struct task_view *t)
{
    json_begin_object(w);
    json_put_id(w, "id", t->id);
    json_put_number(w, "version", t->version);
    if (t->added > 0)
        json_put_number(w, "added", t->added);
    json_put_text(w, "type", t->type);
    json_put_text(w, "state", rule_state_name(t->state));
    json_put_text(w, "priority", rule_priority_name(t->priority));
    json_put_text(w, "queue", t->queue);
    if (t->payload.len > 0)
        json_put_maybe_raw(w, "payload", true, t->payload);
    json_put_i64(w, "attempt", t->attempt);
    json_put_i64(w, "max_attempts", t->max_attempts);
    json_put_i64(w, "timeout_s", t->timeout_s);
    json_put_i64(w, "run_at_us", t->run_at_us);
    json_put_i64(w, "created_at_us", t->created_at_us);
    json_put_i64(w, "updated_at_us", t->updated_at_us);
    json_put_time(w, "started_at_us", t->started_at_us);
    json_put_time(w, "finished_at_us", t->finished_at_us);
    json_put_time(w, "scheduled_for_us", t->scheduled_for_us);
    put_ends(w, t);
    json_key_c(w, "progress");
    if (t->progress < 0)
        json_write_null(w);
    else
        json_write_double(w, t->progress);
    json_put_maybe_text(w, "idempotency_key", t->key.len > 0, t->key);
    put_depends_on(w, t);
    json_put_maybe_id(w, "job_id", t->has_job, t->job_id);
    json_put_maybe_id(w, "created_by", t->has_creator, t->created_by);
    json_put_text(w, "actor", t->actor);
    json_end_object(w);
}

/* ── events ── */

struct json_writer event_begin(struct buf *out, int64_t seq, int64_t at_us, const char *op)
{
    struct json_writer w = json_writer_to(out);
    json_begin_object(&w);
    json_put_number(&w, "seq", seq);
    json_key_c(&w, "at_us");
    json_write_i64(&w, at_us);
    json_key_c(&w, "op");
    json_write_string(&w, str_of_c(op));
    return w;
}

static void begin_task(struct json_writer *w, const struct task_view *t)
{
    json_key_c(w, "task");
    json_begin_object(w);
    json_put_id(w, "id", t->id);
    json_put_text(w, "type", t->type);
}

static void put_by(struct json_writer *w, struct str by)
{
    if (by.len > 0)
        json_put_text(w, "actor", by);
}

static void end_task(struct json_writer *w, const struct task_view *t)
{
    json_end_object(w);
    put_by(w, t->by);
    json_end_object(w);
}

/* What a new task has not yet, or does without, is left out: every gateway reads all of these. */
void event_add(struct buf *out, int64_t seq, int64_t at_us, const struct task_view *t)
{
    struct json_writer w = event_begin(out, seq, at_us, "add");
    begin_task(&w, t);
    json_put_text(&w, "state", rule_state_name(t->state));
    json_put_text(&w, "priority", rule_priority_name(t->priority));
    json_put_text(&w, "queue", t->queue);
    json_put_maybe_raw(&w, "payload", true, t->payload);
    json_put_i64(&w, "attempt", t->attempt);
    json_put_i64(&w, "max_attempts", t->max_attempts);
    json_put_i64(&w, "timeout_s", t->timeout_s);
    json_put_i64(&w, "run_at_us", t->run_at_us);
    json_put_i64(&w, "created_at_us", t->created_at_us);
    if (t->scheduled_for_us != 0)
        json_put_i64(&w, "scheduled_for_us", t->scheduled_for_us);
    if (t->key.len > 0)
        json_put_text(&w, "idempotency_key", t->key);
    put_depends_on(&w, t);
    if (t->has_job)
        json_put_id(&w, "job_id", t->job_id);
    if (t->has_creator)
        json_put_id(&w, "created_by", t->created_by);
    json_put_text(&w, "actor", t->actor);
    json_end_object(&w);
    json_end_object(&w);
}

void event_start(struct buf *out, int64_t seq, int64_t at_us, const struct task_view *task)
{
    struct json_writer w = event_begin(out, seq, at_us, "start");
    begin_task(&w, task);
    json_put_i64(&w, "attempt", task->attempt);
    json_put_time(&w, "started_at_us", task->started_at_us);
    json_put_time(&w, "run_at_us", task->run_at_us);
    end_task(&w, task);
}

void event_finish(struct buf *out, int64_t seq, int64_t at_us, enum rule_status from,
                  const struct task_view *task)
{
    struct json_writer w = event_begin(out, seq, at_us, "finish");
    begin_task(&w, task);
    json_put_text(&w, "from", rule_status_name(from));
    json_put_text(&w, "state", rule_state_name(task->state));
    json_put_i64(&w, "attempt", task->attempt);
    json_put_time(&w, "started_at_us", task->started_at_us);
    json_put_time(&w, "finished_at_us", task->finished_at_us);
    put_ends(&w, task);
    end_task(&w, task);
}

void event_wait(struct buf *out, int64_t seq, int64_t at_us, const struct task_view *task)
{
    struct json_writer w = event_begin(out, seq, at_us, "wait");
    begin_task(&w, task);
    json_put_text(&w, "state", rule_state_name(task->state));
    json_put_i64(&w, "attempt", task->attempt);
    json_put_time(&w, "run_at_us", task->run_at_us);
    json_put_maybe_text(&w, "error", task->has_error, task->error);
    end_task(&w, task);
}

void event_reopen(struct buf *out, int64_t seq, int64_t at_us, enum rule_status from,
                  const struct task_view *task)
{
    struct json_writer w = event_begin(out, seq, at_us, "reopen");
    begin_task(&w, task);
    json_put_text(&w, "from", rule_status_name(from));
    json_put_text(&w, "state", rule_state_name(task->state));
    json_put_i64(&w, "attempt", task->attempt);
    json_put_i64(&w, "max_attempts", task->max_attempts);
    json_put_time(&w, "run_at_us", task->run_at_us);
    end_task(&w, task);
}

void event_note(struct buf *out, int64_t seq, int64_t at_us, const struct task_view *task,
                bool is_cancel)
{
    struct json_writer w = event_begin(out, seq, at_us, "note");
    begin_task(&w, task);
    if (is_cancel) {
        json_key_c(&w, "cancel_requested");
        json_write_bool(&w, true);
    } else {
        json_key_c(&w, "progress");
        json_write_double(&w, task->progress);
    }
    end_task(&w, task);
}

static void put_counts(struct json_writer *w, struct str counts)
{
    json_key_c(w, "counts");
    json_write_raw(w, counts.len > 0 ? counts : STR("[]"));
}

void event_drop(struct buf *out, int64_t seq, int64_t at_us, struct uuid id, struct str counts,
                struct str by)
{
    char text[UUID_TEXT_LEN + 1];
    struct json_writer w = event_begin(out, seq, at_us, "drop");
    uuid_format(id, text);
    json_key_c(&w, "ids");
    json_begin_array(&w);
    json_write_string(&w, str_of(text, UUID_TEXT_LEN));
    json_end_array(&w);
    put_counts(&w, counts);
    put_by(&w, by);
    json_end_object(&w);
}

void event_drop_range(struct buf *out, int64_t seq, int64_t at_us, struct uuid from, struct uuid to,
                      struct str counts)
{
    struct json_writer w = event_begin(out, seq, at_us, "drop");
    json_key_c(&w, "range");
    json_begin_object(&w);
    json_put_id(&w, "from", from);
    json_put_id(&w, "to", to);
    json_end_object(&w);
    put_counts(&w, counts);
    json_end_object(&w);
}

static void put_job_change(struct json_writer *w, struct str change)
{
    if (!str_is_empty(change)) {
        json_key_c(w, "change");
        json_write_raw(w, change);
    }
    json_end_object(w);
}

void event_job(struct buf *out, int64_t seq, int64_t at_us, struct str job, struct str change)
{
    struct json_writer w = event_begin(out, seq, at_us, "job");
    json_key_c(&w, "job");
    json_write_raw(&w, job);
    put_job_change(&w, change);
}

void event_job_gone(struct buf *out, int64_t seq, int64_t at_us, struct uuid id, struct str change)
{
    struct json_writer w = event_begin(out, seq, at_us, "job_gone");
    json_put_id(&w, "id", id);
    put_job_change(&w, change);
}

static void put_none(struct buf *out, int64_t seq, bool is_gone)
{
    struct json_writer w = json_writer_to(out);
    json_begin_object(&w);
    json_put_number(&w, "seq", seq);
    json_key_c(&w, "op");
    json_write_string(&w, STR("none"));
    if (is_gone) {
        json_key_c(&w, "is_gone");
        json_write_bool(&w, true);
    }
    json_end_object(&w);
}

void event_none(struct buf *out, int64_t seq)
{
    put_none(out, seq, false);
}

void event_gone(struct buf *out, int64_t seq)
{
    put_none(out, seq, true);
}
