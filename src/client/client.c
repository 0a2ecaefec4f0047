#include "client/client_priv.h"

#include "base/mem.h"
#include "http/peer.h"
#include "json/writer.h"

enum {
    DEADLINE_MS = 60'000, /* a gateway gives up by itself before (request-timeout) */
    CONNECT_MS = 5'000,
    RESPONSE_BYTES_MAX = 64 << 20, /* as a gateway's own gql-response-limit */
    CALLS_MAX = 4,
    TOKEN_BYTES_MAX = 4096,
};

/* ── the client ── */

/* A token goes into a header field as it is. */
static bool is_token(struct str token)
{
    for (size_t i = 0; i < token.len; i++)
        if (token.ptr[i] <= ' ' || token.ptr[i] > '~')
            return false;
    return token.len <= TOKEN_BYTES_MAX;
}

static bool set_up(struct client *client, const struct client_options *options, struct err *e)
{
    struct http_client_options http = HTTP_CLIENT_DEFAULT;
    struct http_peer peer;
    if (!http_peer_parse(client->arena, "url", options->url, &peer, e))
        return false;
    if (!is_token(options->token))
        return err_set(e, ERR_INVALID, "the token is none: it holds a space or a line end");
    http.unix_path = peer.unix_path;
    http.running_max = CALLS_MAX;
    http.response_bytes_max = RESPONSE_BYTES_MAX;
    http.connect_timeout_ms = CONNECT_MS;
    http.user_agent = "windlass-cli";
    client->http = http_client_create(client->loop, &http);
    client->url = arena_printf(client->arena, "%s/graphql", peer.base_url).ptr;
    if (options->token.len > 0)
        client->authorization =
            arena_printf(client->arena, "Authorization: Bearer %.*s", STR_FMT(options->token)).ptr;
    return true;
}

bool client_create(const struct client_options *options, struct client **ret_client, struct err *e)
{
    scoped(client_destroyp) struct client *client = mem_new(struct client);
    client->arena = arena_create(SIZE_MAX);
    client->loop = io_loop_create();
    if (!set_up(client, options, e))
        return false;
    *ret_client = take(client);
    return true;
}

void client_destroy(struct client *client)
{
    if (client == NULL)
        return;
    http_client_destroy(client->http);
    io_loop_destroy(client->loop);
    if (client->authorization != NULL) {
        char *secret;
        memcpy(&secret, &client->authorization, sizeof secret); /* our own copy, in the arena */
        explicit_bzero(secret, strlen(secret));
    }
    arena_destroy(client->arena);
    mem_free(client);
}

struct io_loop *client_loop(struct client *client)
{
    return client->loop;
}

/* A stop that came as the loop ended by itself is still on its way then, and ends the next run. */
void client_run(struct client *client)
{
    client->is_stopped = false;
    while (!client->is_stopped)
        io_loop_run(client->loop);
}

void client_stop(struct client *client)
{
    client->is_stopped = true;
    io_loop_stop(client->loop);
}

/* ── responses ── */

/* The codes of docs/errors.md, the way back. */
static enum err_code code_of(struct str code)
{
    static const struct {
        const char *name;
        enum err_code code;
    } codes[] = {
        { "BAD_USER_INPUT", ERR_INVALID },
        { "NOT_FOUND", ERR_NOT_FOUND },
        { "CONFLICT", ERR_CONFLICT },
        { "UNAUTHENTICATED", ERR_UNAUTHENTICATED },
        { "FORBIDDEN", ERR_DENIED },
        { "RATE_LIMITED", ERR_RATE },
        { "TIMEOUT", ERR_TIMEOUT },
        { "DATABASE_UNAVAILABLE", ERR_UNAVAILABLE },
        { "WORKER_UNAVAILABLE", ERR_UNAVAILABLE },
        { "AI_UNAVAILABLE", ERR_UNAVAILABLE },
        { "QUERY_TOO_COMPLEX", ERR_LIMIT },
    };
    for (size_t i = 0; i < countof(codes); i++)
        if (str_eq_c(code, codes[i].name))
            return codes[i].code;
    return ERR_INTERNAL;
}

static struct str text_of(const struct json_value *v, struct str key)
{
    const struct json_value *member = json_get(v, key);
    return member != NULL && member->type == JSON_STRING ? member->text : (struct str){ 0 };
}

