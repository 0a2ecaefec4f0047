#include "worker/jobs.h"

#include "base/clock.h"
#include "base/mem.h"
#include "db/rows.h"
#include "store/queue/schedule_sql.h"
#include "worker/jobs_priv.h"

/* ── texts ── */

static struct str take_text(char **at, struct str text)
{
    char *start = *at;
    if (text.len > 0)
        memcpy(start, text.ptr, text.len);
    *at += text.len;
    return str_of(start, text.len);
}

struct job_text *job_text_create(const struct job_text *t)
{
    size_t len = t->name.len + t->schedule.len + t->time_zone.len + t->task_type.len +
                 t->queue.len + t->payload.len;
    struct job_text *copy = mem_alloc(sizeof *copy + len);
    char *at = (char *)(copy + 1);
    *copy = (struct job_text){ .refs = 1 };
    copy->name = take_text(&at, t->name);
    copy->schedule = take_text(&at, t->schedule);
    copy->time_zone = take_text(&at, t->time_zone);
    copy->task_type = take_text(&at, t->task_type);
    copy->queue = take_text(&at, t->queue);
    copy->payload = take_text(&at, t->payload);
    return copy;
}

void job_text_unref(struct job_text *t)
{
    if (t != NULL && --t->refs == 0)
        mem_free(t);
}

/* ── jobs in memory ── */

struct job *job_find(const struct jobs *jobs, struct uuid id)
{
    return map_get(jobs->by_id, uuid_bytes(&id));
}

struct job *job_create(struct jobs *jobs, struct uuid id)
{
    struct job *job = mem_new(struct job);
    job->jobs = jobs;
    job->id = id;
    list_init(&job->runs);
    list_push(&jobs->all, &job->node);
    job_fire_init(job);
    void *before = map_put(jobs->by_id, uuid_bytes(&id), job);
    assert(before == NULL);
    return job;
}

static void job_destroy(struct job *job)
{
    while (!list_is_empty(&job->runs))
        run_remove(job->jobs, container_of(job->runs.next, struct job_run, node));
    list_remove(&job->node);
    job_text_unref(job->now.text);
    mem_free(job);
}

void jobs_forget(struct jobs *jobs, struct job *job)
{
    assert(!job->is_firing);
    (void)map_remove(jobs->by_id, uuid_bytes(&job->id));
    job_destroy(job);
}

void run_put(struct jobs *jobs, struct job *job, struct uuid task)
{
    struct job_run *run = mem_new(struct job_run);
    run->task = task;
    run->job = job;
    list_push(&job->runs, &run->node);
    void *before = map_put(jobs->runs, uuid_bytes(&run->task), run);
    assert(before == NULL);
}

void run_remove(struct jobs *jobs, struct job_run *run)
{
    (void)map_remove(jobs->runs, uuid_bytes(&run->task));
    list_remove(&run->node);
    mem_free(run);
}

/* ── schedules ── */

bool job_read_schedule(struct jobs *jobs, const struct job *job, struct job_data *d, struct err *e)
{
    char seed[UUID_TEXT_LEN + 1];
    struct err why;
    uuid_format(job->id, seed);
    if (!cron_parse(d->text->schedule, str_of_c(seed), job->created_at_us, &d->cron, &why))
        return err_set(e, why.code, "job.schedule: %s", why.message);
    if (!zone_cache_get(jobs->zones, d->text->time_zone, &d->zone, &why))
        return err_set(e, why.code, "job.time_zone: %s", why.message);
    return true;
}

int64_t job_next_us(const struct job_data *d, int64_t now_us)
{
    int64_t next_us;
    return cron_next(&d->cron, d->zone, max_of(now_us, d->last_run_us), &next_us) ? next_us : 0;
}

/* ── JSON ── */

void job_put(struct json_writer *w, const struct job *job, const struct job_data *d)
{
    json_begin_object(w);
    json_put_id(w, "id", job->id);
    json_put_number(w, "version", d->version);
    json_put_text(w, "name", d->text->name);
    json_put_text(w, "schedule", d->text->schedule);
    json_put_text(w, "time_zone", d->text->time_zone);
    json_put_text(w, "status", rule_job_name(d->status));
    json_put_time(w, "last_run_us", d->last_run_us);
    json_put_time(w, "next_run_us", d->next_run_us);
    json_put_text(w, "task_type", d->text->task_type);
    json_put_maybe_raw(w, "payload", true, d->text->payload);
    json_put_text(w, "priority", rule_priority_name(d->priority));
    json_put_text(w, "misfire_policy", rule_misfire_name(d->misfire));
    json_put_text(w, "overlap_policy", rule_overlap_name(d->overlap));
    json_put_i64(w, "max_attempts", d->max_attempts);
    json_put_i64(w, "fail_after", d->fail_after);
    json_put_i64(w, "consecutive_failures", d->consecutive_failures);
    json_put_text(w, "queue", d->text->queue);
    json_put_i64(w, "timeout_s", d->timeout_s);
    json_put_i64(w, "jitter_s", d->jitter_s);
    json_put_maybe_id(w, "created_by", job->has_creator, job->created_by);
    json_put_time(w, "created_at_us", job->created_at_us);
    json_put_time(w, "updated_at_us", d->updated_at_us);
    json_end_object(w);
}

struct str job_text_of(struct arena *a, const struct job *job)
{
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    job_put(&w, job, &job->now);
    struct str text = arena_copy(a, buf_str(&out));
    buf_clear(&out);
    return text;
}

