#include "gateway/request.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/access.h"
#include "gateway/capability.h"
#include "gateway/problem.h"
#include "json/writer.h"

/* ── life ── */

struct request *request_begin(struct gateway_loop *loop, const struct request_carrier *carrier,
                              void *owner, int64_t deadline_us, bool is_large)
{
    struct arena *a = gateway_arena(loop, is_large);
    struct request *r = request_begin_in(a, loop, carrier, owner, deadline_us);
    r->is_large = is_large;
    return r;
}

struct request *request_begin_in(struct arena *a, struct gateway_loop *loop,
                                 const struct request_carrier *carrier, void *owner,
                                 int64_t deadline_us)
{
    struct request *r = arena_new(a, struct request);
    r->loop = loop;
    r->carrier = carrier;
    r->owner = owner;
    r->arena = a;
    r->deadline_us = deadline_us;
    list_init(&r->wait.waiting);
    list_push(&loop->requests, &r->by_age);
    return r;
}

void request_end(struct request *r)
{
    list_remove(&r->by_age);
    if (r->carrier->ended != NULL)
        r->carrier->ended(r);
    credential_unref(r->credential);
    gateway_arena_done(r->loop, r->arena, r->is_large);
}

/* ── what nobody's resolver told ── */

void request_put_error(struct buf *out, const struct request *r, const char *code,
                       struct str message)
{
    struct json_writer w = json_writer_to(out);
    json_begin_object(&w);
    json_key_c(&w, "message");
    json_write_string(&w, message);
    json_key_c(&w, "extensions");
    json_begin_object(&w);
    json_key_c(&w, "code");
    json_write_string(&w, str_of_c(code));
    json_key_c(&w, "requestId");
    json_write_string(&w, r->id);
    json_end_object(&w);
    json_end_object(&w);
}

void request_put_err(struct buf *out, struct request *r, const struct err *e)
{
    struct gql_error told = { 0 };
    request_map_err(r, e, &told);
    buf_put_c(out, "{\"message\":");
    json_put_string(out, told.message);
    buf_printf(out, ",\"extensions\":{\"code\":\"%s\"%s%.*s}}", told.code,
               str_is_empty(told.extensions_json) ? "" : ",", STR_FMT(told.extensions_json));
}

void request_refuse(struct request *r, int status, const char *code, const char *message)
{
    assert(!r->is_answered && r->operation == NULL);
    list_remove(&r->by_age);
    r->is_answered = true;
    r->carrier->refused(r, status, code, message);
    request_end(r);
}

/* False: its text is for the log alone, where it is now. */
static bool may_be_told(const struct request *r, const struct err *e, const struct problem *problem)
{
    if (strcmp(problem->code, PROBLEM_INTERNAL) != 0)
        return true;
    log_error("request.failed", "req=%.*s error=%s", STR_FMT(r->id),
              log_quote(str_of_c(err_text(e))));
    return false;
}

void request_refuse_err(struct request *r, const struct err *e)
{
    struct problem problem = problem_of(e);
    bool is_told = may_be_told(r, e, &problem);
    request_refuse(r, problem.http_status, problem.code, is_told ? e->message : "internal error");
}

void request_map_err(void *ctx, const struct err *e, struct gql_error *error)
{
    struct request *r = ctx;
    struct problem problem = problem_of(e);
    bool is_told = may_be_told(r, e, &problem);
    error->code = problem.code;
    error->message = is_told ? arena_copy(r->arena, str_of_c(e->message))
                             : STR("internal error; the log tells more under the request id");
    if (!is_told) {
        error->extensions_json = arena_printf(r->arena, "\"requestId\":\"%.*s\"", STR_FMT(r->id));
    } else if (e->code == ERR_RATE && r->retry_after_us > 0) {
        error->extensions_json =
            arena_printf(r->arena, "\"retryAfterSeconds\":%lld",
                         (long long)((r->retry_after_us + CLOCK_S - 1) / CLOCK_S));
    }
}

/* ── running ── */

/* Nobody waits for the operation any more. */
static void stop_waiting(struct request *r)
{
    r->operation = NULL;
    list_remove(&r->by_age);
    r->is_answered = true;
}

static void answered(struct gql_operation *op, const struct gql_outcome *outcome, void *owner)
{
    struct request *r = owner;
    if (outcome->has_next)
        r->operation = op;
    else
        stop_waiting(r);
    if (!outcome->is_request_error && !outcome->is_cancelled)
        documents_ran(r->loop->gateway->documents, &r->document);
    r->carrier->answered(r, outcome);
}

