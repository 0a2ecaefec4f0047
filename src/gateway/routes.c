#include "gateway/routes.h"

#include "base/clock.h"
#include "gateway/audit_export.h"
#include "gateway/health.h"
#include "gateway/http_carrier.h"
#include "gateway/lease_door.h"
#include "gateway/meter.h"
#include "gateway/note.h"
#include "gateway/socket.h"
#include "gateway/web_files.h"
#include "http/static.h"
#include "http/websocket.h"
#include "json/writer.h"
#include "obs/metrics.h"
#include "obs/version.h"
#include "store/public/setup.h"

#define NO_STORE "Cache-Control: no-store\r\n"

/* ── probes: not logged, no secrets, no query of the database ── */

/* The loop turns: it answers. */
static void handle_livez(void *owner, struct http_request *http)
{
    (void)owner, (void)request_note(http, NULL);
    http_respond(http, 200, STR("Content-Type: text/plain; charset=utf-8\r\n" NO_STORE),
                 STR("ok\n"));
}

/* `since_us` 0: not known. */
static void put_check(struct buf *out, bool is_good, const char *name, struct str why,
                      int64_t since_us)
{
    char since[CLOCK_TEXT_MAX] = "";
    if (since_us > 0)
        clock_format(since_us, since);
    buf_printf(out, "[%c] %s %s%s%s%s%.*s\n", is_good ? '+' : '-', name, is_good ? "ok" : "failed",
               since_us > 0 ? " since " : "", since, why.len ? ": " : "", STR_FMT(why));
}

/* What there is to say of it; of a breaker, where it keeps calls away. */
static struct str why_of(struct arena *a, const struct health_part *part)
{
    struct str name = health_breaker_name(part->breaker);
    bool has_detail = !str_is_empty(part->detail);
    if (part->breaker_since_us == 0 || part->breaker == HTTP_BREAKER_CLOSED)
        return part->detail;
    return arena_printf(a, "%.*s%sbreaker %.*s", STR_FMT(part->detail), has_detail ? "; " : "",
                        STR_FMT(name));
}

static void put_checks(const struct gateway_loop *loop, struct http_request *http)
{
    struct health health;
    bool is_ready = atomic_load(&loop->gateway->is_ready);
    health_look(loop, http->arena, &health);
    for (size_t i = 0; i < health.part_count; i++)
        put_check(http->out, health.parts[i].status == HEALTH_UP, health.parts[i].name,
                  why_of(http->arena, &health.parts[i]), health.parts[i].since_us);
    put_check(http->out, is_ready, "schema", is_ready ? STR("") : STR("not checked yet"), 0);
}

static void handle_readyz(void *owner, struct http_request *http)
{
    const struct gateway_loop *loop = owner;
    const char *why = health_not_ready(loop);
    struct str verbose;
    (void)request_note(http, NULL);
    if (http_query(http, STR("verbose"), &verbose))
        put_checks(loop, http);
    buf_printf(http->out, "%s\n", why ? why : "ok");
    http_respond(http, why ? 503 : 200, STR("Content-Type: text/plain; charset=utf-8\r\n" NO_STORE),
                 buf_str(http->out));
}

static void write_part(struct json_writer *w, const struct health_part *part)
{
    static const char *const names[] = {
        [HEALTH_UP] = "up", [HEALTH_DEGRADED] = "degraded", [HEALTH_DOWN] = "down"
    };
    json_key(w, str_of_c(part->name));
    json_write_string(w, str_of_c(names[part->status]));
}

static void handle_healthz(void *owner, struct http_request *http)
{
    const struct gateway_loop *loop = owner;
    const char *why = health_not_ready(loop);
    struct json_writer w = json_writer_to(http->out);
    struct health health;
    (void)request_note(http, NULL);
    health_look(loop, http->arena, &health);
    json_begin_object(&w);
    json_key_c(&w, "ready");
    json_write_bool(&w, why == NULL);
    if (why != NULL) {
        json_key_c(&w, "reason");
        json_write_string(&w, str_of_c(why));
    }
    json_key_c(&w, "version");
    json_write_string(&w, str_of_c(version_text()));
    json_key_c(&w, "services");
    json_begin_object(&w);
    for (size_t i = 0; i < health.part_count; i++)
        write_part(&w, &health.parts[i]);
    json_end_object(&w);
    json_end_object(&w);
    http_respond(http, 200, STR("Content-Type: application/json\r\n" NO_STORE), buf_str(http->out));
}

static void handle_metrics(void *owner, struct http_request *http)
{
    struct gateway_loop *loop = owner;
    (void)request_note(http, NULL);
    meter_publish(loop->gateway->meter, loop);
    meter_write(loop->gateway->meter, http->out);
    http->may_compress = true;
    http_respond(http, 200, STR("Content-Type: " METRICS_CONTENT_TYPE "\r\n" NO_STORE),
                 buf_str(http->out));
}

static void handle_version(void *owner, struct http_request *http)
{
    struct json_writer w = json_writer_to(http->out);
    size_t count;
    const struct version_fact *facts = version_facts(&count);
    (void)owner, (void)request_note(http, NULL);
    json_begin_object(&w);
    for (size_t i = 0; i < count; i++) {
        json_key(&w, str_of_c(facts[i].name));
        json_write_string(&w, str_of_c(facts[i].value));
    }
    json_end_object(&w);
    http_respond(http, 200, STR("Content-Type: application/json\r\n" NO_STORE), buf_str(http->out));
}

