#include "base/clock.h"
#include "http/server_priv.h"

static int64_t duration_us(const struct http_limits *limits, enum wait_kind kind)
{
    switch (kind) {
    case WAIT_IDLE:
        return limits->idle_ms * CLOCK_MS;
    case WAIT_HEAD:
        return limits->header_deadline_ms * CLOCK_MS;
    case WAIT_BODY:
        return limits->body_window_ms * CLOCK_MS;
    case WAIT_LINGER:
        return limits->linger_ms * CLOCK_MS;
    case WAIT_WRITE:
    case WAIT_UNSENT:
        return limits->write_stall_ms * CLOCK_MS;
    case WAIT_QUIET:
        return limits->websocket_ping_ms * CLOCK_MS;
    case WAIT_PONG:
        return limits->websocket_pong_ms * CLOCK_MS;
    case WAIT_MESSAGE:
        return limits->websocket_message_ms * CLOCK_MS;
    case WAIT_CLOSE:
        return limits->websocket_close_ms * CLOCK_MS;
    case WAIT_KIND_COUNT:
    case WAIT_NONE:
        break;
    }
    return 0;
}

void http_wait_stop(struct http_server *s, struct wait *w)
{
    s->stats.connections_idle -= w->kind == WAIT_IDLE;
    list_remove(&w->node);
    w->kind = WAIT_NONE;
}

void http_wait_start(struct http_server *s, struct wait *w, enum wait_kind kind)
{
    http_wait_stop(s, w);
    s->stats.connections_idle += kind == WAIT_IDLE;
    w->kind = kind;
    w->until_us = io_loop_now_us(s->loop) + duration_us(&s->limits, kind);
    list_push(&s->waits[kind], &w->node);
}

static void body_window_passed(struct connection *c)
{
    const struct http_limits *limits = &c->server->limits;
    if (c->parser.body_got - c->window_body < limits->body_window_bytes) {
        http_connection_refuse(c, HTTP_REFUSED_BODY_SLOW, "request body comes too slowly");
        return;
    }
    c->window_body = c->parser.body_got;
    http_wait_start(c->server, &c->reading, WAIT_BODY);
}

static void write_window_passed(struct connection *c)
{
    size_t unsent = io_stream_unsent(c->stream);
    if (unsent >= c->window_unsent) {
        c->server->stats.slow_consumers++;
        http_connection_destroy(c);
        return;
    }
    c->window_unsent = unsent;
    http_wait_start(c->server, &c->writing, WAIT_WRITE);
}

static void expire(struct wait *w, enum wait_kind kind)
{
    if (kind >= WAIT_QUIET) {
        http_websocket_expire(w);
        return;
    }
    if (kind == WAIT_WRITE) {
        write_window_passed(container_of(w, struct connection, writing));
        return;
    }
    struct connection *c = container_of(w, struct connection, reading);
    http_wait_stop(c->server, w);
    if (kind == WAIT_HEAD)
        http_connection_refuse(c, HTTP_REFUSED_HEADER_SLOW, "request head comes too slowly");
    else if (kind == WAIT_BODY)
        body_window_passed(c);
    else
        http_connection_destroy(c); /* idle for long, or done lingering */
}

void http_wait_sweep(void *owner)
{
    struct http_server *s = owner;
    int64_t now_us = io_loop_now_us(s->loop);
    for (enum wait_kind kind = 0; kind < WAIT_KIND_COUNT; kind++)
        while (!list_is_empty(&s->waits[kind])) {
            struct wait *w = container_of(s->waits[kind].next, struct wait, node);
            if (w->until_us > now_us)
                break;
            expire(w, kind);
        }
}
