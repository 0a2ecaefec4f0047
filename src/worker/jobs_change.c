/* jobs_change: what can happen to a job, in memory and in the batch's rows. */
#include "base/mem.h"
#include "store/queue/schedule_sql.h"
#include "worker/jobs_priv.h"

/* ── rows ── */

struct job_row {
    struct job_row *next;
    const struct job *job;
    int64_t was; /* the version that its row has; 0: it has none */
};

struct run_row {
    struct run_row *next;
    struct uuid job, task;
    int64_t scheduled_for_us;
};

struct jobs_rows {
    struct job_row *jobs;
    struct run_row *runs;
    size_t job_count, run_count;
    bool is_sweep;
    int64_t runs_before_us, deleted_before_us, changes_before_us;
};

static void put_row(struct json_writer *w, const struct job_row *row)
{
    const struct job *job = row->job;
    const struct job_data *d = &job->now;
    json_begin_object(w);
    json_put_id(w, "id", job->id);
    json_put_i64(w, "was", row->was);
    json_put_i64(w, "version", d->version);
    json_put_text(w, "name", d->text->name);
    json_put_text(w, "schedule", d->text->schedule);
    json_put_text(w, "time_zone", d->text->time_zone);
    json_put_i64(w, "status", d->status);
    json_put_time(w, "last_run", d->last_run_us);
    json_put_time(w, "next_run", d->next_run_us);
    json_put_text(w, "task_type", d->text->task_type);
    json_key_c(w, "payload");
    json_write_raw(w, d->text->payload);
    json_put_i64(w, "priority", d->priority);
    json_put_i64(w, "misfire", d->misfire);
    json_put_i64(w, "overlap", d->overlap);
    json_put_i64(w, "max_attempts", d->max_attempts);
    json_put_i64(w, "fail_after", d->fail_after);
    json_put_i64(w, "consecutive_failures", d->consecutive_failures);
    json_put_text(w, "queue", d->text->queue);
    json_put_i64(w, "timeout_s", d->timeout_s);
    json_put_i64(w, "jitter_s", d->jitter_s);
    if (job->has_creator)
        json_put_id(w, "created_by", job->created_by);
    json_put_time(w, "created_at", job->created_at_us);
    json_put_time(w, "updated_at", d->updated_at_us);
    json_put_time(w, "deleted_at", d->deleted_at_us);
    json_end_object(w);
}

/* The rows that are new, or those that are not, as a JSON array. */
static size_t write_rows(struct batch *b, const struct jobs_rows *rows, bool is_new,
                         struct str *ret_json)
{
    struct buf out;
    size_t count = 0;
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    json_begin_array(&w);
    for (const struct job_row *row = rows->jobs; row != NULL; row = row->next) {
        if ((row->was == 0) != is_new)
            continue;
        put_row(&w, row);
        count++;
    }
    json_end_array(&w);
    *ret_json = arena_copy(b->a, buf_str(&out));
    buf_clear(&out);
    return count;
}

static void run_steps(struct batch *b, const struct jobs_rows *rows)
{
    size_t n = rows->run_count, i = 0;
    struct uuid *jobs = arena_new_array(b->a, n, struct uuid);
    struct uuid *tasks = arena_new_array(b->a, n, struct uuid);
    int64_t *fors = arena_new_array(b->a, n, int64_t);
    for (const struct run_row *row = rows->runs; row != NULL; row = row->next, i++) {
        jobs[i] = row->job;
        tasks[i] = row->task;
        fors[i] = row->scheduled_for_us;
    }
    batch_step(b, &job_runs, job_runs_args(b->a, jobs, n, fors, n, tasks, n));
}

