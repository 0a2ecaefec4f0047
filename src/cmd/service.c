#include "cmd/service_priv.h"

#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/listen_set.h"
#include "io/notify.h"
#include "io/signals.h"
#include "io/timer.h"
#include "json/writer.h"
#include "obs/metrics.h"
#include "obs/version.h"

enum {
    READY_LOOK_MS = 20, /* between looks at a service that is not ready */
    BODY_BYTES_MAX = 32 << 20,
    PATIENCE_MS = 1'000, /* beyond the drain's own deadline, for the service's last writes */
};

#define NO_STORE "Cache-Control: no-store\r\n"

struct frame {
    const struct service_kind *kind;
    const struct conf *conf;
    void *service;
    struct io_loop *loop;
    struct http_server *server;
    struct http_route routes[SERVICE_ROUTES_MAX];
    struct io_signal *terminate, *interrupt;
    struct io_timer *ready_timer, *patience;
    bool is_stopping, is_told_ready;
    int undrained; /* of the server and the service */
};

/* ── probes ── */

static const char *not_ready(const struct frame *f)
{
    return f->is_stopping ? "draining" : f->kind->not_ready(f->service);
}

static void handle_livez(void *owner, struct http_request *r)
{
    (void)owner;
    http_respond(r, 200, STR("Content-Type: text/plain; charset=utf-8\r\n" NO_STORE), STR("ok\n"));
}

static void handle_readyz(void *owner, struct http_request *r)
{
    const char *why = not_ready(owner);
    buf_printf(r->out, "%s\n", why ? why : "ok");
    http_respond(r, why ? 503 : 200, STR("Content-Type: text/plain; charset=utf-8\r\n" NO_STORE),
                 buf_str(r->out));
}

static void handle_healthz(void *owner, struct http_request *r)
{
    const char *why = not_ready(owner);
    struct json_writer w = json_writer_to(r->out);
    json_begin_object(&w);
    json_key_c(&w, "ready");
    json_write_bool(&w, why == NULL);
    if (why != NULL) {
        json_key_c(&w, "reason");
        json_write_string(&w, str_of_c(why));
    }
    json_key_c(&w, "version");
    json_write_string(&w, str_of_c(version_text()));
    json_end_object(&w);
    http_respond(r, 200, STR("Content-Type: application/json\r\n" NO_STORE), buf_str(r->out));
}

static void handle_metrics(void *owner, struct http_request *r)
{
    struct frame *f = owner;
    f->kind->put_metrics(f->service, r->out);
    r->may_compress = true;
    http_respond(r, 200, STR("Content-Type: " METRICS_CONTENT_TYPE "\r\n" NO_STORE),
                 buf_str(r->out));
}

static size_t make_routes(struct frame *f)
{
    const struct http_route own[] = {
        { "/livez", HTTP_METHOD_GET, 0, handle_livez, f },
        { "/readyz", HTTP_METHOD_GET, 0, handle_readyz, f },
        { "/healthz", HTTP_METHOD_GET, 0, handle_healthz, f },
        { "/metrics", HTTP_METHOD_GET, 0, handle_metrics, f },
    };
    size_t count = f->kind->routes ? f->kind->routes(f->service, f->routes) : 0;
    assert(count + countof(own) <= SERVICE_ROUTES_MAX);
    for (size_t i = 0; i < countof(own); i++)
        f->routes[count++] = own[i];
    return count;
}

/* ── stopping ── */

static void drained(void *owner)
{
    struct frame *f = owner;
    if (--f->undrained == 0)
        io_loop_stop(f->loop);
}

static void out_of_patience(void *owner)
{
    struct frame *f = owner;
    log_warn("service.cut_off", "reason=\"work was open at the end of the drain\"");
    io_loop_stop(f->loop);
}

static int64_t drain_ms(const struct frame *f)
{
    return conf_duration_us(f->conf, CONF_DRAIN_TIMEOUT) / CLOCK_MS;
}

static void drain(void *owner)
{
    struct frame *f = owner;
    f->undrained = 2;
    f->kind->drain(f->service, drained, f);
    http_server_drain(f->server, drain_ms(f), drained, f);
}

