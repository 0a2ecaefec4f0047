#include "gateway/insights.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/ai_client.h"
#include "gateway/await.h"
#include "gateway/bindings.h"
#include "gateway/facts.h"
#include "gateway/insight_analyst.h"
#include "gateway/insight_view.h"
#include "gateway/insights_priv.h"
#include "io/offload.h"
#include "io/timer.h"
#include "json/writer.h"
#include "store/public/insight.h"

enum {
    DASHBOARD_HOURS = 7 * 24,      /* that the analyst compares */
    CLAIM_US = 60 * CLOCK_S,       /* longer than a computation may take */
    COMPUTE_US = 25 * CLOCK_S,     /* at most, within the request's own time */
    LOOK_EVERY_MS = 200,           /* at what another process computes */
    STORE_MARGIN_US = CLOCK_S / 2, /* kept back of it, to store what was found */
    ARENA_BYTES = 64 << 20,
};

/* One computation of a loop, or its waiting for one of another. */
struct job {
    struct insights *owner;
    struct arena *arena;
    int64_t deadline_us;
    int64_t seen_us; /* when those that the askers saw were computed; 0: there were none */
    struct str facts;
    struct insight_views views;
    bool is_found; /* by the analyst */
    struct err err;
};

struct insights {
    struct gateway_loop *loop;
    struct list waiters; /* struct waiter */
    struct job *job;     /* NULL: none */
    struct io_timer *look;
    struct io_offload *offload;
};

/* A dashboardInsights that waits. */
struct waiter {
    struct list node;
    struct gql_step *step;
};

/* ── answers ── */

static int64_t ttl_us(const struct gateway_loop *loop)
{
    return conf_duration_us(loop->gateway->conf, CONF_INSIGHTS_TTL);
}

static int64_t generated_at_us(const struct db_rows *rows)
{
    return db_rows_is_null(rows, 0, INSIGHT_GENERATED_AT)
               ? 0
               : db_rows_time(rows, 0, INSIGHT_GENERATED_AT);
}

enum source { SOURCE_CACHE, SOURCE_NEW, SOURCE_STALE };

static void answer_with(struct gql_step *step, struct db_rows *rows, enum source source)
{
    const struct gateway_loop *loop = await_request(step)->loop;
    struct insights_answer *answer = arena_new(step->arena, struct insights_answer);
    db_rows_keep(rows, step->arena);
    insight_views_of_rows(step->arena, rows, &answer->views);
    answer->generated_at_us = generated_at_us(rows);
    answer->is_cached = source != SOURCE_NEW;
    answer->is_stale = source == SOURCE_STALE;
    answer->next_at_us = answer->is_stale ? clock_wall_us() + INSIGHTS_PAUSE_US
                                          : answer->generated_at_us + ttl_us(loop);
    step->results[0] = gql_object(answer);
    gql_step_finish(step);
}

/* To all who wait; `e` NULL: with these rows. The job is over before: an answer may ask anew. */
static void answer_all(struct insights *is, struct db_rows *rows, enum source source,
                       const struct err *e)
{
    struct job *job = take(is->job);
    struct list waiters, *node;
    list_init(&waiters);
    while ((node = list_pop(&is->waiters)) != NULL)
        list_push(&waiters, node);
    io_timer_stop(is->look);
    while ((node = list_pop(&waiters)) != NULL) {
        struct gql_step *step = container_of(node, struct waiter, node)->step;
        if (e != NULL)
            (void)gql_step_fail(step, e);
        else
            answer_with(step, rows, source);
    }
    arena_destroy(job->arena);
}

/* ── steps of a job ── */

static struct db_step list_step(const struct job *job)
{
    return insights_list_step(job->owner->loop, job->arena);
}

/* Starts one call of the job's; where it cannot begin, all are told why. */
static void call(struct job *job, enum db_lane lane, const struct db_step *steps, size_t count,
                 db_reply_fn *fn)
{
    const struct db_call call = { .lane = lane,
                                  .steps = steps,
                                  .step_count = count,
                                  .deadline_us = job->deadline_us,
                                  .fn = fn,
                                  .owner = job };
    struct err e;
    if (!db_pool_call(job->owner->loop->pool, &call, NULL, &e))
        answer_all(job->owner, NULL, SOURCE_CACHE, &e);
}