static void put_steps(struct batch *b, void *data)
{
    const struct jobs_rows *rows = data;
    struct str json;
    if (write_rows(b, rows, true, &json) > 0)
        batch_step(b, &job_add, job_add_args(b->a, json));
    size_t changed = write_rows(b, rows, false, &json);
    if (changed > 0)
        batch_step(b, &job_set, job_set_args(b->a, json, (int64_t)changed));
    if (rows->run_count > 0)
        run_steps(b, rows);
    if (rows->is_sweep)
        batch_step(b, &job_sweep,
                   job_sweep_args(b->a, rows->runs_before_us, rows->deleted_before_us,
                                  rows->changes_before_us));
}

static const struct batch_section_kind jobs_section = { "jobs", sizeof(struct jobs_rows),
                                                        put_steps };

static void note_row(struct batch *b, const struct job *job, int64_t was)
{
    struct jobs_rows *rows = batch_section(b, &jobs_section);
    for (const struct job_row *row = rows->jobs; row != NULL; row = row->next)
        if (row->job == job)
            return;
    struct job_row *row = arena_new(b->a, struct job_row);
    *row = (struct job_row){ .next = rows->jobs, .job = job, .was = was };
    rows->jobs = row;
    rows->job_count++;
}

/* ── the journal ── */

struct saved {
    struct job *job;
    struct job_data was; /* holds a reference to its text */
};

static void restore(struct shard *s, void *data)
{
    struct saved *saved = data;
    struct job *job = saved->job;
    (void)s;
    if (job->now.deleted_at_us != 0 && saved->was.deleted_at_us == 0)
        job->jobs->count++;
    job_text_unref(job->now.text);
    job->now = saved->was;
    job->certain = NULL;
    jobs_look_soon(job->jobs);
}

static void keep(struct shard *s, void *data)
{
    struct saved *saved = data;
    (void)s;
    saved->job->certain = NULL;
    job_text_unref(saved->was.text);
}

static void take_back(struct shard *s, void *data)
{
    struct job *job = data;
    (void)s;
    job->jobs->count--;
    jobs_forget(job->jobs, job);
}

void job_save(struct batch *b, struct job *job)
{
    struct saved *saved = arena_new(b->a, struct saved);
    *saved = (struct saved){ job, job->now };
    saved->was.text->refs++;
    if (job->certain == NULL && job->now.version < b->first)
        job->certain = &saved->was;
    batch_on_undo(b, restore, saved);
    batch_on_commit(b, keep, saved);
    note_row(b, job, job->now.version);
}

/* ── changes ── */

static void look_again(struct shard *s, void *data)
{
    (void)s;
    jobs_look_soon(data);
}

void job_changed(struct batch *b, struct job *job, struct job_change *change)
{
    bool is_gone = job->now.deleted_at_us != 0;
    enum op op = is_gone ? OP_JOB_GONE : OP_JOB;
    int64_t seq = batch_put(b, &(struct change){ .op = op, .id = job->id });
    job->now.version = seq;
    job->now.updated_at_us = b->at_us;
    struct str told = change != NULL ? job_change_text(b->a, change) : STR("");
    if (change != NULL)
        job_change_keep(b, change, seq);
    if (is_gone)
        event_job_gone(&b->events, seq, b->at_us, job->id, told);
    else
        event_job(&b->events, seq, b->at_us, job_text_of(b->a, job), told);
    batch_event_end(b);
    batch_on_commit(b, look_again, job->jobs);
}

void job_added(struct batch *b, struct job *job, struct job_change *change)
{
    job->jobs->count++;
    batch_on_undo(b, take_back, job);
    note_row(b, job, 0);
    job_changed(b, job, change);
}

void jobs_sweep_rows(struct batch *b, int64_t runs_us, int64_t deleted_us, int64_t changes_us)
{
    struct jobs_rows *rows = batch_section(b, &jobs_section);
    rows->is_sweep = true;
    rows->runs_before_us = runs_us;
    rows->deleted_before_us = deleted_us;
    rows->changes_before_us = changes_us;
    change_none(b); /* a batch without a number is not sent */
}

/* ── runs ── */

struct run_note {
    struct job *job;
    struct uuid task;
};

