/*
 * jobs_call_priv: a call about a job, for jobs_door.c (its course) and jobs_apply.c (what comes of
 * it in a batch).
 */
#pragma once
#include "worker/jobs_wish_priv.h"

struct job_call {
    struct intent intent;
    struct view moment;
    struct worker *w;
    struct http_request *r;
    struct uuid id;
    struct job_wish wish;
    struct str actor;
    struct uuid task; /* a trigger's */
    bool has_task, is_stored;
    struct str answer; /* the job, or the trigger's task, as JSON */
    struct err err;    /* why `apply` refused it */
};

/* ── jobs_apply.c ── */

/* The job of the call, if there is one that is not deleted; else c->err says so. */
[[nodiscard]] struct job *job_call_find(struct job_call *c, const struct shard *s);
/* What the call will answer. */
void job_call_keep(struct job_call *c, const struct job *job);
void job_call_keep_task(struct job_call *c, const struct task_view *view);

/* What c->intent does in a batch. */
intent_apply_fn job_create_apply, job_update_apply, job_pause_apply, job_resume_apply,
    job_delete_apply, job_trigger_apply;