/* `what` is an error of GraphQL or a document of problem details: both have these words. */
static bool tell_error(struct str message, struct str code, struct err *e)
{
    err_set(e, code_of(code), "%.*s", STR_FMT(message));
    return err_in(e, "%.*s", STR_FMT(code));
}

/* Of RFC 9457: what refused the request before GraphQL saw it. */
static bool tell_problem(int status, const struct json_value *body, struct err *e)
{
    struct str detail = text_of(body, STR("detail")), code = text_of(body, STR("code"));
    enum err_code ours = status == 401                    ? ERR_UNAUTHENTICATED
                         : status == 403                  ? ERR_DENIED
                         : status == 429                  ? ERR_RATE
                         : status >= 502 && status <= 504 ? ERR_UNAVAILABLE
                                                          : ERR_INTERNAL;
    if (detail.len > 0 && code.len > 0)
        return tell_error(detail, code, e);
    return err_set(e, ours, "%.*s%sstatus %d", STR_FMT(detail), detail.len > 0 ? ": " : "", status);
}

bool client_read_response(struct arena *a, int status, struct str body,
                          const struct json_value **ret_data, struct err *e)
{
    const struct json_value *response, *data, *errors;
    struct err unread;
    if (!json_parse(a, body, &response, &unread) || response->type != JSON_OBJECT)
        return status == 200 ? err_set(e, ERR_INTERNAL, "what answers is no gateway of Windlass")
                             : tell_problem(status, NULL, e);
    errors = json_get_c(response, "errors");
    data = json_get_c(response, "data");
    if (errors != NULL && errors->type == JSON_ARRAY && errors->item_count > 0) {
        const struct json_value *first = &errors->items[0];
        return tell_error(text_of(first, STR("message")),
                          text_of(json_get_c(first, "extensions"), STR("code")), e);
    }
    if (data == NULL || data->type != JSON_OBJECT)
        return tell_problem(status, response, e);
    *ret_data = data;
    return true;
}

/* ── requests ── */

struct asked {
    struct arena *arena;
    client_answer_fn *fn;
    void *owner;
};

void client_put_request(struct buf *body, const struct client_request *request)
{
    struct json_writer w = json_writer_to(body);
    json_begin_object(&w);
    json_key_c(&w, "query");
    json_write_string(&w, str_of_c(request->document));
    if (request->variables.len > 0) {
        json_key_c(&w, "variables");
        json_write_raw(&w, request->variables);
    }
    json_end_object(&w);
}

static void replied(void *owner, const struct http_reply *reply, const struct err *e)
{
    struct asked *asked = owner;
    const struct json_value *data = NULL;
    struct err failure = { 0 };
    if (reply == NULL)
        asked->fn(asked->owner, NULL, e);
    else if (client_read_response(asked->arena, reply->status, reply->body, &data, &failure))
        asked->fn(asked->owner, data, NULL);
    else
        asked->fn(asked->owner, NULL, &failure);
}

bool client_call(struct client *client, struct arena *a, const struct client_request *request,
                 client_answer_fn *fn, void *owner, struct err *e)
{
    const char *headers[] = { "Content-Type: application/json",
                              "Accept: application/graphql-response+json", client->authorization };
    struct asked *asked = arena_new(a, struct asked);
    struct buf body;
    *asked = (struct asked){ .arena = a, .fn = fn, .owner = owner };
    buf_init(&body, 0);
    client_put_request(&body, request);
    const struct http_call_options call = {
        .url = client->url,
        .headers = headers,
        .header_count = countof(headers) - (client->authorization == NULL),
        .body = buf_str(&body),
        .deadline_ms = DEADLINE_MS,
        .is_sent_once = true, /* a mutation must not happen twice */
        .fn = replied,
        .owner = asked,
    };
    bool is_started = http_client_call(client->http, &call, NULL, e);
    buf_clear(&body);
    return is_started;
}

struct waiting {
    struct client *client;
    const struct json_value *data;
    struct err err;
};

static void answered(void *owner, const struct json_value *data, const struct err *e)
{
    struct waiting *waiting = owner;
    waiting->data = data;
    if (data == NULL)
        waiting->err = *e;
    client_stop(waiting->client);
}

bool client_ask(struct client *client, struct arena *a, const struct client_request *request,
                const struct json_value **ret_data, struct err *e)
{
    struct waiting waiting = { .client = client };
    if (!client_call(client, a, request, answered, &waiting, e))
        return false;
    client_run(client);
    if (waiting.data == NULL) {
        *e = waiting.err;
        return false;
    }
    *ret_data = waiting.data;
    return true;
}
