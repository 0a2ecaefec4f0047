#include "gateway/gateway_loop.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/access.h"
#include "gateway/ai_client.h"
#include "gateway/creates.h"
#include "gateway/credential_watch.h"
#include "gateway/feed_subscribers.h"
#include "gateway/health.h"
#include "gateway/insight_watch.h"
#include "gateway/insights.h"
#include "gateway/lease_door.h"
#include "gateway/meter.h"
#include "gateway/note.h"
#include "gateway/request.h"
#include "gateway/routes.h"
#include "gateway/socket.h"
#include "gateway/sse_carrier.h"
#include "gateway/stats.h"
#include "gateway/subscription.h"
#include "gateway/task_log.h"
#include "gateway/trends.h"
#include "gateway/upkeep.h"
#include "gateway/web_files.h"
#include "gateway/worker_client.h"
#include "io/offload.h"
#include "io/timer.h"

enum {
    SWEEP_MS = 100,
    TICK_MS = 1'000,
    UPKEEP_TICKS = 3'600,     /* what has ended long ago is dropped at the start and once an hour */
    CREDENTIALS_MAX = 10'000, /* remembered, a loop */
    ARENA_BYTES = 16 << 20,
    LARGE_ARENA_BYTES = 256 << 20, /* 8 MiB of tasks, parsed, checked and written again */
    PLAN_BYTES = 16 << 10,         /* what one plan usually takes */
};

/* ── arenas of requests ── */

struct arena *gateway_arena(struct gateway_loop *loop, bool is_large)
{
    loop->running++;
    if (is_large)
        return arena_create(LARGE_ARENA_BYTES);
    return loop->spare_count > 0 ? loop->spare[--loop->spare_count] : arena_create(ARENA_BYTES);
}

void gateway_arena_done(struct gateway_loop *loop, struct arena *a, bool is_large)
{
    loop->running--;
    if (loop->spare_count == countof(loop->spare) || is_large) {
        arena_destroy(a);
        return;
    }
    arena_reset(a);
    loop->spare[loop->spare_count++] = a;
}

/* ── what is periodic ── */

static void tick(void *owner)
{
    struct gateway_loop *loop = owner;
    meter_publish(loop->gateway->meter, loop);
    health_tick(loop);
    sse_tick(loop);
    subscription_tick(loop);
    credential_watch_tick(loop);
    if (loop->number != 0 || !atomic_load(&loop->gateway->is_ready))
        return;
    if (loop->ticks++ % UPKEEP_TICKS == 0)
        upkeep_begin(loop);
    upkeep_tick(loop);
}

static void sweep(void *owner)
{
    request_sweep(owner);
    socket_sweep(owner);
}

/* ── what it holds ── */

static bool create_pool(struct gateway_loop *loop, struct err *e)
{
    const struct conf *conf = loop->gateway->conf;
    struct db_pool_options options = db_pool_defaults();
    int log_sql = conf_choice(conf, CONF_LOG_SQL);
    options.url = conf_str(conf, CONF_DATABASE_URL);
    options.application_name = "windlass gateway";
    options.connect_timeout_ms = conf_duration_us(conf, CONF_DB_CONNECT_TIMEOUT) / CLOCK_MS;
    options.lanes[DB_LANE_READ].connections = (size_t)conf_int(conf, CONF_DB_READ_CONNECTIONS);
    options.lanes[DB_LANE_WRITE].connections = (size_t)conf_int(conf, CONF_DB_WRITE_CONNECTIONS);
    options.lanes[DB_LANE_SLOW].connections = (size_t)conf_int(conf, CONF_DB_SLOW_CONNECTIONS);
    options.is_prepare_off = !conf_bool(conf, CONF_DB_PREPARE);
    options.is_logging_statements =
        log_sql == CONF_SWITCH_ON ||
        (log_sql == CONF_SWITCH_AUTO && conf_choice(conf, CONF_ENV) == CONF_ENV_DEVELOPMENT);
    options.on_state = health_database_changed;
    options.on_refused = health_writes_refused;
    options.owner = loop;
    return db_pool_create(loop->io, &options, &loop->pool, e);
}

static void create_engine(struct gateway_loop *loop)
{
    static const struct gql_host host = { .authorize = access_authorize,
                                          .map_err = request_map_err };
    const struct conf *conf = loop->gateway->conf;
    struct gql_limits limits = gql_limits_default();
    limits.tokens_max = (uint32_t)conf_int(conf, CONF_GQL_TOKENS_MAX);
    limits.depth_max = (uint32_t)conf_int(conf, CONF_GQL_DEPTH_MAX);
    limits.aliases_max = (uint32_t)conf_int(conf, CONF_GQL_ALIASES_MAX);
    limits.root_fields_max = (uint32_t)conf_int(conf, CONF_GQL_ROOT_FIELDS_MAX);
    limits.directives_max = (uint32_t)conf_int(conf, CONF_GQL_DIRECTIVES_MAX);
    limits.directives_at_once_max = (uint32_t)conf_int(conf, CONF_GQL_DIRECTIVES_AT_ONCE_MAX);
    limits.repeats_max = (uint32_t)conf_int(conf, CONF_GQL_REPEATS_MAX);
    limits.cost_max = (uint64_t)conf_int(conf, CONF_GQL_COST_MAX);
    limits.pending_max = (uint32_t)conf_int(conf, CONF_GQL_PENDING_MAX);
    limits.nesting_max = (uint32_t)conf_int(conf, CONF_GQL_NESTING_MAX);
    limits.errors_max = (uint32_t)conf_int(conf, CONF_GQL_ERRORS_MAX);
    limits.response_bytes_max = conf_bytes(conf, CONF_GQL_RESPONSE_LIMIT);
    limits.plan_bytes_max = conf_bytes(conf, CONF_GQL_PLAN_LIMIT);
    loop->engine = gql_engine_create(loop->gateway->schema, &host, &limits,
                                     (size_t)conf_int(conf, CONF_GQL_PLANS_MAX) * PLAN_BYTES);
}

