#include "gateway/health.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/await.h"
#include "gateway/bindings.h"
#include "gateway/events.h"
#include "obs/version.h"
#include "store/public/setup.h"

void health_database_changed(void *owner, bool is_up, const struct err *why)
{
    struct gateway_loop *loop = owner;
    loop->is_database_up = is_up;
    loop->database_since_us = clock_wall_us();
    if (loop->number > 0) /* one line a process */
        return;
    if (is_up)
        log_info("database.up", "loops=%zu", loop->gateway->loop_count);
    else
        log_warn("database.down", "reason=%s", log_quote(str_of_c(why ? why->message : "")));
}

const char *health_not_ready(const struct gateway_loop *loop)
{
    const struct gateway *gw = loop->gateway;
    if (atomic_load(&gw->is_draining))
        return "draining";
    if (!atomic_load(&gw->is_ready))
        return "starting: the database is not there yet";
    return loop->is_database_up ? NULL : "the database is out of reach";
}

void health_look(const struct gateway_loop *loop, struct arena *a, struct health *ret_health)
{
    const struct gateway *gw = loop->gateway;
    const struct err *why = db_pool_last_error(loop->pool);
    struct health_part *parts = ret_health->parts;
    bool is_draining = atomic_load(&gw->is_draining);
    parts[0] = (struct health_part){ .name = "gateway",
                                     .status = is_draining ? HEALTH_DEGRADED : HEALTH_UP,
                                     .detail = is_draining ? STR("draining") : STR(""),
                                     .since_us = gw->started_at_us,
                                     .latency_us = -1 };
    parts[1] = (struct health_part){
        .name = "database",
        .status = loop->is_database_up ? HEALTH_UP : HEALTH_DOWN,
        .detail = loop->is_database_up || why->code == ERR_NONE
                      ? STR("")
                      : arena_copy(a, str_of_c(why->message)),
        .since_us = loop->database_since_us,
        .latency_us = -1,
    };
    ret_health->part_count = 2;
    ret_health->status = parts[1].status == HEALTH_DOWN ? HEALTH_DOWN : parts[0].status;
}

/* ── Query.systemHealth ── */

struct health_view {
    struct health health;
    struct db_step ping;
    int64_t began_us;
    void *parts[HEALTH_PARTS_MAX];
};

static void point_to_parts(struct health_view *view)
{
    for (size_t i = 0; i < view->health.part_count; i++)
        view->parts[i] = &view->health.parts[i];
}

static enum gql_next finish_view(struct gql_step *step)
{
    struct health_view *view = step->host;
    point_to_parts(view);
    step->results[0] = gql_object(view);
    return GQL_DONE;
}

static void pinged(struct gql_step *step, const struct db_reply *reply)
{
    struct health_view *view = step->host;
    health_look(await_request(step)->loop, step->arena, &view->health);
    if (reply->err == NULL)
        view->health.parts[1].latency_us = clock_mono_us() - view->began_us;
    (void)finish_view(step);
    gql_step_finish(step);
}

/* The latency is measured where it is asked for, and only while there is a database to ask. */
static enum gql_next resolve_health(struct gql_step *step)
{
    const struct gateway_loop *loop = await_request(step)->loop;
    struct health_view *view = arena_new(step->arena, struct health_view);
    step->host = view;
    if (gql_child(step->field, "services") == NULL || !loop->is_database_up) {
        health_look(loop, step->arena, &view->health);
        return finish_view(step);
    }
    view->ping = setup_is_open_step();
    view->began_us = clock_mono_us();
    return await_db_any(step, DB_LANE_READ, &view->ping, 1, pinged);
}

/* ── Subscription.healthChanged: now, and when it changes ── */

struct health_source {
    struct event_source base;
    const struct gateway_loop *loop;
    uint64_t told; /* digest of the last event */
};

/* Changes when what a SystemHealth says changes; latencies apart. */
static uint64_t digest(const struct gateway_loop *loop)
{
    return (uint64_t)loop->database_since_us << 2 | (uint64_t)loop->is_database_up << 1 |
           (uint64_t)atomic_load(&loop->gateway->is_draining);
}

static bool next_health(struct event_source *base, struct arena *a, void **ret_event, struct err *e)
{
    struct health_source *source = container_of(base, struct health_source, base);
    uint64_t now = digest(source->loop);
    (void)e;
    if (now == source->told)
        return true;
    struct health_view *view = arena_new(a, struct health_view);
    health_look(source->loop, a, &view->health);
    point_to_parts(view);
    source->told = now;
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

const struct gateway_binding bindings_health[] = {
    { "Query.systemHealth", { .resolve = resolve_health } },
    { "Subscription.healthChanged", { .get = get_event, .subscribe = subscribe_health } },
    { "SystemHealth.status", { .get = get_status } },
    { "SystemHealth.services", { .get = get_services } },
    { "SystemHealth.schemaVersion", { .get = get_schema_version } },
    { "SystemHealth.version", { .get = get_version } },
    { "SystemHealth.startedAt", { .get = get_started } },
    { "ServiceHealth.name", { .get = get_part_name } },
    { "ServiceHealth.status", { .get = get_part_status } },
    { "ServiceHealth.detail", { .get = get_part_detail } },
    { "ServiceHealth.since", { .get = get_part_since } },
    { "ServiceHealth.latencyMs", { .get = get_part_latency } },
    { 0 },
};
