#include "db/pool.h"

#include "base/clock.h"
#include "base/mem.h"
#include "db/link_priv.h"
#include "db/pool_priv.h"
#include "db/url_priv.h"

static const char *const lane_names[DB_LANE_COUNT] = {
    [DB_LANE_READ] = "read",
    [DB_LANE_WRITE] = "write",
    [DB_LANE_SLOW] = "slow",
};

static const struct db_lane_class *const lane_classes[DB_LANE_COUNT] = {
    [DB_LANE_READ] = &db_read_class,
    [DB_LANE_WRITE] = &db_write_class,
    [DB_LANE_SLOW] = &db_slow_class,
};

const char *db_lane_name(enum db_lane lane)
{
    assert(lane < DB_LANE_COUNT);
    return lane_names[lane];
}

struct db_pool_options db_pool_defaults(void)
{
    return (struct db_pool_options){
        .application_name = "windlass",
        .lanes = {
            [DB_LANE_READ] = { .connections = 2, .in_flight_max = 64, .waiting_max = 8192 },
            [DB_LANE_WRITE] = { .connections = 4, .in_flight_max = 4, .waiting_max = 4096 },
            [DB_LANE_SLOW] = { .connections = 2, .in_flight_max = 1, .waiting_max = 64 },
        },
        .connect_timeout_ms = 5 * 1000,
        .backoff_first_ms = 50,
        .backoff_max_ms = 2 * 1000,
        .composed_max = 256,
    };
}

void pool_wake(struct db_pool *pool)
{
    io_turn_arm(pool->turn);
}

static bool has_open_calls(const struct db_pool *pool)
{
    for (size_t i = 0; i < DB_LANE_COUNT; i++)
        if (!list_is_empty(&pool->lanes[i].open))
            return true;
    return false;
}

static void on_turn_end(void *owner)
{
    struct db_pool *pool = owner;
    for (size_t i = 0; i < DB_LANE_COUNT; i++) {
        lane_expire(&pool->lanes[i]); /* first: what is late already is not sent */
        pool->lanes[i].class->send(&pool->lanes[i]);
    }
    if (pool->drained && !has_open_calls(pool))
        take(pool->drained)(pool->drained_owner); /* last: it may destroy the pool */
}

void pool_link_opened(struct db_pool *pool)
{
    pool->last_error = (struct err){ 0 };
    pool_wake(pool);
    if (pool->links_open++ == 0 && pool->options.on_state)
        pool->options.on_state(pool->options.owner, true, NULL);
}

void pool_link_failed(struct db_pool *pool, bool was_open, const struct err *why)
{
    pool->last_error = *why;
    if (was_open && --pool->links_open == 0 && pool->options.on_state)
        pool->options.on_state(pool->options.owner, false, why);
}

static void lane_init(struct db_lane_queue *lane, struct db_pool *pool, enum db_lane kind)
{
    *lane = (struct db_lane_queue){ .pool = pool,
                                    .kind = kind,
                                    .class = lane_classes[kind],
                                    .options = pool->options.lanes[kind] };
    if (kind == DB_LANE_SLOW)
        lane->options.in_flight_max = 1; /* the time limit and the cancel are one call's */
    list_init(&lane->waiting_first);
    list_init(&lane->waiting);
    list_init(&lane->open);
    lane->timer = io_timer_create(pool->loop, lane_expire, lane);
    lane->links = mem_zalloc(lane->options.connections, sizeof *lane->links);
    for (size_t i = 0; i < lane->options.connections; i++) {
        link_init(&lane->links[i], lane);
        link_open(&lane->links[i]);
    }
}

static bool check_options(const struct db_pool_options *options, const char *url, struct err *e)
{
    for (size_t i = 0; i < DB_LANE_COUNT; i++)
        if (!options->lanes[i].connections || !options->lanes[i].in_flight_max)
            return err_set(e, ERR_INVALID, "the %s lane needs at least one connection and call",
                           lane_names[i]);
    return db_url_check(url, e);
}

bool db_pool_create(struct io_loop *loop, const struct db_pool_options *options,
                    struct db_pool **ret_pool, struct err *e)
{
    scoped(mem_freep) char *url = mem_cstr(options->url);
    if (!check_options(options, url, e))
        return false;
    struct db_pool *pool = mem_new(struct db_pool);
    pool->loop = loop;
    pool->options = *options;
    pool->url = take(url);
    pool->application_name = mem_cstr(str_of_c(options->application_name));
    pool->options.url = str_of_c(pool->url);
    pool->options.application_name = pool->application_name;
    pool->turn = io_turn_create(loop, on_turn_end, pool);
    for (size_t i = 0; i < DB_LANE_COUNT; i++)
        lane_init(&pool->lanes[i], pool, (enum db_lane)i);
    *ret_pool = pool;
    return true;
}

