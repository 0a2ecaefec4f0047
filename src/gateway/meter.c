#include "gateway/meter.h"

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/feed_priv.h"
#include "gateway/note.h"
#include "gateway/worker_client.h"
#include "obs/metrics.h"

enum { RESULT_OK, RESULT_ERROR };
enum { CLASS_1XX, CLASS_COUNT = 5 };

static const char *const ROUTES[] = { "graphql", "lease", "page", "probe", "metrics", "none" };
static const char *const CLASSES[CLASS_COUNT] = { "1xx", "2xx", "3xx", "4xx", "5xx" };
static const char *const OPERATIONS[] = { "query", "mutation", "subscription", "none" };
static const char *const RESULTS[] = { [RESULT_OK] = "ok", [RESULT_ERROR] = "error" };
static const char *const DIRECTIONS[] = { "in", "out" };
static const char *const LANES[] = { "read", "write", "slow" };
static const char *const LANE_RESULTS[] = { "done", "failed", "refused", "timeout", "in-doubt" };
static const char *const MIRROR_CHANGES[] = { "stored", "row-refused", "unreadable", "mended" };
static const char *const MIRROR_WORK[] = { "window", "snapshot", "audit" };
static const char *const WORKER_RESULTS[] = { "called", "failed", "timeout", "refused" };
static const char *const LOOKUPS[] = { "hit", "miss" };
static const char *const AI_RESULTS[] = { "answered", "failed" };

struct meter {
    struct metrics *registry;
    struct metric *requests, *seconds, *operations;
    struct metric *connections, *refused;
    struct metric *sockets, *messages, *closes;
    struct metric *calls, *lane_connections, *lane_waiting;
    struct metric *feed_lag, *outbox_waiting, *mirror_changes, *mirror_work, *worker_calls;
    struct metric *plans, *plan_count, *credentials, *password_jobs;
    struct metric *ai_calls, *ai_running;
};

#define LABEL(label_name, label_values)                                                            \
    {                                                                                              \
        .name = (label_name), .values = (label_values), .value_count = countof(label_values)       \
    }

static struct metric *counter(struct meter *m, const char *name, const char *help,
                              struct metric_label first, struct metric_label second)
{
    return metrics_add(m->registry, &(struct metric_spec){ .type = METRIC_COUNTER,
                                                           .name = name,
                                                           .help = help,
                                                           .labels = { first, second } });
}

static struct metric *gauge(struct meter *m, const char *name, const char *help,
                            struct metric_label label)
{
    return metrics_add(m->registry,
                       &(struct metric_spec){
                           .type = METRIC_GAUGE, .name = name, .help = help, .labels = { label } });
}

static void add_socket_metrics(struct meter *m)
{
    static const char *codes[HTTP_CLOSED_COUNT];
    const struct metric_label none = { 0 };
    for (size_t i = 0; i < HTTP_CLOSED_COUNT; i++)
        codes[i] = http_closed_name(i);
    m->sockets = gauge(m, "windlass_websockets", "Open WebSockets.", none);
    m->messages = counter(m, "windlass_websocket_messages_total", "Messages over WebSockets.",
                          (struct metric_label)LABEL("direction", DIRECTIONS), none);
    m->closes = counter(m, "windlass_websocket_closes_total", "WebSockets that ended, by the code.",
                        (struct metric_label)LABEL("code", codes), none);
}

static void add_worker_metrics(struct meter *m)
{
    const struct metric_label none = { 0 };
    m->feed_lag = metrics_add(m->registry,
                              &(struct metric_spec){ .type = METRIC_GAUGE,
                                                     .unit = METRIC_SECONDS,
                                                     .name = "windlass_feed_lag_seconds",
                                                     .help = "How old the tables' tasks and jobs "
                                                             "are at most; -1: not known." });
    m->outbox_waiting = gauge(m, "windlass_outbox_waiting",
                              "Tasks and jobs that wait for the worker, of all gateways.", none);
    m->mirror_changes = counter(m, "windlass_mirror_changes_total", "Changes that the worker told.",
                                (struct metric_label)LABEL("result", MIRROR_CHANGES), none);
    m->mirror_work = counter(m, "windlass_mirror_work_total", "What was stored of them at once.",
                             (struct metric_label)LABEL("kind", MIRROR_WORK), none);
    m->worker_calls = counter(m, "windlass_worker_calls_total", "Calls of the worker.",
                              (struct metric_label)LABEL("result", WORKER_RESULTS), none);
}

