#include "gateway/worker_client.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/health_board.h"
#include "gateway/peer_options.h"
#include "gateway/shards.h"
#include "http/leader.h"
#include "io/timer.h"

enum {
    RUNNING_MAX = 32, /* connections of a loop */
    WAITING_MAX = 10'000,
    ANSWER_BYTES_MAX = 64 << 20,
    PARSED_TIMES = 16,            /* an answer when parsed, at most: an array of digits */
    PARSED_BYTES_MAX = 256 << 20, /* of which so much is let through */
    AGAIN_MS = 20,                /* between two rounds, while nobody leads */
    HEADERS_MAX = 2,              /* of every call */
};

struct worker_client {
    struct io_loop *loop;
    struct health_board *health;
    size_t shard;
    struct http_leader *leader;
    struct health_breaker breaker; /* as it was told last */
    struct list calls;
    struct arena *arena; /* of the texts below */
    const char *headers[HEADERS_MAX];
    size_t header_count;
};

struct worker_call {
    struct worker_client *client;
    struct list node;       /* in client.calls */
    struct http_call *http; /* NULL: it waits for the next round */
    size_t address;
    size_t tries;      /* of this round */
    bool has_heard;    /* in this round: a worker that does not lead has answered */
    bool is_not_taken; /* by any of those that were asked, for certain */
    bool is_sent_once;
    int64_t begun_us, deadline_us;
    struct io_timer *again;
    /* For the next try; where there is but one address, empty. */
    const char *method, *header;
    char *path;
    struct buf body;
    worker_reply_fn *fn;
    void *owner;
    struct arena *arena;
};

static void tell_breaker(struct worker_client *client, bool is_answered)
{
    struct health_breaker now;
    now.state = http_leader_breaker(client->leader, &now.since_us);
    health_board_note(client->health, client->shard, &client->breaker, now, is_answered);
}

bool worker_client_create(struct gateway_loop *loop, size_t shard,
                          struct worker_client **ret_client, struct err *e)
{
    struct str urls = loop->gateway->worker_urls[shard],
               token = conf_str(loop->gateway->conf, CONF_GATEWAY_TOKEN);
    struct http_client_options options = peer_options(loop->gateway->conf, ERR_ORIGIN_WORKER);
    *ret_client = NULL;
    if (str_is_empty(urls))
        return true;
    options.running_max = RUNNING_MAX;
    options.waiting_max = WAITING_MAX;
    options.response_bytes_max = ANSWER_BYTES_MAX;
    struct http_leader *leader;
    if (!http_leader_create(loop->io, shards_url_option(shard), urls, &options, &leader, e))
        return false;
    struct worker_client *client = mem_new(struct worker_client);
    client->loop = loop->io;
    client->health = loop->gateway->health;
    client->shard = shard;
    client->leader = leader;
    tell_breaker(client, false);
    list_init(&client->calls);
    client->arena = arena_create(1 << 14);
    client->headers[client->header_count++] = "Content-Type: application/json";
    if (!str_is_empty(token))
        client->headers[client->header_count++] =
            arena_cstr(client->arena,
                       arena_printf(client->arena, "Authorization: Bearer %.*s", STR_FMT(token)));
    *ret_client = client;
    return true;
}

