#include "gateway/http_carrier.h"

#include "gateway/headers.h"
#include "gateway/http_batch.h"
#include "gateway/multipart.h"
#include "gateway/note.h"
#include "gateway/operation.h"
#include "gateway/problem.h"
#include "gateway/sse_carrier.h"
#include "http/forwarded.h"
#include "json/json.h"

/* One HTTP request with its operation; in the operation's arena. */
struct exchange {
    struct http_request *http; /* NULL once it is answered */
    enum headers_answer answer;
    bool is_in_parts_only;          /* Accept allows multipart/mixed alone */
    struct multipart *multipart;    /* the answer, when it comes in parts; then `http` is its */
    const struct json_value *batch; /* instead of one operation: several; NULL: one */
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

static void add_headers(const struct request *r, struct http_request *http)
{
    if (!str_is_empty(r->set_cookie))
        http_add_header(http, STR("Set-Cookie"), r->set_cookie);
    headers_retry_after(http, r->retry_after_us);
}

static void respond(struct request *r, int status)
{
    struct exchange *x = r->owner;
    struct http_request *http = x->http;
    struct str headers = x->is_in_parts_only ? multipart_headers() : content_type(x->answer);
    add_headers(r, http);
    if (status == 401)
        http_add_header(http, STR("WWW-Authenticate"), STR("Bearer"));
    if (x->is_in_parts_only)
        multipart_wrap(http->out, http->arena);
    x->http = NULL;
    http_respond(http, status, headers, buf_str(http->out));
}

static void respond_in_parts(struct request *r)
{
    struct exchange *x = r->owner;
    struct http_request *http = x->http;
    add_headers(r, http);
    x->http = NULL;
    x->multipart = multipart_begin(r, http, buf_str(http->out));
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
    if (outcome->has_next)
        respond_in_parts(r);
    else
        respond(r, status);
}

static void payload(struct request *r, bool has_next)
{
    const struct exchange *x = r->owner;
    multipart_part(x->multipart, buf_str(r->out), has_next);
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

/* What anybody may ask has its place in no link. */
static bool is_get_allowed(const struct request *r)
{
    return !r->gql.queries_only || r->credential != NULL || r->loop->gateway->is_get_open;
}

static void identified(struct request *r)
{
    struct exchange *x = r->owner;
    if (!is_get_allowed(r)) {
        request_refuse(r, 401, PROBLEM_UNAUTHENTICATED, "GET is for callers who are signed in");
        return;
    }
    if (x->batch != NULL) {
        http_batch_begin(r, x->batch, x->http, content_type(x->answer));
        return;
    }
    if (x->answer == HEADERS_EVENTS) {
        x->answer = HEADERS_GRAPHQL; /* of a refusal */
        sse_begin(r, x->http);
        return;
    }
    http_on_cancel(x->http, went_away, r);
    request_run(r);
}

static const struct request_carrier carrier = {
    .identified = identified, .answered = answered, .payload = payload, .refused = refused
};

/* ── reading ── */

struct str http_carrier_client_address(const struct gateway *gw, const struct http_request *http,
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
    r->address = http_carrier_client_address(loop->gateway, http, r->arena);
    return r;
}

static bool refuse(struct request *r, int status, const char *code, const char *message)
{
    request_refuse(r, status, code, message);
    return false;
}

/* False: refused already. */
static bool negotiate(struct request *r, const struct http_request *http)
{
    struct exchange *x = r->owner;
    x->answer = headers_answer(http);
    r->gql.incremental = headers_incremental(http);
    if (x->answer != HEADERS_NONE)
        return true;
    x->answer = HEADERS_JSON;
    x->is_in_parts_only = r->gql.incremental != GQL_INCREMENTAL_NONE;
    return x->is_in_parts_only ||
           refuse(r, 406, PROBLEM_INPUT,
                  "Accept must allow application/graphql-response+json, application/json, "
                  "multipart/mixed or, for subscriptions, text/event-stream");
}

/*
 * Who speaks is told by the credential alone; whether a browser was led to speak, by Origin. A page
 * of a listed origin speaks with a token, whatever cookie its browser has.
 */
static bool check_origin(struct request *r, struct http_request *http, bool is_get)
{
    const struct gateway *gw = r->loop->gateway;
    enum headers_origin origin = headers_origin(http, gw->public_origin, gw->cors_origins);
    struct err e;
    headers_allow_origin(http, origin, gw->cors_origins);
    return headers_read_token(http, origin, is_get, &r->token, &r->is_by_cookie, &e) ||
           refuse(r, 403, PROBLEM_FORBIDDEN, arena_cstr(r->arena, str_of_c(e.message)));
}

/*
 * A body beyond body-limit is for createTasks alone (see access.c), of a caller who shows a
 * credential, and has an arena of its own that is given back at the end.
 */
static bool check_size(struct request *r)
{
    if (!r->is_large || !str_is_empty(r->token))
        return true;
    return refuse(
        r, 413, PROBLEM_INPUT,
        "the body is longer than body-limit, which only createTasks of a signed-in caller may be");
}

/* ── what is to run ── */

static bool read_batch(struct request *r, const struct http_request *http,
                       const struct json_value *batch)
{
    struct exchange *x = r->owner;
    const char *code, *why = http_batch_refusal(r, batch, &code);
    x->answer = headers_answer_whole(http);
    r->gql.incremental = GQL_INCREMENTAL_NONE;
    if (x->answer == HEADERS_NONE) {
        x->answer = HEADERS_JSON;
        x->is_in_parts_only = false;
        return refuse(r, 406, PROBLEM_INPUT,
                      "a batch is answered by JSON alone, which Accept must allow");
    }
    x->batch = batch;
    r->document.is_trusted = true; /* each of its own is looked at */
    return why == NULL || refuse(r, 400, code, why);
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
    if (body->type == JSON_ARRAY)
        return read_batch(r, http, body);
    if (body->type != JSON_OBJECT)
        return refuse(r, 400, PROBLEM_INPUT, "the body must be an object");
    return operation_read(r, body);
}

void http_carrier_post(void *owner, struct http_request *http)
{
    struct request *r = begin(owner, http);
    if (negotiate(r, http) && check_origin(r, http, false) && check_size(r) && read_body(r, http))
        request_start(r);
}

/* A parameter; empty where it is absent. */
static struct str parameter(struct request *r, const struct http_request *http, struct str name)
{
    struct str value;
    return http_query(http, name, &value) ? arena_copy(r->arena, value) : STR("");
}

/* A parameter that holds a JSON object. */
static bool read_json(struct request *r, const struct http_request *http, const char *name,
                      const struct json_value **ret_object)
{
    struct str text = parameter(r, http, str_of_c(name));
    const struct json_value *value;
    struct err e;
    if (str_is_empty(text))
        return true;
    if (!json_parse(r->arena, text, &value, &e))
        return refuse(r, 400, PROBLEM_INPUT,
                      arena_cstr(r->arena, arena_printf(r->arena, "%s: %s", name, e.message)));
    return operation_read_object(r, value, name, ret_object);
}

static bool read_query_string(struct request *r, const struct http_request *http)
{
    struct documents_ask ask = { .text = parameter(r, http, STR("query")),
                                 .id = parameter(r, http, STR("documentId")) };
    r->gql.operation_name = parameter(r, http, STR("operationName"));
    return read_json(r, http, "variables", &r->gql.variables) &&
           read_json(r, http, "extensions", &ask.extensions) && operation_find(r, &ask);
}

void http_carrier_get(void *owner, struct http_request *http)
{
    struct request *r = begin(owner, http);
    r->gql.queries_only = true;
    if (negotiate(r, http) && check_origin(r, http, true) && read_query_string(r, http))
        request_start(r);
}

/* ── other methods ── */

#define ALLOWED "GET, HEAD, POST, OPTIONS"

void http_carrier_options(void *owner, struct http_request *http)
{
    const struct gateway *gw = ((struct gateway_loop *)owner)->gateway;
    enum headers_origin origin = headers_origin(http, gw->public_origin, gw->cors_origins);
    (void)request_note(http, NULL);
    headers_allow_origin(http, origin, gw->cors_origins);
    headers_allow_sending(http, origin);
    http_add_header(http, STR("Allow"), STR(ALLOWED));
    http_respond(http, 204, HTTP_NO_HEADERS, STR(""));
}

void http_carrier_other(void *owner, struct http_request *http)
{
    struct request *r = begin(owner, http);
    struct exchange *x = r->owner;
    x->answer = headers_answer_whole(http);
    http_add_header(http, STR("Allow"), STR(ALLOWED));
    (void)refuse(r, 405, PROBLEM_INPUT, "the API takes POST, and GET for queries");
}
