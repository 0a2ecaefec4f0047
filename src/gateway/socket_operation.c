#include "base/clock.h"
#include "base/log.h"
#include "gateway/meter.h"
#include "gateway/operation.h"
#include "gateway/problem.h"
#include "gateway/socket_priv.h"
#include "gateway/subscription.h"

/*
 *   begin --> who asks? --> run, or subscribe --> next … --> complete --> ended
 *                `-- refused --> error ---------------------------------^
 *   The client may complete it, or go, at any time: from then on it tells nobody anything.
 */
struct operation {
    struct list node; /* in socket.operations, while the client waits for it */
    struct socket *socket;
    struct request *r; /* in its arena */
    struct str id;
    struct subscription *subscription; /* NULL: not begun, or no subscription */
    struct buf out;                    /* a `next` message: `prefix` bytes, then the response */
    size_t prefix;
    int64_t begun_us;
    bool is_wanted;
};

/* ── what is told ── */

static void forget(struct operation *op)
{
    op->is_wanted = false;
    list_remove(&op->node);
}

static void send(const struct operation *op, struct buf *words)
{
    if (op->is_wanted)
        http_websocket_send(op->socket->http, buf_str(words));
}

static void send_error(struct operation *op, struct str errors)
{
    struct buf words;
    buf_init(&words, 0);
    socket_message_put_error(&words, op->id, errors);
    send(op, &words);
    buf_clear(&words);
    forget(op);
}

static void send_complete(struct operation *op)
{
    struct buf words;
    buf_init(&words, 0);
    socket_message_put_complete(&words, op->id);
    send(op, &words);
    buf_clear(&words);
    forget(op);
}

/* What the engine has written behind the prefix. Each part of an answer goes this way. */
static void send_next(struct operation *op)
{
    buf_put_char(&op->out, '}');
    send(op, &op->out);
    op->out.len = op->prefix;
}

/* The array in `{"errors":[…]}`, which is all that there is of what did not run. */
static struct str errors_of(struct str response)
{
    const struct str before = STR("{\"errors\":");
    assert(str_starts_with(response, before) && str_ends_with(response, STR("}")));
    return str_of(response.ptr + before.len, response.len - before.len - 1);
}

/* `ran` NULL: it did not. */
static void note(const struct operation *op, const enum gql_operation_type *ran, const char *code)
{
    static const char *const types[] = {
        [GQL_QUERY] = "query", [GQL_MUTATION] = "mutation", [GQL_SUBSCRIPTION] = "subscription"
    };
    const struct request *r = op->r;
    if (ran != NULL)
        meter_operation(op->socket->loop->gateway->meter, *ran, code != NULL);
    log_info("socket.operation", "req=%.*s op=%s name=%s us=%lld code=%s", STR_FMT(r->id),
             ran != NULL ? types[*ran] : "-",
             str_is_empty(r->gql.operation_name) ? "-"
                                                 : log_quote(str_first(r->gql.operation_name, 100)),
             (long long)(clock_mono_us() - op->begun_us), code != NULL ? code : "-");
}

/* ── a query or mutation ── */

static void answered(struct request *r, const struct gql_outcome *outcome)
{
    struct operation *op = r->owner;
    struct str response = str_from(buf_str(&op->out), op->prefix);
    note(op, outcome->is_request_error ? NULL : &outcome->type, outcome->code);
    if (outcome->is_cancelled || !op->is_wanted)
        return;
    if (outcome->is_request_error) {
        send_error(op, errors_of(response));
        return;
    }
    send_next(op);
    if (!outcome->has_next)
        send_complete(op);
}

static void payload(struct request *r, bool has_next)
{
    struct operation *op = r->owner;
    if (!op->is_wanted)
        return;
    send_next(op);
    if (!has_next)
        send_complete(op);
}

static void refused(struct request *r, int status, const char *code, const char *message)
{
    struct operation *op = r->owner;
    struct buf errors;
    (void)status;
    note(op, NULL, code);
    buf_init(&errors, 0);
    buf_put_char(&errors, '[');
    request_put_error(&errors, r, code, str_of_c(message));
    buf_put_char(&errors, ']');
    send_error(op, buf_str(&errors));
    buf_clear(&errors);
}

static void ended(struct request *r)
{
    struct operation *op = r->owner;
    forget(op);
    buf_clear(&op->out);
    socket_operation_ended(op->socket);
}

/* ── a subscription ── */