static void asked_to_stop(struct frame *f, int signum)
{
    struct err e;
    if (f->is_stopping)
        _exit(128 + signum);
    log_info("service.stopping", "signal=%s", signum == SIGTERM ? "SIGTERM" : "SIGINT");
    f->is_stopping = true;
    if (!io_notify_send(STR("STOPPING=1\n"), &e))
        log_warn("notify.failed", "error=%s", log_quote(str_of_c(err_text(&e))));
    io_timer_start(f->patience, drain_ms(f) + PATIENCE_MS);
    if (f->kind->leave)
        f->kind->leave(f->service, drain, f);
    else
        drain(f);
}

static void terminated(void *owner)
{
    asked_to_stop(owner, SIGTERM);
}

static void interrupted(void *owner)
{
    asked_to_stop(owner, SIGINT);
}

/* ── starting ── */

static void look_whether_ready(void *owner)
{
    struct frame *f = owner;
    struct err e;
    if (f->is_told_ready || not_ready(f) != NULL)
        return;
    f->is_told_ready = true;
    io_timer_stop(f->ready_timer);
    log_info("service.ready", "name=%s", f->kind->name);
    if (!io_notify_send(STR("READY=1\nSTATUS=serving\n"), &e))
        log_warn("notify.failed", "error=%s", log_quote(str_of_c(err_text(&e))));
}

static bool check_tokens(const struct frame *f, const struct io_listen_set *set, struct err *e)
{
    for (size_t i = 0; i < SERVICE_TOKENS_MAX && set->port != 0; i++) {
        enum conf_id id = f->kind->tokens[i];
        if (id != CONF_COUNT && str_is_empty(conf_str(f->conf, id)))
            return err_set(e, ERR_INVALID,
                           "a %s token must be set to serve on TCP, where anybody could call",
                           id == CONF_GATEWAY_TOKEN ? "gateway" : "runner");
    }
    return true;
}

static bool listen_all(struct frame *f, struct err *e)
{
    struct io_listen_set set;
    if (!io_listen_set_open(&set, conf_str(f->conf, f->kind->listen),
                            conf_int(f->conf, f->kind->port), 1, e))
        return err_in(e, "listen");
    bool is_good = check_tokens(f, &set, e);
    for (size_t i = 0; is_good && i < set.count; i++) {
        is_good = http_server_listen(f->server, set.fds[i], e);
        set.fds[i] = -1;
    }
    if (is_good)
        log_info("service.started", "name=%s address=%s", f->kind->name,
                 log_quote(str_of_c(set.address)));
    io_listen_set_close(&set);
    return is_good;
}

static bool start(struct frame *f, struct err *e)
{
    f->loop = io_loop_create();
    if (!f->kind->create(f->loop, f->conf, &f->service, e))
        return false;
    struct http_server_options options = { .limits = HTTP_LIMITS_DEFAULT,
                                           .routes = f->routes,
                                           .problem_prefix = STR("/v1/") };
    options.limits.body_bytes = BODY_BYTES_MAX; /* callers are services, each route has its own */
    options.route_count = make_routes(f);
    f->server = http_server_create(f->loop, &options);
    f->terminate = io_signal_create(f->loop, SIGTERM, terminated, f);
    f->interrupt = io_signal_create(f->loop, SIGINT, interrupted, f);
    f->patience = io_timer_create(f->loop, out_of_patience, f);
    f->ready_timer = io_timer_create(f->loop, look_whether_ready, f);
    io_timer_repeat(f->ready_timer, READY_LOOK_MS);
    return listen_all(f, e);
}

static void destroy(struct frame *f)
{
    io_timer_destroy(f->ready_timer);
    io_timer_destroy(f->patience);
    io_signal_destroy(f->terminate);
    io_signal_destroy(f->interrupt);
    http_server_destroy(f->server);
    if (f->service != NULL)
        f->kind->destroy(f->service);
    io_loop_destroy(f->loop);
}

int service_run(const struct conf *conf, const struct service_kind *kind)
{
    struct err e = { 0 };
    struct frame f = { .kind = kind, .conf = conf };
    cmd_log_setup(conf, kind->name);
    bool is_good = start(&f, &e);
    if (is_good)
        io_loop_run(f.loop);
    bool has_run = is_good;
    if (has_run && kind->was_good != NULL)
        is_good = kind->was_good(f.service, &e);
    destroy(&f);
    if (has_run)
        log_info("service.stopped", "name=%s", kind->name);
    if (is_good)
        return CMD_OK;
    return cmd_fail(e.code == ERR_INVALID       ? CMD_BAD_SETTINGS
                    : e.code == ERR_UNAVAILABLE ? CMD_UNAVAILABLE
                                                : CMD_FAILURE,
                    &e);
}
