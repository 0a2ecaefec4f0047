/* worker, runner and ai: what each gives to the frame of services. */
#include "ai/ai.h"
#include "cmd/service_priv.h"
#include "runner/runner.h"
#include "worker/worker.h"

/* The functions of `struct noun` with the untyped signatures of a service_kind. */
#define SERVICE(noun)                                                                              \
    static bool noun##_begin(struct io_loop *loop, const struct conf *conf, void **ret_service,    \
                             struct err *e)                                                        \
    {                                                                                              \
        struct noun *service;                                                                      \
        if (!noun##_create(loop, conf, &service, e))                                               \
            return false;                                                                          \
        *ret_service = service;                                                                    \
        return true;                                                                               \
    }                                                                                              \
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

SERVICE(worker)
SERVICE_ROUTES(worker)
static void worker_announce_end(void *service, io_fn *done, void *owner)
{
    worker_leave(service, done, owner);
}
SERVICE(runner)
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
        SERVICE_FUNCTIONS(worker),
    };
    return service_run(conf, &kind);
}

int cmd_runner(const struct conf *conf)
{
    static const struct service_kind kind = {
        .name = "runner",
        .listen = CONF_RUNNER_LISTEN,
        .port = CONF_RUNNER_PORT,
        .tokens = { CONF_COUNT, CONF_COUNT },
        SERVICE_FUNCTIONS(runner),
    };
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
