#include "gateway/gateway_priv.h"

#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/bindings.h"
#include "gateway/capability.h"
#include "gateway/chat.h"
#include "gateway/checkup.h"
#include "gateway/documents.h"
#include "gateway/feed_priv.h"
#include "gateway/gateway_loop.h"
#include "gateway/health.h"
#include "gateway/health_board.h"
#include "gateway/lease_door.h"
#include "gateway/meter.h"
#include "gateway/shards.h"
#include "gateway/socket.h"
#include "gateway/start.h"
#include "gateway/subscription.h"
#include "gateway/told.h"
#include "http/forwarded.h"
#include "io/notify.h"
#include "io/signals.h"
#include "io/listen_set.h"
#include "rules/zone_cache.h"
#include "schema/schema.h"

enum {
    CHATS_OPEN_MAX = 1'000, /* that the ai service answers, in all loops */
    PASSWORDS_AT_ONCE = 2,
    PASSWORDS_WAITING = 32,
};

/* What lives as long as gateway_run. */
struct run {
    struct gateway gw;
    struct start *start;
    struct io_signal *terminate, *interrupt;
    enum gateway_end end;
    struct err *err;
    bool is_stopping;
    size_t drained_count;
    struct arena *arena; /* texts of the settings */
};

/* ── messages to all loops ── */

struct message {
    struct gateway_loop *loop;
    gateway_message_fn *fn;
    alignas(max_align_t) char body[];
};

static void deliver(void *owner)
{
    struct message *message = owner;
    message->fn(message->loop, message->body);
    mem_free(message);
}

void gateway_tell_loops(struct gateway *gw, gateway_message_fn *fn, const void *body, size_t size)
{
    for (size_t i = 0; i < gw->loop_count; i++) {
        struct message *message = mem_alloc(sizeof *message + size);
        message->loop = &gw->loops[i];
        message->fn = fn;
        if (size > 0)
            memcpy(message->body, body, size);
        io_loop_post(message->loop->io, deliver, message);
    }
}

struct forgotten {
    struct uuid user_id, credential_id;
};

static void forget(struct gateway_loop *loop, const void *message)
{
    const struct forgotten *forgotten = message;
    credentials_forget(loop->credentials, forgotten->user_id, forgotten->credential_id);
}

void gateway_forget(struct gateway_loop *loop, struct uuid user_id, struct uuid credential_id)
{
    const struct forgotten forgotten = { user_id, credential_id };
    forget(loop, &forgotten); /* before the request's next field */
    gateway_tell_loops(loop->gateway, forget, &forgotten, sizeof forgotten);
}

/* ── stopping: accept no more --> answer what is open --> let the database finish --> stop ── */

static void stop_loop(struct gateway_loop *loop, const void *message)
{
    (void)message;
    io_loop_stop(loop->io);
}

/* On the first loop, once for each. They stop together: one may wait for what another does. */
static void count_drained(void *owner)
{
    struct run *run = owner;
    if (++run->drained_count == run->gw.loop_count)
        gateway_tell_loops(&run->gw, stop_loop, NULL, 0);
}

static void pool_drained(void *owner)
{
    struct gateway_loop *loop = owner;
    struct gateway *gw = loop->gateway;
    io_loop_post(gw->loops[0].io, count_drained, container_of(gw, struct run, gw));
}

static void drain_pool(void *owner)
{
    struct gateway_loop *loop = owner;
    db_pool_drain(loop->pool, pool_drained, loop);
}

static void drain_loop(struct gateway_loop *loop, const void *message)
{
    (void)message;
    socket_drain_all(loop);
    lease_door_drain(loop->lease_door);
    subscription_stop_all(loop);
    if (loop->number == 0)
        feed_end(loop->gateway);
    http_server_drain(loop->server,
                      conf_duration_us(loop->gateway->conf, CONF_DRAIN_TIMEOUT) / CLOCK_MS,
                      drain_pool, loop);
}

