#include "gateway/await_worker.h"

#include "base/clock.h"
#include "gateway/worker_client.h"

/* What the worker answered must be stored within the request's deadline, too. */
enum { STORE_MARGIN_US = CLOCK_S };

struct await {
    struct gql_step *step;
    await_worker_fn *fn;
    await_worker_words_fn *words; /* NULL: the worker's own */
};

/* Nothing was asked, or it cannot now. */
static enum gql_next fail_away(const struct await *await, const struct err *why)
{
    struct err e;
    (void)err_set_from(&e, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE,
                       "the Worker Service is out of reach; nothing was changed (%.100s)",
                       why->message);
    return gql_step_fail(await->step, &e);
}

static void replied(void *owner, const struct worker_reply *reply)
{
    const struct await *await = owner;
    struct err e;
    if (reply->body != NULL) {
        await->fn(await->step, reply->body);
        return;
    }
    if (reply->is_away) {
        (void)fail_away(await, reply->err);
        return;
    }
    e = *reply->err;
    if (reply->is_in_doubt)
        (void)err_set_from(&e, ERR_ORIGIN_WORKER, reply->err->code,
                           "the Worker Service did not answer; the change may or may not have "
                           "been made");
    else if (await->words != NULL)
        await->words(&e);
    (void)gql_step_fail(await->step, &e);
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

enum gql_next await_worker_in_words(struct gql_step *step, const char *method, const char *path,
                                    struct str body, await_worker_fn *fn,
                                    await_worker_words_fn *words)
{
    const struct request *r = await_request(step);
    struct await *await = arena_new(step->arena, struct await);
    struct err e;
    *await = (struct await){ step, fn, words };
    const struct worker_call_options options = {
        .method = method,
        .path = path,
        .body = body,
        .arena = step->arena,
        .deadline_us = deadline_of(r, CONF_WORKER_CHANGE_TIMEOUT),
        .fn = replied,
        .owner = await,
    };
    if (!worker_client_call(r->loop->worker, &options, &e))
        return fail_away(await, &e);
    return GQL_WAIT;
}

enum gql_next await_worker(struct gql_step *step, const char *method, const char *path,
                           struct str body, await_worker_fn *fn)
{
    return await_worker_in_words(step, method, path, body, fn, NULL);
}

bool await_worker_ask(struct gql_step *step, const char *path, await_worker_ask_fn *fn, void *owner)
{
    return await_worker_ask_for(step, path, (struct str){ 0 }, fn, owner);
}

bool await_worker_ask_for(struct gql_step *step, const char *path, struct str body,
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
    return worker_client_call(r->loop->worker, &options, &e);
}
