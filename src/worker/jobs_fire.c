/* jobs_fire: looks which jobs are due, and fires them. */
#include "base/clock.h"
#include "base/log.h"
#include "worker/jobs_priv.h"

/* ── firing ── */

/* Without a zone: it is gone from the system since the job was made. */
static bool job_can_fire(const struct job *job)
{
    const struct job_data *d = &job->now;
    return d->deleted_at_us == 0 && d->status == JOB_ACTIVE && d->next_run_us != 0 &&
           d->zone != NULL;
}

static bool is_due(const struct job *job, int64_t now_us)
{
    const struct job_data *d = &job->now;
    return job_can_fire(job) && d->next_run_us <= now_us;
}

/* A run that waits ends here; one that is executed is told to stop. */
static void cancel_runs(struct batch *b, struct job *job)
{
    static const struct change_end end = {
        .outcome = OUTCOME_CANCELLED,
        .why_code = "OVERLAPPED",
        .why_text = "the job's next run has begun",
    };
    list_each (node, &job->runs) { /* a task that finishes leaves the list */
        struct live *task = live_find(b->s->live, container_of(node, struct job_run, node)->task);
        if (task != NULL && task->state != LIVE_RUNNING)
            change_finish(b, task, STATE_CANCELLED, &end);
        else if (task != NULL && !(task->flags & LIVE_CANCEL_ASKED))
            change_ask_cancel(b, task, STR(""));
    }
}

static bool fire_all(struct batch *b, struct job *job, const struct rule_firing *firing,
                     struct err *e)
{
    for (size_t i = 0; i < firing->fire_count; i++) {
        if (job->now.overlap == OVERLAP_CANCEL_RUNNING)
            cancel_runs(b, job);
        if (!job_run_add(b, job, uuid_v7(), firing->fire_us[i], (struct str){ 0 }, e))
            return false;
        job->now.last_run_us = firing->fire_us[i];
    }
    return true;
}

static void fire_apply(struct intent *intent, struct batch *b)
{
    struct job *job = container_of(intent, struct job, fire);
    struct rule_firing firing;
    struct err e;
    int64_t now_us = clock_wall_us(); /* the log may be ahead of it: nothing fires early */
    job->was_refused = false;
    if (!is_due(job, now_us)) /* paused meanwhile, or fired by a batch before */
        return;
    struct job_data *d = &job->now;
    rule_job_fire(&d->cron, d->zone, d->next_run_us, now_us, d->misfire, d->overlap,
                  !list_is_empty(&job->runs), &firing);
    if (live_count(b->s->live) + firing.fire_count > b->s->options.tasks_max) {
        job->was_refused = true; /* it stays due, and is late when there is room again */
        return;
    }
    job_save(b, job);
    if (!fire_all(b, job, &firing, &e))
        log_error("job.not_fired", "job=%s error=%s", log_quote(d->text->name),
                  log_quote(str_of_c(err_text(&e))));
    d->next_run_us = firing.has_next ? firing.next_us : 0;
    job_changed(b, job, NULL);
}

static void fire_done(struct intent *intent, const struct err *err)
{
    struct job *job = container_of(intent, struct job, fire);
    struct jobs *jobs = job->jobs;
    job->is_firing = false;
    if (err != NULL && shard_is_leading(jobs->s))
        log_warn("job.not_fired", "job=%s error=%s", log_quote(job->now.text->name),
                 log_quote(str_of_c(err_text(err))));
    job->was_refused |= err != NULL;
    jobs_look_soon(jobs);
}

void job_fire_init(struct job *job)
{
    job->fire = (struct intent){ .apply = fire_apply, .done = fire_done };
}

/* ── when ── */

void jobs_look_soon(struct jobs *jobs)
{
    if (jobs->is_started)
        io_timer_start(jobs->look, 0);
}

/* What a batch in flight has made of a job is not certain yet; its commit looks again. */
static bool is_uncertain(const struct job *job)
{
    return job->now.version >= job->jobs->s->committed;
}

/* Cost: a glance at each job, at each moment at which one is due. */
void jobs_look(void *owner)
{
    struct jobs *jobs = owner;
    int64_t now_us = clock_wall_us(), next_ms = JOBS_LOOK_MS_MAX;
    struct err e;
    if (!jobs->is_started)
        return;
    list_each (node, &jobs->all) {
        struct job *job = container_of(node, struct job, node);
        if (job->is_firing || is_uncertain(job) || !job_can_fire(job))
            continue;
        int64_t wait_us = job->now.next_run_us - now_us;
        if (wait_us <= 0 && !job->was_refused)
            job->is_firing = shard_submit(jobs->s, &job->fire, &e);
        if (!job->is_firing) {
            int64_t wait_ms = wait_us > 0 ? (wait_us + CLOCK_MS - 1) / CLOCK_MS : JOBS_RETRY_MS;
            next_ms = min_of(next_ms, wait_ms);
        }
        job->was_refused = false;
    }
    io_timer_start(jobs->look, next_ms);
}
