#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/link_priv.h"
#include "db/pool_priv.h"

const double db_bucket_bounds_s[DB_BUCKET_COUNT - 1] = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
};

struct db_request *request_create(struct db_lane_queue *lane, const struct db_call *call)
{
    struct db_request *r =
        mem_zalloc(1, sizeof *r + call->step_count * sizeof(struct request_step));
    r->lane = lane;
    r->is_idempotent = call->is_idempotent;
    r->goes_first = call->goes_first;
    r->start_us = clock_mono_us();
    r->deadline_us = call->deadline_us;
    r->fn = call->fn;
    r->owner = call->owner;
    r->step_count = call->step_count;
    for (size_t i = 0; i < call->step_count; i++)
        r->steps[i].step = call->steps[i];
    list_init(&r->queued);
    /* Deadlines mostly come in order, so the walk from the end is a step or two. */
    struct list *before = lane->open.prev;
    while (before != &lane->open &&
           container_of(before, struct db_request, by_deadline)->deadline_us > r->deadline_us)
        before = before->prev;
    list_push_front(before, &r->by_deadline);
    return r;
}

static void drop_outcome(struct db_request *r)
{
    for (size_t i = 0; i < r->step_count; i++) {
        db_rows_unref(r->steps[i].rows);
        r->steps[i].rows = NULL;
    }
    mem_free(r->failure);
    r->failure = NULL;
}

static void unqueue(struct db_request *r)
{
    list_remove(&r->queued);
    if (r->state == REQUEST_WAITING)
        r->lane->waiting_count--;
    else if (r->link)
        r->link->in_flight_count--;
    r->link = NULL;
}

void request_free(struct db_request *r)
{
    unqueue(r);
    list_remove(&r->by_deadline);
    drop_outcome(r);
    mem_free(r);
}

void request_wait(struct db_request *r, bool is_first)
{
    struct db_lane_queue *lane = r->lane;
    struct list *queue = r->goes_first ? &lane->waiting_first : &lane->waiting;
    r->state = REQUEST_WAITING;
    if (is_first)
        list_push_front(queue, &r->queued);
    else
        list_push(queue, &r->queued);
    lane->waiting_count++;
    pool_wake(lane->pool);
}

void request_launch(struct db_request *r, struct db_link *link)
{
    assert(r->state == REQUEST_WAITING);
    unqueue(r);
    r->state = REQUEST_IN_FLIGHT;
    r->link = link;
    r->tries++;
    r->cancels_before = link->cancel_count;
    list_push(&link->in_flight, &r->queued);
    if (link->in_flight_count++ == 0)
        link->quiet_since_us = io_loop_now_us(r->lane->pool->loop);
}

bool request_had_bad_luck(const struct db_request *r)
{
    const struct db_failure *f = r->failure;
    bool is_cancelled_for_another = strcmp(f->sqlstate, DB_STATE_QUERY_CANCELED) == 0 &&
                                    r->cancels_before != r->link->cancel_count;
    return f->is_stale_plan || is_cancelled_for_another || db_sqlstate_is_retriable(f->sqlstate);
}

bool request_may_retry(const struct db_request *r)
{
    return r->fn && r->tries < REQUEST_TRIES_MAX;
}

void request_retry(struct db_request *r)
{
    unqueue(r);
    drop_outcome(r);
    r->is_alone = true;
    r->lane->stats.resent++;
    request_wait(r, true);
}

static void count_reply(const struct db_request *r, const struct db_reply *reply, int64_t took_us)
{
    struct db_lane_stats *stats = &r->lane->stats;
    stats->done += !reply->err;
    stats->failed += reply->err != NULL;
    stats->in_doubt += reply->is_in_doubt;
    double took_s = (double)took_us / CLOCK_S;
    size_t bucket = 0;
    while (bucket < DB_BUCKET_COUNT - 1 && took_s > db_bucket_bounds_s[bucket])
        bucket++;
    stats->latency_buckets[bucket]++;
    stats->latency_sum_s += took_s;
}

/* For developers, at INFO because they asked for it. SQL holds no values: those are parameters. */
static void log_statements(const struct db_request *r, const struct db_reply *reply,
                           int64_t took_us)
{
    for (size_t i = 0; i < r->step_count; i++) {
        const struct db_statement *s = r->steps[i].step.statement;
        size_t rows = r->steps[i].rows ? db_rows_count(r->steps[i].rows) : 0;
        log_line(LOG_INFO, "db.statement",
                 "name=%s lane=%s ms=%.3f rows=%zu params=%d outcome=%s%s%s", s->name,
                 db_lane_name(r->lane->kind), (double)took_us / CLOCK_MS, rows, s->param_count,
                 reply->err ? err_code_name(reply->err->code) : "ok", s->is_composed ? " sql=" : "",
                 s->is_composed ? log_quote(str_of_c(s->sql)) : "");
    }
}

