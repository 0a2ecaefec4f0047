/* jobs_apply: what comes of a call about a job in a batch. */
#include "base/clock.h"
#include "worker/door.h"
#include "worker/jobs_call_priv.h"
#include "worker/session_schemas.h"
#include "worker/settings.h"
#include "worker/worker_priv.h"

enum { ATTEMPTS_DEFAULT = 3 };

void job_call_keep(struct job_call *c, const struct job *job)
{
    c->answer = job_text_of(c->r->arena, job);
}

void job_call_keep_task(struct job_call *c, const struct task_view *view)
{
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    task_view_put(&w, view);
    c->answer = arena_copy(c->r->arena, buf_str(&out));
    buf_clear(&out);
}

struct job *job_call_find(struct job_call *c, const struct shard *s)
{
    struct job *job = job_find(s->jobs, c->id);
    c->err = (struct err){ 0 };
    c->answer = STR("");
    if (job != NULL && job->now.deleted_at_us == 0)
        return job;
    err_set(&c->err, ERR_NOT_FOUND, "there is no such job");
    return NULL;
}

/* ── POST /v1/jobs ── */

static bool id_is_new_enough(const struct job_call *c, int64_t now_us, struct err *e)
{
    int64_t at_us = uuid_time_us(c->id);
    if (at_us < now_us - c->w->shard.options.id_past_us)
        return err_set(e, ERR_INVALID, "job.id: is older than id-past allows");
    if (at_us > now_us + c->w->shard.options.id_future_us)
        return err_set(e, ERR_INVALID, "job.id: is further ahead than id-future allows");
    return true;
}

/* Whether its runs may have the payload that it gives them. */
static bool check_payload(const struct shard *s, const struct job_data *d, uint32_t type,
                          struct err *e)
{
    return session_set_check_payload_text(s->sessions, type, d->text->payload, "job.payload", e);
}

/* Of the clock, as when it fires: the log's time may be ahead of that, never behind it. */
static int64_t now_us(const struct batch *b)
{
    return min_of(clock_wall_us(), b->at_us);
}

static bool make_job(struct job_call *c, struct job *job, int64_t at_us, struct err *e)
{
    static struct job_text defaults = { .time_zone = { "UTC", 3 },
                                        .queue = { "default", 7 },
                                        .payload = { "{}", 2 } };
    uint32_t type;
    const struct shard *s = &c->w->shard;
    struct str queue = c->wish.text.queue.len > 0 ? c->wish.text.queue : defaults.queue;
    if (!shard_owns(s, "job.", queue, e) ||
        !shard_type_of(&c->w->shard, c->wish.text.task_type, &type, e))
        return false;
    struct job_data d = { .text = &defaults,
                          .status = c->wish.is_paused ? JOB_PAUSED : JOB_ACTIVE,
                          .priority = PRIORITY_NORMAL,
                          .misfire = MISFIRE_RUN_ONCE,
                          .overlap = OVERLAP_SKIP,
                          .max_attempts =
                              settings_or(s, type, SETTING_MAX_ATTEMPTS, ATTEMPTS_DEFAULT),
                          .timeout_s =
                              settings_or(s, type, SETTING_TIMEOUT_S, SHARD_TIMEOUT_DEFAULT_S) };
    job->created_at_us = at_us;
    job->has_creator = c->wish.has_creator;
    job->created_by = c->wish.created_by;
    job_wish_merge(&c->wish, &d);
    job->now = d;
    if (!job_read_schedule(job->jobs, job, &job->now, e) ||
        !check_payload(&c->w->shard, &job->now, type, e))
        return false;
    job->now.next_run_us = job->now.status == JOB_ACTIVE ? job_next_us(&job->now, at_us) : 0;
    return true;
}

void job_create_apply(struct intent *intent, struct batch *b)
{
    struct job_call *c = container_of(intent, struct job_call, intent);
    struct jobs *jobs = b->s->jobs;
    struct job *job = job_find(jobs, c->id);
    c->err = (struct err){ 0 };
    if (job != NULL && job->now.deleted_at_us != 0) {
        err_set(&c->err, ERR_CONFLICT, "job.id: the job of this id was deleted");
    } else if (job != NULL) {
        job_call_keep(c, job);
    } else if (jobs->count >= JOBS_MAX) {
        err_set(&c->err, ERR_LIMIT, "there are %d jobs already (limit)", JOBS_MAX);
    } else if (id_is_new_enough(c, b->at_us, &c->err)) {
        job = job_create(jobs, c->id);
        if (!make_job(c, job, now_us(b), &c->err)) {
            jobs_forget(jobs, job);
            return;
        }
        job_added(b, job, job_change_of(b, job, NULL, c->actor));
        job_call_keep(c, job);
    }
}

