/*
 * createJob, updateJob, pauseJob, resumeJob, triggerJob, deleteJob.
 *
 *   createJob: check --> ask the worker --> store the row --> answer
 *                `- something waits, away, in doubt --> outbox --> answer
 *   deleteJob: withdraw it from the outbox --> it was there: answer
 *                `- it was not --> ask the worker --> drop the row --> answer
 */
#include "base/clock.h"
#include "gateway/await_worker.h"
#include "gateway/bindings.h"
#include "gateway/outbox.h"
#include "gateway/shards.h"
#include "gateway/task_changes.h"
#include "gateway/task_input.h"
#include "gateway/tasks.h"
#include "gateway/worker_client.h"
#include "gateway/worker_json.h"
#include "store/public/mirror.h"

enum { DB_MARGIN_US = 250 * CLOCK_MS };

/* ── the worker's answer as the row and the result ── */

static void stored(struct gql_step *step, const struct db_reply *reply)
{
    const struct mirror_row *row = step->host;
    struct record *record = record_of_cells(step->arena, jobs_table(), row->cells);
    (void)reply; /* where it failed, the mirror brings the row */
    record->is_fresh = true;
    step->results[0] = gql_object(record);
    gql_step_finish(step);
}

enum store_as { STORE_MADE, STORE_CHANGED, STORE_FOUND };

static struct db_step row_step(struct arena *a, const struct mirror_row *row, size_t shard,
                               enum store_as as)
{
    switch (as) {
    case STORE_MADE:
        return job_mirror_upsert_step(a, row, 1, true, false, (int16_t)shard);
    case STORE_CHANGED: /* another may delete it before this is stored */
        return job_mirror_update_step(a, row, 1, (int16_t)shard);
    case STORE_FOUND:
        break;
    }
    return job_mirror_found_step(a, row, (int16_t)shard);
}

static void store_row(struct gql_step *step, size_t shard, const struct json_value *body,
                      enum store_as as)
{
    struct mirror_row *row = arena_new(step->arena, struct mirror_row);
    struct worker_row job;
    struct err e;
    if (!worker_read_job(step->arena, json_get_c(body, "job"), &job, &e)) {
        (void)gql_step_fail(step, &e);
        return;
    }
    worker_complete_row(jobs_table(), job.cells);
    job.cells[COL_jobs_shard] = shards_cell(shard);
    *row = (struct mirror_row){ job.told, job.cells };
    step->host = row;
    const struct db_step steps[] = { mirror_async_step(), row_step(step->arena, row, shard, as) };
    (void)await_db_told(step, DB_LANE_WRITE, steps, countof(steps), stored);
}

void job_row_answer(struct gql_step *step, size_t shard, const struct json_value *body)
{
    store_row(step, shard, body, STORE_FOUND);
}

static void changed(struct gql_step *step, size_t shard, const struct json_value *body)
{
    store_row(step, shard, body, STORE_CHANGED);
}

/* ── createJob ── */

struct create_job {
    struct gql_step *step;
    struct job_input job;
    struct outbox_entry entry;
    struct mirror_row row;
    struct outbox_put put;
};

static void kept(void *owner, const struct err *e)
{
    struct create_job *create = owner;
    struct gql_step *step = create->step;
    if (e != NULL) {
        (void)gql_step_fail(step, e);
        return;
    }
    step->results[0] = gql_object(record_of_cells(step->arena, jobs_table(), create->job.cells));
    gql_step_finish(step);
}

static enum gql_next to_outbox(struct create_job *create, bool is_in_doubt)
{
    const struct request *r = await_request(create->step);
    struct err e;
    create->entry = (struct outbox_entry){ .id = uuid_v7(),
                                           .kind = OUTBOX_KIND_JOB,
                                           .subject_id = create->job.id,
                                           .body = create->job.body,
                                           .is_sent = is_in_doubt };
    create->row = (struct mirror_row){ .cells = create->job.cells };
    create->put = (struct outbox_put){ .loop = r->loop,
                                       .shard = create->job.shard,
                                       .arena = create->step->arena,
                                       .entries = &create->entry,
                                       .entry_count = 1,
                                       .jobs = &create->row,
                                       .job_count = 1,
                                       .deadline_us = r->deadline_us - DB_MARGIN_US,
                                       .fn = kept,
                                       .owner = create };
    if (!outbox_begin(&create->put, &e))
        return gql_step_fail(create->step, &e);
    return GQL_WAIT;
}

static void created(void *owner, const struct worker_reply *reply)
{
    struct create_job *create = owner;
    if (reply->body != NULL)
        store_row(create->step, reply->shard, reply->body, STORE_MADE);
    else if (reply->is_away || reply->is_in_doubt)
        (void)to_outbox(create, !reply->is_not_taken);
    else
        (void)gql_step_fail(create->step, reply->err);
}

