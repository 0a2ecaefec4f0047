#include "gateway/worker_client.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/peer.h"

enum {
    RUNNING_MAX = 32, /* connections of a loop */
    WAITING_MAX = 10'000,
    ANSWER_BYTES_MAX = 64 << 20,
    PARSED_TIMES = 16,            /* an answer when parsed, at most: an array of digits */
    PARSED_BYTES_MAX = 256 << 20, /* of which so much is let through */
    CONNECT_MS = 2'000,
    BREAKER_FAILURES = 3,
};

struct worker_client {
    struct http_client *http;
    struct list calls;
    struct arena *arena; /* of the texts below */
    const char *base_url;
    const char *headers[2];
    size_t header_count;
};

struct worker_call {
    struct list node; /* in client.calls */
    struct http_call *http;
    worker_reply_fn *fn;
    void *owner;
    struct arena *arena;
};

bool worker_client_create(struct gateway_loop *loop, struct worker_client **ret_client,
                          struct err *e)
{
    const struct conf *conf = loop->gateway->conf;
    struct str url = conf_str(conf, CONF_WORKER_URL), token = conf_str(conf, CONF_GATEWAY_TOKEN);
    struct http_client_options options = HTTP_CLIENT_DEFAULT;
    struct http_peer peer;
    *ret_client = NULL;
    if (str_is_empty(url))
        return true;
    struct arena *a = arena_create(1 << 14);
    if (!http_peer_parse(a, "worker-url", url, &peer, e)) {
        arena_destroy(a);
        return false;
    }
    struct worker_client *client = mem_new(struct worker_client);
    list_init(&client->calls);
    client->arena = a;
    client->base_url = peer.base_url;
    client->headers[client->header_count++] = "Content-Type: application/json";
    if (!str_is_empty(token))
        client->headers[client->header_count++] =
            arena_cstr(a, arena_printf(a, "Authorization: Bearer %.*s", STR_FMT(token)));
    options.unix_path = peer.unix_path;
    options.running_max = RUNNING_MAX;
    options.waiting_max = WAITING_MAX;
    options.response_bytes_max = ANSWER_BYTES_MAX;
    options.connect_timeout_ms = CONNECT_MS;
    options.breaker.failures_max = BREAKER_FAILURES;
    options.breaker.open_us_max = 2 * CLOCK_S;
    options.origin = ERR_ORIGIN_WORKER;
    options.user_agent = "windlass-gateway";
    client->http = http_client_create(loop->io, &options);
    *ret_client = client;
    return true;
}

struct http_client_stats worker_client_stats(const struct worker_client *client)
{
    return client == NULL ? (struct http_client_stats){ 0 } : http_client_stats(client->http);
}

/* ── replies ── */

enum err_code worker_error_code(struct str name)
{
    static const struct {
        const char *name;
        enum err_code code;
    } codes[] = {
        { "BAD_USER_INPUT", ERR_INVALID }, { "NOT_FOUND", ERR_NOT_FOUND },
        { "CONFLICT", ERR_CONFLICT },      { "RATE_LIMITED", ERR_RATE },
        { "TIMEOUT", ERR_TIMEOUT },
    };
    for (size_t i = 0; i < countof(codes); i++)
        if (str_eq_c(name, codes[i].name))
            return codes[i].code;
    return ERR_UNAVAILABLE;
}

static struct str text_of(const struct json_value *v)
{
    return v != NULL && v->type == JSON_STRING ? v->text : (struct str){ 0 };
}