/* ── :update, :pause, :resume, DELETE ── */

void job_update_apply(struct intent *intent, struct batch *b)
{
    struct job_call *c = container_of(intent, struct job_call, intent);
    struct job *job = job_call_find(c, b->s);
    uint32_t type;
    if (job == NULL || (!str_is_empty(c->wish.text.queue) &&
                        !shard_owns(b->s, "job.", c->wish.text.queue, &c->err)))
        return;
    struct job_data d = job->now;
    job_wish_merge(&c->wish, &d);
    bool is_other = !str_is_empty(c->wish.text.task_type) || !str_is_empty(c->wish.text.payload);
    if (!job_read_schedule(job->jobs, job, &d, &c->err) ||
        !shard_type_of(b->s, d.text->task_type, &type, &c->err) ||
        (is_other && !check_payload(b->s, &d, type, &c->err))) {
        job_text_unref(d.text);
        return;
    }
    bool is_moved = !str_is_empty(c->wish.text.schedule) || !str_is_empty(c->wish.text.time_zone);
    if (is_moved && d.status == JOB_ACTIVE)
        d.next_run_us = job_next_us(&d, now_us(b));
    const struct job_data was = job->now;
    job_save(b, job);
    job_text_unref(job->now.text);
    job->now = d;
    job_changed(b, job, job_change_of(b, job, &was, c->actor));
    job_call_keep(c, job);
}

void job_pause_apply(struct intent *intent, struct batch *b)
{
    struct job_call *c = container_of(intent, struct job_call, intent);
    struct job *job = job_call_find(c, b->s);
    if (job == NULL)
        return;
    if (job->now.status != JOB_PAUSED) {
        const struct job_data was = job->now;
        job_save(b, job);
        job->now.status = JOB_PAUSED;
        job->now.next_run_us = 0;
        job_changed(b, job, job_change_of(b, job, &was, c->actor));
    }
    job_call_keep(c, job);
}

/* What was due meanwhile was not missed: nobody wanted it. */
void job_resume_apply(struct intent *intent, struct batch *b)
{
    struct job_call *c = container_of(intent, struct job_call, intent);
    struct job *job = job_call_find(c, b->s);
    if (job == NULL)
        return;
    if (job->now.status != JOB_ACTIVE) {
        struct job_data d = job->now; /* its zone may have been missing when it was loaded */
        if (!job_read_schedule(job->jobs, job, &d, &c->err))
            return;
        const struct job_data was = job->now;
        job_save(b, job);
        job->now = d;
        job->now.status = JOB_ACTIVE;
        job->now.consecutive_failures = 0;
        job->now.next_run_us = job_next_us(&job->now, now_us(b));
        job_changed(b, job, job_change_of(b, job, &was, c->actor));
    }
    job_call_keep(c, job);
}

void job_delete_apply(struct intent *intent, struct batch *b)
{
    struct job_call *c = container_of(intent, struct job_call, intent);
    struct job *known = job_find(b->s->jobs, c->id);
    struct job *job = job_call_find(c, b->s);
    if (job == NULL) {
        if (known != NULL) /* a repeat */
            c->err = (struct err){ 0 };
        return;
    }
    job_save(b, job);
    job->now.deleted_at_us = b->at_us;
    job->now.next_run_us = 0;
    job->jobs->count--;
    job_changed(b, job, job_change_of(b, job, &job->now, c->actor));
}

/* ── :trigger ── */

void job_trigger_apply(struct intent *intent, struct batch *b)
{
    struct job_call *c = container_of(intent, struct job_call, intent);
    struct job *job = job_call_find(c, b->s);
    c->is_stored = false;
    if (job == NULL)
        return;
    if (live_find(b->s->live, c->task) != NULL) {
        c->is_stored = true; /* a repeat that came in between */
        return;
    }
    if (live_count(b->s->live) >= b->s->options.tasks_max) {
        err_set(&c->err, ERR_UNAVAILABLE, "too many tasks wait (limit %zu)",
                b->s->options.tasks_max);
        return;
    }
    int64_t at_us = now_us(b);
    struct task_view *view =
        job_run_add(b, job, c->task, at_us, str_is_empty(c->actor) ? STR("") : c->actor, &c->err);
    if (view == NULL)
        return;
    job_save(b, job);
    job->now.last_run_us = max_of(job->now.last_run_us, at_us);
    job_changed(b, job, NULL);
    job_call_keep_task(c, view);
}
