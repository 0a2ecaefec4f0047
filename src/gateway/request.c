#include "gateway/request.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/access.h"
#include "gateway/capability.h"
#include "gateway/events.h"
#include "gateway/problem.h"
#include "http/forwarded.h"
#include "json/json.h"
#include "json/writer.h"

/* ── answers ── */

static struct str content_type(enum headers_answer answer)
{
    return answer == HEADERS_GRAPHQL
               ? STR("Content-Type: application/graphql-response+json; charset=utf-8\r\n"
                     "Cache-Control: no-store\r\n")
               : STR("Content-Type: application/json; charset=utf-8\r\n"
                     "Cache-Control: no-store\r\n");
}

static void add_own_headers(struct request *r)
{
    if (!str_is_empty(r->set_cookie))
        http_add_header(r->http, STR("Set-Cookie"), r->set_cookie);
    if (r->retry_after_us > 0)
        http_add_header(r->http, STR("Retry-After"),
                        arena_printf(r->http->arena, "%lld",
                                     (long long)((r->retry_after_us + CLOCK_S - 1) / CLOCK_S)));
}

void request_respond(struct request *r, int status)
{
    struct http_request *http = r->http;
    add_own_headers(r);
    list_remove(&r->by_age);
    r->http = NULL;
    http_respond(http, status, content_type(r->answer), buf_str(http->out));
}

void request_end(struct request *r)
{
    struct gateway_loop *loop = r->loop;
    assert(r->http == NULL);
    credential_unref(r->credential);
    gateway_arena_done(loop, r->arena, r->is_large);
}

/* One error instead of a GraphQL answer, in the shape of one. */
static void refuse(struct request *r, int status, const char *code, const char *message)
{
    struct json_writer w = json_writer_to(r->http->out);
    request_note(r->http, NULL)->code = code;
    json_begin_object(&w);
    json_key_c(&w, "errors");
    json_begin_array(&w);
    json_begin_object(&w);
    json_key_c(&w, "message");
    json_write_string(&w, str_of_c(message));
    json_key_c(&w, "extensions");
    json_begin_object(&w);
    json_key_c(&w, "code");
    json_write_string(&w, str_of_c(code));
    json_key_c(&w, "requestId");
    json_write_string(&w, r->id);
    json_end_object(&w);
    json_end_object(&w);
    json_end_array(&w);
    json_end_object(&w);
    request_respond(r, status);
    request_end(r);
}

static void refuse_err(struct request *r, const struct err *e)
{
    struct problem problem = problem_of(e);
    bool is_shown = strcmp(problem.code, PROBLEM_INTERNAL) != 0;
    if (!is_shown)
        log_error("request.failed", "req=%.*s error=%s", STR_FMT(r->id),
                  log_quote(str_of_c(err_text(e))));
    refuse(r, problem.http_status, problem.code, is_shown ? e->message : "internal error");
}

/* ── running ── */

/* spec: GraphQL over HTTP 6.4: 200 for whatever ran; for what did not run, 400 where the client
 * knows the media type that says so. */
static int status_of(const struct request *r, const struct gql_outcome *outcome)
{
    if (outcome->is_cancelled)
        return 499; /* goes nowhere: the connection has broken */
    if (!outcome->is_request_error)
        return 200;
    if (r->gql.queries_only && outcome->type != GQL_QUERY)
        return 405;
    return r->answer == HEADERS_GRAPHQL ? 400 : 200;
}

static void answered(struct gql_operation *op, const struct gql_outcome *outcome, void *owner)
{
    static const char *const types[] = {
        [GQL_QUERY] = "query", [GQL_MUTATION] = "mutation", [GQL_SUBSCRIPTION] = "subscription"
    };
    struct request *r = owner;
    struct request_note *note = request_note(r->http, NULL);
    int status = status_of(r, outcome);
    (void)op;
    r->operation = NULL;
    note->operation = outcome->is_request_error ? NULL : types[outcome->type];
    note->operation_name = arena_copy(r->http->arena, str_first(r->gql.operation_name, 100));
    note->code = outcome->code;
    if (status == 405)
        http_add_header(r->http, STR("Allow"), STR("POST"));
    request_respond(r, status);
}

static void ended(void *owner)
{
    struct request *r = owner;
    r->is_ended = true;
    if (!r->is_starting)
        request_end(r);
}

static void went_away(void *owner)
{
    struct request *r = owner;
    if (r->operation != NULL)
        gql_cancel(r->operation);
}

