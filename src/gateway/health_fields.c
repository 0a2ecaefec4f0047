/* Query.systemHealth, Subscription.healthChanged: what health.c knows, as the API tells it. */
#include "base/clock.h"
#include "gateway/await_worker.h"
#include "gateway/bindings.h"
#include "gateway/feed.h"
#include "gateway/health.h"
#include "gateway/subscription.h"
#include "gateway/worker_client.h"
#include "obs/version.h"
#include "store/public/setup.h"

/* ── Query.systemHealth: latencies are measured where they are asked for, one after the other, and
 * only of what is there ── */

struct health_view {
    struct health health;
    int64_t outbox_waiting, outbox_oldest_us;
    struct db_step ping;
    int64_t began_us;
    int64_t database_us, worker_us; /* latencies; -1: not measured */
    void *parts[HEALTH_PARTS_MAX];
};

static void look(struct health_view *view, const struct gateway_loop *loop, struct arena *a)
{
    health_look(loop, a, &view->health);
    view->outbox_waiting = feed_outbox_waiting(loop->gateway);
    view->outbox_oldest_us = feed_outbox_oldest_us(loop->gateway);
    for (size_t i = 0; i < view->health.part_count; i++) {
        struct health_part *part = &view->health.parts[i];
        view->parts[i] = part;
        if (strcmp(part->name, "database") == 0)
            part->latency_us = view->database_us;
        else if (strcmp(part->name, "worker") == 0)
            part->latency_us = view->worker_us;
    }
}

static void finish_view(struct gql_step *step)
{
    struct health_view *view = step->host;
    look(view, await_request(step)->loop, step->arena);
    step->results[0] = gql_object(view);
    gql_step_finish(step);
}

static void worker_pinged(void *owner, const struct worker_reply *reply)
{
    struct gql_step *step = owner;
    struct health_view *view = step->host;
    if (reply->status != 0)
        view->worker_us = clock_mono_us() - view->began_us;
    finish_view(step);
}

static void database_pinged(struct gql_step *step, const struct db_reply *reply)
{
    struct health_view *view = step->host;
    int64_t since_us;
    if (reply->err == NULL)
        view->database_us = clock_mono_us() - view->began_us;
    view->began_us = clock_mono_us();
    if (!feed_worker_is_up(await_request(step)->loop->gateway, 0, &since_us) ||
        !await_worker_ask(step, 0, "/livez", worker_pinged, step))
        finish_view(step);
}

static enum gql_next resolve_health(struct gql_step *step)
{
    const struct gateway_loop *loop = await_request(step)->loop;
    struct health_view *view = arena_new(step->arena, struct health_view);
    step->host = view;
    view->database_us = view->worker_us = -1;
    if (gql_child(step->field, "services") == NULL || !loop->is_database_up) {
        look(view, loop, step->arena);
        step->results[0] = gql_object(view);
        return GQL_DONE;
    }
    view->ping = setup_is_open_step();
    view->began_us = clock_mono_us();
    return await_db_any(step, DB_LANE_READ, &view->ping, 1, database_pinged);
}

/* ── Subscription.healthChanged: now, and when it changes ── */

struct health_source {
    struct event_source base;
    const struct gateway_loop *loop;
    uint64_t told; /* digest of the last event */
    bool has_told;
};

/* Changes when what a SystemHealth says changes; latencies, lag and numbers apart. */
static uint64_t digest_of(const struct health *health)
{
    struct {
        int64_t status[HEALTH_PARTS_MAX], since_us[HEALTH_PARTS_MAX];
        uint64_t detail[HEALTH_PARTS_MAX];
    } facts = { 0 };
    for (size_t i = 0; i < health->part_count; i++) {
        facts.status[i] = (int64_t)health->parts[i].status;
        facts.since_us[i] = health->parts[i].since_us;
        facts.detail[i] = str_hash(health->parts[i].detail);
    }
    return str_hash(str_of((const char *)&facts, sizeof facts));
}

static bool next_health(struct event_source *base, struct arena *a, void **ret_event, struct err *e)
{
    struct health_source *source = container_of(base, struct health_source, base);
    struct health_view *view = arena_new(a, struct health_view);
    (void)e;
    view->database_us = view->worker_us = -1;
    look(view, source->loop, a);
    uint64_t now = digest_of(&view->health);
    if (source->has_told && source->told == now)
        return true;
    source->told = now;
    source->has_told = true;
    *ret_event = view;
    return true;
}

static void close_health(struct event_source *base)
{
    (void)base;
}

static enum gql_next subscribe_health(struct gql_step *step)
{
    static const struct event_source_class class = { next_health, close_health };
    struct health_source *source = arena_new(step->arena, struct health_source);
    source->base.class = &class;
    source->loop = await_request(step)->loop;
    step->results[0] = gql_object(source);
    return GQL_DONE;
}

static void get_event(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    (void)f, (void)ctx;
    *ret_value = gql_object(parent);
}