static void ended(void *owner, const struct db_reply *reply)
{
    struct job *job = owner;
    enum source source = job->err.code == ERR_NONE || job->is_found ? SOURCE_NEW : SOURCE_STALE;
    if (reply->err != NULL)
        answer_all(job->owner, NULL, source, reply->err);
    else
        answer_all(job->owner, reply->rows[1], source, NULL);
}

static void store(struct job *job)
{
    struct str json = insight_views_json(job->arena, &job->views);
    const struct db_step steps[] = {
        insight_store_step(job->arena, json, job->err.code != ERR_NONE),
        list_step(job),
    };
    call(job, DB_LANE_WRITE, steps, countof(steps), ended);
}

/* The claim ends; those of an earlier run are shown. */
static void show_older(struct job *job)
{
    const struct db_step steps[] = { insight_give_up_step(job->arena, true), list_step(job) };
    call(job, DB_LANE_WRITE, steps, countof(steps), ended);
}

/* ── without ai ── */

static void find_on_thread(void *owner)
{
    struct job *job = owner;
    struct err e;
    job->is_found = insight_analyst_find(job->arena, job->facts, &job->views, &e);
    if (!job->is_found)
        job->err = e;
}

static void gave_up(void *owner, const struct db_reply *reply)
{
    struct job *job = owner;
    struct err e = reply->err != NULL ? *reply->err : job->err;
    answer_all(job->owner, NULL, SOURCE_STALE, &e);
}

static void found(void *owner)
{
    struct job *job = owner;
    if (job->is_found) {
        store(job);
        return;
    }
    log_error("insights.failed", "error=%s", log_quote(str_of_c(err_text(&job->err))));
    const struct db_step give_up = insight_give_up_step(job->arena, true);
    call(job, DB_LANE_WRITE, &give_up, 1, gave_up);
}

static void do_without_ai(struct job *job, const struct err *why)
{
    struct err e;
    log_info("insights.degraded", "reason=%s", log_quote(str_of_c(err_text(why))));
    job->err = *why;
    if (job->seen_us > 0) {
        show_older(job);
    } else if (!io_offload_submit(job->owner->offload, find_on_thread, found, job, &e)) {
        job->err = e;
        found(job);
    }
}

/* ── with ai ── */

static bool ai_answered(void *owner, const struct json_value *answer, const struct err *failure)
{
    struct job *job = owner;
    struct err e;
    bool is_read = failure == NULL && insight_views_of_json(job->arena, answer, &job->views, &e);
    if (is_read)
        store(job);
    else
        do_without_ai(job, failure != NULL ? failure : &e);
    return is_read;
}

static void gathered(void *owner, struct str facts, const struct err *failure)
{
    struct job *job = owner;
    struct err e;
    if (failure != NULL) {
        job->err = *failure;
        const struct db_step give_up = insight_give_up_step(job->arena, false);
        call(job, DB_LANE_WRITE, &give_up, 1, gave_up);
        return;
    }
    job->facts = facts;
    const struct ai_call ask = {
        .path = "/v1/insights",
        .body = arena_printf(job->arena, "{\"facts\":%.*s,\"types\":[]}", STR_FMT(facts)),
        .deadline_us = job->deadline_us - STORE_MARGIN_US,
        .arena = job->arena,
        .fn = ai_answered,
        .owner = job,
    };
    if (!ai_client_ask(job->owner->loop->ai, &ask, NULL, &e))
        do_without_ai(job, &e);
}

/* ── whose turn it is ── */

static void claim(struct job *job);

