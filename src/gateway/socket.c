#include "gateway/socket.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/headers.h"
#include "gateway/http_carrier.h"
#include "gateway/note.h"
#include "gateway/socket_priv.h"
#include "json/writer.h"
#include "obs/version.h"

enum { USER_AGENT_BYTES_MAX = 512 };

/* ── the end ── */

static void release(struct socket *s)
{
    if (s->state != SOCKET_CLOSED || s->running > 0)
        return;
    mem_free(s->id);
    mem_free(s->address);
    mem_free(s->user_agent);
    mem_free(s->token);
    mem_free(s);
}

void socket_operation_ended(struct socket *s)
{
    s->running--;
    if (s->is_draining && s->state == SOCKET_ACKED && s->running == 0)
        socket_close(s, CLOSE_GOING_AWAY, "the gateway is stopping");
    release(s);
}

void socket_close(struct socket *s, unsigned code, const char *reason)
{
    if (s->http != NULL)
        http_websocket_close(s->http, code, str_of_c(reason));
}

static void closed(void *owner, unsigned code)
{
    struct socket *s = owner;
    log_info("socket.closed", "req=%s code=%u operations=%llu us=%lld", s->id, code,
             (unsigned long long)s->started, (long long)(clock_mono_us() - s->opened_us));
    s->http = NULL;
    list_remove(&s->by_loop);
    list_remove(&s->by_init);
    s->loop->socket_count--;
    credential_wait_cancel(&s->wait);
    credential_watch_stop(&s->watch);
    s->running++; /* held until all is dropped */
    socket_operations_drop(s);
    s->running--;
    s->state = SOCKET_CLOSED;
    release(s);
}

/* ── connection_init ── */

static void acknowledge(struct socket *s)
{
    struct buf words;
    buf_init(&words, 0);
    buf_put_c(&words, "{\"type\":\"connection_ack\",\"payload\":{\"serverVersion\":");
    json_put_string(&words, str_of_c(version_text()));
    buf_put_c(&words, "}}");
    s->state = SOCKET_ACKED;
    http_websocket_send(s->http, buf_str(&words));
    buf_clear(&words);
}

static void credential_lost(void *owner, const struct err *e)
{
    struct socket *s = owner;
    socket_close(s, e->code == ERR_DENIED ? SOCKET_FORBIDDEN : SOCKET_UNAUTHORIZED, e->message);
}

static void identified(void *owner, const struct credential *c, const struct err *e)
{
    struct socket *s = owner;
    if (e != NULL) {
        socket_close(s, CLOSE_TRY_AGAIN, "the credential cannot be checked now");
    } else if (c == NULL) {
        socket_close(s, SOCKET_FORBIDDEN, "no such credential, or it has ended");
    } else if (!(c->grant.scopes & SCOPE_API)) {
        socket_close(s, SOCKET_FORBIDDEN, "this token may not use the GraphQL API: it lacks API");
    } else {
        credential_watch_start(&s->watch, s->loop, str_of_c(s->token), c, credential_lost, s);
        acknowledge(s);
    }
}

static void identify(struct socket *s)
{
    s->state = SOCKET_IDENTIFYING;
    if (str_is_empty(str_of_c(s->token))) {
        acknowledge(s);
        return;
    }
    s->wait = (struct credential_wait){ .fn = identified,
                                        .owner = s,
                                        .deadline_us = s->init_deadline_us };
    credentials_ask(s->loop->credentials, str_of_c(s->token), &s->wait);
}

static void init(struct socket *s, const struct socket_message *m)
{
    struct str token;
    struct err e;
    if (s->state != SOCKET_OPEN) {
        socket_close(s, SOCKET_TOO_MANY_INITS, "Too many initialisation requests");
        return;
    }
    if (!socket_message_token(m->payload, &token, &e)) {
        socket_close(s, SOCKET_BAD_MESSAGE, e.message);
        return;
    }
    if (!atomic_load_explicit(&s->loop->gateway->is_ready, memory_order_acquire)) {
        socket_close(s, CLOSE_TRY_AGAIN, "starting: the database is not there yet");
        return;
    }
    if (token.len > 0) {
        mem_free(s->token);
        s->token = mem_cstr(token);
        s->is_by_cookie = false;
    }
    identify(s);
}

/* ── messages ── */

/* False: the arena is the operation's now. */
static bool subscribe(struct socket *s, struct arena *a, const struct socket_message *m)
{
    if (s->state != SOCKET_ACKED) {
        socket_close(s, SOCKET_UNAUTHORIZED, "Unauthorized");
        return true;
    }
    if (socket_operation_is_there(s, m->id)) {
        char reason[CLOSE_REASON_MAX + 1];
        snprintf(reason, sizeof reason, "Subscriber for %.*s already exists",
                 STR_FMT(str_first(m->id, 80)));
        socket_close(s, SOCKET_ID_IN_USE, reason);
        return true;
    }
    if (s->is_draining)
        return true; /* the close that comes says all */
    socket_operation_begin(s, a, m);
    return false;
}

