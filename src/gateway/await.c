#include "gateway/await.h"

#include "store/public/actor.h"

struct await {
    struct gql_step *step;
    await_db_fn *db;
    await_gate_fn *gate;
    bool is_told_failures, is_told_at_once;
    const char *narrow; /* NULL: nothing to say */
    struct gate_job *job;
};

static bool is_actor_gone(const struct db_reply *reply)
{
    static const char *const constraints[] = { ACTOR_GONE_AUDIT, ACTOR_GONE_TOKEN,
                                               ACTOR_GONE_CONVERSATION, ACTOR_GONE_MESSAGE };
    for (size_t i = 0; reply->err != NULL && i < countof(constraints); i++)
        if (strcmp(reply->constraint, constraints[i]) == 0)
            return true;
    return false;
}

static void db_replied(void *owner, const struct db_reply *reply)
{
    const struct await *await = owner;
    struct err e;
    if (is_actor_gone(reply)) {
        err_set(&e, ERR_UNAUTHENTICATED, "this account is no more; sign in again");
        (void)gql_step_fail(await->step, &e);
    } else if (reply->err != NULL && reply->err->code == ERR_TIMEOUT && await->narrow != NULL) {
        err_set(&e, ERR_TIMEOUT, "%s: looked through too much for the time there is; narrow it",
                await->narrow);
        (void)gql_step_fail(await->step, &e);
    } else if (reply->err != NULL && !await->is_told_failures)
        (void)gql_step_fail(await->step, reply->err);
    else
        await->db(await->step, reply);
}

static enum gql_next begin_db(struct gql_step *step, enum db_lane lane, const struct db_step *steps,
                              size_t count, struct await await)
{
    struct request *r = await_request(step);
    struct await *kept = arena_new(step->arena, struct await);
    struct err e;
    *kept = await;
    const struct db_call call = { .lane = lane,
                                  .steps = steps,
                                  .step_count = count,
                                  .deadline_us = r->deadline_us - AWAIT_MARGIN_US,
                                  .goes_first = r->has_read,
                                  .fn = db_replied,
                                  .owner = kept };
    if (db_pool_call(r->loop->pool, &call, NULL, &e))
        r->has_read = true;
    else if (await.is_told_at_once)
        db_reply_fail(db_replied, kept, &e);
    else
        return gql_step_fail(step, &e);
    return GQL_WAIT;
}

enum gql_next await_db(struct gql_step *step, enum db_lane lane, const struct db_step *steps,
                       size_t count, await_db_fn *fn)
{
    return begin_db(step, lane, steps, count, (struct await){ .step = step, .db = fn });
}

enum gql_next await_db_any(struct gql_step *step, enum db_lane lane, const struct db_step *steps,
                           size_t count, await_db_fn *fn)
{
    return begin_db(step, lane, steps, count,
                    (struct await){ .step = step, .db = fn, .is_told_failures = true });
}

enum gql_next await_db_told(struct gql_step *step, enum db_lane lane, const struct db_step *steps,
                            size_t count, await_db_fn *fn)
{
    return begin_db(
        step, lane, steps, count,
        (struct await){
            .step = step, .db = fn, .is_told_failures = true, .is_told_at_once = true });
}

enum gql_next await_search(struct gql_step *step, const struct db_step *read, const char *narrow,
                           await_db_fn *fn)
{
    return begin_db(step, DB_LANE_SLOW, read, 1,
                    (struct await){ .step = step, .db = fn, .narrow = narrow });
}

static void gate_done(void *owner)
{
    const struct await *await = owner;
    struct gate_job *job = await->job;
    if (job->err.code != ERR_NONE) {
        await_request(await->step)->retry_after_us = job->retry_after_us;
        (void)gql_step_fail(await->step, &job->err);
    } else {
        await->gate(await->step, job);
    }
}

enum gql_next await_gate(struct gql_step *step, struct gate_job *job, await_gate_fn *fn)
{
    const struct gateway_loop *loop = await_request(step)->loop;
    struct await *await = arena_new(step->arena, struct await);
    *await = (struct await){ .step = step, .gate = fn, .job = job };
    job->done = gate_done;
    job->owner = await;
    gate_submit(loop->gateway->gate, loop->io, job);
    return GQL_WAIT;
}
