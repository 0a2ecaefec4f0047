#include "worker/worker.h"

#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "worker/batch_priv.h"
#include "worker/feed.h"
#include "worker/inbox.h"
#include "worker/jobs.h"
#include "worker/lead.h"
#include "worker/logs.h"
#include "worker/meter.h"
#include "worker/retain.h"
#include "worker/session.h"
#include "worker/tick.h"
#include "worker/worker_priv.h"

enum {
    DRAIN_LOOK_MS = 5,
    CREATE_BODY_MAX = 32 << 20,
    WRITE_CONNECTIONS = 4, /* batches; tick and retention; logs; the lease, and what is in doubt */
};

/* For whatever the worker writes. One plan for any number of rows: one that was made for an empty
 * table must not turn into a scan. */
static const struct db_setting write_settings[] = {
    { STR("lock_timeout"), STR("1s") },
    { STR("statement_timeout"), STR("5s") },
    { STR("plan_cache_mode"), STR("force_generic_plan") },
    { STR("enable_seqscan"), STR("off") },
    { STR("enable_hashjoin"), STR("off") },
    { STR("enable_mergejoin"), STR("off") },
    { STR("jit"), STR("off") },
};

static struct str database_url(const struct conf *conf)
{
    struct str own = conf_str(conf, CONF_WORKER_DATABASE_URL);
    return own.len > 0 ? own : conf_str(conf, CONF_DATABASE_URL);
}

static bool open_pool(struct worker *w, struct err *e)
{
    const struct conf *conf = w->conf;
    bool is_development = conf_choice(conf, CONF_ENV) == CONF_ENV_DEVELOPMENT;
    int log_sql = conf_choice(conf, CONF_LOG_SQL);
    struct db_pool_options options = db_pool_defaults();
    options.url = database_url(conf);
    options.application_name = "windlass worker";
    options.connect_timeout_ms = conf_duration_us(conf, CONF_DB_CONNECT_TIMEOUT) / CLOCK_MS;
    options.is_prepare_off = !conf_bool(conf, CONF_DB_PREPARE);
    options.is_logging_statements =
        log_sql == CONF_SWITCH_ON || (log_sql == CONF_SWITCH_AUTO && is_development);
    options.lanes[DB_LANE_READ].connections = 1;
    options.lanes[DB_LANE_WRITE].connections = WRITE_CONNECTIONS;
    options.lanes[DB_LANE_WRITE].in_flight_max = 1;
    options.lanes[DB_LANE_WRITE].settings = write_settings;
    options.lanes[DB_LANE_WRITE].setting_count = countof(write_settings);
    options.lanes[DB_LANE_SLOW].connections = 1;
    if (str_is_empty(options.url))
        return err_set(e, ERR_INVALID,
                       "no database is named: give --database-url or set DATABASE_URL");
    return db_pool_create(w->loop, &options, &w->shard.pool, e);
}

static struct shard_options options_of(const struct conf *conf)
{
    return (struct shard_options){
        .lease_us = conf_duration_us(conf, CONF_WORKER_LEASE),
        .retention_us = conf_duration_us(conf, CONF_RETENTION),
        .id_past_us = conf_duration_us(conf, CONF_ID_PAST),
        .id_future_us = conf_duration_us(conf, CONF_ID_FUTURE),
        .feed_memory = conf_bytes(conf, CONF_FEED_MEMORY),
        .feed_memory_us = conf_duration_us(conf, CONF_FEED_MEMORY_AGE),
        .feed_retention_us = conf_duration_us(conf, CONF_FEED_RETENTION),
        .ageing_us = conf_duration_us(conf, CONF_PRIORITY_AGEING),
        .job_change_retention_us = conf_duration_us(conf, CONF_JOB_CHANGE_RETENTION),
        .session_ttl_us = conf_duration_us(conf, CONF_SESSION_TTL),
        .batch_max = (size_t)conf_int(conf, CONF_BATCH_MAX),
        .tasks_max = (size_t)conf_int(conf, CONF_TASKS_WAITING_MAX),
        .payload_max = conf_bytes(conf, CONF_PAYLOAD_LIMIT),
        .log_limit = conf_bytes(conf, CONF_LOG_LIMIT),
    };
}

/* One shard has no map: nothing is to be looked up. One that the map does not name would refuse all
 * that comes. */
static bool read_map(struct shard *s, struct str text, struct err *e)
{
    s->map = mem_new(struct shard_map);
    bool is_good = shard_map_read(text, s->map, e);
    assert(is_good); /* checked when the settings were read */
    if (s->id == 0 && s->map->queue_count == 0)
        mem_free(take(s->map));
    return s->map == NULL || shard_map_names(s->map, (size_t)s->id, e);
}

/* Unique to this process: a lease of the same name is ours. */
static void make_name(struct shard *s)
{
    char host[32] = "";
    uint32_t chance;
    (void)gethostname(host, sizeof host - 1);
    random_bytes(&chance, sizeof chance);
    snprintf(s->name, sizeof s->name, "%s:%ld:%08x", host, (long)getpid(), chance);
}

static void schema_ready(void *owner)
{
    struct worker *w = owner;
    struct err e;
    bool is_good = worker_start_finish(w->start, &e);
    worker_start_destroy(take(w->start));
    if (w->is_draining)
        return;
    if (!is_good) {
        log_error("worker.not_started", "error=%s", log_quote(str_of_c(err_text(&e))));
        (void)kill(getpid(), SIGTERM); /* its frame drains, and whoever started it tries again */
        return;
    }
    w->is_started = true;
    lead_start(w->shard.lead);
}

