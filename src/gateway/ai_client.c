#include "gateway/ai_client.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/gateway_priv.h"
#include "gateway/health.h"
#include "gateway/health_board.h"
#include "gateway/peer_options.h"
#include "http/client.h"
#include "http/peer.h"
#include "http/sse.h"
#include "io/timer.h"
#include "json/check.h"

enum {
    PROBE_EVERY_MS = 2'000,
    PROBE_DEADLINE_MS = 1'000,
    RUNNING_MAX = 64,  /* calls at once, a loop */
    WAITING_MAX = 256, /* behind them */
    ANSWER_BYTES_MAX = 4 << 20,
    EVENT_BYTES_MAX = 16 << 20, /* of a parsed one */
};

struct ai_client {
    const struct gateway_loop *loop;
    struct arena *arena;
    struct http_client *http; /* NULL: no ai-url */
    const char *base_url, *probe_url;
    const char *headers[2];
    size_t header_count;
    int64_t timeout_us;
    struct io_timer *probe;
    struct http_call *probing; /* NULL: none runs */
    int64_t probed_us;
    struct ai_client_stats stats;
    struct health_breaker breaker; /* as it was told last */
};

/* One call; in its caller's arena. */
struct ai_running {
    struct ai_client *client;
    struct ai_call call;
    struct http_call *http;
    struct http_sse events;
    const struct json_value *done;
    struct err err;    /* of an event; ERR_NONE: none */
    bool is_senseless; /* what came is no answer; a refusal in proper form is one */
};

/* What a user is told of a failure: not where the service is. The rest is for the log. */
static bool tell(const struct err *failure, struct err *e)
{
    static const char *const told[ERR_CODE_COUNT] = {
        [ERR_RATE] = "the ai service has too much to do; ask again later",
        [ERR_TIMEOUT] = "the ai service did not answer in time",
        [ERR_UNAVAILABLE] = "the ai service is out of reach",
        [ERR_LIMIT] = "the ai service gave an answer that is none",
        [ERR_CANCELLED] = "the ai service gave an answer that is none",
    };
    enum err_code code = failure->code;
    if (told[code] == NULL) {
        *e = *failure;
        return false;
    }
    err_set_from(e, ERR_ORIGIN_AI,
                 code == ERR_LIMIT || code == ERR_CANCELLED ? ERR_UNAVAILABLE : code, "%s",
                 told[code]);
    return err_in(e, "%s", failure->message);
}

/* ── up or down ── */

static const char senseless[] = "the ai service gave an answer that is none";

static void set_state(const struct ai_client *client, const struct err *why)
{
    if (!health_board_tell_ai(client->loop->gateway->health, why))
        return;
    if (why == NULL)
        log_info("ai.up", "url=%s", client->base_url);
    else
        log_warn("ai.down", "reason=%s", log_quote(str_of_c(err_text(why))));
}

/* By the answers alone: a probe tells that somebody is there, not that he makes sense. */
static void set_sense(const struct ai_client *client, bool is_senseless)
{
    struct health_board *board = client->loop->gateway->health;
    if (health_board_tell_ai_sense(board, is_senseless ? senseless : NULL) && is_senseless)
        log_warn("ai.senseless", "url=%s", client->base_url);
}

static void tell_breaker(struct ai_client *client, bool is_answered)
{
    struct http_client_stats stats = http_client_stats(client->http);
    const struct health_breaker now = { stats.breaker, stats.breaker_since_us };
    health_board_note(client->loop->gateway->health, HEALTH_PEER_AI, &client->breaker, now,
                      is_answered);
}

static void probed(void *owner, const struct http_reply *reply, const struct err *e)
{
    struct ai_client *client = owner;
    struct err why;
    client->probing = NULL;
    tell_breaker(client, reply != NULL);
    if (reply == NULL) {
        tell(e, &why);
        set_state(client, &why);
        return;
    }
    health_board_tell_ai_latency(client->loop->gateway->health,
                                 clock_mono_us() - client->probed_us);
    if (reply->status == 200) {
        set_state(client, NULL);
    } else {
        err_set_from(&why, ERR_ORIGIN_AI, ERR_UNAVAILABLE, "the ai service is not ready");
        set_state(client, &why);
    }
}

/* A breaker that is open refuses the probe too, and lets one through when its time is over. */
static void probe(void *owner)
{
    struct ai_client *client = owner;
    struct err e;
    io_timer_start(client->probe, PROBE_EVERY_MS);
    if (client->probing != NULL)
        return;
    const struct http_call_options options = {
        .url = client->probe_url, .deadline_ms = PROBE_DEADLINE_MS, .fn = probed, .owner = client
    };
    client->probed_us = clock_mono_us();
    if (!http_client_call(client->http, &options, &client->probing, &e))
        client->probing = NULL;
    tell_breaker(client, false);
}

