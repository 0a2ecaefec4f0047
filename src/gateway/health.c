#include "gateway/health.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/ai_client.h"
#include "gateway/feed.h"
#include "gateway/health_board.h"
#include "gateway/told.h"

void health_database_changed(void *owner, bool is_up, const struct err *why)
{
    struct gateway_loop *loop = owner;
    loop->is_database_up = is_up;
    if (!health_board_tell_database(loop->gateway->health, loop->number, is_up, why))
        return;
    if (is_up)
        log_info("database.up", "loops=%zu", loop->gateway->loop_count);
    else
        log_warn("database.down", "reason=%s", log_quote(str_of_c(why ? why->message : "")));
}

void health_tick(struct gateway_loop *loop)
{
    const struct err *why = db_pool_last_error(loop->pool);
    if (!loop->is_database_up && why->code != ERR_NONE)
        (void)health_board_tell_database(loop->gateway->health, loop->number, false, why);
}

enum { REFUSED_SHOWN_US = 5 * CLOCK_S }; /* writes are tried every second, at least */

static bool refuses_writes(const struct gateway *gw, int64_t now_us)
{
    return now_us - atomic_load(&gw->writes_refused_at_us) <= REFUSED_SHOWN_US;
}

void health_writes_refused(void *owner, const struct err *why)
{
    const struct gateway_loop *loop = owner;
    struct gateway *gw = loop->gateway;
    int64_t now_us = clock_wall_us();
    if (!refuses_writes(gw, now_us)) {
        atomic_store(&gw->writes_refused_since_us, now_us);
        log_warn("database.no-writes", "reason=%s", log_quote(str_of_c(err_text(why))));
    }
    atomic_store(&gw->writes_refused_at_us, now_us);
}

const char *health_not_ready(const struct gateway_loop *loop)
{
    const struct gateway *gw = loop->gateway;
    if (atomic_load(&gw->draining_since_us) != 0)
        return "draining";
    if (!atomic_load(&gw->is_ready))
        return "starting: the database is not there yet";
    return health_board_has_database(gw->health) ? NULL : "the database is out of reach";
}

static struct health_part *add_part(struct health *health, const char *name,
                                    enum health_status status, int64_t since_us)
{
    assert(health->part_count < HEALTH_PARTS_MAX);
    struct health_part *part = &health->parts[health->part_count++];
    *part = (struct health_part){
        .name = name, .status = status, .since_us = since_us, .latency_us = -1, .feed_lag_us = -1
    };
    return part;
}

static void look_at_gateway(const struct gateway *gw, struct health *health)
{
    int64_t draining_since_us = atomic_load(&gw->draining_since_us);
    if (draining_since_us == 0)
        (void)add_part(health, "gateway", HEALTH_UP, gw->started_at_us);
    else
        add_part(health, "gateway", HEALTH_DEGRADED, draining_since_us)->detail = STR("draining");
}

static void look_at_database(const struct gateway *gw, struct arena *a, struct health *health)
{
    struct health_fact database = health_board_database(gw->health, a);
    struct health_part *part =
        add_part(health, "database", database.is_up ? HEALTH_UP : HEALTH_DOWN, database.since_us);
    part->detail = database.why;
    if (!database.is_up)
        health->status = HEALTH_DOWN;
    if (!database.is_up || !refuses_writes(gw, clock_wall_us()))
        return;
    part->status = HEALTH_DEGRADED;
    part->since_us = atomic_load(&gw->writes_refused_since_us);
    part->detail = STR("it takes no writes: it is read-only, or its disk is full");
}

static void look_at_calls(const struct gateway *gw, struct health_part *part, size_t peer)
{
    struct health_breaker breaker = health_board_breaker(gw->health, peer);
    part->breaker = breaker.state;
    part->breaker_since_us = breaker.since_us;
}

struct str health_breaker_name(enum http_breaker_state state)
{
    static const struct str names[] = { [HTTP_BREAKER_CLOSED] = { "CLOSED", 6 },
                                        [HTTP_BREAKER_OPEN] = { "OPEN", 4 },
                                        [HTTP_BREAKER_HALF_OPEN] = { "HALF_OPEN", 9 } };
    return names[state];
}

/* "worker" is shard 0's, "worker-1" shard 1's. */
static const char *worker_name(size_t shard, struct arena *a)
{
    return shard == 0 ? "worker" : arena_printf(a, "worker-%zu", shard).ptr;
}

static void look_at_worker(const struct gateway *gw, size_t shard, struct arena *a,
                           struct health *health)
{
    int64_t since_us, live_since_us, lag_us = feed_shard_lag_us(gw, shard);
    bool is_up = feed_worker_is_up(gw, shard, &since_us);
    bool is_live = feed_shard_is_live(gw, shard, &live_since_us);
    struct health_part *part = add_part(health, worker_name(shard, a),
                                        !is_up    ? HEALTH_DOWN
                                        : is_live ? HEALTH_UP
                                                  : HEALTH_DEGRADED,
                                        is_up ? max_of(since_us, live_since_us) : since_us);
    if (!is_up)
        part->detail = STR("it does not answer; tasks and jobs come from the cache");
    else if (!is_live)
        part->detail = STR("the cache of tasks and jobs lags behind");
    else if (shard == 0)
        part->detail = told_paused(gw->told, a);
    if (lag_us < INT64_MAX)
        part->feed_lag_us = lag_us;
    look_at_calls(gw, part, shard);
}

/* Without a worker-url there is none to look at. */
static void look_at_workers(const struct gateway_loop *loop, struct arena *a, struct health *health)
{
    for (size_t i = 0; i < loop->gateway->shard_count && loop->workers[i] != NULL; i++)
        look_at_worker(loop->gateway, i, a, health);
}

/* Without an ai-url there is none to look at. Its latency is that of the last probe. */
static void look_at_ai(const struct gateway_loop *loop, struct arena *a, struct health *health)
{
    if (!ai_client_is_configured(loop->ai))
        return;
    struct health_fact ai = health_board_ai(loop->gateway->health, a);
    struct health_part *part = add_part(health, "ai",
                                        !ai.is_up         ? HEALTH_DOWN
                                        : ai.is_senseless ? HEALTH_DEGRADED
                                                          : HEALTH_UP,
                                        ai.since_us);
    part->detail = ai.why;
    part->latency_us = ai.latency_us;
    look_at_calls(loop->gateway, part, HEALTH_PEER_AI);
}

void health_look(const struct gateway_loop *loop, struct arena *a, struct health *ret_health)
{
    *ret_health = (struct health){ .status = HEALTH_UP };
    look_at_gateway(loop->gateway, ret_health);
    look_at_database(loop->gateway, a, ret_health);
    look_at_workers(loop, a, ret_health);
    look_at_ai(loop, a, ret_health);
    for (size_t i = 0; i < ret_health->part_count; i++)
        if (ret_health->parts[i].status != HEALTH_UP && ret_health->status == HEALTH_UP)
            ret_health->status = HEALTH_DEGRADED;
}
