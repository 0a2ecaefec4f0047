#include "gateway/http_carrier.h"

#include "base/clock.h"
#include "gateway/headers.h"
#include "gateway/note.h"
#include "gateway/problem.h"
#include "gateway/sse_carrier.h"
#include "http/forwarded.h"
#include "json/json.h"

/* One HTTP request with its operation; in the operation's arena. */
struct exchange {
    struct http_request *http; /* NULL once it is answered */
    enum headers_answer answer;
};

/* ── answers ── */

static struct str content_type(enum headers_answer answer)
{
    return answer == HEADERS_GRAPHQL
               ? STR("Content-Type: application/graphql-response+json; charset=utf-8\r\n"
                     "Cache-Control: no-store\r\n")
               : STR("Content-Type: application/json; charset=utf-8\r\n"
                     "Cache-Control: no-store\r\n");
}

static void respond(struct request *r, int status)
{
    struct exchange *x = r->owner;
    struct http_request *http = x->http;
    if (!str_is_empty(r->set_cookie))
        http_add_header(http, STR("Set-Cookie"), r->set_cookie);
    if (r->retry_after_us > 0)
        http_add_header(http, STR("Retry-After"),
                        arena_printf(http->arena, "%lld",
                                     (long long)((r->retry_after_us + CLOCK_S - 1) / CLOCK_S)));
    x->http = NULL;
    http_respond(http, status, content_type(x->answer), buf_str(http->out));
}

/* spec: GraphQL over HTTP 6.4: 200 for whatever ran; for what did not run, 400 where the client
 * knows the media type that says so. */
static int status_of(const struct request *r, const struct gql_outcome *outcome)
{
    const struct exchange *x = r->owner;
    if (outcome->is_cancelled)
        return 499; /* goes nowhere: the connection has broken */
    if (!outcome->is_request_error)
        return 200;
    if (r->gql.queries_only && outcome->type != GQL_QUERY)
        return 405;
    return x->answer == HEADERS_GRAPHQL ? 400 : 200;
}

static void note_caller(const struct request *r, struct request_note *note)
{
    if (r->credential != NULL)
        note->user = r->credential->owner.user_id;
}

static void answered(struct request *r, const struct gql_outcome *outcome)
{
    static const char *const types[] = {
        [GQL_QUERY] = "query", [GQL_MUTATION] = "mutation", [GQL_SUBSCRIPTION] = "subscription"
    };
    const struct exchange *x = r->owner;
    struct request_note *note = request_note(x->http, NULL);
    int status = status_of(r, outcome);
    note_caller(r, note);
    note->operation = outcome->is_request_error ? NULL : types[outcome->type];
    note->operation_name = arena_copy(x->http->arena, str_first(r->gql.operation_name, 100));
    note->code = outcome->code;
    if (status == 405)
        http_add_header(x->http, STR("Allow"), STR("POST"));
    respond(r, status);
}

/* One error instead of a GraphQL answer, in the shape of one. */
static void refused(struct request *r, int status, const char *code, const char *message)
{
    const struct exchange *x = r->owner;
    struct request_note *note = request_note(x->http, NULL);
    note_caller(r, note);
    note->code = code;
    buf_put_c(r->out, "{\"errors\":[");
    request_put_error(r->out, r, code, str_of_c(message));
    buf_put_c(r->out, "]}");
    respond(r, status);
}

/* ── running ── */

static void went_away(void *owner)
{
    request_cancel(owner);
}

static void identified(struct request *r)
{
    struct exchange *x = r->owner;
    if (x->answer == HEADERS_EVENTS) {
        x->answer = HEADERS_GRAPHQL; /* of a refusal */
        sse_begin(r, x->http);
        return;
    }
    http_on_cancel(x->http, went_away, r);
    request_run(r);
}

static const struct request_carrier carrier = { .identified = identified,
                                                .answered = answered,
                                                .refused = refused };

/* ── reading ── */

/* The one that speaks, or that a proxy which we trust speaks for. */
static struct str client_address(const struct gateway *gw, const struct http_request *http,
                                 struct arena *a)
{
    struct http_forwarded forwarded;
    struct str peer = str_of_c(http->peer);
    if (!http_proxies_trust(gw->proxies, peer))
        return arena_copy(a, peer);
    http_forwarded(gw->proxies, peer, http_header(http, STR("X-Forwarded-For")),
                   http_header(http, STR("X-Forwarded-Proto")),
                   http_header(http, STR("X-Forwarded-Host")), &forwarded);
    return arena_copy(a, forwarded.client);
}

static struct request *begin(struct gateway_loop *loop, struct http_request *http)
{
    size_t limit = conf_bytes(loop->gateway->conf, CONF_BODY_LIMIT);
    struct request *r =
        request_begin(loop, &carrier, NULL, http->started_us + loop->gateway->request_timeout_us,
                      http->body.len > limit);
    struct exchange *x = arena_new(r->arena, struct exchange);
    x->http = http;
    r->owner = x;
    r->out = http->out;
    r->id = arena_copy(r->arena, request_note(http, "graphql")->id);
    r->user_agent = http_header(http, STR("User-Agent"));
    r->address = client_address(loop->gateway, http, r->arena);
    return r;
}

static bool refuse(struct request *r, int status, const char *code, const char *message)
{
    request_refuse(r, status, code, message);
    return false;
}