static void forget_run(struct shard *s, void *data)
{
    const struct run_note *note = data;
    struct job_run *run = map_get(note->job->jobs->runs, uuid_bytes(&note->task));
    (void)s;
    assert(run != NULL);
    run_remove(note->job->jobs, run);
}

static void remember_run(struct shard *s, void *data)
{
    const struct run_note *note = data;
    (void)s;
    run_put(note->job->jobs, note->job, note->task);
}

static struct run_note *note_run(struct batch *b, struct job *job, struct uuid task)
{
    struct run_note *note = arena_new(b->a, struct run_note);
    *note = (struct run_note){ job, task };
    return note;
}

static void track_run(struct batch *b, struct job *job, struct uuid task)
{
    run_put(job->jobs, job, task);
    batch_on_undo(b, forget_run, note_run(b, job, task));
}

static void add_run_row(struct batch *b, const struct job *job, struct uuid task, int64_t for_us)
{
    struct jobs_rows *rows = batch_section(b, &jobs_section);
    struct run_row *row = arena_new(b->a, struct run_row);
    *row = (struct run_row){ rows->runs, job->id, task, for_us };
    rows->runs = row;
    rows->run_count++;
}

struct task_view *job_run_add(struct batch *b, struct job *job, struct uuid task, int64_t firing_us,
                              struct str actor, struct err *e)
{
    const struct job_data *d = &job->now;
    struct task_view *view = arena_new(b->a, struct task_view);
    bool is_scheduled = actor.ptr == NULL;
    uint32_t type;
    if (!shard_type_of(b->s, d->text->task_type, &type, e))
        return NULL;
    *view = (struct task_view){
        .id = task,
        .queue = d->text->queue,
        .payload = d->text->payload,
        .actor = is_scheduled ? STR("scheduler") : arena_copy(b->a, actor),
        .priority = d->priority,
        .max_attempts = d->max_attempts,
        .timeout_s = d->timeout_s,
        .run_at_us = firing_us,
        .scheduled_for_us = firing_us,
        .has_job = true,
        .job_id = job->id,
        .has_creator = job->has_creator,
        .created_by = job->created_by,
    };
    if (is_scheduled) {
        view->run_at_us += rule_job_jitter_us(job->id, firing_us, d->jitter_s);
        add_run_row(b, job, task, firing_us);
    }
    track_run(b, job, task); /* a group may end as it is made */
    (void)change_add(b, view, type);
    return view;
}

static void count_end(struct batch *b, struct job *job, enum rule_state state)
{
    const struct job_data *d = &job->now;
    bool has_failed = state == STATE_DEAD;
    bool is_counted = has_failed || (state == STATE_SUCCEEDED && d->consecutive_failures > 0);
    if (d->deleted_at_us != 0 || !is_counted)
        return;
    const struct job_data was = *d;
    job_save(b, job);
    job->now.consecutive_failures = has_failed ? d->consecutive_failures + 1 : 0;
    if (d->fail_after > 0 && d->consecutive_failures >= d->fail_after && d->status == JOB_ACTIVE) {
        job->now.status = JOB_FAILED;
        job->now.next_run_us = 0;
    }
    job_changed(b, job, job_change_of(b, job, &was, STR("scheduler")));
}

void jobs_task_ended(struct batch *b, struct uuid task, enum rule_state state)
{
    struct jobs *jobs = b->s->jobs;
    struct job_run *run = map_get(jobs->runs, uuid_bytes(&task));
    if (run == NULL) /* its job is not known any more */
        return;
    struct job *job = run->job;
    run_remove(jobs, run);
    batch_on_undo(b, remember_run, note_run(b, job, task));
    count_end(b, job, state);
}

void jobs_task_reopened(struct batch *b, struct uuid job_id, struct uuid task)
{
    struct job *job = job_find(b->s->jobs, job_id);
    if (job != NULL)
        track_run(b, job, task);
}