static void pong(struct socket *s, const struct socket_message *m)
{
    struct buf words;
    buf_init(&words, 0);
    socket_message_put_pong(&words, m->payload);
    http_websocket_send(s->http, buf_str(&words));
    buf_clear(&words);
}

/* False: the arena has gone elsewhere. */
static bool take_message(struct socket *s, struct arena *a, const struct socket_message *m)
{
    switch (m->type) {
    case SOCKET_INIT:
        init(s, m);
        return true;
    case SOCKET_PING:
        pong(s, m);
        return true;
    case SOCKET_SUBSCRIBE:
        return subscribe(s, a, m);
    case SOCKET_COMPLETE:
        socket_operation_complete(s, m->id);
        return true;
    case SOCKET_PONG:
    case SOCKET_MESSAGE_TYPE_COUNT:
        break;
    }
    return true;
}

static void got_message(void *owner, struct str text, bool is_binary)
{
    struct socket *s = owner;
    struct socket_message m;
    struct err e;
    if (is_binary) {
        socket_close(s, SOCKET_BAD_MESSAGE, "a message must be text");
        return;
    }
    struct arena *a = gateway_arena(s->loop, false);
    bool is_read = socket_message_read(a, text, &m, &e);
    if (!is_read)
        socket_close(s, SOCKET_BAD_MESSAGE, e.message);
    if (!is_read || take_message(s, a, &m))
        gateway_arena_done(s->loop, a, false);
}

/* ── the gateway stops ── */

static void drain(void *owner)
{
    struct socket *s = owner;
    s->is_draining = true;
    if (s->running == 0)
        socket_close(s, CLOSE_GOING_AWAY, "the gateway is stopping");
}

void socket_drain_all(struct gateway_loop *loop)
{
    list_each (node, &loop->sockets)
        container_of(node, struct socket, by_loop)->is_draining = true;
}

void socket_sweep(struct gateway_loop *loop)
{
    int64_t now_us = io_loop_now_us(loop->io);
    list_each (node, &loop->sockets_waiting) {
        struct socket *s = container_of(node, struct socket, by_init);
        if (s->init_deadline_us > now_us)
            break;
        list_remove(&s->by_init);
        if (s->state == SOCKET_OPEN)
            socket_close(s, SOCKET_INIT_TIMEOUT, "Connection initialisation timeout");
    }
}

/* ── the beginning ── */

static struct socket *create(struct gateway_loop *loop, struct http_request *http,
                             enum headers_origin origin)
{
    struct socket *s = mem_new(struct socket);
    struct str token = headers_token(http, origin, &s->is_by_cookie);
    s->loop = loop;
    s->id = mem_cstr(request_note(http, "graphql")->id);
    s->address = mem_cstr(http_carrier_client_address(loop->gateway, http, http->arena));
    s->user_agent = mem_cstr(str_first(http_header(http, STR("User-Agent")), USER_AGENT_BYTES_MAX));
    s->token = mem_cstr(token);
    s->opened_us = clock_mono_us();
    s->init_deadline_us =
        s->opened_us + conf_duration_us(loop->gateway->conf, CONF_WEBSOCKET_INIT_TIMEOUT);
    list_init(&s->by_loop);
    list_init(&s->by_init);
    list_init(&s->operations);
    list_init(&s->wait.waiting);
    list_init(&s->watch.by_loop);
    list_init(&s->watch.wait.waiting);
    return s;
}

/* False: refused already. */
static bool is_allowed(const struct gateway_loop *loop, struct http_request *http,
                       enum headers_origin origin)
{
    if (origin == HEADERS_ORIGIN_FOREIGN) {
        http_respond_text(http, 403, STR("a page of another origin may not use this API"));
        return false;
    }
    if (loop->socket_count >= (size_t)conf_int(loop->gateway->conf, CONF_WEBSOCKETS_MAX)) {
        http_add_header(http, STR("Retry-After"), STR("5"));
        http_respond_text(http, 503, STR("too many WebSockets are open (websockets-max)"));
        return false;
    }
    return true;
}

void socket_open(struct gateway_loop *loop, struct http_request *http)
{
    static const struct str protocol = { "graphql-transport-ws", 20 };
    static const struct http_websocket_events events = { .on_message = got_message,
                                                         .on_drain = drain,
                                                         .on_closed = closed };
    const struct gateway *gw = loop->gateway;
    enum headers_origin origin = headers_origin(http, gw->public_origin, gw->cors_origins);
    int chosen;
    (void)request_note(http, "graphql");
    if (!is_allowed(loop, http, origin))
        return;
    struct socket *s = create(loop, http, origin);
    s->http = http_websocket_accept(http, &protocol, 1, &events, s, &chosen);
    if (s->http == NULL) {
        s->state = SOCKET_CLOSED;
        release(s);
        return;
    }
    loop->socket_count++;
    list_push(&loop->sockets, &s->by_loop);
    list_push(&loop->sockets_waiting, &s->by_init);
    if (chosen < 0)
        socket_close(s, SOCKET_BAD_PROTOCOL, "Subprotocol not acceptable: graphql-transport-ws");
}