static void begin_stop(struct run *run)
{
    struct err e;
    if (run->is_stopping)
        return;
    run->is_stopping = true;
    atomic_store(&run->gw.draining_since_us, clock_wall_us());
    if (!io_notify_send(STR("STOPPING=1\n"), &e))
        log_warn("notify.failed", "error=%s", log_quote(str_of_c(err_text(&e))));
    if (run->start != NULL)
        start_cancel(run->start); /* started: it goes on there */
    else
        gateway_tell_loops(&run->gw, drain_loop, NULL, 0);
}

static void asked_to_stop(struct run *run, int signum)
{
    if (run->is_stopping) {
        log_warn("gateway.killed", "reason=\"a second signal\"");
        _exit(128 + signum);
    }
    log_info("gateway.stopping", "signal=%s", signum == SIGTERM ? "SIGTERM" : "SIGINT");
    begin_stop(run);
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

static void started(void *owner)
{
    struct run *run = owner;
    struct err e;
    bool is_good = start_finish(run->start, &e);
    start_destroy(take(run->start));
    if (run->is_stopping) {
        gateway_tell_loops(&run->gw, drain_loop, NULL, 0);
    } else if (!is_good) {
        *run->err = e;
        run->end = e.code == ERR_UNAVAILABLE ? GATEWAY_UNAVAILABLE : GATEWAY_FAILED;
        begin_stop(run);
    } else {
        feed_begin(&run->gw);
        log_info("gateway.ready", "url=%s loops=%zu", run->gw.url, run->gw.loop_count);
        if (!io_notify_send(STR("READY=1\nSTATUS=serving\n"), &e))
            log_warn("notify.failed", "error=%s", log_quote(str_of_c(err_text(&e))));
    }
}

static size_t loop_count_of(const struct conf *conf)
{
    int64_t count = conf_int(conf, CONF_GATEWAY_LOOPS);
    if (count == 0)
        count = max_of(sysconf(_SC_NPROCESSORS_ONLN), 1L);
    return (size_t)min_of(count, (int64_t)IO_LISTEN_SET_MAX);
}

/* What the public URL says: who may call, and how the cookie must be. */
static void read_public_url(struct run *run)
{
    struct gateway *gw = &run->gw;
    struct str url = conf_str(gw->conf, CONF_PUBLIC_URL), host, path;
    ptrdiff_t scheme = str_find(url, STR("://"));
    gw->cookie_path = STR("/");
    if (scheme < 0)
        return;
    gw->is_https = str_eq_nocase(str_first(url, (size_t)scheme), STR("https"));
    bool has_path = str_cut(str_from(url, (size_t)scheme + 3), '/', &host, &path);
    gw->public_origin = str_first(url, (size_t)scheme + 3 + host.len);
    while (str_ends_with(path, STR("/")))
        path.len--;
    if (has_path && !str_is_empty(path))
        gw->cookie_path = arena_printf(run->arena, "/%.*s/", STR_FMT(path));
    snprintf(gw->url, sizeof gw->url, "%.*s%.*s", STR_FMT(gw->public_origin),
             (int)gw->cookie_path.len - 1, gw->cookie_path.ptr);
}

/* A switch whose `auto` is on in development alone. */
static bool is_open(const struct conf *conf, enum conf_id id)
{
    int choice = conf_choice(conf, id);
    return choice == CONF_SWITCH_ON ||
           (choice == CONF_SWITCH_AUTO && conf_choice(conf, CONF_ENV) == CONF_ENV_DEVELOPMENT);
}

static bool read_settings(struct run *run, struct err *e)
{
    struct gateway *gw = &run->gw;
    const struct conf *conf = gw->conf;
    gw->started_at_us = clock_wall_us();
    gw->request_timeout_us = conf_duration_us(conf, CONF_REQUEST_TIMEOUT);
    gw->session_lifetime_s = conf_duration_us(conf, CONF_SESSION_LIFETIME) / CLOCK_S;
    gw->is_introspection_open = is_open(conf, CONF_GQL_INTROSPECTION);
    gw->is_get_open = is_open(conf, CONF_GQL_GET);
    gw->cors_origins = conf_str(conf, CONF_CORS_ORIGINS);
    snprintf(gw->schema_version, sizeof gw->schema_version, "%s", schema_version());
    if (str_is_empty(conf_str(conf, CONF_DATABASE_URL)))
        return err_set(e, ERR_INVALID, "database-url is not set; `windlass up` brings its own");
    return shards_read(gw, e) &&
           http_proxies_create(conf_str(conf, CONF_TRUSTED_PROXIES), &gw->proxies, e);
}

static void create_gate(struct gateway *gw)
{
    const struct conf *conf = gw->conf;
    const struct gate_options options = {
        .home = gw->loops[0].io,
        .meter = gw->meter,
        .params = { .memory_kib = (uint32_t)(conf_bytes(conf, CONF_ARGON2_MEMORY) >> 10),
                    .time = (uint32_t)conf_int(conf, CONF_ARGON2_TIME),
                    .parallelism = (uint32_t)conf_int(conf, CONF_ARGON2_PARALLELISM) },
        .running_max = PASSWORDS_AT_ONCE,
        .waiting_max = PASSWORDS_WAITING,
        .account_failures_max = (uint32_t)conf_int(conf, CONF_LOGIN_ACCOUNT_LIMIT),
        .address_failures_max = (uint32_t)conf_int(conf, CONF_LOGIN_ADDRESS_LIMIT),
        .window_us = conf_duration_us(conf, CONF_LOGIN_WINDOW),
    };
    gw->gate = gate_create(&options);
}

static bool create_loops(struct run *run, struct err *e)
{
    struct gateway *gw = &run->gw;
    size_t count = loop_count_of(gw->conf);
    gw->loops = mem_zalloc(count, sizeof *gw->loops);
    for (size_t i = 0; i < count; i++) {
        gw->loops[i].gateway = gw;
        gw->loops[i].number = i;
        gw->loop_count = i + 1;
        if (!gateway_loop_create(&gw->loops[i], run->arena, e))
            return false;
    }
    create_gate(gw);
    gw->checkup = checkup_create(gw);
    feed_open(gw);
    return true;
}

/* Where the ai service reaches this process; a public URL may lead to another one. */
static const char *callback_url(const struct gateway *gw, const struct io_listen_set *set,
                                struct arena *a)
{
    char url[IO_URL_MAX];
    if (conf_is_given(gw->conf, CONF_CALLBACK_URL))
        return conf_cstr(gw->conf, CONF_CALLBACK_URL);
    if (str_starts_with(str_of_c(set->address), STR("unix:")))
        return arena_cstr(a, str_of_c(set->address));
    io_listen_set_url(set, url);
    return arena_cstr(a, str_of_c(url));
}

static bool listen_all(struct run *run, struct err *e)
{
    struct gateway *gw = &run->gw;
    struct io_listen_set set;
    if (!io_listen_set_open(&set, conf_str(gw->conf, CONF_LISTEN), conf_int(gw->conf, CONF_PORT),
                            gw->loop_count, e))
        return err_in(e, "listen");
    snprintf(gw->address, sizeof gw->address, "%s", set.address);
    gw->callback_url = callback_url(gw, &set, run->arena);
    if (gw->url[0] == '\0')
        io_listen_set_url(&set, gw->url);
    bool is_good = true;
    for (size_t i = 0; is_good && i < set.count; i++) {
        struct http_server *server = gw->loops[i % gw->loop_count].server;
        is_good = http_server_listen(server, set.fds[i], e);
        set.fds[i] = -1;
    }
    io_listen_set_close(&set);
    return is_good;
}

static bool create_all(struct run *run, struct err *e)
{
    struct gateway *gw = &run->gw;
    read_public_url(run);
    gw->meter = meter_create();
    gw->zones = zone_cache_create();
    gw->capabilities = capabilities_create(CHATS_OPEN_MAX);
    gw->chat_limits = chat_limits_create(gw->conf);
    if (!read_settings(run, e))
        return false;
    gw->told = told_create(gw->shard_count);
    gw->health = health_board_create(loop_count_of(gw->conf), HEALTH_PEERS);
    if (!documents_create(gw->conf, &gw->documents, e) || !bindings_create_schema(&gw->schema, e))
        return false;
    documents_check(gw->documents, gw->schema);
    return create_loops(run, e) && listen_all(run, e);
}

/* Requests that the drain's deadline cut off still wait for something: what they use stays, and
 * goes with the process. */
static bool is_idle(const struct gateway *gw)
{
    for (size_t i = 0; i < gw->loop_count; i++)
        if (gw->loops[i].running > 0)
            return false;
    return true;
}

static void destroy_all(struct run *run)
{
    struct gateway *gw = &run->gw;
    io_signal_destroy(run->terminate);
    io_signal_destroy(run->interrupt);
    if (!is_idle(gw)) {
        log_warn("gateway.cut-off", "reason=\"requests were open at the end of the drain\"");
        return;
    }
    gate_destroy(gw->gate);
    checkup_destroy(gw->checkup);
    capabilities_destroy(gw->capabilities);
    chat_limits_destroy(gw->chat_limits);
    told_destroy(gw->told);
    for (size_t i = 0; i < gw->loop_count; i++)
        gateway_loop_destroy(&gw->loops[i]);
    health_board_destroy(gw->health);
    mem_free(gw->loops);
    gql_schema_destroy(gw->schema);
    documents_destroy(gw->documents);
    http_proxies_destroy(gw->proxies);
    zone_cache_destroy(gw->zones);
    meter_destroy(gw->meter);
    arena_destroy(run->arena);
}

static void *run_loop(void *owner)
{
    struct gateway_loop *loop = owner;
    io_loop_run(loop->io);
    return NULL;
}

static bool run_threads(struct gateway *gw, struct err *e)
{
    size_t running = 1;
    for (; running < gw->loop_count; running++)
        if (pthread_create(&gw->loops[running].thread, NULL, run_loop, &gw->loops[running]) != 0) {
            err_set(e, ERR_UNAVAILABLE, "cannot start a thread");
            break;
        }
    bool is_good = running == gw->loop_count;
    if (is_good)
        io_loop_run(gw->loops[0].io);
    for (size_t i = 1; i < running; i++) {
        if (!is_good)
            io_loop_stop(gw->loops[i].io);
        pthread_join(gw->loops[i].thread, NULL);
    }
    return is_good;
}

enum gateway_end gateway_run(const struct conf *conf, struct err *e)
{
    struct run *run = mem_new(struct run); /* signals and threads know its address */
    run->gw.conf = conf;
    run->err = e;
    run->arena = arena_create(1 << 16);
    run->end = GATEWAY_STOPPED;
    if (!create_all(run, e)) {
        run->end = GATEWAY_FAILED;
    } else {
        struct io_loop *first = run->gw.loops[0].io;
        run->terminate = io_signal_create(first, SIGTERM, terminated, run);
        run->interrupt = io_signal_create(first, SIGINT, interrupted, run);
        log_info("gateway.started", "address=%s loops=%zu", run->gw.address, run->gw.loop_count);
        run->start = start_begin(&run->gw, started, run);
        if (!run_threads(&run->gw, e))
            run->end = GATEWAY_FAILED;
        else if (run->end == GATEWAY_STOPPED)
            log_info("gateway.stopped", "loops=%zu", run->gw.loop_count);
    }
    enum gateway_end end = run->end;
    destroy_all(run);
    mem_free(run);
    return end;
}