static struct gql_value status_value(enum health_status status)
{
    static const struct str names[] = { [HEALTH_UP] = { "UP", 2 },
                                        [HEALTH_DEGRADED] = { "DEGRADED", 8 },
                                        [HEALTH_DOWN] = { "DOWN", 4 } };
    return gql_enum(names[status]);
}

static void get_status(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct health_view *view = parent;
    (void)f, (void)ctx;
    *ret_value = status_value(view->health.status);
}

static void get_services(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    struct health_view *view = parent;
    (void)f, (void)ctx;
    *ret_value = gql_objects(view->parts, view->health.part_count);
}

static void get_outbox(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct health_view *view = parent;
    (void)f, (void)ctx;
    *ret_value = gql_int(min_of(view->outbox_waiting, (int64_t)INT32_MAX));
}

static void get_outbox_oldest(const struct gql_field *f, void *ctx, void *parent,
                              struct gql_value *ret_value)
{
    const struct health_view *view = parent;
    const struct request *r = ctx;
    (void)f;
    if (view->outbox_oldest_us > 0)
        *ret_value = binding_time(r->arena, view->outbox_oldest_us);
}

static void get_schema_version(const struct gql_field *f, void *ctx, void *parent,
                               struct gql_value *ret_value)
{
    const struct request *r = ctx;
    (void)f, (void)parent;
    *ret_value = gql_text(str_of_c(r->loop->gateway->schema_version));
}

static void get_version(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    (void)f, (void)ctx, (void)parent;
    *ret_value = gql_text(str_of_c(version_text()));
}

static void get_started(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    const struct request *r = ctx;
    (void)f, (void)parent;
    *ret_value = binding_time(r->arena, r->loop->gateway->started_at_us);
}

static void get_part_name(const struct gql_field *f, void *ctx, void *parent,
                          struct gql_value *ret_value)
{
    const struct health_part *part = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(str_of_c(part->name));
}

static void get_part_status(const struct gql_field *f, void *ctx, void *parent,
                            struct gql_value *ret_value)
{
    const struct health_part *part = parent;
    (void)f, (void)ctx;
    *ret_value = status_value(part->status);
}

static void get_part_detail(const struct gql_field *f, void *ctx, void *parent,
                            struct gql_value *ret_value)
{
    const struct health_part *part = parent;
    (void)f, (void)ctx;
    if (!str_is_empty(part->detail))
        *ret_value = gql_text(part->detail);
}

static void get_part_since(const struct gql_field *f, void *ctx, void *parent,
                           struct gql_value *ret_value)
{
    const struct health_part *part = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_time(r->arena, part->since_us);
}

static void get_part_latency(const struct gql_field *f, void *ctx, void *parent,
                             struct gql_value *ret_value)
{
    const struct health_part *part = parent;
    (void)f, (void)ctx;
    if (part->latency_us >= 0)
        *ret_value = gql_float((double)part->latency_us / CLOCK_MS);
}

static void get_part_lag(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    const struct health_part *part = parent;
    (void)f, (void)ctx;
    if (part->feed_lag_us >= 0)
        *ret_value = gql_float((double)part->feed_lag_us / CLOCK_S);
}

static void get_part_breaker(const struct gql_field *f, void *ctx, void *parent,
                             struct gql_value *ret_value)
{
    const struct health_part *part = parent;
    (void)f, (void)ctx;
    if (part->breaker_since_us > 0)
        *ret_value = gql_enum(health_breaker_name(part->breaker));
}

static void get_part_breaker_since(const struct gql_field *f, void *ctx, void *parent,
                                   struct gql_value *ret_value)
{
    const struct health_part *part = parent;
    const struct request *r = ctx;
    (void)f;
    if (part->breaker_since_us > 0)
        *ret_value = binding_time(r->arena, part->breaker_since_us);
}

const struct gateway_binding bindings_health[] = {
    { "Query.systemHealth", { .resolve = resolve_health } },
    { "Subscription.healthChanged", { .get = get_event, .subscribe = subscribe_health } },
    { "SystemHealth.status", { .get = get_status } },
    { "SystemHealth.services", { .get = get_services } },
    { "SystemHealth.outboxWaiting", { .get = get_outbox } },
    { "SystemHealth.outboxOldestAt", { .get = get_outbox_oldest } },
    { "SystemHealth.schemaVersion", { .get = get_schema_version } },
    { "SystemHealth.version", { .get = get_version } },
    { "SystemHealth.startedAt", { .get = get_started } },
    { "ServiceHealth.name", { .get = get_part_name } },
    { "ServiceHealth.status", { .get = get_part_status } },
    { "ServiceHealth.detail", { .get = get_part_detail } },
    { "ServiceHealth.since", { .get = get_part_since } },
    { "ServiceHealth.latencyMs", { .get = get_part_latency } },
    { "ServiceHealth.feedLagSeconds", { .get = get_part_lag } },
    { "ServiceHealth.breaker", { .get = get_part_breaker } },
    { "ServiceHealth.breakerSince", { .get = get_part_breaker_since } },
    { 0 },
};
