/* door_read: tasks as the tables and memory have them. */
#include "base/clock.h"
#include "base/mem.h"
#include "db/rows.h"
#include "worker/door.h"
#include "worker/notes.h"
#include "worker/worker_priv.h"

static struct str text_or_empty(const struct db_rows *rows, size_t row, size_t column)
{
    return db_rows_is_null(rows, row, column) ? STR("") : db_rows_text(rows, row, column);
}

static int64_t time_or_zero(const struct db_rows *rows, size_t row, size_t column)
{
    return db_rows_is_null(rows, row, column) ? 0 : db_rows_time(rows, row, column);
}

static void read_depends_on(struct arena *a, struct str text, struct task_view *v)
{
    struct str *items;
    if (text.len <= 2 || !db_array_parse(a, text, &items, &v->depends_on_count))
        return;
    struct uuid *ids = arena_new_array(a, v->depends_on_count, struct uuid);
    for (size_t i = 0; i < v->depends_on_count; i++)
        if (!uuid_parse(items[i], &ids[i]))
            return;
    v->depends_on = ids;
}

static void read_finished(const struct db_rows *rows, size_t row, struct task_view *v)
{
    v->version = db_rows_i64(rows, row, 16);
    v->state = (enum rule_state)db_rows_i64(rows, row, 17);
    v->attempt = (uint32_t)db_rows_i64(rows, row, 18);
    v->max_attempts = (uint32_t)db_rows_i64(rows, row, 19);
    v->started_at_us = time_or_zero(rows, row, 20);
    v->finished_at_us = v->updated_at_us = db_rows_time(rows, row, 21);
    v->has_result = !db_rows_is_null(rows, row, 22);
    v->result = text_or_empty(rows, row, 22);
    v->has_error = !db_rows_is_null(rows, row, 23);
    v->error = text_or_empty(rows, row, 23);
    v->why = text_or_empty(rows, row, 24);
}

static bool begin_read(struct worker *w, enum db_lane lane, int64_t ms, const struct db_step *step,
                       db_reply_fn *fn, void *owner, struct db_request **ret_request, struct err *e)
{
    const struct db_call call = { .lane = lane,
                                  .steps = step,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + ms * CLOCK_MS,
                                  .fn = fn,
                                  .owner = owner };
    return db_pool_call(w->shard.pool, &call, ret_request, e);
}

bool door_read_begin(struct worker *w, const struct db_statement *statement,
                     const struct db_args *args, db_reply_fn *fn, void *owner,
                     struct db_request **ret_request, struct err *e)
{
    return begin_read(w, DB_LANE_READ, DOOR_READ_MS, &(struct db_step){ statement, args }, fn,
                      owner, ret_request, e);
}

struct led_read {
    struct shard *s;
    int64_t epoch;
    db_reply_fn *fn;
    void *owner;
};

/* The names of types and queues, the jobs and all else that an answer is made of beside the rows
 * are forgotten with the lead. */
static void led_read_done(void *owner, const struct db_reply *reply)
{
    struct led_read read = *(struct led_read *)owner;
    struct err e;
    mem_free(owner);
    if (reply->err || (shard_is_leading(read.s) && read.s->epoch == read.epoch)) {
        read.fn(read.owner, reply);
        return;
    }
    shard_refuse(&e);
    db_reply_fail(read.fn, read.owner, &e);
}

void door_read_within(struct worker *w, enum db_lane lane, int64_t ms,
                      const struct db_statement *statement, const struct db_args *args,
                      db_reply_fn *fn, void *owner)
{
    struct led_read *read = mem_new(struct led_read);
    struct err e;
    *read = (struct led_read){ &w->shard, w->shard.epoch, fn, owner };
    if (begin_read(w, lane, ms, &(struct db_step){ statement, args }, led_read_done, read, NULL,
                   &e))
        return;
    mem_free(read);
    db_reply_fail(fn, owner, &e);
}