/* An answer that is no 2xx. */
static void read_refusal(const struct json_value *body, int status, struct worker_reply *reply,
                         struct err *e)
{
    const struct json_value *index = json_get_c(body, "index");
    enum err_code code = worker_error_code(text_of(json_get_c(body, "code")));
    struct str message = text_of(json_get_c(body, "detail"));
    if (index != NULL && index->type == JSON_NUMBER)
        (void)json_to_i64(index, &reply->index);
    reply->is_away = status == 503;
    reply->is_in_doubt = status >= 500 && status != 503;
    if (status == 401 || status == 403) {
        log_error("worker.refused", "status=%d reason=%s", status, log_quote(message));
        reply->is_away = true;
        code = ERR_UNAVAILABLE;
        message = STR("the worker does not know this gateway: is gateway-token the same on both?");
    }
    if (status >= 500)
        code = ERR_UNAVAILABLE;
    if (code == ERR_UNAVAILABLE && status != 410 && status < 500 && !reply->is_away)
        code = ERR_INTERNAL;
    (void)err_set_from(e, ERR_ORIGIN_WORKER, code, "%.*s", STR_FMT(str_first(message, 180)));
    if (str_is_empty(message))
        (void)err_set_from(e, ERR_ORIGIN_WORKER, code, "the worker answered %d", status);
}

static void call_end(struct worker_call *call, const struct worker_reply *reply)
{
    list_remove(&call->node);
    call->fn(call->owner, reply);
    mem_free(call);
}

void worker_client_destroy(struct worker_client *client)
{
    struct err e;
    if (client == NULL)
        return;
    (void)err_set_from(&e, ERR_ORIGIN_WORKER, ERR_CANCELLED, "the gateway is stopping");
    const struct worker_reply reply = { .err = &e, .is_in_doubt = true, .index = -1 };
    while (!list_is_empty(&client->calls)) {
        struct worker_call *call = container_of(client->calls.next, struct worker_call, node);
        http_call_cancel(call->http);
        call_end(call, &reply);
    }
    http_client_destroy(client->http);
    arena_destroy(client->arena);
    mem_free(client);
}

static void replied(void *owner, const struct http_reply *http, const struct err *failure)
{
    struct worker_call *call = owner;
    struct worker_reply reply = { .index = -1 };
    const struct json_value *body = NULL;
    struct err e = { 0 };
    if (http == NULL) {
        e = *failure;
        reply.is_in_doubt = http_call_was_sent(call->http);
        reply.is_away = !reply.is_in_doubt;
    } else {
        size_t parsed_bytes = http->body.len * PARSED_TIMES;
        arena_raise_budget(call->arena, min_of(parsed_bytes, (size_t)PARSED_BYTES_MAX));
        bool is_json = json_parse(call->arena, http->body, &body, &e);
        reply.status = http->status;
        if (http->status / 100 != 2) {
            read_refusal(is_json ? body : NULL, http->status, &reply, &e);
        } else if (!is_json) {
            bool is_large = e.code == ERR_LIMIT;
            (void)err_set_from(&e, ERR_ORIGIN_WORKER, is_large ? ERR_LIMIT : ERR_UNAVAILABLE,
                               "the worker's answer %s",
                               is_large ? "needs too much memory" : "is no JSON");
            reply.is_in_doubt = true;
        } else {
            reply.body = body;
        }
    }
    reply.err = reply.body == NULL ? &e : NULL;
    call_end(call, &reply);
}

bool worker_client_call(struct worker_client *client, const struct worker_call_options *options,
                        struct err *e)
{
    char url[1024];
    if (client == NULL)
        return err_set_from(e, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE,
                            "no Worker Service is configured (worker-url)");
    int len = snprintf(url, sizeof url, "%s%s", client->base_url, options->path);
    assert(len > 0 && (size_t)len < sizeof url);
    struct worker_call *call = mem_new(struct worker_call);
    *call =
        (struct worker_call){ .fn = options->fn, .owner = options->owner, .arena = options->arena };
    int64_t left_us = options->deadline_us - clock_mono_us();
    const struct http_call_options http = {
        .method = options->method,
        .url = url,
        .headers = client->headers,
        .header_count = client->header_count,
        .body = options->body,
        .deadline_ms = max_of(left_us / CLOCK_MS, (int64_t)1),
        .fn = replied,
        .owner = call,
    };
    if (http_client_call(client->http, &http, &call->http, e)) {
        list_push(&client->calls, &call->node);
        return true;
    }
    mem_free(call);
    if (e->code == ERR_RATE)
        (void)err_set_from(e, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE,
                           "too many calls of the Worker Service wait already");
    return false;
}