/*
 * A body beyond body-limit is for createTasks alone (see access.c), of a caller who shows a
 * credential, and has an arena of its own that is given back at the end.
 */
static bool check_size(struct request *r, const struct http_request *http)
{
    bool is_by_cookie;
    if (!r->is_large || !str_is_empty(headers_token(http, &is_by_cookie)))
        return true;
    return refuse(
        r, 413, PROBLEM_INPUT,
        "the body is longer than body-limit, which only createTasks of a signed-in caller may be");
}

/* False: refused already. */
static bool negotiate(struct request *r, const struct http_request *http)
{
    struct exchange *x = r->owner;
    x->answer = headers_answer(http);
    if (x->answer != HEADERS_NONE)
        return true;
    return refuse(r, 406, PROBLEM_INPUT,
                  "Accept must allow application/graphql-response+json, application/json or, for "
                  "subscriptions, text/event-stream");
}

/* Who speaks is told by the credential alone; whether a browser was led to speak, by Origin. */
static bool check_origin(struct request *r, const struct http_request *http)
{
    if (headers_is_same_origin(http, r->loop->gateway->public_origin))
        return true;
    return refuse(r, 403, PROBLEM_FORBIDDEN, "a page of another origin may not use this API");
}

static bool read_text(struct request *r, const struct json_value *v, const char *name,
                      struct str *ret_text)
{
    if (v == NULL || v->type == JSON_NULL)
        return true;
    if (v->type == JSON_STRING) {
        *ret_text = v->text;
        return true;
    }
    return refuse(r, 400, PROBLEM_INPUT,
                  arena_cstr(r->arena, arena_printf(r->arena, "%s must be a string", name)));
}

static bool read_object(struct request *r, const struct json_value *v, const char *name,
                        const struct json_value **ret_object)
{
    if (v == NULL || v->type == JSON_NULL)
        return true;
    if (v->type == JSON_OBJECT) {
        *ret_object = v;
        return true;
    }
    return refuse(r, 400, PROBLEM_INPUT,
                  arena_cstr(r->arena, arena_printf(r->arena, "%s must be an object", name)));
}

/* The members of an operation, as a body or a message carries them. */
static bool read_operation(struct request *r, const struct json_value *body)
{
    const struct json_value *extensions = NULL;
    if (!read_text(r, json_get_c(body, "query"), "query", &r->gql.document) ||
        !read_text(r, json_get_c(body, "operationName"), "operationName", &r->gql.operation_name) ||
        !read_object(r, json_get_c(body, "variables"), "variables", &r->gql.variables) ||
        !read_object(r, json_get_c(body, "extensions"), "extensions", &extensions))
        return false;
    if (!str_is_empty(r->gql.document))
        return true;
    return refuse(r, 400, PROBLEM_INPUT, "the body has no query");
}

static bool read_body(struct request *r, const struct http_request *http)
{
    const struct json_value *body;
    struct err e;
    if (!headers_is_json(http))
        return refuse(r, 415, PROBLEM_INPUT, "Content-Type must be application/json");
    if (!json_parse(r->arena, http->body, &body, &e))
        return refuse(r, 400, PROBLEM_INPUT,
                      arena_cstr(r->arena, arena_printf(r->arena, "body: %s", e.message)));
    if (body->type != JSON_OBJECT)
        return refuse(r, 400, PROBLEM_INPUT,
                      "the body must be one object with a query; no batches");
    return read_operation(r, body);
}

/* A cookie is sent by any page that leads a browser here; a GET with one must be ours. */
static bool check_cookie(struct request *r, const struct http_request *http)
{
    r->token = headers_token(http, &r->is_by_cookie);
    if (http->method == HTTP_METHOD_POST || !r->is_by_cookie || headers_is_same_site_fetch(http))
        return true;
    return refuse(r, 403, PROBLEM_FORBIDDEN,
                  "GET with a cookie needs Sec-Fetch-Site: same-origin, as browsers send it");
}

void http_carrier_post(void *owner, struct http_request *http)
{
    struct request *r = begin(owner, http);
    if (negotiate(r, http) && check_origin(r, http) && check_size(r, http) && read_body(r, http) &&
        check_cookie(r, http))
        request_start(r);
}

static bool read_query_string(struct request *r, const struct http_request *http)
{
    struct str variables = STR("");
    struct err e;
    if (!http_query(http, STR("query"), &r->gql.document))
        return refuse(r, 400, PROBLEM_INPUT, "the query string has no query; or use POST");
    r->gql.document = arena_copy(r->arena, r->gql.document);
    if (http_query(http, STR("operationName"), &r->gql.operation_name))
        r->gql.operation_name = arena_copy(r->arena, r->gql.operation_name);
    if (!http_query(http, STR("variables"), &variables) || str_is_empty(variables))
        return true;
    const struct json_value *object;
    if (!json_parse(r->arena, variables, &object, &e))
        return refuse(r, 400, PROBLEM_INPUT,
                      arena_cstr(r->arena, arena_printf(r->arena, "variables: %s", e.message)));
    return read_object(r, object, "variables", &r->gql.variables);
}

void http_carrier_get(void *owner, struct http_request *http)
{
    struct request *r = begin(owner, http);
    r->gql.queries_only = true;
    if (negotiate(r, http) && check_origin(r, http) && read_query_string(r, http) &&
        check_cookie(r, http))
        request_start(r);
}