static void create_server(struct gateway_loop *loop, struct arena *a)
{
    const struct conf *conf = loop->gateway->conf;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.body_bytes = conf_bytes(conf, CONF_BODY_LIMIT);
    limits.header_bytes = conf_bytes(conf, CONF_HEADER_LIMIT);
    limits.header_fields = (size_t)conf_int(conf, CONF_HEADER_FIELDS_MAX);
    limits.header_deadline_ms = conf_duration_us(conf, CONF_HEADER_TIMEOUT) / CLOCK_MS;
    limits.body_window_bytes =
        conf_bytes(conf, CONF_BODY_RATE_MIN) * (size_t)limits.body_window_ms / 1'000;
    limits.idle_ms = conf_duration_us(conf, CONF_KEEP_ALIVE_TIMEOUT) / CLOCK_MS;
    limits.websocket_message_bytes = conf_bytes(conf, CONF_BODY_LIMIT);
    limits.websocket_unsent_bytes = conf_bytes(conf, CONF_WEBSOCKET_UNSENT_MAX);
    limits.websocket_message_ms = conf_duration_us(conf, CONF_WEBSOCKET_MESSAGE_TIMEOUT) / CLOCK_MS;
    limits.websocket_ping_ms = conf_duration_us(conf, CONF_WEBSOCKET_PING) / CLOCK_MS;
    limits.connections_max = (size_t)conf_int(conf, CONF_CONNECTIONS_MAX);
    const struct http_server_options options = {
        .limits = limits,
        .routes = loop->routes,
        .route_count = routes_make(loop, a, loop->routes),
        .common_headers = STR(WEB_SECURITY_HEADERS),
        .problem_prefix = STR("/v1/"),
        .on_answered = note_answered,
        .owner = loop,
    };
    loop->server = http_server_create(loop->io, &options);
}

/* What each shard has of its own. */
static bool create_shards(struct gateway_loop *loop, struct err *e)
{
    for (size_t i = 0; i < loop->gateway->shard_count; i++) {
        if (!worker_client_create(loop, i, &loop->workers[i], e))
            return false;
        loop->creates[i] = creates_create(loop, i);
    }
    return true;
}

bool gateway_loop_create(struct gateway_loop *loop, struct arena *a, struct err *e)
{
    const struct conf *conf = loop->gateway->conf;
    int64_t lifetime_s = loop->gateway->session_lifetime_s;
    list_init(&loop->requests);
    list_init(&loop->sockets);
    list_init(&loop->sockets_waiting);
    list_init(&loop->streams);
    list_init(&loop->subscriptions);
    list_init(&loop->watches);
    loop->feed_subscribers = feed_subscribers_create();
    loop->io = io_loop_create();
    if (!create_pool(loop, e) || !create_shards(loop, e) ||
        !task_logs_create(loop, &loop->task_logs, e) || !ai_client_create(loop, &loop->ai, e) ||
        !lease_door_create(loop, &loop->lease_door, e))
        return false;
    const struct credentials_options credentials = {
        .loop = loop->io,
        .pool = loop->pool,
        .ttl_us = conf_duration_us(conf, CONF_TOKEN_CACHE_TTL),
        .entries_max = CREDENTIALS_MAX,
        .slide_s = conf_bool(conf, CONF_SESSION_SLIDING) ? lifetime_s : 0,
    };
    loop->credentials = credentials_create(&credentials);
    loop->insights = insights_create(loop);
    loop->insight_watch = insight_watch_create(loop);
    create_engine(loop);
    loop->stats = stats_board_create(loop);
    loop->judges = io_offload_create(loop->io, 1, TREND_JUDGES_WAITING);
    create_server(loop, a);
    loop->log_turn = io_turn_create(loop->io, note_turn, loop);
    loop->sweep = io_timer_create(loop->io, sweep, loop);
    io_timer_repeat(loop->sweep, SWEEP_MS);
    loop->tick = io_timer_create(loop->io, tick, loop);
    io_timer_repeat(loop->tick, TICK_MS);
    return true;
}

void gateway_loop_destroy(struct gateway_loop *loop)
{
    io_timer_destroy(loop->sweep);
    io_timer_destroy(loop->tick);
    lease_door_destroy(loop->lease_door); /* before what it answers to */
    http_server_destroy(loop->server);
    io_turn_destroy(loop->log_turn);
    log_release();
    credentials_destroy(loop->credentials);
    insight_watch_destroy(loop->insight_watch);
    insights_destroy(loop->insights);
    ai_client_destroy(loop->ai);
    gql_engine_destroy(loop->engine);
    stats_board_destroy(loop->stats);
    io_offload_destroy(loop->judges);
    task_logs_destroy(loop->task_logs);
    for (size_t i = 0; i < loop->gateway->shard_count; i++) {
        worker_client_destroy(loop->workers[i]);
        creates_destroy(loop->creates[i]);
    }
    db_pool_destroy(loop->pool);
    if (loop->number == 0)
        feed_close(loop->gateway);
    while (loop->spare_count > 0)
        arena_destroy(loop->spare[--loop->spare_count]);
    io_loop_destroy(loop->io);
    feed_subscribers_destroy(loop->feed_subscribers);
}
