#include "worker/worker.h"

#include "cmd/service_priv.h"

static bool create(struct io_loop *loop, const struct conf *conf, void **ret_service, struct err *e)
{
    struct worker *service;
    if (!worker_create(loop, conf, &service, e))
        return false;
    *ret_service = service;
    return true;
}

static size_t routes(void *service, struct http_route *ret_routes)
{
    return worker_routes(service, ret_routes);
}

static const char *not_ready(void *service)
{
    return worker_not_ready(service);
}

static void put_metrics(void *service, struct buf *out)
{
    worker_put_metrics(service, out);
}

static void drain(void *service, io_fn *done, void *owner)
{
    worker_drain(service, done, owner);
}

static void destroy(void *service)
{
    worker_destroy(service);
}

int cmd_worker(const struct conf *conf)
{
    static const struct service_kind kind = {
        .name = "worker",
        .listen = CONF_WORKER_LISTEN,
        .port = CONF_WORKER_PORT,
        .tokens = { CONF_GATEWAY_TOKEN, CONF_RUNNER_TOKEN },
        .create = create,
        .routes = routes,
        .not_ready = not_ready,
        .put_metrics = put_metrics,
        .drain = drain,
        .destroy = destroy,
    };
    return service_run(conf, &kind);
}