bool ai_client_is_configured(const struct ai_client *client)
{
    return client->http != NULL;
}

struct ai_client_stats ai_client_stats(const struct ai_client *client)
{
    return client->stats;
}

/* `e` NULL: it was answered. */
static void count(struct ai_client *client, const struct err *e)
{
    if (e == NULL || e->code == ERR_INVALID)
        client->stats.answered++;
    else
        client->stats.failed++;
}

/* ── answers ── */

static bool is_garbage(struct ai_running *r, struct err *e)
{
    r->is_senseless = true;
    return err_set_from(e, ERR_ORIGIN_AI, ERR_UNAVAILABLE, "%s", senseless);
}

/* A problem's code and detail: only what is wrong with the input is the asker's business. */
static bool read_refusal(struct ai_running *r, int status, struct str body, struct err *e)
{
    const struct json_value *root, *code = NULL, *message = NULL;
    struct err ignored;
    if (json_parse_checked(r->call.arena, body, &root, &ignored)) {
        code = json_get_c(root, "code");
        message = json_get_c(root, "detail");
    }
    if (code != NULL && message != NULL && code->type == JSON_STRING &&
        message->type == JSON_STRING && str_eq_c(code->text, "BAD_USER_INPUT"))
        return err_set(e, ERR_INVALID, "%.*s", STR_FMT(str_first(message->text, 180)));
    return err_set_from(e, ERR_ORIGIN_AI, ERR_UNAVAILABLE, "the ai service answered %d", status);
}

static bool read_answer(struct ai_running *r, const struct http_reply *reply,
                        const struct json_value **ret_answer, struct err *e)
{
    struct err why;
    if (reply->status != 200)
        return read_refusal(r, reply->status, reply->body, e);
    if (r->call.is_chat) {
        if (r->done == NULL && r->err.code == ERR_NONE)
            return is_garbage(r, e);
        *ret_answer = r->done;
        *e = r->err;
        return r->done != NULL;
    }
    if (!json_parse_checked(r->call.arena, reply->body, ret_answer, &why) ||
        (*ret_answer)->type != JSON_OBJECT) {
        log_debug("ai.garbage", "path=%s", r->call.path);
        return is_garbage(r, e);
    }
    return true;
}

/* What `done` brought counts, also where the stream was not ended after it. */
static bool conclude(struct ai_running *r, const struct http_reply *reply,
                     const struct err *failure, const struct json_value **ret_answer, struct err *e)
{
    if (reply != NULL)
        return read_answer(r, reply, ret_answer, e);
    *ret_answer = r->done;
    if (r->err.code != ERR_NONE)
        *e = r->err;
    else
        tell(failure, e);
    return r->done != NULL;
}

static void replied(void *owner, const struct http_reply *reply, const struct err *failure)
{
    struct ai_running *r = owner;
    struct ai_client *client = r->client;
    const struct json_value *answer = NULL;
    struct err e = { 0 };
    bool is_good = conclude(r, reply, failure, &answer, &e);
    bool is_answered = is_good || reply != NULL;
    client->stats.running--;
    tell_breaker(client, reply != NULL);
    count(client, is_good ? NULL : &e);
    if (is_answered)
        set_state(client, NULL);
    else if (failure->code == ERR_UNAVAILABLE || failure->code == ERR_TIMEOUT)
        set_state(client, &e);
    if (r->call.is_chat)
        http_sse_clear(&r->events);
    bool is_senseless = r->is_senseless; /* `fn` may end the arena */
    if (!r->call.fn(r->call.owner, is_good ? answer : NULL, is_good ? NULL : &e))
        is_senseless |= is_good;
    if (is_answered)
        set_sense(client, is_senseless);
}

/* ── the events of a chat; what comes before `done` is for whoever watches ── */

static bool tell_event(const struct ai_running *r, const struct http_sse_event *event)
{
    scoped(arena_destroyp) struct arena *a = arena_create(EVENT_BYTES_MAX);
    const struct json_value *data;
    struct err why;
    return json_parse_checked(a, event->data, &data, &why) && data->type == JSON_OBJECT &&
           r->call.event(r->call.owner, event->name, data);
}

static bool is_watched(const struct ai_running *r, const struct http_sse_event *event)
{
    return r->call.event != NULL &&
           (str_eq_c(event->name, "delta") || str_eq_c(event->name, "tool"));
}