struct meter *meter_create(void)
{
    static const char *reasons[HTTP_REFUSED_COUNT];
    const struct metric_label none = { 0 }, route = LABEL("route", ROUTES),
                              lane = LABEL("lane", LANES);
    struct meter *m = mem_new(struct meter);
    for (int i = 0; i < HTTP_REFUSED_COUNT; i++)
        reasons[i] = http_refused_name((enum http_refused)i);
    m->registry = metrics_create();
    m->requests = counter(m, "windlass_http_requests_total", "Requests answered.", route,
                          (struct metric_label)LABEL("status", CLASSES));
    m->seconds = metrics_add(m->registry,
                             &(struct metric_spec){ .type = METRIC_HISTOGRAM,
                                                    .unit = METRIC_SECONDS,
                                                    .name = "windlass_http_request_seconds",
                                                    .help = "From a request's first byte to its "
                                                            "answer.",
                                                    .labels = { route } });
    m->operations = counter(m, "windlass_graphql_operations_total", "GraphQL operations run.",
                            (struct metric_label)LABEL("type", OPERATIONS),
                            (struct metric_label)LABEL("result", RESULTS));
    m->connections = gauge(m, "windlass_http_connections", "Open client connections.", none);
    m->refused =
        counter(m, "windlass_http_refused_total", "Requests refused before a handler saw them.",
                (struct metric_label)LABEL("reason", reasons), none);
    m->calls = counter(m, "windlass_database_calls_total", "Calls of the database.", lane,
                       (struct metric_label)LABEL("result", LANE_RESULTS));
    m->lane_connections = gauge(m, "windlass_database_connections", "Open connections.", lane);
    m->lane_waiting =
        gauge(m, "windlass_database_waiting", "Calls that wait for a connection.", lane);
    add_socket_metrics(m);
    add_worker_metrics(m);
    m->plans = counter(m, "windlass_graphql_plan_lookups_total", "Plans looked for in the cache.",
                       (struct metric_label)LABEL("result", LOOKUPS), none);
    m->plan_count = gauge(m, "windlass_graphql_plans", "Plans in the caches.", none);
    m->credentials =
        counter(m, "windlass_credential_lookups_total", "Credentials looked for in the cache.",
                (struct metric_label)LABEL("result", LOOKUPS), none);
    m->ai_calls = counter(m, "windlass_ai_calls_total", "Calls of the ai service.",
                          (struct metric_label)LABEL("result", AI_RESULTS), none);
    m->ai_running =
        gauge(m, "windlass_ai_running", "Calls of the ai service that run or wait.", none);
    m->password_jobs = gauge(m, "windlass_password_jobs",
                             "Passwords that are being compared or hashed, or wait for it.", none);
    return m;
}

void meter_destroy(struct meter *m)
{
    if (m == NULL)
        return;
    metrics_destroy(m->registry);
    mem_free(m);
}

static size_t index_of(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i + 1 < count; i++)
        if (name != NULL && strcmp(names[i], name) == 0)
            return i;
    return count - 1;
}

static void count_operation(struct meter *m, size_t type, bool has_errors)
{
    metric_add(m->operations,
               metric_series(m->operations, type, has_errors ? RESULT_ERROR : RESULT_OK), 1);
}

void meter_request(struct meter *m, const struct request_note *note, int status, int64_t took_us)
{
    size_t route = index_of(ROUTES, countof(ROUTES), note ? note->route : NULL);
    size_t status_class = (size_t)(status / 100 - 1) < CLASS_COUNT ? (size_t)(status / 100 - 1) : 4;
    metric_add(m->requests, metric_series(m->requests, route, status_class), 1);
    metric_observe(m->seconds, metric_series(m->seconds, route, 0), (uint64_t)max_of(took_us, 0));
    if (note != NULL && note->operation != NULL)
        count_operation(m, index_of(OPERATIONS, countof(OPERATIONS), note->operation),
                        note->code != NULL);
}

void meter_operation(struct meter *m, enum gql_operation_type type, bool has_errors)
{
    count_operation(m, type, has_errors);
}

void meter_password_jobs(struct meter *m, int delta)
{
    metric_move(m->password_jobs, 0, delta);
}

/* ── what loops keep for themselves ── */

static void add(struct metric *metric, size_t series, uint64_t now, uint64_t *before)
{
    metric_add(metric, series, now - *before);
    *before = now;
}

static void move(struct metric *metric, size_t series, uint64_t now, uint64_t *before)
{
    metric_move(metric, series, (int64_t)(now - *before));
    *before = now;
}