static void subscription_started(void *owner, struct subscription *subscription)
{
    struct operation *op = owner;
    note(op, &(enum gql_operation_type){ GQL_SUBSCRIPTION }, NULL);
    op->subscription = subscription;
    buf_clear(&op->out); /* the subscription has its own; 10,000 idle ones are to be cheap */
    if (!op->is_wanted)
        subscription_stop(subscription, NULL);
}

static void subscription_next(void *owner, struct str response)
{
    struct operation *op = owner;
    struct buf words;
    buf_init(&words, 0);
    socket_message_put_next(&words, op->id);
    buf_put_str(&words, response);
    buf_put_char(&words, '}');
    send(op, &words);
    buf_clear(&words);
}

static void subscription_over(void *owner, const struct err *e)
{
    struct operation *op = owner;
    struct request *r = op->r;
    if (e != NULL && op->is_wanted) {
        struct buf errors;
        buf_init(&errors, 0);
        buf_put_char(&errors, '[');
        request_put_err(&errors, r, e);
        buf_put_char(&errors, ']');
        send_error(op, buf_str(&errors));
        buf_clear(&errors);
    } else if (op->is_wanted && !op->socket->is_draining) {
        send_complete(op);
    }
    request_end(r);
}

static const struct subscription_carrier subscription_carrier = { .started = subscription_started,
                                                                  .next = subscription_next,
                                                                  .over = subscription_over };

/* ── the beginning ── */

static void identified(struct request *r)
{
    struct operation *op = r->owner;
    if (!op->is_wanted)
        request_end(r);
    else if (gql_request_type(r->loop->engine, r->arena, &r->gql) == GQL_SUBSCRIPTION)
        subscription_begin(r, &subscription_carrier, op);
    else
        request_run(r);
}

static const struct request_carrier carrier = {
    .identified = identified,
    .answered = answered,
    .payload = payload,
    .refused = refused,
    .ended = ended,
};

static bool is_one_more_allowed(const struct socket *s)
{
    return s->running <= (size_t)conf_int(s->loop->gateway->conf, CONF_WEBSOCKET_OPERATIONS_MAX);
}

void socket_operation_begin(struct socket *s, struct arena *a, const struct socket_message *m)
{
    int64_t now_us = clock_mono_us();
    struct request *r =
        request_begin_in(a, s->loop, &carrier, NULL, now_us + s->loop->gateway->request_timeout_us);
    struct operation *op = arena_new(a, struct operation);
    *op = (struct operation){ .socket = s, .r = r, .id = m->id, .begun_us = now_us };
    op->is_wanted = true;
    list_init(&op->node);
    list_push(&s->operations, &op->node);
    s->running++;
    buf_init(&op->out, 0);
    socket_message_put_next(&op->out, op->id);
    op->prefix = op->out.len;
    r->owner = op;
    r->out = &op->out;
    r->gql.incremental = GQL_INCREMENTAL_DRAFT; /* who writes @defer here knows it */
    r->id = arena_printf(a, "%s.%llu", s->id, (unsigned long long)++s->started);
    r->address = str_of_c(s->address);
    r->user_agent = str_of_c(s->user_agent);
    r->token = str_of_c(s->token);
    r->is_by_cookie = s->is_by_cookie;
    if (!is_one_more_allowed(s))
        request_refuse(r, 429, PROBLEM_RATE_LIMITED,
                       "too many operations run on this socket (websocket-operations-max)");
    else if (operation_read(r, m->payload))
        request_start(r);
}

/* ── the end by the client ── */

static void drop(struct operation *op)
{
    forget(op);
    if (op->subscription != NULL)
        subscription_stop(op->subscription, NULL); /* last use: it may be over now */
    else
        request_cancel(op->r);
}

static struct operation *find(const struct socket *s, struct str id)
{
    list_each (node, &s->operations) {
        struct operation *op = container_of(node, struct operation, node);
        if (str_eq(op->id, id))
            return op;
    }
    return NULL;
}

bool socket_operation_is_there(const struct socket *s, struct str id)
{
    return find(s, id) != NULL;
}

void socket_operation_complete(struct socket *s, struct str id)
{
    struct operation *op = find(s, id);
    if (op != NULL)
        drop(op);
}

void socket_operations_drop(struct socket *s)
{
    while (!list_is_empty(&s->operations))
        drop(container_of(s->operations.next, struct operation, node));
}