static enum gql_next resolve_create(struct gql_step *step)
{
    const struct request *r = await_request(step);
    struct create_job *create = arena_new(step->arena, struct create_job);
    int64_t now_us = clock_mono_us();
    struct err e;
    create->step = step;
    if (!job_input_read(step, &create->job, &e))
        return gql_step_fail(step, &e);
    if (outbox_is_waiting(r->loop->gateway, create->job.shard))
        return to_outbox(create, false);
    const struct worker_call_options options = {
        .path = "/v1/jobs",
        .body = create->job.body,
        .arena = step->arena,
        .deadline_us = now_us + await_worker_create_us(r->loop, r->deadline_us, now_us),
        .fn = created,
        .owner = create,
    };
    struct worker_client *worker = r->loop->workers[create->job.shard];
    if (worker_client_call(worker, &options, &e))
        return GQL_WAIT;
    return worker == NULL ? gql_step_fail(step, &e) : to_outbox(create, false);
}

/* ── the others ── */

/* `action` is ":pause", or nothing where the method says it; NULL: POST. */
static enum gql_next ask_for(struct gql_step *step, const char *method, const char *action,
                             struct str body, await_worker_fn *fn)
{
    char path[96], text[UUID_TEXT_LEN + 1];
    struct uuid id;
    struct err e;
    if (!task_input_id(step, &id, &e))
        return gql_step_fail(step, &e);
    uuid_format(id, text);
    snprintf(path, sizeof path, "/v1/jobs/%s%s", text, action);
    return await_worker_of(step, AWAIT_JOB, id, method, path, body, fn);
}

static enum gql_next resolve_update(struct gql_step *step)
{
    struct str body;
    struct err e;
    if (!job_input_read_update(step, &body, &e))
        return gql_step_fail(step, &e);
    return ask_for(step, NULL, ":update", body, changed);
}

static enum gql_next resolve_pause(struct gql_step *step)
{
    return ask_for(step, NULL, ":pause", task_input_actor(step), changed);
}

static enum gql_next resolve_resume(struct gql_step *step)
{
    return ask_for(step, NULL, ":resume", task_input_actor(step), changed);
}

static enum gql_next resolve_trigger(struct gql_step *step)
{
    struct str actor = task_input_actor(step);
    char id[UUID_TEXT_LEN + 1];
    uuid_format(uuid_v7(), id);
    struct str body =
        arena_printf(step->arena, "%.*s,\"task_id\":\"%s\"}", (int)actor.len - 1, actor.ptr, id);
    return ask_for(step, NULL, ":trigger", body, task_changes_answer);
}

static void deleted(struct gql_step *step, const struct db_reply *reply)
{
    (void)reply; /* where it failed, the mirror drops the row */
    step->results[0] = gql_bool(true);
    gql_step_finish(step);
}

static void gone(struct gql_step *step, size_t shard, const struct json_value *body)
{
    struct uuid id;
    (void)shard, (void)body;
    (void)uuid_parse(gql_arg(step, "id")->text, &id);
    const struct db_step steps[] = { mirror_async_step(),
                                     job_mirror_drop_step(step->arena, &id, 1) };
    (void)await_db_told(step, DB_LANE_WRITE, steps, countof(steps), deleted);
}

static enum gql_next ask_to_delete(struct gql_step *step)
{
    return ask_for(step, "DELETE", "", task_input_actor(step), gone);
}

/* It is gone from the outbox, or it was not there (any more). */
static void withdrawn(struct gql_step *step, const struct db_reply *reply)
{
    if (db_rows_count(reply->rows[0]) == 0) {
        (void)ask_to_delete(step);
        return;
    }
    step->results[0] = gql_bool(true);
    gql_step_finish(step);
}

static enum gql_next resolve_delete(struct gql_step *step)
{
    struct uuid id;
    struct err e;
    if (!task_input_id(step, &id, &e))
        return gql_step_fail(step, &e);
    if (!outbox_has_any(await_request(step)->loop->gateway))
        return ask_to_delete(step);
    struct db_step withdraw =
        outbox_withdraw_step(step->arena, id, await_request(step)->credential->owner);
    return await_db(step, DB_LANE_WRITE, &withdraw, 1, withdrawn);
}

const struct gateway_binding bindings_job_changes[] = {
    { "Mutation.createJob", { .resolve = resolve_create, .prepare = jobs_prepare } },
    { "Mutation.updateJob", { .resolve = resolve_update, .prepare = jobs_prepare } },
    { "Mutation.pauseJob", { .resolve = resolve_pause, .prepare = jobs_prepare } },
    { "Mutation.resumeJob", { .resolve = resolve_resume, .prepare = jobs_prepare } },
    { "Mutation.triggerJob", { .resolve = resolve_trigger, .prepare = tasks_prepare } },
    { "Mutation.deleteJob", { .resolve = resolve_delete } },
    { 0 },
};