static void run(struct request *r)
{
    const struct credential *c = r->credential;
    const struct gql_end end = { .answered = answered, .ended = ended, .owner = r };
    if (c != NULL && !(c->grant.scopes & SCOPE_API)) {
        refuse(r, 403, PROBLEM_FORBIDDEN, "this token may not use the GraphQL API: it lacks API");
        return;
    }
    r->gql.role = access_plan_role(c);
    r->gql.no_introspection = r->gql.no_suggestions =
        c == NULL && !r->loop->gateway->is_introspection_open;
    r->gql.no_values = true;
    r->gql.ctx = r;
    struct err e;
    if (r->answer == HEADERS_EVENTS && !events_allow(r, &e)) {
        refuse_err(r, &e);
        return;
    }
    if (r->answer == HEADERS_EVENTS) {
        events_begin(r, r->token);
        return;
    }
    r->is_starting = true;
    r->operation = gql_execute(r->loop->engine, r->arena, &r->gql, r->http->out, &end);
    r->is_starting = false;
    if (r->is_ended)
        request_end(r);
    else if (r->http != NULL)
        http_on_cancel(r->http, went_away, r);
}

static void identified(void *owner, const struct credential *c, const struct err *e)
{
    struct request *r = owner;
    if (e != NULL) {
        refuse_err(r, e);
        return;
    }
    if (c != NULL) {
        credential_ref(c);
        r->credential = c;
        r->self = c->owner.user_id;
        request_note(r->http, NULL)->user = c->owner.user_id;
    }
    run(r);
}

void request_map_err(void *ctx, const struct err *e, struct gql_error *error)
{
    struct request *r = ctx;
    struct problem problem = problem_of(e);
    bool is_shown = strcmp(problem.code, PROBLEM_INTERNAL) != 0;
    error->code = problem.code;
    error->message = is_shown ? arena_copy(r->arena, str_of_c(e->message))
                              : STR("internal error; the log tells more under the request id");
    if (!is_shown) {
        log_error("request.failed", "req=%.*s error=%s", STR_FMT(r->id),
                  log_quote(str_of_c(err_text(e))));
        error->extensions_json = arena_printf(r->arena, "\"requestId\":\"%.*s\"", STR_FMT(r->id));
    } else if (e->code == ERR_RATE && r->retry_after_us > 0) {
        error->extensions_json =
            arena_printf(r->arena, "\"retryAfterSeconds\":%lld",
                         (long long)((r->retry_after_us + CLOCK_S - 1) / CLOCK_S));
    }
}

void request_sweep(void *owner)
{
    struct gateway_loop *loop = owner;
    int64_t now_us = io_loop_now_us(loop->io);
    list_each (node, &loop->requests) {
        struct request *r = container_of(node, struct request, by_age);
        if (r->deadline_us > now_us)
            break;
        if (r->operation != NULL)
            gql_expire(r->operation, PROBLEM_TIMEOUT, "the request took too long");
    }
}

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

static struct request *request_create(struct gateway_loop *loop, struct http_request *http)
{
    size_t limit = conf_bytes(loop->gateway->conf, CONF_BODY_LIMIT);
    struct arena *a = gateway_arena(loop, http->body.len > limit);
    struct request *r = arena_new(a, struct request);
    r->loop = loop;
    r->http = http;
    r->arena = a;
    r->id = arena_copy(a, request_note(http, "graphql")->id);
    r->address = client_address(loop->gateway, http, a);
    r->deadline_us = http->started_us + loop->gateway->request_timeout_us;
    list_init(&r->wait.waiting);
    list_push(&loop->requests, &r->by_age);
    return r;
}

/*
 * A body beyond body-limit is for createTasks alone (see access.c), of a caller who shows a
 * credential, and has an arena of its own that is given back at the end.
 */
static bool check_size(struct request *r)
{
    size_t limit = conf_bytes(r->loop->gateway->conf, CONF_BODY_LIMIT);
    bool is_by_cookie;
    r->is_large = r->http->body.len > limit;
    if (!r->is_large || !str_is_empty(headers_token(r->http, &is_by_cookie)))
        return true;
    refuse(
        r, 413, PROBLEM_INPUT,
        "the body is longer than body-limit, which only createTasks of a signed-in caller may be");
    return false;
}

/* False: refused already. */
static bool negotiate(struct request *r)
{
    r->answer = headers_answer(r->http);
    if (r->answer != HEADERS_NONE)
        return true;
    refuse(r, 406, PROBLEM_INPUT,
           "Accept must allow application/graphql-response+json, application/json or, for "
           "subscriptions, text/event-stream");
    return false;
}

/* Who speaks is told by the credential alone; whether a browser was led to speak, by Origin. */
static bool check_origin(struct request *r)
{
    if (headers_is_same_origin(r->http, r->loop->gateway->public_origin))
        return true;
    refuse(r, 403, PROBLEM_FORBIDDEN, "a page of another origin may not use this API");
    return false;
}