/* ── pages ── */

static void serve_page(struct http_request *http, struct str path)
{
    const struct http_file *file = http_file_find(web_files, web_files_count, path);
    if (file != NULL)
        http_file_serve(http, file);
    else
        http_respond_text(http, 404, STR(""));
}

/* Of a path below the public URL's, `rest` is what stands behind the star. */
static void handle_page(void *owner, struct http_request *http)
{
    (void)owner, (void)request_note(http, "page");
    serve_page(http, arena_printf(http->arena, "/%.*s", STR_FMT(http->rest)));
}

/* The set-up page is there until somebody has an account. */
static void setup_looked(void *owner, const struct db_reply *reply)
{
    struct http_request *http = owner;
    if (reply->err == NULL && !setup_read_is_open(reply->rows[0]))
        http_respond_text(http, 404, STR("this installation has been set up"));
    else
        serve_page(http, STR("/setup"));
}

static void handle_setup(void *owner, struct http_request *http)
{
    struct gateway_loop *loop = owner;
    struct db_step step = setup_is_open_step();
    struct err e;
    (void)request_note(http, "page");
    const struct db_call call = { .lane = DB_LANE_READ,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + 2 * CLOCK_S,
                                  .fn = setup_looked,
                                  .owner = http };
    if (atomic_load(&loop->gateway->has_users))
        http_respond_text(http, 404, STR("this installation has been set up"));
    else if (!atomic_load(&loop->gateway->is_ready) || !db_pool_call(loop->pool, &call, NULL, &e))
        serve_page(http, STR("/setup")); /* what it sends will be refused with the reason */
}

/* ── GraphQL ── */

static void handle_get(void *owner, struct http_request *http)
{
    if (http_websocket_is_asked(http))
        socket_open(owner, http);
    else
        http_carrier_get(owner, http);
}

/* ── the table ── */

size_t routes_make(struct gateway_loop *loop, struct arena *a,
                   struct http_route ret_routes[GATEWAY_ROUTES_MAX])
{
    static const struct http_route routes[] = {
        { "/graphql", HTTP_METHOD_POST, HTTP_CARRIER_BODY_BYTES_MAX, http_carrier_post, NULL },
        { "/graphql", HTTP_METHOD_GET, 0, handle_get, NULL },
        { "/graphql", HTTP_METHOD_OPTIONS, 0, http_carrier_options, NULL },
        { "/graphql", HTTP_METHOD_PUT | HTTP_METHOD_PATCH | HTTP_METHOD_DELETE, 0,
          http_carrier_other, NULL },
        { "/livez", HTTP_METHOD_GET, 0, handle_livez, NULL },
        { "/readyz", HTTP_METHOD_GET, 0, handle_readyz, NULL },
        { "/healthz", HTTP_METHOD_GET, 0, handle_healthz, NULL },
        { "/metrics", HTTP_METHOD_GET, 0, handle_metrics, NULL },
        { "/version", HTTP_METHOD_GET, 0, handle_version, NULL },
        { "/setup", HTTP_METHOD_GET, 0, handle_setup, NULL },
        { "/v1/audit.ndjson", HTTP_METHOD_GET, 0, audit_export_door, NULL },
        { "/v1/sessions", HTTP_METHOD_POST, 0, lease_door_sessions, NULL },
        { "/v1/sessions/*", HTTP_METHOD_DELETE, 0, lease_door_session_end, NULL },
        { "/v1/leases", HTTP_METHOD_POST, LEASE_DOOR_BODY_BYTES_MAX, lease_door_leases, NULL },
        { "/v1/acks", HTTP_METHOD_POST, LEASE_DOOR_BODY_BYTES_MAX, lease_door_acks, NULL },
        { "/v1/heartbeats", HTTP_METHOD_POST, LEASE_DOOR_BODY_BYTES_MAX, lease_door_heartbeats,
          NULL },
        { "/v1/shards", HTTP_METHOD_GET, 0, lease_door_shards, NULL },
        { "/v1/openapi.json", HTTP_METHOD_GET, 0, lease_door_openapi, NULL },
        { "/v1/*", 0, 0, NULL, NULL }, /* no page: what is not there is told as a problem */
        { "/*", HTTP_METHOD_GET, 0, handle_page, NULL },
    };
    static_assert(2 * countof(routes) <= GATEWAY_ROUTES_MAX, "the caller's array is too small");
    struct str prefix = loop->gateway->cookie_path; /* ends in a slash */
    const struct str prefixes[] = { STR(""), str_first(prefix, prefix.len - 1) };
    size_t count = 0;
    for (size_t p = 0; p < (prefix.len > 1 ? 2 : 1); p++)
        for (size_t i = 0; i < countof(routes); i++) {
            ret_routes[count] = routes[i];
            ret_routes[count].owner = loop;
            if (ret_routes[count].body_bytes_max > 0) /* body-limit may be larger still */
                ret_routes[count].body_bytes_max =
                    max_of(ret_routes[count].body_bytes_max,
                           conf_bytes(loop->gateway->conf, CONF_BODY_LIMIT));
            ret_routes[count++].path =
                arena_cstr(a, arena_printf(a, "%.*s%s", STR_FMT(prefixes[p]), routes[i].path));
        }
    return count;
}