static void tell(struct db_request *r, const struct db_reply *reply)
{
    if (!r->fn)
        return;
    struct db_pool *pool = r->lane->pool;
    int64_t took_us = clock_mono_us() - r->start_us;
    count_reply(r, reply, took_us);
    if (pool->options.is_logging_statements)
        log_statements(r, reply, took_us);
    db_reply_fn *fn = r->fn;
    r->fn = NULL;
    list_remove(&r->by_deadline);
    if (pool->is_draining)
        pool_wake(pool);
    pool->calls_out++;
    fn(r->owner, reply);
    pool->calls_out--;
}

void request_reply_done(struct db_request *r)
{
    struct db_rows *rows[DB_STEPS_MAX];
    for (size_t i = 0; i < r->step_count; i++)
        rows[i] = r->steps[i].rows;
    tell(r, &(struct db_reply){
                .rows = rows, .rows_count = r->step_count, .sqlstate = "", .constraint = "" });
}

void request_reply_failure(struct db_request *r)
{
    tell(r, &(struct db_reply){ .err = &r->failure->err,
                                .sqlstate = r->failure->sqlstate,
                                .constraint = r->failure->constraint });
}

void request_reply_error(struct db_request *r, const struct err *e, bool is_in_doubt)
{
    tell(r, &(struct db_reply){
                .err = e, .is_in_doubt = is_in_doubt, .sqlstate = "", .constraint = "" });
}

void db_reply_fail(db_reply_fn *fn, void *owner, const struct err *e)
{
    fn(owner, &(struct db_reply){ .err = e, .sqlstate = "", .constraint = "" });
}

static bool has_open_link(const struct db_lane_queue *lane)
{
    for (size_t i = 0; i < lane->options.connections; i++)
        if (lane->links[i].state == LINK_OPEN)
            return true;
    return false;
}

static void expire(struct db_request *r)
{
    struct db_lane_queue *lane = r->lane;
    struct err e = { 0 };
    lane->stats.timeouts++;
    if (r->state == REQUEST_IN_FLIGHT) {
        err_set_from(&e, ERR_ORIGIN_DATABASE, ERR_TIMEOUT,
                     "the database did not answer within the time limit");
        err_in(&e, "%s", r->steps[0].step.statement->name);
        request_reply_error(r, &e, lane->kind == DB_LANE_WRITE);
        lane->class->abandoned(r, true);
        return;
    }
    if (has_open_link(lane)) {
        err_set_from(&e, ERR_ORIGIN_DATABASE, ERR_TIMEOUT,
                     "the database was too busy to begin within the time limit");
    } else {
        err_set_from(&e, ERR_ORIGIN_DATABASE, ERR_UNAVAILABLE, "the database is not reachable");
        if (lane->pool->last_error.code)
            err_in(&e, "%s", lane->pool->last_error.message);
    }
    err_in(&e, "%s", r->steps[0].step.statement->name);
    request_reply_error(r, &e, false);
    request_free(r);
}

static struct db_request *first_open(const struct db_lane_queue *lane)
{
    return list_is_empty(&lane->open)
               ? NULL
               : container_of(lane->open.next, struct db_request, by_deadline);
}

static void watch_deadlines(struct db_lane_queue *lane)
{
    const struct db_request *first = first_open(lane);
    if (!first || (io_timer_is_running(lane->timer) && lane->timer_due_us <= first->deadline_us))
        return;
    int64_t left_us = max_of(first->deadline_us - io_loop_now_us(lane->pool->loop), (int64_t)0);
    lane->timer_due_us = first->deadline_us;
    io_timer_start(lane->timer, (left_us + CLOCK_MS - 1) / CLOCK_MS);
}

/* A callback may forget any other request, so each round begins with the list's first. */
void lane_expire(void *owner)
{
    struct db_lane_queue *lane = owner;
    int64_t now_us = clock_mono_us();
    for (struct db_request *r; (r = first_open(lane)) && r->deadline_us <= now_us;)
        expire(r);
    watch_deadlines(lane);
}

bool link_has_room(const struct db_link *link)
{
    return link->state == LINK_OPEN && !link->is_failing && !link->cancelling &&
           link->in_flight_count < link->lane->options.in_flight_max;
}

struct db_link *lane_pick_link(const struct db_lane_queue *lane)
{
    struct db_link *best = NULL;
    for (size_t i = 0; i < lane->options.connections; i++) {
        struct db_link *link = &lane->links[i];
        if (link_has_room(link) && (!best || link->in_flight_count < best->in_flight_count))
            best = link;
    }
    return best;
}

void db_pool_rouse(struct db_pool *pool, enum db_lane lane)
{
    struct db_link *link = lane_pick_link(&pool->lanes[lane]);
    if (link && list_is_empty(&link->in_flight))
        link_rouse(link);
}

struct db_request *lane_first_waiting(const struct db_lane_queue *lane)
{
    const struct list *queue =
        list_is_empty(&lane->waiting_first) ? &lane->waiting : &lane->waiting_first;
    return list_is_empty(queue) ? NULL : container_of(queue->next, struct db_request, queued);
}

void db_request_forget(struct db_request *r)
{
    assert(r->fn);
    r->fn = NULL;
    list_remove(&r->by_deadline);
    if (r->lane->pool->is_draining)
        pool_wake(r->lane->pool);
    if (r->state == REQUEST_WAITING)
        request_free(r);
    else
        r->lane->class->abandoned(r, false);
}
