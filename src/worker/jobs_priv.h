/* jobs_priv: what the files of the scheduler share. */
#pragma once
#include "json/json.h"
#include "rules/job.h"
#include "rules/zone_cache.h"
#include "worker/change.h"
#include "worker/jobs.h"

struct http_request;
struct worker;

/* The texts of a job, one piece of memory, never changed: an update makes another one. */
struct job_text {
    unsigned refs;
    struct str name, schedule, time_zone, task_type, queue, payload;
};

/* What a change may change; a copy of it is what an undo puts back. */
struct job_data {
    int64_t version;
    int64_t last_run_us, next_run_us, updated_at_us, deleted_at_us; /* 0: none */
    struct job_text *text;
    enum rule_job status;
    enum rule_misfire misfire;
    enum rule_overlap overlap;
    enum rule_priority priority;
    uint32_t max_attempts, timeout_s, jitter_s, fail_after, consecutive_failures;
    struct cron cron; /* of text->schedule */
    const struct zone *zone;
};

struct job {
    struct jobs *jobs;
    struct list node; /* in jobs->all */
    struct uuid id, created_by;
    bool has_creator;
    int64_t created_at_us;
    struct job_data now;
    const struct job_data *certain; /* while a batch is in flight that changes it: as committed */
    struct list runs;               /* its unfinished tasks */
    struct intent fire;
    bool is_firing;
    bool was_refused; /* the last firing could not be: look again a little later */
};

/* An unfinished task of a job. */
struct job_run {
    struct list node; /* in job->runs */
    struct uuid task;
    struct job *job;
};

struct jobs {
    struct shard *s;
    struct zone_cache *zones;
    struct map *by_id; /* the deleted ones too, as long as their ids could come again */
    struct list all;
    size_t count;          /* of those that are not deleted */
    struct map *runs;      /* struct job_run, by the task's id */
    struct io_timer *look; /* the next one is due */
    struct io_timer *sweep;
    struct intent sweeping;
    bool is_sweeping, is_started;
    struct db_request *asking; /* whether there is something to sweep */
    struct arena *asking_arena;
    struct jobs_load *load;
};

/* ── jobs.c ── */

/* NULL: there is none. Deleted ones are found too. */
[[nodiscard]] struct job *job_find(const struct jobs *jobs, struct uuid id);
[[nodiscard]] struct job *job_create(struct jobs *jobs, struct uuid id);
void jobs_forget(struct jobs *jobs, struct job *job); /* out of memory */
void run_put(struct jobs *jobs, struct job *job, struct uuid task);
void run_remove(struct jobs *jobs, struct job_run *run);

/* A copy of the texts, with one reference. */
[[nodiscard]] struct job_text *job_text_create(const struct job_text *t);
void job_text_unref(struct job_text *t);

void job_put(struct json_writer *w, const struct job *job, const struct job_data *d);
/* The same as text of the arena, as it is now. */
[[nodiscard]] struct str job_text_of(struct arena *a, const struct job *job);

/* Reads schedule and zone of `d->text` into `d`. Errors: INVALID, naming the member. */
[[nodiscard]] bool job_read_schedule(struct jobs *jobs, const struct job *job, struct job_data *d,
                                     struct err *e);
/* When it is due after now and after whatever it has fired; 0: never. */
[[nodiscard]] int64_t job_next_us(const struct job_data *d, int64_t now_us);

/* ── jobs_change.c: for `apply` ── */

struct job_change;

/* Call it before the job's first change in each call of `apply`; then jobs_changed once. */
void job_save(struct batch *b, struct job *job);
/* A new one; its data is set already. `change` is told with it and kept; NULL: nobody's. */
void job_added(struct batch *b, struct job *job, struct job_change *change);
/* Its number, row and event, as it is now. */
void job_changed(struct batch *b, struct job *job, struct job_change *change);
/* A new task of the job; `firing_us` is its instant, and `actor` who triggered it, ptr NULL where
 * its schedule did. */
[[nodiscard]] struct task_view *job_run_add(struct batch *b, struct job *job, struct uuid task,
                                            int64_t firing_us, struct str actor, struct err *e);
/* A task with LIVE_JOB has finished, after its own change; or it is open again. */
void jobs_task_ended(struct batch *b, struct uuid task, enum rule_state state);
void jobs_task_reopened(struct batch *b, struct uuid job, struct uuid task);
/* Rows that are too old, in this batch: of runs, of deleted jobs, of changes. */
void jobs_sweep_rows(struct batch *b, int64_t runs_us, int64_t deleted_us, int64_t changes_us);

/* ── jobs_changes.c ── */

enum { JOB_CHANGES_MAX = 500 }; /* in an answer */
/* Who changed what of a job's settings. */
/* Of the job as it is now, since `was` (NULL: it is new), by `actor`. NULL where that is nothing.
 * The texts of `was` must be there yet: those that job_save has kept are. */
[[nodiscard]] struct job_change *job_change_of(struct batch *b, const struct job *job,
                                               const struct job_data *was, struct str actor);
/* It has that version: it gets a row in this batch. */
void job_change_keep(struct batch *b, struct job_change *change, int64_t version);
/* As the member `change` of an event. */
[[nodiscard]] struct str job_change_text(struct arena *a, const struct job_change *change);
/* GET /v1/jobs/ID/changes. */
void job_changes_answer(struct worker *w, struct http_request *r, struct uuid id);

/* ── jobs_fire.c ── */

void job_fire_init(struct job *job);
void jobs_look(void *jobs); /* fires what is due, and sleeps until the next one is */
void jobs_look_soon(struct jobs *jobs);

/* ── jobs_load.c ── */

typedef void jobs_loaded_fn(void *owner, const struct err *err);
void jobs_load(struct shard *s, jobs_loaded_fn *done, void *owner);
void jobs_load_destroy(struct jobs_load *load); /* accepts NULL */