bool worker_create(struct io_loop *loop, const struct conf *conf, struct worker **ret_worker,
                   struct err *e)
{
    struct worker *w = mem_new(struct worker);
    struct shard *s = &w->shard;
    w->loop = s->loop = loop;
    w->conf = conf;
    s->id = (int16_t)conf_int(conf, CONF_SHARD);
    if (!read_map(s, conf_str(conf, CONF_SHARD_QUEUES), e) || !open_pool(w, e)) {
        mem_free(s->map);
        mem_free(w);
        return false;
    }
    s->options = options_of(conf);
    make_name(s);
    shard_init(s);
    s->meter = worker_meter_create();
    s->tick = tick_create(s);
    s->sessions = session_set_create(s);
    s->feed = feed_create(s);
    s->retain = retain_create(s);
    s->inbox = inbox_create(w);
    s->jobs = jobs_create(s);
    s->lead = lead_create(s);
    w->start = worker_start_begin(w, schema_ready);
    *ret_worker = w;
    return true;
}

size_t worker_routes(struct worker *w, struct http_route *ret_routes)
{
    const struct http_route routes[] = {
        { "/v1/tasks", HTTP_METHOD_POST, CREATE_BODY_MAX, create_door, w },
        { "/v1/tasks:get", HTTP_METHOD_POST, 0, get_door, w },
        { "/v1/tasks:bulk", HTTP_METHOD_POST, CREATE_BODY_MAX, bulk_door, w },
        { "/v1/tasks/*", HTTP_METHOD_GET, 0, task_get_door, w },
        { "/v1/tasks/*", HTTP_METHOD_POST, 0, task_post_door, w },
        { "/v1/feed", HTTP_METHOD_GET, 0, feed_door, w },
        { "/v1/snapshot", HTTP_METHOD_GET, 0, snapshot_door, w },
        { "/v1/sums", HTTP_METHOD_GET, 0, sums_door, w },
        { "/v1/jobs", HTTP_METHOD_POST, 0, jobs_create_door, w },
        { "/v1/jobs/*", HTTP_METHOD_GET, 0, jobs_get_door, w },
        { "/v1/jobs/*", HTTP_METHOD_POST, 0, jobs_post_door, w },
        { "/v1/jobs/*", HTTP_METHOD_DELETE, 0, jobs_delete_door, w },
        { "/v1/types", HTTP_METHOD_GET, 0, types_door, w },
        { "/v1/types:update", HTTP_METHOD_POST, 0, types_update_door, w },
        { "/v1/queues", HTTP_METHOD_GET, 0, queues_door, w },
        { "/v1/queues:pause", HTTP_METHOD_POST, 0, queues_pause_door, w },
        { "/v1/queues:resume", HTTP_METHOD_POST, 0, queues_resume_door, w },
        { "/v1/sessions", HTTP_METHOD_POST, 0, session_door, w },
        { "/v1/sessions/*", HTTP_METHOD_DELETE, 0, session_delete_door, w },
        { "/v1/workers", HTTP_METHOD_GET, 0, workers_door, w },
        { "/v1/leases", HTTP_METHOD_POST, CREATE_BODY_MAX, lease_door, w },
        { "/v1/acks", HTTP_METHOD_POST, CREATE_BODY_MAX, ack_door, w },
        { "/v1/heartbeats", HTTP_METHOD_POST, CREATE_BODY_MAX, heartbeat_door, w },
    };
    static_assert(countof(routes) <= WORKER_ROUTES_MAX, "the frame has room for these");
    memcpy(ret_routes, routes, sizeof routes);
    return countof(routes);
}

const char *worker_not_ready(const struct worker *w)
{
    if (!w->is_started)
        return "the schema is being prepared";
    if (w->shard.role == SHARD_LEADING && !shard_is_leading(&w->shard))
        return "the database is out of reach";
    return lead_not_ready(w->shard.lead);
}

void worker_put_metrics(struct worker *w, struct buf *out)
{
    worker_meter_write(w->shard.meter, &w->shard, out);
}

/* ── the end ── */

static void given_back(void *owner)
{
    struct worker *w = owner;
    w->drained(w->drained_owner);
}

static void look_whether_done(void *owner)
{
    struct worker *w = owner;
    struct shard *s = &w->shard;
    bool is_working = s->role == SHARD_LEADING && (s->batch || s->queue_count > 0);
    if (is_working || w->start || s->batch || logs_flush(s->logs))
        return;
    io_timer_stop(w->drain_look);
    feed_clear(s->feed);
    logs_clear(s->logs);
    lead_end(s->lead, given_back, w);
}

void worker_leave(struct worker *w, io_fn *done, void *owner)
{
    lead_leave(w->shard.lead, done, owner);
}

void worker_drain(struct worker *w, io_fn *done, void *owner)
{
    w->is_draining = true;
    w->drained = done;
    w->drained_owner = owner;
    if (w->start)
        worker_start_cancel(w->start);
    inbox_stop(w->shard.inbox);
    session_set_wake_all(w->shard.sessions);
    w->drain_look = io_timer_create(w->loop, look_whether_done, w);
    io_timer_repeat(w->drain_look, DRAIN_LOOK_MS);
}

bool worker_was_good(const struct worker *w, struct err *e)
{
    return lead_was_good(w->shard.lead, e);
}

void worker_destroy(struct worker *w)
{
    if (!w)
        return;
    struct shard *s = &w->shard;
    io_timer_destroy(w->drain_look);
    lead_destroy(s->lead);
    shard_abandon(s);
    jobs_destroy(s->jobs);
    retain_destroy(s->retain);
    tick_destroy(s->tick);
    feed_destroy(s->feed);
    db_pool_destroy(s->pool); /* its last answers look for sessions */
    session_set_destroy(s->sessions);
    inbox_destroy(s->inbox);
    shard_clear(s);
    worker_meter_destroy(s->meter);
    mem_free(s->map);
    mem_free(w);
}
