/* worker, runner and ai: what each gives to the frame of services. */
#include "ai/ai.h"
#include "base/log.h"
#include "cmd/service_priv.h"
#include "cmd/spawner_priv.h"
#include "runner/runner.h"
#include "worker/worker.h"

#include <unistd.h>

/* The functions of `struct noun` with the untyped signatures of a service_kind. */
#define SERVICE_BEGIN(noun)                                                                        \
    static bool noun##_begin(struct io_loop *loop, const struct conf *conf, void **ret_service,    \
                             struct err *e)                                                        \
    {                                                                                              \
        struct noun *service;                                                                      \
        if (!noun##_create(loop, conf, &service, e))                                               \
            return false;                                                                          \
        *ret_service = service;                                                                    \
        return true;                                                                               \
    }
#define SERVICE(noun)                                                                              \
    static const char *noun##_why_not_ready(void *service)                                         \
    {                                                                                              \
        return noun##_not_ready(service);                                                          \
    }                                                                                              \
    static void noun##_write_metrics(void *service, struct buf *out)                               \
    {                                                                                              \
        noun##_put_metrics(service, out);                                                          \
    }                                                                                              \
    static void noun##_stop(void *service, io_fn *done, void *owner)                               \
    {                                                                                              \
        noun##_drain(service, done, owner);                                                        \
    }                                                                                              \
    static void noun##_end(void *service)                                                          \
    {                                                                                              \
        noun##_destroy(service);                                                                   \
    }
#define SERVICE_ROUTES(noun)                                                                       \
    static size_t noun##_make_routes(void *service, struct http_route *ret_routes)                 \
    {                                                                                              \
        return noun##_routes(service, ret_routes);                                                 \
    }
#define SERVICE_FUNCTIONS(noun)                                                                    \
    .create = noun##_begin, .not_ready = noun##_why_not_ready,                                     \
    .put_metrics = noun##_write_metrics, .drain = noun##_stop, .destroy = noun##_end

SERVICE_BEGIN(worker)
SERVICE(worker)
SERVICE_ROUTES(worker)
static void worker_announce_end(void *service, io_fn *done, void *owner)
{
    worker_leave(service, done, owner);
}
static bool worker_has_fitted(void *service, struct err *e)
{
    return worker_was_good(service, e);
}
SERVICE(runner)
SERVICE_BEGIN(ai)
SERVICE(ai)
SERVICE_ROUTES(ai)

int cmd_worker(const struct conf *conf)
{
    static const struct service_kind kind = {
        .name = "worker",
        .listen = CONF_WORKER_LISTEN,
        .port = CONF_WORKER_PORT,
        .tokens = { CONF_GATEWAY_TOKEN, CONF_RUNNER_TOKEN },
        .routes = worker_make_routes,
        .leave = worker_announce_end,
        .was_good = worker_has_fitted,
        SERVICE_FUNCTIONS(worker),
    };
    return service_run(conf, &kind);
}

/* ── the runner ── */

/* Of the runner's own spawner; empty: it has none. Set before its frame is run. */
static char own_spawner[SPAWNER_ADDRESS_MAX];

static bool runner_begin(struct io_loop *loop, const struct conf *conf, void **ret_service,
                         struct err *e)
{
    struct runner *runner;
    const char *spawner = own_spawner[0] ? own_spawner : conf_cstr(conf, CONF_COMMANDS_SOCKET);
    if (!runner_create(loop, conf, spawner, &runner, e))
        return false;
    *ret_service = runner;
    return true;
}

/* Where `up` has none for us, commands can only be run as our own user, and only on demand. */
static bool start_own_spawner(const struct conf *conf, struct err *e)
{
    const struct spawner_user ourselves = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
    const struct spawner_options options = { .path = conf_cstr(conf, CONF_COMMAND_LIST),
                                             .server = ourselves,
                                             .user = ourselves };
    struct spawner spawner; /* it lives as long as we do */
    if (options.path[0] == '\0' || !str_is_empty(conf_str(conf, CONF_COMMANDS_SOCKET)))
        return true;
    if (!conf_bool(conf, CONF_COMMANDS_AS_SELF)) {
        log_warn("commands.off", "reason=%s",
                 log_quote(STR("no other user to run them as: start `windlass up` as root, or set "
                               "commands-as-self")));
        return true;
    }
    if (geteuid() == 0)
        return err_set(e, ERR_INVALID,
                       "commands-as-self: not as root; `windlass up` runs commands "
                       "as a user of their own");
    if (!spawner_start(&options, &spawner, e))
        return err_in(e, "command-list");
    log_warn("commands.as_self", "user_id=%ld risk=%s", (long)geteuid(),
             log_quote(STR("commands can read and end whatever the runner can")));
    memcpy(own_spawner, spawner.address, sizeof own_spawner);
    return true;
}

int cmd_runner(const struct conf *conf)
{
    struct err e;
    static const struct service_kind kind = {
        .name = "runner",
        .listen = CONF_RUNNER_LISTEN,
        .port = CONF_RUNNER_PORT,
        .tokens = { CONF_COUNT, CONF_COUNT },
        SERVICE_FUNCTIONS(runner),
    };
    cmd_log_setup(conf, "runner");
    if (!start_own_spawner(conf, &e))
        return cmd_fail(e.code == ERR_INVALID ? CMD_BAD_SETTINGS : CMD_FAILURE, &e);
    return service_run(conf, &kind);
}

int cmd_ai(const struct conf *conf)
{
    static const struct service_kind kind = {
        .name = "ai",
        .listen = CONF_AI_LISTEN,
        .port = CONF_AI_PORT,
        .tokens = { CONF_GATEWAY_TOKEN, CONF_COUNT },
        .routes = ai_make_routes,
        SERVICE_FUNCTIONS(ai),
    };
    return service_run(conf, &kind);
}