static void payload(struct gql_operation *op, bool has_next, void *owner)
{
    struct request *r = owner;
    (void)op;
    if (!has_next)
        stop_waiting(r);
    r->carrier->payload(r, has_next);
}

static void ended(void *owner)
{
    struct request *r = owner;
    r->is_ended = true;
    if (!r->is_starting)
        request_end(r);
}

void request_run(struct request *r)
{
    const struct gql_end end = { .answered = answered,
                                 .payload = r->carrier->payload ? payload : NULL,
                                 .ended = ended,
                                 .owner = r };
    r->is_starting = true;
    struct gql_operation *op = gql_execute(r->loop->engine, r->arena, &r->gql, r->out, &end);
    r->is_starting = false;
    if (r->is_ended)
        request_end(r);
    else if (!r->is_answered)
        r->operation = op;
}

void request_cancel(struct request *r)
{
    if (r->operation != NULL)
        gql_cancel(r->operation);
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

/* ── who asks ── */

/* NULL: its document may be run. What the ai service asks in a user's name is a part of us. */
static const struct documents_refusal *document_refusal(const struct request *r)
{
    return r->is_by_capability && r->credential != NULL
               ? NULL
               : documents_allow(r->loop->gateway->documents, &r->document);
}

static void known(struct request *r)
{
    const struct credential *c = r->credential;
    const struct documents_refusal *refusal = document_refusal(r);
    if (c != NULL && !(c->grant.scopes & SCOPE_API)) {
        request_refuse(r, 403, PROBLEM_FORBIDDEN,
                       "this token may not use the GraphQL API: it lacks API");
        return;
    }
    if (refusal != NULL) {
        request_refuse(r, refusal->http_status, refusal->code, refusal->message);
        return;
    }
    r->gql.role = access_plan_role(c);
    r->gql.no_introspection = r->gql.no_suggestions =
        c == NULL && !r->loop->gateway->is_introspection_open;
    r->gql.no_values = true;
    r->gql.ctx = r;
    r->carrier->identified(r);
}

static void take_credential(struct request *r, const struct credential *c)
{
    if (c == NULL)
        return;
    credential_ref(c);
    r->credential = c;
    r->self = c->owner.user_id;
}

static void identified(void *owner, const struct credential *c, const struct err *e)
{
    struct request *r = owner;
    if (e != NULL) {
        request_refuse_err(r, e);
        return;
    }
    take_credential(r, c);
    known(r);
}

static void read_token(struct request *r)
{
    if (r->has_read_token)
        return;
    r->has_read_token = true;
    if (!token_parse(r->token, &r->token_kind, r->token_hash))
        r->token_kind = TOKEN_KIND_COUNT;
}

void request_ask_credential(struct request *r, struct credential_wait *wait)
{
    read_token(r);
    credentials_ask_digest(r->loop->credentials, r->token_kind, r->token_hash, wait);
}

/* False: the token is no capability. One that has ended is nobody's. */
static bool identify_by_capability(struct request *r)
{
    enum token_kind kind;
    uint8_t holder_hash[SHA256_LEN];
    read_token(r);
    if (r->token_kind != TOKEN_CAPABILITY)
        return false;
    r->is_by_capability = true;
    if (capability_use(r->loop->gateway->capabilities, r->token_hash, clock_mono_us(), &kind,
                       holder_hash))
        credentials_ask_digest(r->loop->credentials, kind, holder_hash, &r->wait);
    else
        known(r);
    return true;
}

void request_start(struct request *r)
{
    if (!atomic_load_explicit(&r->loop->gateway->is_ready, memory_order_acquire)) {
        r->retry_after_us = CLOCK_S;
        request_refuse(r, 503, PROBLEM_DATABASE_UNAVAILABLE,
                       "starting: the database is not there yet");
        return;
    }
    r->wait =
        (struct credential_wait){ .fn = identified, .owner = r, .deadline_us = r->deadline_us };
    if (str_is_empty(r->token))
        known(r);
    else if (!identify_by_capability(r))
        request_ask_credential(r, &r->wait);
}

void request_start_as(struct request *r, const struct request *other)
{
    r->token = other->token;
    r->is_by_cookie = other->is_by_cookie;
    r->is_by_capability = other->is_by_capability;
    take_credential(r, other->credential);
    known(r);
}
