#include "runner/runner.h"

#include "cmd/service_priv.h"

static bool create(struct io_loop *loop, const struct conf *conf, void **ret_service, struct err *e)
{
    struct runner *service;
    if (!runner_create(loop, conf, &service, e))
        return false;
    *ret_service = service;
    return true;
}

static const char *not_ready(void *service)
{
    return runner_not_ready(service);
}

static void put_metrics(void *service, struct buf *out)
{
    runner_put_metrics(service, out);
}

static void drain(void *service, io_fn *done, void *owner)
{
    runner_drain(service, done, owner);
}

static void destroy(void *service)
{
    runner_destroy(service);
}

int cmd_runner(const struct conf *conf)
{
    static const struct service_kind kind = {
        .name = "runner",
        .listen = CONF_RUNNER_LISTEN,
        .port = CONF_RUNNER_PORT,
        .tokens = { CONF_COUNT, CONF_COUNT },
        .create = create,
        .not_ready = not_ready,
        .put_metrics = put_metrics,
        .drain = drain,
        .destroy = destroy,
    };
    return service_run(conf, &kind);
}