struct http_client_stats worker_client_stats(const struct worker_client *client)
{
    return client == NULL ? (struct http_client_stats){ 0 } : http_leader_stats(client->leader);
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

/* An answer that is no 2xx. */
static void read_refusal(const struct json_value *body, int status, struct worker_reply *reply,
                         struct err *e)
{
    const struct json_value *index = json_get_c(body, "index");
    enum err_code code = worker_error_code(json_get_text(body, STR("code")));
    struct str message = json_get_text(body, STR("detail"));
    if (index != NULL && index->type == JSON_NUMBER)
        (void)json_to_i64(index, &reply->index);
    reply->is_away = status == 503;
    reply->is_not_taken =
        worker_took_nothing(status) && !str_is_empty(json_get_text(body, STR("code")));
    reply->is_in_doubt = status >= 500 && status != 503;
    if (status == 401 || status == 403) {
        log_error("worker.refused", "status=%d reason=%s", status, log_quote(message));
        reply->is_away = reply->is_not_taken = true;
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

static void call_free(struct worker_call *call)
{
    io_timer_destroy(call->again);
    buf_clear(&call->body);
    mem_free(call->path);
    mem_free(call);
}

static void call_end(struct worker_call *call, struct worker_reply *reply)
{
    list_remove(&call->node);
    reply->shard = call->client->shard;
    call->fn(call->owner, reply);
    call_free(call);
}

void worker_client_destroy(struct worker_client *client)
{
    struct err e;
    if (client == NULL)
        return;
    (void)err_set_from(&e, ERR_ORIGIN_WORKER, ERR_CANCELLED, "the gateway is stopping");
    struct worker_reply reply = { .err = &e, .is_in_doubt = true, .index = -1 };
    while (!list_is_empty(&client->calls)) {
        struct worker_call *call = container_of(client->calls.next, struct worker_call, node);
        if (call->http != NULL)
            http_call_cancel(call->http);
        call_end(call, &reply);
    }
    http_leader_destroy(client->leader);
    arena_destroy(client->arena);
    mem_free(client);
}

/* ── whom to ask ── */

static http_reply_fn replied;

static bool ask(struct worker_call *call, const char *path, struct str body, struct err *e)
{
    struct worker_client *client = call->client;
    int64_t left_us = call->deadline_us - clock_mono_us();
    const char *headers[HEADERS_MAX + 1];
    size_t count = client->header_count;
    memcpy(headers, client->headers, count * sizeof *headers);
    if (call->header != NULL)
        headers[count++] = call->header;
    const struct http_call_options options = {
        .method = call->method,
        .headers = headers,
        .header_count = count,
        .body = body,
        .deadline_ms = max_of(left_us / CLOCK_MS, (int64_t)1),
        .is_sent_once = call->is_sent_once,
        .fn = replied,
        .owner = call,
    };
    call->tries++;
    bool is_asked =
        http_leader_call(client->leader, path, &options, &call->address, &call->http, e);
    tell_breaker(client, false);
    return is_asked;
}

/* False when it could not be asked: what is known already is the answer. */
static bool ask_again(struct worker_call *call)
{
    struct err e;
    call->http = NULL;
    return ask(call, call->path, buf_str(&call->body), &e);
}

static void next_round(void *owner)
{
    struct worker_call *call = owner;
    struct err e;
    call->tries = 0;
    call->has_heard = false;
    if (ask_again(call))
        return;
    (void)err_set_from(&e, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE, "no worker can be reached");
    struct worker_reply reply = {
        .err = &e, .is_away = true, .is_not_taken = call->is_not_taken, .index = -1
    };
    call_end(call, &reply);
}

/* Nothing was done, for certain. True: somebody else is asked, or all once more a little later. */
static bool goes_on(struct worker_call *call)
{
    size_t count = http_leader_count(call->client->leader);
    int64_t now_us = clock_mono_us();
    if (count == 1 || now_us >= call->deadline_us)
        return false;
    if (call->tries < count && ask_again(call))
        return true;
    if (!call->has_heard || now_us - call->begun_us >= WORKER_LEADERLESS_MS * CLOCK_MS)
        return false;
    call->http = NULL;
    if (call->again == NULL)
        call->again = io_timer_create(call->client->loop, next_round, call);
    io_timer_start(call->again, AGAIN_MS);
    return true;
}

/* What the end of a call says about who leads. */
static void tell_leader(struct worker_call *call, const struct http_reply *reply)
{
    struct http_leader *leader = call->client->leader;
    bool has_said_no = http_leader_has_said_no(reply);
    if (reply == NULL || has_said_no)
        http_leader_pass(leader, call->address, has_said_no);
    else
        http_leader_found(leader);
    call->has_heard |= has_said_no;
}

/* ── the call ── */

static void replied(void *owner, const struct http_reply *http, const struct err *failure)
{
    struct worker_call *call = owner;
    struct worker_reply reply = { .index = -1 };
    const struct json_value *body = NULL;
    struct err e = { 0 };
    if (http == NULL) {
        e = *failure;
        reply.is_in_doubt = http_call_was_sent(call->http);
        reply.is_away = reply.is_not_taken = !reply.is_in_doubt;
    } else {
        size_t parsed_bytes = http->body.len * PARSED_TIMES;
        arena_raise_budget(call->arena, min_of(parsed_bytes, (size_t)PARSED_BYTES_MAX));
        bool is_json = json_parse(call->arena, http->body, &body, &e);
        reply.status = http->status;
        if (http->status / 100 != 2) {
            read_refusal(is_json ? body : NULL, http->status, &reply, &e);
            reply.is_not_taken &= !http->is_of_repeat;
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
    call->is_not_taken &= reply.is_not_taken;
    reply.is_not_taken = call->is_not_taken;
    reply.err = reply.body == NULL ? &e : NULL;
    tell_leader(call, http);
    tell_breaker(call->client, http != NULL);
    bool is_elsewhere = reply.is_away && (http == NULL || http_leader_has_said_no(http));
    if (!is_elsewhere || !goes_on(call))
        call_end(call, &reply);
}

bool worker_client_call(struct worker_client *client, const struct worker_call_options *options,
                        struct err *e)
{
    if (client == NULL)
        return err_set_from(e, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE,
                            "no Worker Service is configured (worker-url)");
    struct worker_call *call = mem_new(struct worker_call);
    *call = (struct worker_call){ .client = client,
                                  .fn = options->fn,
                                  .owner = options->owner,
                                  .arena = options->arena,
                                  .method = options->method,
                                  .header = options->header,
                                  .is_not_taken = true,
                                  .is_sent_once = options->is_sent_once,
                                  .begun_us = clock_mono_us(),
                                  .deadline_us = options->deadline_us };
    buf_init(&call->body, 0);
    if (http_leader_count(client->leader) > 1) {
        call->path = mem_cstr(str_of_c(options->path));
        buf_put_str(&call->body, options->body);
    }
    if (ask(call, options->path, options->body, e)) {
        list_push(&client->calls, &call->node);
        return true;
    }
    call_free(call);
    if (e->code == ERR_RATE)
        (void)err_set_from(e, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE,
                           "too many calls of the Worker Service wait already");
    return false;
}