static bool heard(void *owner, const struct http_sse_event *event)
{
    struct ai_running *r = owner;
    struct err why;
    if (str_eq_c(event->name, "error"))
        err_set_from(&r->err, ERR_ORIGIN_AI, ERR_UNAVAILABLE, "the ai service could not answer");
    else if (is_watched(r, event) && !tell_event(r, event))
        is_garbage(r, &r->err);
    else if (str_eq_c(event->name, "done") &&
             (!json_parse_checked(r->call.arena, event->data, &r->done, &why) ||
              r->done->type != JSON_OBJECT)) {
        r->done = NULL;
        is_garbage(r, &r->err);
    }
    return r->done == NULL && r->err.code == ERR_NONE;
}

/* Bytes behind the end are nobody's. */
static bool got_bytes(void *owner, struct str bytes)
{
    struct ai_running *r = owner;
    struct err e;
    if (r->done != NULL || r->err.code != ERR_NONE || http_sse_feed(&r->events, bytes, &e))
        return true;
    return e.code == ERR_CANCELLED;
}

/* ── asking ── */

bool ai_client_ask(struct ai_client *client, const struct ai_call *call,
                   struct ai_running **ret_running, struct err *e)
{
    int64_t now_us = clock_mono_us();
    int64_t left_us = min_of(call->deadline_us - now_us, client->timeout_us);
    if (client->http == NULL)
        return err_set_from(e, ERR_ORIGIN_AI, ERR_UNAVAILABLE,
                            "there is no ai service: see ai-url");
    if (left_us < CLOCK_MS)
        return err_set_from(e, ERR_ORIGIN_AI, ERR_TIMEOUT, "no time is left to ask the ai service");
    struct ai_running *r = arena_new(call->arena, struct ai_running);
    *r = (struct ai_running){ .client = client, .call = *call };
    struct str url = arena_printf(call->arena, "%s%s", client->base_url, call->path);
    const struct http_call_options options = { .method = "POST",
                                               .url = url.ptr,
                                               .headers = client->headers,
                                               .header_count = client->header_count,
                                               .body = call->body,
                                               .deadline_ms = left_us / CLOCK_MS,
                                               .on_body = call->is_chat ? got_bytes : NULL,
                                               .fn = replied,
                                               .owner = r };
    if (call->is_chat)
        http_sse_init(&r->events, ANSWER_BYTES_MAX, heard, r);
    struct err failure;
    bool is_asked = http_client_call(client->http, &options, &r->http, &failure);
    tell_breaker(client, false);
    if (is_asked) {
        client->stats.running++;
        if (ret_running != NULL)
            *ret_running = r;
        return true;
    }
    if (call->is_chat)
        http_sse_clear(&r->events);
    count(client, &failure);
    return tell(&failure, e);
}

void ai_client_cancel(struct ai_running *r)
{
    http_call_cancel(r->http);
    if (r->call.is_chat)
        http_sse_clear(&r->events);
    r->client->stats.running--;
}

/* ── the client ── */

static bool open_peer(struct ai_client *client, const struct conf *conf, struct str url,
                      struct err *e)
{
    struct http_peer peer;
    struct str token = conf_str(conf, CONF_GATEWAY_TOKEN);
    struct http_client_options options = peer_options(conf, ERR_ORIGIN_AI);
    if (!http_peer_parse(client->arena, "ai-url", url, &peer, e))
        return false;
    client->base_url = peer.base_url;
    client->probe_url = arena_printf(client->arena, "%s/readyz", peer.base_url).ptr;
    client->headers[client->header_count++] = "Content-Type: application/json";
    if (!str_is_empty(token))
        client->headers[client->header_count++] =
            arena_printf(client->arena, "Authorization: Bearer %.*s", STR_FMT(token)).ptr;
    options.unix_path = peer.unix_path;
    options.running_max = RUNNING_MAX;
    options.waiting_max = WAITING_MAX;
    options.response_bytes_max = ANSWER_BYTES_MAX;
    client->http = http_client_create(client->loop->io, &options);
    tell_breaker(client, false);
    client->probe = io_timer_create(client->loop->io, probe, client);
    io_timer_start(client->probe, 0);
    io_timer_unref(client->probe);
    return true;
}

bool ai_client_create(const struct gateway_loop *loop, struct ai_client **ret_client, struct err *e)
{
    const struct conf *conf = loop->gateway->conf;
    struct ai_client *client = mem_new(struct ai_client);
    struct str url = conf_str(conf, CONF_AI_URL);
    client->loop = loop;
    client->arena = arena_create(1 << 16);
    client->timeout_us = conf_duration_us(conf, CONF_AI_TIMEOUT);
    if (!str_is_empty(url) && !open_peer(client, conf, url, e)) {
        ai_client_destroy(client);
        return false;
    }
    *ret_client = client;
    return true;
}

void ai_client_destroy(struct ai_client *client)
{
    if (client == NULL)
        return;
    io_timer_destroy(client->probe);
    http_client_destroy(client->http);
    arena_destroy(client->arena);
    mem_free(client);
}
