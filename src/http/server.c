#include "http/server_priv.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"

/* Requests kept for reuse, and connections beyond the limit that are still told so. */
enum { POOL_MAX = 128, REFUSING_MAX = 256, SWEEP_MS_MIN = 5, SWEEP_MS_MAX = 1000 };

/* ---- Requests ---- */

static void name_request(struct http_server *s, char id[HTTP_REQUEST_ID_LEN + 1])
{
    static const char hex[] = "0123456789abcdef";
    enum { PREFIX = 8 };
    memcpy(id, s->id_prefix, PREFIX);
    uint64_t number = s->id_next++;
    for (size_t i = HTTP_REQUEST_ID_LEN; i-- > PREFIX; number >>= 4)
        id[i] = hex[number & 15];
    id[HTTP_REQUEST_ID_LEN] = '\0';
}

struct request *http_server_take_request(struct connection *c)
{
    struct http_server *s = c->server;
    struct list *node = list_pop(&s->pool);
    struct request *r = NULL;
    if (node) {
        s->pool_count--;
        r = container_of(node, struct request, node);
    } else {
        r = http_request_create(s, s->limits.arena_bytes);
    }
    s->request_count++;
    name_request(s, r->pub.id);
    r->pub.started_us = clock_mono_us();
    const char *peer = io_stream_peer(c->stream);
    memcpy(r->peer, peer, strlen(peer) + 1);
    return r;
}

void http_server_hand_over(struct request *r)
{
    r->state = REQUEST_RUNNING;
    r->is_handled = true;
    r->server->stats.requests++;
    r->server->stats.requests_running++;
}

static void free_server(struct http_server *s)
{
    for (struct list *node; (node = list_pop(&s->pool));)
        http_request_destroy(container_of(node, struct request, node));
    http_gzip_destroy(s->gzip);
    frames_shop_destroy(s->frames);
    buf_clear(&s->scratch);
    buf_clear(&s->fixed_fields);
    mem_free(s->routes);
    mem_free(s->listeners);
    mem_free(s);
}

void http_server_end_request(struct request *r, int status)
{
    struct http_server *s = r->server;
    assert(list_is_empty(&r->node)); /* in no connection's queue any more */
    if (r->is_handled) {
        s->stats.requests_running--;
        s->stats.cancelled += status == STATUS_CLIENT_GONE;
        if (s->on_answered && !s->is_destroyed)
            s->on_answered(s->owner, &r->pub, status, r->body_bytes);
    }
    s->request_count--;
    if (s->pool_count < POOL_MAX) {
        http_request_reset(r);
        list_push_front(&s->pool, &r->node);
        s->pool_count++;
    } else {
        http_request_destroy(r);
    }
    if (s->is_destroyed && s->request_count == 0)
        free_server(s);
    else
        http_server_check_drained(s);
}

/* ---- Turns ---- */

void http_server_mark(struct connection *c)
{
    if (!list_is_empty(&c->dirty))
        return;
    list_push(&c->server->dirty, &c->dirty);
    io_turn_arm(c->server->turn);
}

static bool is_drained(const struct http_server *s)
{
    bool is_empty = s->stats.connections_open == 0 && s->stats.requests_running == 0;
    return s->is_draining && (is_empty || s->is_drain_over);
}

void http_server_check_drained(struct http_server *s)
{
    if (!s->is_destroyed && is_drained(s))
        io_turn_arm(s->turn);
}

static void end_turn(void *owner)
{
    struct http_server *s = owner;
    for (struct list *node; (node = list_pop(&s->dirty));)
        http_connection_advance(container_of(node, struct connection, dirty));
    http_websockets_advance(s);
    if (!is_drained(s) || !s->on_drained)
        return;
    io_timer_stop(s->drain_deadline);
    io_fn *on_drained = take(s->on_drained);
    on_drained(s->drain_owner); /* may destroy the server */
}

/* A producer is called from a timer, not within the turn's end: one that always has more to write
 * must not keep the loop from everybody else. */
void http_server_tell_drained(struct connection *c)
{
    if (!list_is_empty(&c->drained))
        return;
    list_push(&c->server->drained, &c->drained);
    io_timer_start(c->server->drained_timer, 0);
}

static void call_producers(void *owner)
{
    struct http_server *s = owner;
    for (struct list *node; (node = list_pop(&s->drained));) {
        struct connection *c = container_of(node, struct connection, drained);
        struct request *r = container_of(c->requests.next, struct request, node);
        if (list_is_empty(&c->requests) || r->state != REQUEST_STREAMING || r->is_stream_ended ||
            r->is_stream_closed || http_stream_unsent(&r->pub) > 0)
            continue;
        if (r->stream.on_drained)
            r->stream.on_drained(r->stream_owner);
    }
}

/* ---- Connections ---- */