/* False: the token is no capability. One that has ended is nobody's. */
static bool identify_by_capability(struct request *r)
{
    enum token_kind kind;
    uint8_t hash[SHA256_LEN], holder_hash[SHA256_LEN];
    if (!token_parse(r->token, &kind, hash) || kind != TOKEN_CAPABILITY)
        return false;
    r->is_by_capability = true;
    if (capability_use(r->loop->gateway->capabilities, hash, clock_mono_us(), &kind, holder_hash))
        credentials_ask_digest(r->loop->credentials, kind, holder_hash, &r->wait);
    else
        run(r);
    return true;
}

static void identify(struct request *r)
{
    struct str token = headers_token(r->http, &r->is_by_cookie);
    if (!atomic_load_explicit(&r->loop->gateway->is_ready, memory_order_acquire)) {
        r->retry_after_us = CLOCK_S;
        refuse(r, 503, PROBLEM_DATABASE_UNAVAILABLE, "starting: the database is not there yet");
        return;
    }
    if (r->http->method != HTTP_METHOD_POST && r->is_by_cookie &&
        !headers_is_same_site_fetch(r->http)) {
        refuse(r, 403, PROBLEM_FORBIDDEN,
               "GET with a cookie needs Sec-Fetch-Site: same-origin, as browsers send it");
        return;
    }
    r->token = token;
    r->wait =
        (struct credential_wait){ .fn = identified, .owner = r, .deadline_us = r->deadline_us };
    if (str_is_empty(token))
        run(r);
    else if (!identify_by_capability(r))
        credentials_ask(r->loop->credentials, token, &r->wait);
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
    refuse(r, 400, PROBLEM_INPUT,
           arena_cstr(r->arena, arena_printf(r->arena, "%s must be a string", name)));
    return false;
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
    refuse(r, 400, PROBLEM_INPUT,
           arena_cstr(r->arena, arena_printf(r->arena, "%s must be an object", name)));
    return false;
}

static bool read_body(struct request *r)
{
    const struct json_value *body, *extensions = NULL;
    struct err e;
    if (!headers_is_json(r->http)) {
        refuse(r, 415, PROBLEM_INPUT, "Content-Type must be application/json");
        return false;
    }
    if (!json_parse(r->arena, r->http->body, &body, &e)) {
        refuse(r, 400, PROBLEM_INPUT,
               arena_cstr(r->arena, arena_printf(r->arena, "body: %s", e.message)));
        return false;
    }
    if (body->type != JSON_OBJECT) {
        refuse(r, 400, PROBLEM_INPUT, "the body must be one object with a query; no batches");
        return false;
    }
    if (!read_text(r, json_get_c(body, "query"), "query", &r->gql.document) ||
        !read_text(r, json_get_c(body, "operationName"), "operationName", &r->gql.operation_name) ||
        !read_object(r, json_get_c(body, "variables"), "variables", &r->gql.variables) ||
        !read_object(r, json_get_c(body, "extensions"), "extensions", &extensions))
        return false;
    if (!str_is_empty(r->gql.document))
        return true;
    refuse(r, 400, PROBLEM_INPUT, "the body has no query");
    return false;
}

void request_post(void *owner, struct http_request *http)
{
    struct request *r = request_create(owner, http);
    if (negotiate(r) && check_origin(r) && check_size(r) && read_body(r))
        identify(r);
}

static bool read_query_string(struct request *r)
{
    struct str variables = STR("");
    struct err e;
    if (!http_query(r->http, STR("query"), &r->gql.document)) {
        refuse(r, 400, PROBLEM_INPUT, "the query string has no query; or use POST");
        return false;
    }
    r->gql.document = arena_copy(r->arena, r->gql.document);
    if (http_query(r->http, STR("operationName"), &r->gql.operation_name))
        r->gql.operation_name = arena_copy(r->arena, r->gql.operation_name);
    if (!http_query(r->http, STR("variables"), &variables) || str_is_empty(variables))
        return true;
    const struct json_value *object;
    if (!json_parse(r->arena, variables, &object, &e)) {
        refuse(r, 400, PROBLEM_INPUT,
               arena_cstr(r->arena, arena_printf(r->arena, "variables: %s", e.message)));
        return false;
    }
    return read_object(r, object, "variables", &r->gql.variables);
}

void request_get(void *owner, struct http_request *http)
{
    struct request *r = request_create(owner, http);
    r->gql.queries_only = true;
    if (negotiate(r) && check_origin(r) && read_query_string(r))
        identify(r);
}