/* As it is committed; NULL: it is not there, or gone. */
static const struct job_data *committed(const struct job *job)
{
    const struct job_data *d = job->certain != NULL ? job->certain : &job->now;
    return d->deleted_at_us == 0 && d->version < job->jobs->s->committed ? d : NULL;
}

static void put_all(struct shard *s, struct json_writer *w)
{
    list_each (node, &s->jobs->all) {
        const struct job *job = container_of(node, struct job, node);
        if (committed(job) != NULL)
            job_put(w, job, committed(job));
    }
}

static bool put_one(struct shard *s, struct uuid id, struct buf *out)
{
    const struct job *job = job_find(s->jobs, id);
    struct json_writer w = json_writer_to(out);
    if (job == NULL || committed(job) == NULL)
        return false;
    job_put(&w, job, committed(job));
    return true;
}

/* ── what is too old ── */

static int64_t runs_before_us(const struct jobs *jobs, int64_t now_us)
{
    return now_us - jobs->s->options.retention_us;
}

/* An id that is older than id-past is refused, so nobody need remember it. */
static int64_t deleted_before_us(const struct jobs *jobs, int64_t now_us)
{
    return now_us - max_of(jobs->s->options.retention_us, 2 * jobs->s->options.id_past_us);
}

static int64_t changes_before_us(const struct jobs *jobs, int64_t now_us)
{
    return now_us - jobs->s->options.job_change_retention_us;
}

static void sweep_apply(struct intent *intent, struct batch *b)
{
    struct jobs *jobs = container_of(intent, struct jobs, sweeping);
    jobs_sweep_rows(b, runs_before_us(jobs, b->at_us), deleted_before_us(jobs, b->at_us),
                    changes_before_us(jobs, b->at_us));
}

static void sweep_done(struct intent *intent, const struct err *err)
{
    struct jobs *jobs = container_of(intent, struct jobs, sweeping);
    (void)err; /* the next one will do */
    jobs->is_sweeping = false;
}

static void told_of_old_rows(void *owner, const struct db_reply *reply)
{
    struct jobs *jobs = owner;
    struct err e;
    jobs->asking = NULL;
    arena_destroy(take(jobs->asking_arena));
    if (reply->err == NULL && db_rows_bool(reply->rows[0], 0, 0) && !jobs->is_sweeping)
        jobs->is_sweeping = shard_submit(jobs->s, &jobs->sweeping, &e);
}

static void ask_for_old_rows(struct jobs *jobs, int64_t now_us)
{
    struct err e;
    if (jobs->asking != NULL)
        return;
    jobs->asking_arena = arena_create(0);
    const struct db_step step = {
        &job_old, job_old_args(jobs->asking_arena, runs_before_us(jobs, now_us),
                               deleted_before_us(jobs, now_us), changes_before_us(jobs, now_us))
    };
    const struct db_call call = { .lane = DB_LANE_SLOW,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + JOBS_SWEEP_MS / 2 * CLOCK_MS,
                                  .fn = told_of_old_rows,
                                  .owner = jobs };
    if (!db_pool_call(jobs->s->pool, &call, &jobs->asking, &e))
        arena_destroy(take(jobs->asking_arena));
}

static void sweep(void *owner)
{
    struct jobs *jobs = owner;
    int64_t now_us = clock_wall_us();
    list_each (node, &jobs->all) {
        struct job *job = container_of(node, struct job, node);
        bool is_old = uuid_time_us(job->id) < deleted_before_us(jobs, now_us);
        if (job->now.deleted_at_us != 0 && is_old && !jobs->s->batch && !job->is_firing)
            jobs_forget(jobs, job);
    }
    ask_for_old_rows(jobs, now_us);
}

/* ── life ── */

static void start(struct shard *s)
{
    s->jobs->is_started = true;
    io_timer_repeat(s->jobs->sweep, JOBS_SWEEP_MS);
    sweep(s->jobs);
    jobs_look(s->jobs);
}

static void stop(struct shard *s)
{
    struct jobs *jobs = s->jobs;
    jobs->is_started = false;
    io_timer_stop(jobs->look);
    io_timer_stop(jobs->sweep);
    jobs_load_destroy(take(jobs->load));
    if (jobs->asking != NULL) {
        db_request_forget(take(jobs->asking));
        arena_destroy(take(jobs->asking_arena));
    }
    list_each (node, &jobs->all)
        jobs_forget(jobs, container_of(node, struct job, node));
    jobs->count = 0;
}

static const struct job_hooks hooks = {
    .load = jobs_load,
    .start = start,
    .stop = stop,
    .put_all = put_all,
    .put_one = put_one,
    .task_ended = jobs_task_ended,
    .task_reopened = jobs_task_reopened,
};

struct jobs *jobs_create(struct shard *s)
{
    struct jobs *jobs = mem_new(struct jobs);
    jobs->s = s;
    jobs->zones = zone_cache_create();
    jobs->by_id = map_create();
    jobs->runs = map_create();
    list_init(&jobs->all);
    jobs->look = io_timer_create(s->loop, jobs_look, jobs);
    jobs->sweep = io_timer_create(s->loop, sweep, jobs);
    jobs->sweeping = (struct intent){ .apply = sweep_apply, .done = sweep_done };
    s->job_hooks = &hooks;
    return jobs;
}

void jobs_destroy(struct jobs *jobs)
{
    if (jobs == NULL)
        return;
    stop(jobs->s);
    io_timer_destroy(jobs->look);
    io_timer_destroy(jobs->sweep);
    map_destroy(jobs->by_id);
    map_destroy(jobs->runs);
    zone_cache_destroy(jobs->zones);
    mem_free(jobs);
}