static void on_accept(void *owner, struct io_stream *stream)
{
    struct http_server *s = owner;
    s->stats.connections_accepted++;
    bool is_full = s->stats.connections_open >= s->limits.connections_max;
    if (s->stats.connections_open >= s->limits.connections_max + REFUSING_MAX) {
        s->stats.refused[HTTP_REFUSED_CONNECTIONS]++;
        io_stream_destroy(stream);
        return;
    }
    struct connection *c = http_connection_create(s, stream);
    if (is_full)
        http_connection_refuse(c, HTTP_REFUSED_CONNECTIONS, "too many connections");
}

/* Often enough for the shortest limit, and at most each second. */
static int64_t sweep_interval_ms(const struct http_limits *limits)
{
    const int64_t all[] = { limits->idle_ms,           limits->header_deadline_ms,
                            limits->body_window_ms,    limits->linger_ms,
                            limits->write_stall_ms,    limits->websocket_ping_ms,
                            limits->websocket_pong_ms, limits->websocket_message_ms,
                            limits->websocket_close_ms };
    int64_t least = SWEEP_MS_MAX * 4;
    for (size_t i = 0; i < countof(all); i++)
        least = min_of(least, all[i]);
    return max_of(least / 4, (int64_t)SWEEP_MS_MIN);
}

static void destroy_connections(struct http_server *s)
{
    while (!list_is_empty(&s->connections))
        http_connection_destroy(container_of(s->connections.next, struct connection, node));
    http_websockets_destroy(s);
}

static void close_listeners(struct http_server *s)
{
    for (size_t i = 0; i < s->listener_count; i++)
        io_listener_destroy(s->listeners[i]);
    s->listener_count = 0;
}

static void drain_deadline_passed(void *owner)
{
    struct http_server *s = owner;
    s->is_drain_over = true;
    destroy_connections(s);
    http_server_check_drained(s);
}

/* ---- The server ---- */

struct http_server *http_server_create(struct io_loop *loop,
                                       const struct http_server_options *options)
{
    struct http_server *s = mem_new(struct http_server);
    *s = (struct http_server){
        .loop = loop,
        .limits = options->limits,
        .common_headers = options->common_headers,
        .problem_prefix = options->problem_prefix,
        .on_answered = options->on_answered,
        .owner = options->owner,
        .gzip = http_gzip_create(),
        .frames = frames_shop_create(),
    };
    uint32_t prefix = 0;
    random_bytes(&prefix, sizeof prefix);
    snprintf(s->id_prefix, sizeof s->id_prefix, "%08x", prefix);
    list_init(&s->connections);
    list_init(&s->dirty);
    list_init(&s->drained);
    list_init(&s->websockets);
    list_init(&s->dirty_websockets);
    list_init(&s->pool);
    for (size_t i = 0; i < WAIT_KIND_COUNT; i++)
        list_init(&s->waits[i]);
    s->turn = io_turn_create(loop, end_turn, s);
    s->sweep = io_timer_create(loop, http_wait_sweep, s);
    s->drained_timer = io_timer_create(loop, call_producers, s);
    s->drain_deadline = io_timer_create(loop, drain_deadline_passed, s);
    io_timer_repeat(s->sweep, sweep_interval_ms(&s->limits));
    io_timer_unref(s->sweep);
    http_route_table_init(s, options);
    return s;
}

bool http_server_listen(struct http_server *s, int fd, struct err *e)
{
    struct io_listener *listener = NULL;
    if (!io_listener_create(s->loop, fd, on_accept, s, &listener, e))
        return err_in(e, "listen for HTTP");
    s->listeners = mem_resize(s->listeners, s->listener_count + 1, sizeof *s->listeners);
    s->listeners[s->listener_count++] = listener;
    return true;
}

void http_server_drain(struct http_server *s, int64_t deadline_ms, io_fn *done, void *owner)
{
    assert(!s->is_draining);
    s->is_draining = true;
    s->on_drained = done;
    s->drain_owner = owner;
    close_listeners(s);
    list_each (node, &s->connections)
        http_connection_begin_drain(container_of(node, struct connection, node));
    http_websockets_begin_drain(s);
    io_timer_start(s->drain_deadline, deadline_ms);
    http_server_check_drained(s);
}

void http_server_destroy(struct http_server *s)
{
    if (!s)
        return;
    s->is_destroyed = true;
    s->request_count++; /* held until all is taken apart here */
    close_listeners(s);
    destroy_connections(s);
    io_turn_destroy(s->turn);
    io_timer_destroy(s->sweep);
    io_timer_destroy(s->drained_timer);
    io_timer_destroy(s->drain_deadline);
    if (--s->request_count == 0)
        free_server(s);
}

const struct http_stats *http_server_stats(const struct http_server *s)
{
    return &s->stats;
}