bool db_pool_call(struct db_pool *pool, const struct db_call *call, struct db_request **ret_request,
                  struct err *e)
{
    assert(call->lane < DB_LANE_COUNT);
    assert(call->fn);
    assert(call->step_count > 0 && call->step_count <= DB_STEPS_MAX);
    assert(call->lane == DB_LANE_WRITE || call->step_count == 1);
    struct db_lane_queue *lane = &pool->lanes[call->lane];
    for (size_t i = 0; i < call->step_count; i++)
        if (!db_args_check(call->steps[i].args, call->steps[i].statement, e))
            return false;
    if (pool->is_draining)
        return err_set(e, ERR_UNAVAILABLE, "shutting down");
    if (lane->waiting_count >= lane->options.waiting_max) {
        lane->stats.refused++;
        return err_set_from(e, ERR_ORIGIN_DATABASE, ERR_UNAVAILABLE,
                            "too many requests wait for the database (limit %zu)",
                            lane->options.waiting_max);
    }
    struct db_request *r = request_create(lane, call);
    request_wait(r, false); /* the end of this turn looks at its deadline */
    if (ret_request)
        *ret_request = r;
    return true;
}

void db_pool_drain(struct db_pool *pool, io_fn *fn, void *owner)
{
    pool->is_draining = true;
    pool->drained = fn;
    pool->drained_owner = owner;
    pool_wake(pool);
}

static void cancel_open_calls(struct db_lane_queue *lane)
{
    struct err e = { 0 };
    err_set(&e, ERR_CANCELLED, "shutting down");
    while (!list_is_empty(&lane->open)) {
        struct db_request *r = container_of(lane->open.next, struct db_request, by_deadline);
        request_reply_error(r, &e, lane->kind == DB_LANE_WRITE && r->state == REQUEST_IN_FLIGHT);
    }
}

static void lane_clear(struct db_lane_queue *lane)
{
    for (struct db_request *r; (r = lane_first_waiting(lane));)
        request_free(r);
    for (size_t i = 0; i < lane->options.connections; i++) {
        struct list *in_flight = &lane->links[i].in_flight;
        while (!list_is_empty(in_flight))
            request_free(container_of(in_flight->next, struct db_request, queued));
        link_close(&lane->links[i]);
    }
    io_timer_destroy(lane->timer);
    mem_free(lane->links);
}

void db_pool_destroy(struct db_pool *pool)
{
    if (!pool)
        return;
    assert(pool->calls_out == 0); /* not from within a reply */
    pool->is_draining = true;
    for (size_t i = 0; i < DB_LANE_COUNT; i++)
        cancel_open_calls(&pool->lanes[i]);
    for (size_t i = 0; i < DB_LANE_COUNT; i++)
        lane_clear(&pool->lanes[i]);
    io_turn_destroy(pool->turn);
    explicit_bzero(pool->url, strlen(pool->url)); /* it may hold a password */
    mem_free(pool->url);
    mem_free(pool->application_name);
    mem_free(pool);
}

static size_t count_open_links(const struct db_lane_queue *lane)
{
    size_t count = 0;
    for (size_t i = 0; i < lane->options.connections; i++)
        count += lane->links[i].state == LINK_OPEN;
    return count;
}

bool db_pool_is_up(const struct db_pool *pool)
{
    for (size_t i = 0; i < DB_LANE_COUNT; i++)
        if (count_open_links(&pool->lanes[i]) == 0)
            return false;
    return true;
}

const struct err *db_pool_last_error(const struct db_pool *pool)
{
    return &pool->last_error;
}

void db_pool_stats(const struct db_pool *pool, enum db_lane kind, struct db_lane_stats *ret_stats)
{
    assert(kind < DB_LANE_COUNT);
    const struct db_lane_queue *lane = &pool->lanes[kind];
    *ret_stats = lane->stats;
    ret_stats->connections = lane->options.connections;
    ret_stats->connections_open = count_open_links(lane);
    ret_stats->waiting = lane->waiting_count;
    for (size_t i = 0; i < lane->options.connections; i++)
        ret_stats->in_flight += lane->links[i].in_flight_count;
}