/* Another one is at it: new ones are there, or he has given up, or it takes too long. */
static void looked(void *owner, const struct db_reply *reply)
{
    struct job *job = owner;
    struct insights *is = job->owner;
    if (reply->err != NULL) {
        answer_all(is, NULL, SOURCE_STALE, reply->err);
        return;
    }
    struct db_rows *rows = reply->rows[0];
    bool is_late = clock_mono_us() + STORE_MARGIN_US > job->deadline_us;
    if (generated_at_us(rows) != job->seen_us)
        answer_all(is, rows, SOURCE_NEW, NULL);
    else if (job->seen_us > 0 && (is_late || !db_rows_bool(rows, 0, INSIGHT_IS_CLAIMED)))
        answer_all(is, rows, SOURCE_STALE, NULL);
    else if (!db_rows_bool(rows, 0, INSIGHT_IS_CLAIMED))
        claim(job);
    else if (is_late) {
        struct err e;
        err_set_from(&e, ERR_ORIGIN_AI, ERR_TIMEOUT, "insights are being computed; ask again");
        answer_all(is, NULL, SOURCE_STALE, &e);
    } else
        io_timer_start(is->look, LOOK_EVERY_MS);
}

static void look(void *owner)
{
    struct insights *is = owner;
    struct db_step list = list_step(is->job);
    call(is->job, DB_LANE_READ, &list, 1, looked);
}

static void claimed(void *owner, const struct db_reply *reply)
{
    struct job *job = owner;
    struct err e;
    if (reply->err != NULL)
        answer_all(job->owner, NULL, SOURCE_STALE, reply->err);
    else if (db_rows_count(reply->rows[0]) == 0)
        look(job->owner);
    else if (!facts_gather(job->owner->loop, job->arena, DASHBOARD_HOURS, job->deadline_us,
                           gathered, job, &e))
        gathered(job, STR(""), &e);
}

static void claim(struct job *job)
{
    const struct db_step step =
        insight_claim_step(job->arena, job->seen_us > 0 ? &job->seen_us : NULL, CLAIM_US);
    call(job, DB_LANE_WRITE, &step, 1, claimed);
}

/* ── Query.dashboardInsights ── */

static void join(struct gql_step *step, int64_t seen_us)
{
    const struct request *r = await_request(step);
    struct insights *is = r->loop->insights;
    struct waiter *waiter = arena_new(step->arena, struct waiter);
    waiter->step = step;
    list_push(&is->waiters, &waiter->node);
    if (is->job != NULL)
        return;
    int64_t now_us = clock_mono_us();
    int64_t left_us = min_of(r->deadline_us - now_us, (int64_t)COMPUTE_US);
    struct arena *a = arena_create(ARENA_BYTES);
    struct job *job = arena_new(a, struct job);
    *job = (struct job){ .owner = is, .arena = a, .seen_us = seen_us };
    job->deadline_us = now_us + left_us - left_us / 8;
    is->job = job;
    claim(job);
}

static void got_list(struct gql_step *step, const struct db_reply *reply)
{
    struct db_rows *rows = reply->rows[0];
    bool is_refresh = gql_arg(step, "refresh")->boolean;
    bool is_there = generated_at_us(rows) > 0;
    if (is_there && !is_refresh && db_rows_bool(rows, 0, INSIGHT_IS_FRESH))
        answer_with(step, rows, SOURCE_CACHE);
    else if (is_there && !is_refresh && db_rows_bool(rows, 0, INSIGHT_IS_PAUSING))
        answer_with(step, rows, SOURCE_STALE);
    else
        join(step, generated_at_us(rows));
}

struct db_step insights_list_step(const struct gateway_loop *loop, struct arena *a)
{
    return insight_list_step(a, ttl_us(loop), INSIGHTS_PAUSE_US);
}

enum gql_next insights_resolve_dashboard(struct gql_step *step)
{
    struct db_step list = insights_list_step(await_request(step)->loop, step->arena);
    return await_db(step, DB_LANE_READ, &list, 1, got_list);
}

/* ── life ── */

struct insights *insights_create(struct gateway_loop *loop)
{
    struct insights *is = mem_new(struct insights);
    is->loop = loop;
    list_init(&is->waiters);
    is->look = io_timer_create(loop->io, look, is);
    is->offload = io_offload_create(loop->io, 1, 1);
    return is;
}

void insights_destroy(struct insights *is)
{
    if (is == NULL)
        return;
    assert(is->job == NULL && list_is_empty(&is->waiters));
    io_timer_destroy(is->look);
    io_offload_destroy(is->offload);
    mem_free(is);
}
