#include "gateway/await_worker.h"

#include "base/clock.h"
#include "gateway/shards.h"
#include "gateway/worker_client.h"
#include "store/public/task_mirror.h"

/* What the worker answered must be stored within the request's deadline, too. */
enum { STORE_MARGIN_US = CLOCK_S };

/*
 *   (its row names the shard, or none) --> ask it --> answer
 *                                           `-- not known there, and no row --> ask the next one
 */
struct await {
    struct gql_step *step;
    size_t shard;
    bool is_anywhere; /* it may be of any shard: the next one is asked where it is not known */
    const char *method, *path;
    struct str body;
    await_worker_fn *fn;
    await_worker_failed_fn *failed; /* NULL: the step fails */
};

static enum gql_next ask(struct await *await);

static enum gql_next fail(const struct await *await, const struct err *why, enum await_failure how)
{
    return await->failed != NULL ? await->failed(await->step, await->shard, why, how)
                                 : gql_step_fail(await->step, why);
}

/* Nothing was asked, or it cannot now. */
static enum gql_next fail_away(const struct await *await, const struct err *why)
{
    struct err e;
    bool is_one_of_many = await_request(await->step)->loop->gateway->shard_count > 1;
    if (is_one_of_many)
        (void)err_set_from(&e, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE,
                           "the Worker Service of shard %zu is out of reach; nothing was changed "
                           "there (%.80s)",
                           await->shard, why->message);
    else
        (void)err_set_from(&e, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE,
                           "the Worker Service is out of reach; nothing was changed (%.100s)",
                           why->message);
    return fail(await, &e, AWAIT_AWAY);
}

static void replied(void *owner, const struct worker_reply *reply)
{
    struct await *await = owner;
    struct err e;
    if (reply->body != NULL) {
        await->fn(await->step, await->shard, reply->body);
        return;
    }
    if (reply->is_away) {
        (void)fail_away(await, reply->err);
        return;
    }
    if (await->is_anywhere && reply->err->code == ERR_NOT_FOUND &&
        await->shard + 1 < await_request(await->step)->loop->gateway->shard_count) {
        await->shard++;
        (void)ask(await);
        return;
    }
    e = *reply->err;
    if (reply->is_in_doubt)
        (void)err_set_from(&e, ERR_ORIGIN_WORKER, reply->err->code,
                           "the Worker Service did not answer; the change may or may not have "
                           "been made");
    (void)fail(await, &e, reply->is_in_doubt ? AWAIT_IN_DOUBT : AWAIT_SAID);
}

static int64_t deadline_of(const struct request *r, enum conf_id timeout)
{
    int64_t wait_us = conf_duration_us(r->loop->gateway->conf, timeout);
    return min_of(r->deadline_us - STORE_MARGIN_US, clock_mono_us() + wait_us);
}

int64_t await_worker_create_us(const struct gateway_loop *loop, int64_t deadline_us, int64_t now_us)
{
    int64_t wait_us = conf_duration_us(loop->gateway->conf, CONF_WORKER_CREATE_TIMEOUT);
    return min_of((deadline_us - now_us) / 2, wait_us);
}

static enum gql_next ask(struct await *await)
{
    const struct request *r = await_request(await->step);
    struct err e;
    const struct worker_call_options options = {
        .method = await->method,
        .path = await->path,
        .body = await->body,
        .arena = await->step->arena,
        .deadline_us = deadline_of(r, CONF_WORKER_CHANGE_TIMEOUT),
        .fn = replied,
        .owner = await,
    };
    if (!worker_client_call(r->loop->workers[await->shard], &options, &e))
        return fail_away(await, &e);
    return GQL_WAIT;
}

enum gql_next await_worker_or(struct gql_step *step, size_t shard, const char *method,
                              const char *path, struct str body, await_worker_fn *fn,
                              await_worker_failed_fn *failed)
{
    struct await *await = arena_new(step->arena, struct await);
    *await = (struct await){ .step = step,
                             .shard = shard,
                             .method = method,
                             .path = path,
                             .body = body,
                             .fn = fn,
                             .failed = failed };
    return ask(await);
}