static void publish_lane(struct meter *m, struct gateway_loop *loop, enum db_lane lane)
{
    struct db_lane_stats now, *before = &loop->published.lanes[lane];
    db_pool_stats(loop->pool, lane, &now);
    const uint64_t counts[] = { now.done, now.failed, now.refused, now.timeouts, now.in_doubt };
    const uint64_t old[] = { before->done, before->failed, before->refused, before->timeouts,
                             before->in_doubt };
    for (size_t i = 0; i < countof(counts); i++)
        metric_add(m->calls, metric_series(m->calls, lane, i), counts[i] - old[i]);
    metric_move(m->lane_connections, metric_series(m->lane_connections, lane, 0),
                (int64_t)now.connections_open - (int64_t)before->connections_open);
    metric_move(m->lane_waiting, metric_series(m->lane_waiting, lane, 0),
                (int64_t)now.waiting - (int64_t)before->waiting);
    *before = now;
}

static void publish_worker(struct meter *m, struct gateway_loop *loop)
{
    struct http_client_stats now = { 0 };
    struct gateway_published *before = &loop->published;
    for (size_t i = 0; i < loop->gateway->shard_count; i++) {
        struct http_client_stats one = worker_client_stats(loop->workers[i]);
        now.calls += one.calls;
        now.failures += one.failures;
        now.timeouts += one.timeouts;
        now.refused += one.refused;
    }
    const uint64_t counts[] = { now.calls, now.failures, now.timeouts, now.refused };
    for (size_t i = 0; i < countof(counts); i++)
        add(m->worker_calls, metric_series(m->worker_calls, i, 0), counts[i],
            &before->worker_calls[i]);
    if (loop->number > 0)
        return;
    struct mirror_stats mirror = feed_mirror_stats(loop->gateway);
    const uint64_t changes[] = { mirror.changes, mirror.refused_rows, mirror.unreadable,
                                 mirror.mended };
    for (size_t i = 0; i < countof(changes); i++)
        add(m->mirror_changes, metric_series(m->mirror_changes, i, 0), changes[i],
            &before->mirror_changes[i]);
    add(m->mirror_work, metric_series(m->mirror_work, 0, 0), mirror.windows, &before->windows);
    add(m->mirror_work, metric_series(m->mirror_work, 1, 0), mirror.snapshots, &before->snapshots);
    add(m->mirror_work, metric_series(m->mirror_work, 2, 0), mirror.audits, &before->audits);
    int64_t lag_us = feed_lag_us(loop->gateway);
    metric_set(m->feed_lag, 0, lag_us == INT64_MAX ? -(int64_t)CLOCK_S : lag_us);
    metric_set(m->outbox_waiting, 0, feed_outbox_waiting(loop->gateway));
}

static void publish_sockets(struct meter *m, const struct http_stats *now,
                            struct http_stats *before)
{
    move(m->sockets, 0, now->websockets_open, &before->websockets_open);
    add(m->messages, 0, now->messages_in, &before->messages_in);
    add(m->messages, 1, now->messages_out, &before->messages_out);
    for (size_t i = 0; i < HTTP_CLOSED_COUNT; i++)
        add(m->closes, metric_series(m->closes, i, 0), now->websockets_closed[i],
            &before->websockets_closed[i]);
}

void meter_publish(struct meter *m, struct gateway_loop *loop)
{
    const struct http_stats *http = http_server_stats(loop->server);
    struct http_stats *old_http = &loop->published.http;
    struct gql_counters gql = gql_engine_counters(loop->engine);
    struct gql_counters *old_gql = &loop->published.gql;
    struct credentials_stats credentials = credentials_stats(loop->credentials);
    struct ai_client_stats ai = ai_client_stats(loop->ai), *old_ai = &loop->published.ai;
    uint64_t plan_count = gql.plan_count;
    publish_worker(m, loop);
    move(m->connections, 0, http->connections_open, &old_http->connections_open);
    for (size_t i = 0; i < HTTP_REFUSED_COUNT; i++)
        add(m->refused, metric_series(m->refused, i, 0), http->refused[i], &old_http->refused[i]);
    publish_sockets(m, http, old_http);
    for (int lane = 0; lane < DB_LANE_COUNT; lane++)
        publish_lane(m, loop, (enum db_lane)lane);
    add(m->plans, 0, gql.plan_hits, &old_gql->plan_hits);
    add(m->plans, 1, gql.plan_misses, &old_gql->plan_misses);
    move(m->plan_count, 0, plan_count, &loop->published.plan_count);
    add(m->credentials, 0, credentials.hits, &loop->published.credentials.hits);
    add(m->credentials, 1, credentials.lookups, &loop->published.credentials.lookups);
    add(m->ai_calls, 0, ai.answered, &old_ai->answered);
    add(m->ai_calls, 1, ai.failed, &old_ai->failed);
    move(m->ai_running, 0, ai.running, &old_ai->running);
}

void meter_write(const struct meter *m, struct buf *out)
{
    metrics_write(m->registry, out);
}