void door_read(struct worker *w, const struct db_statement *statement, const struct db_args *args,
               db_reply_fn *fn, void *owner)
{
    door_read_within(w, DB_LANE_READ, DOOR_READ_MS, statement, args, fn, owner);
}

bool read_task(struct arena *a, const struct shard *s, const struct db_rows *rows, size_t row,
               struct task_view *ret_view)
{
    int64_t type = db_rows_i64(rows, row, 2);
    struct task_view v = {
        .id = db_rows_uuid(rows, row, 0),
        .version = db_rows_i64(rows, row, 1),
        .added = db_rows_i64(rows, row, 1),
        .type = type < (int64_t)s->type_count ? s->types[type].name : STR(""),
        .priority = (enum rule_priority)db_rows_i64(rows, row, 3),
        .max_attempts = (uint32_t)db_rows_i64(rows, row, 4),
        .timeout_s = (uint32_t)db_rows_i64(rows, row, 5),
        .run_at_us = db_rows_time(rows, row, 6),
        .created_at_us = db_rows_time(rows, row, 7),
        .updated_at_us = db_rows_time(rows, row, 7),
        .scheduled_for_us = time_or_zero(rows, row, 8),
        .has_job = !db_rows_is_null(rows, row, 9),
        .has_creator = !db_rows_is_null(rows, row, 10),
        .queue = db_rows_text(rows, row, 11),
        .actor = db_rows_text(rows, row, 12),
        .key = text_or_empty(rows, row, 13),
        .payload = db_rows_text(rows, row, 15),
        .progress = -1,
        .key_hash = (uint64_t)db_rows_i64(rows, row, 26),
    };
    if (v.has_job)
        v.job_id = db_rows_uuid(rows, row, 9);
    if (v.has_creator)
        v.created_by = db_rows_uuid(rows, row, 10);
    read_depends_on(a, db_rows_text(rows, row, 14), &v);
    v.state = rule_waiting_state(v.run_at_us, 0, clock_wall_us());
    bool is_done = !db_rows_is_null(rows, row, 16);
    if (is_done)
        read_finished(rows, row, &v);
    *ret_view = v;
    return is_done;
}

void read_overlay(const struct shard *s, const struct live *task, struct task_view *v)
{
    if (!task || task->state == LIVE_GONE)
        return;
    int64_t now_us = shard_now_us(s);
    bool is_running = task->state == LIVE_RUNNING;
    v->version = task->version;
    v->attempt = task->attempt;
    v->max_attempts = task->max_attempts;
    v->state = rule_waiting_state(task->at_us, task->attempt, now_us);
    if (task->state != LIVE_WAITING)
        v->state = is_running ? STATE_RUNNING : STATE_BLOCKED;
    v->started_at_us = is_running ? task->at_us : 0;
    v->run_at_us = is_running ? v->run_at_us : task->at_us;
    v->finished_at_us = 0;
    v->has_result = v->has_error = false;
    v->why = STR("");
    if (!(task->flags & LIVE_FRESH)) {
        int64_t last_us = min_of(task->at_us, now_us);
        v->updated_at_us = max_of(v->created_at_us, last_us);
    }
    const struct note *note = is_running ? notes_find(s->notes, task->id) : NULL;
    bool is_of_attempt = note && note->fence == live_run_of(s->live, task).fence;
    v->progress = is_of_attempt ? note->progress : -1;
}

void read_put_counts(struct json_writer *w, const struct shard *s)
{
    json_key_c(w, "counts");
    json_begin_array(w);
    for (size_t i = 0; i < s->type_count; i++)
        for (size_t k = 0; k < STATUS_COUNT; k++) {
            if (s->types[i].counts[k] == 0)
                continue;
            json_begin_object(w);
            json_key_c(w, "type");
            json_write_string(w, s->types[i].name);
            json_key_c(w, "status");
            json_write_string(w, rule_status_name((enum rule_status)k));
            json_key_c(w, "count");
            json_write_i64(w, s->types[i].counts[k]);
            json_end_object(w);
        }
    json_end_array(w);
}