enum gql_next await_worker(struct gql_step *step, size_t shard, const char *method,
                           const char *path, struct str body, await_worker_fn *fn)
{
    return await_worker_or(step, shard, method, path, body, fn, NULL);
}

/* ── a row's worker ── */

static void found_row(void *owner, const struct db_reply *reply)
{
    struct await *await = owner;
    const struct gateway *gw = await_request(await->step)->loop->gateway;
    bool is_there = reply->err == NULL && db_rows_count(reply->rows[0]) > 0;
    await->is_anywhere = !is_there;
    if (is_there)
        await->shard = shards_of_number(gw, db_rows_i64(reply->rows[0], 0, 1));
    (void)ask(await);
}

enum gql_next await_worker_of(struct gql_step *step, enum await_row kind, struct uuid id,
                              const char *method, const char *path, struct str body,
                              await_worker_fn *fn)
{
    const struct request *r = await_request(step);
    struct arena *a = step->arena;
    struct await *await = arena_new(a, struct await);
    struct err e;
    *await = (struct await){ .step = step, .method = method, .path = path, .body = body, .fn = fn };
    if (r->loop->gateway->shard_count == 1)
        return ask(await);
    await->path = arena_cstr(a, str_of_c(path));
    struct db_step look =
        kind == AWAIT_TASK ? task_mirror_stands_step(a, id) : job_mirror_stands_step(a, id);
    const struct db_call call = { .lane = DB_LANE_READ,
                                  .steps = &look,
                                  .step_count = 1,
                                  .deadline_us = deadline_of(r, CONF_WORKER_ASK_TIMEOUT),
                                  .fn = found_row,
                                  .owner = await };
    if (!db_pool_call(r->loop->pool, &call, NULL, &e))
        return gql_step_fail(step, &e);
    return GQL_WAIT;
}

bool await_worker_ask(struct gql_step *step, size_t shard, const char *path,
                      await_worker_ask_fn *fn, void *owner)
{
    return await_worker_ask_for(step, shard, path, (struct str){ 0 }, fn, owner);
}

bool await_worker_ask_for(struct gql_step *step, size_t shard, const char *path, struct str body,
                          await_worker_ask_fn *fn, void *owner)
{
    const struct request *r = await_request(step);
    struct err e;
    const struct worker_call_options options = {
        .path = path,
        .body = body,
        .arena = step->arena,
        .deadline_us = deadline_of(r, CONF_WORKER_ASK_TIMEOUT),
        .fn = fn,
        .owner = owner,
    };
    return worker_client_call(r->loop->workers[shard], &options, &e);
}

/* ── a row that the table does not have ── */

struct find {
    struct gql_step *step;
    char path[64];
    await_worker_fn *fn;
};

static bool find_at(struct find *find, size_t shard);

static void found(void *owner, const struct worker_reply *reply)
{
    struct find *find = owner;
    if (reply->body != NULL)
        find->fn(find->step, reply->shard, reply->body);
    else if (!find_at(find, reply->shard + 1))
        gql_step_finish(find->step); /* there is none, or nobody who could tell */
}

/* The worker of that shard, or the next one that can be asked. */
static bool find_at(struct find *find, size_t shard)
{
    for (; shard < await_request(find->step)->loop->gateway->shard_count; shard++)
        if (await_worker_ask(find->step, shard, find->path, found, find))
            return true;
    return false;
}

bool await_worker_find(struct gql_step *step, enum await_row kind, struct uuid id,
                       await_worker_fn *fn)
{
    struct find *find = arena_new(step->arena, struct find);
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    *find = (struct find){ .step = step, .fn = fn };
    snprintf(find->path, sizeof find->path, "/v1/%s/%s", kind == AWAIT_TASK ? "tasks" : "jobs",
             text);
    return find_at(find, 0);
}
