#include "ai/ai.h"

#include "cmd/service_priv.h"

static bool create(struct io_loop *loop, const struct conf *conf, void **ret_service, struct err *e)
{
    struct ai *service;
    if (!ai_create(loop, conf, &service, e))
        return false;
    *ret_service = service;
    return true;
}

static size_t routes(void *service, struct http_route *ret_routes)
{
    return ai_routes(service, ret_routes);
}

static const char *not_ready(void *service)
{
    return ai_not_ready(service);
}

static void put_metrics(void *service, struct buf *out)
{
    ai_put_metrics(service, out);
}

static void drain(void *service, io_fn *done, void *owner)
{
    ai_drain(service, done, owner);
}

static void destroy(void *service)
{
    ai_destroy(service);
}

int cmd_ai(const struct conf *conf)
{
    static const struct service_kind kind = {
        .name = "ai",
        .listen = CONF_AI_LISTEN,
        .port = CONF_AI_PORT,
        .tokens = { CONF_GATEWAY_TOKEN, CONF_COUNT },
        .create = create,
        .routes = routes,
        .not_ready = not_ready,
        .put_metrics = put_metrics,
        .drain = drain,
        .destroy = destroy,
    };
    return service_run(conf, &kind);
}
