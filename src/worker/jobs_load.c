/*
 * jobs_load: what a new leader reads of jobs.
 *
 *   jobs, a page at a time ──▶ which of the unfinished tasks are runs, a page at a time ──▶ done
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/rows.h"
#include "store/queue/schedule_sql.h"
#include "worker/jobs_priv.h"

enum { CALL_MS = 60'000, TASKS_A_PAGE = 5'000 };

struct jobs_load {
    struct jobs *jobs;
    struct arena *a; /* of the call that is out */
    struct db_request *call;
    size_t at; /* in the set of unfinished tasks */
    jobs_loaded_fn *done;
    void *owner;
};

void jobs_load_destroy(struct jobs_load *load)
{
    if (load == NULL)
        return;
    if (load->call != NULL)
        db_request_forget(load->call);
    arena_destroy(load->a);
    mem_free(load);
}

static void end(struct jobs_load *load, const struct err *err)
{
    jobs_loaded_fn *done = load->done;
    void *owner = load->owner;
    struct err copy = { 0 };
    if (err != NULL)
        copy = *err;
    jobs_load_destroy(take(load->jobs->load));
    done(owner, copy.code != ERR_NONE ? &copy : NULL);
}

static void ask(struct jobs_load *load, const struct db_statement *statement,
                const struct db_args *args, db_reply_fn *fn)
{
    struct err e;
    const struct db_step step = { statement, args };
    const struct db_call call = { .lane = DB_LANE_READ,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + CALL_MS * CLOCK_MS,
                                  .fn = fn,
                                  .owner = load };
    if (!db_pool_call(load->jobs->s->pool, &call, &load->call, &e)) {
        load->call = NULL;
        end(load, &e);
    }
}

static bool answered(struct jobs_load *load, const struct db_reply *reply)
{
    load->call = NULL;
    if (reply->err == NULL)
        return true;
    end(load, reply->err);
    return false;
}

/* ── runs ── */

static void ask_tasks(struct jobs_load *load);

static void tasks_read(void *owner, const struct db_reply *reply)
{
    struct jobs_load *load = owner;
    if (!answered(load, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct job *job = job_find(load->jobs, db_rows_uuid(rows, i, 1));
        if (job != NULL)
            run_put(load->jobs, job, db_rows_uuid(rows, i, 0));
    }
    ask_tasks(load);
}

static void ask_tasks(struct jobs_load *load)
{
    arena_reset(load->a);
    struct uuid *ids = arena_new_array(load->a, TASKS_A_PAGE, struct uuid);
    size_t count = 0;
    for (struct live *task;
         count < TASKS_A_PAGE && (task = live_next(load->jobs->s->live, &load->at));)
        if (task->flags & LIVE_JOB)
            ids[count++] = task->id;
    if (count > 0)
        ask(load, &job_tasks, job_tasks_args(load->a, ids, count), tasks_read);
    else
        end(load, NULL);
}

/* ── jobs ── */

static int64_t time_or_zero(const struct db_rows *rows, size_t row, size_t column)
{
    return db_rows_is_null(rows, row, column) ? 0 : db_rows_time(rows, row, column);
}

static void read_data(const struct db_rows *rows, size_t row, struct job_data *d)
{
    const struct job_text text = {
        .name = db_rows_text(rows, row, 2),
        .schedule = db_rows_text(rows, row, 3),
        .time_zone = db_rows_text(rows, row, 4),
        .task_type = db_rows_text(rows, row, 8),
        .payload = db_rows_text(rows, row, 9),
        .queue = db_rows_text(rows, row, 16),
    };
    *d = (struct job_data){
        .version = db_rows_i64(rows, row, 1),
        .text = job_text_create(&text),
        .status = (enum rule_job)db_rows_i64(rows, row, 5),
        .last_run_us = time_or_zero(rows, row, 6),
        .next_run_us = time_or_zero(rows, row, 7),
        .priority = (enum rule_priority)db_rows_i64(rows, row, 10),
        .misfire = (enum rule_misfire)db_rows_i64(rows, row, 11),
        .overlap = (enum rule_overlap)db_rows_i64(rows, row, 12),
        .max_attempts = (uint32_t)db_rows_i64(rows, row, 13),
        .fail_after = (uint32_t)db_rows_i64(rows, row, 14),
        .consecutive_failures = (uint32_t)db_rows_i64(rows, row, 15),
        .timeout_s = (uint32_t)db_rows_i64(rows, row, 17),
        .jitter_s = (uint32_t)db_rows_i64(rows, row, 18),
        .updated_at_us = db_rows_time(rows, row, 21),
        .deleted_at_us = time_or_zero(rows, row, 22),
    };
}

/* A schedule that was accepted once may be refused now: its zone is gone from the system. It does
 * not fire until that is mended; nothing else suffers from it. */
static void read_job(struct jobs *jobs, const struct db_rows *rows, size_t row)
{
    struct job *job = job_create(jobs, db_rows_uuid(rows, row, 0));
    struct err e;
    job->created_at_us = db_rows_time(rows, row, 20);
    job->has_creator = !db_rows_is_null(rows, row, 19);
    if (job->has_creator)
        job->created_by = db_rows_uuid(rows, row, 19);
    read_data(rows, row, &job->now);
    if (job->now.deleted_at_us != 0)
        return;
    jobs->count++;
    if (!job_read_schedule(jobs, job, &job->now, &e))
        log_error("job.schedule_unusable", "job=%s error=%s", log_quote(job->now.text->name),
                  log_quote(str_of_c(e.message)));
}

static void ask_jobs(struct jobs_load *load, struct uuid after);

static void jobs_read(void *owner, const struct db_reply *reply)
{
    struct jobs_load *load = owner;
    if (!answered(load, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    size_t n = db_rows_count(rows);
    for (size_t i = 0; i < n; i++)
        read_job(load->jobs, rows, i);
    if (n > 0)
        ask_jobs(load, db_rows_uuid(rows, n - 1, 0));
    else
        ask_tasks(load);
}

static void ask_jobs(struct jobs_load *load, struct uuid after)
{
    int64_t since_us = clock_wall_us() - 2 * load->jobs->s->options.id_past_us;
    arena_reset(load->a);
    ask(load, &job_load, job_load_args(load->a, after, since_us), jobs_read);
}

void jobs_load(struct shard *s, jobs_loaded_fn *done, void *owner)
{
    struct jobs *jobs = s->jobs;
    assert(jobs->load == NULL && list_is_empty(&jobs->all));
    struct jobs_load *load = mem_new(struct jobs_load);
    *load = (struct jobs_load){ .jobs = jobs, .a = arena_create(0), .done = done, .owner = owner };
    jobs->load = load;
    ask_jobs(load, (struct uuid){ 0 });
}
