#include "ai/ai_priv.h"

#include "ai/problem.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/bearer.h"

static const char *const route_names[AI_ROUTE_COUNT] = { "insights", "recommendations", "analyze",
                                                         "chat" };
static const char *const results[] = { "ok", "refused", "failed" };
static const char *const question_results[] = { "ok", "failed" };

static void add_metrics(struct ai *ai)
{
    const struct metric_label route = { "route", route_names, AI_ROUTE_COUNT };
    const struct metric_label result = { "result", results, countof(results) };
    const struct metric_label asked = { "result", question_results, countof(question_results) };
    const struct metric_spec requests = { .type = METRIC_COUNTER,
                                          .name = "windlass_ai_requests_total",
                                          .help = "Requests answered.",
                                          .labels = { route, result } };
    const struct metric_spec seconds = { .type = METRIC_HISTOGRAM,
                                         .unit = METRIC_SECONDS,
                                         .name = "windlass_ai_request_seconds",
                                         .help = "From a request's first byte to its answer.",
                                         .labels = { route } };
    const struct metric_spec waiting = { .type = METRIC_GAUGE,
                                         .name = "windlass_ai_work_waiting",
                                         .help = "Analyses that wait for a thread." };
    const struct metric_spec chats = { .type = METRIC_GAUGE,
                                       .name = "windlass_ai_chats_open",
                                       .help = "Chats that are being answered." };
    const struct metric_spec questions = { .type = METRIC_COUNTER,
                                           .name = "windlass_ai_questions_total",
                                           .help = "Queries asked of the gateway during chats.",
                                           .labels = { asked } };
    ai->requests = metrics_add(ai->registry, &requests);
    ai->seconds = metrics_add(ai->registry, &seconds);
    ai->waiting = metrics_add(ai->registry, &waiting);
    ai->chats_open = metrics_add(ai->registry, &chats);
    ai->questions = metrics_add(ai->registry, &questions);
}

bool ai_create(struct io_loop *loop, const struct conf *conf, struct ai **ret_ai, struct err *e)
{
    struct ai *ai = mem_new(struct ai);
    (void)e;
    ai->loop = loop;
    ai->gateway_token = mem_cstr(conf_str(conf, CONF_GATEWAY_TOKEN));
    ai->offload = io_offload_create(loop, AI_WORK_RUNNING_MAX, AI_WORK_WAITING_MAX);
    ai->registry = metrics_create();
    list_init(&ai->chats);
    add_metrics(ai);
    *ret_ai = ai;
    return true;
}

size_t ai_routes(struct ai *ai, struct http_route *ret_routes)
{
    const struct http_route routes[] = {
        { "/v1/insights", HTTP_METHOD_POST, AI_FACTS_BYTES_MAX, ai_handle_insights, ai },
        { "/v1/recommendations", HTTP_METHOD_POST, AI_FACTS_BYTES_MAX, ai_handle_recommendations,
          ai },
        { "/v1/analyze", HTTP_METHOD_POST, AI_DATA_BYTES_MAX, ai_handle_analyze, ai },
        { "/v1/chat", HTTP_METHOD_POST, AI_CHAT_BYTES_MAX, ai_handle_chat, ai },
    };
    static_assert(countof(routes) <= AI_ROUTES_MAX, "the caller's array is too small");
    for (size_t i = 0; i < countof(routes); i++)
        ret_routes[i] = routes[i];
    return countof(routes);
}

const char *ai_not_ready(const struct ai *ai)
{
    return ai->is_draining ? "draining" : NULL;
}

void ai_put_metrics(struct ai *ai, struct buf *out)
{
    metric_set(ai->waiting, 0, (int64_t)io_offload_waiting(ai->offload));
    metric_set(ai->chats_open, 0, (int64_t)ai->chat_count);
    metrics_write(ai->registry, out);
}

bool ai_admit(struct ai *ai, struct http_request *r, enum ai_route route)
{
    struct err e;
    if (http_bearer_is(r, str_of_c(ai->gateway_token)))
        return true;
    err_set(&e, ERR_UNAUTHENTICATED, "the gateway's token is needed");
    ai_note(ai, r, route, problem_status(&e));
    problem_respond(r, &e);
    return false;
}

void ai_note(struct ai *ai, const struct http_request *r, enum ai_route route, int status)
{
    size_t result = status < 400 ? 0 : status < 500 ? 1 : 2;
    int64_t took_us = clock_mono_us() - r->started_us;
    metric_add(ai->requests, metric_series(ai->requests, route, result), 1);
    metric_observe(ai->seconds, metric_series(ai->seconds, route, 0), (uint64_t)took_us);
    log_info("ai.answered", "req=%s route=%s status=%d ms=%lld", r->id, route_names[route], status,
             (long long)(took_us / CLOCK_MS));
}

void ai_look_drained(struct ai *ai)
{
    if (!ai->is_draining || ai->drained == NULL || ai->work_count > 0 || ai->chat_count > 0)
        return;
    io_fn *done = ai->drained;
    ai->drained = NULL;
    done(ai->drain_owner);
}

void ai_drain(struct ai *ai, io_fn *done, void *owner)
{
    ai->is_draining = true;
    ai->drained = done;
    ai->drain_owner = owner;
    ai_look_drained(ai);
}

void ai_destroy(struct ai *ai)
{
    if (ai == NULL)
        return;
    ai_abandon_chats(ai);
    ai->is_draining = true;
    ai->drained = NULL;
    /* Work on other threads cannot be taken back; an analysis ends within seconds. */
    while (ai->work_count > 0)
        io_loop_run(ai->loop);
    io_offload_destroy(ai->offload);
    metrics_destroy(ai->registry);
    mem_free(ai->gateway_token);
    mem_free(ai);
}
