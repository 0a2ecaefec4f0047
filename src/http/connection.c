#include "base/log.h"
#include "base/mem.h"
#include "http/server_priv.h"

/*
 *  bytes --> parser --> head: route, limits --> complete: handler --> answer
 *                 `--> refused: error answer, last one
 *  Answers wait in the queue for their turn; the turn's end writes those at the front and goes on:
 *  parse what was held back, or end our side and linger until the client has read it.
 */

/* The client will not see any of these. Handlers are told; they end what they hold. */
static void drop_requests(struct connection *c)
{
    for (struct list *node; (node = list_pop(&c->requests));) {
        struct request *r = container_of(node, struct request, node);
        if (r == c->parser.request)
            c->parser.request = NULL;
        r->conn = NULL;
        bool is_held =
            r->state == REQUEST_RUNNING || (r->state == REQUEST_STREAMING && !r->is_stream_ended);
        if (is_held)
            http_request_cancel(r); /* its handler may end it within this call: last use */
        else
            http_server_end_request(r, STATUS_CLIENT_GONE);
    }
    c->request_count = 0;
}

/* What is left of it when the stream has gone elsewhere, or is to be closed. */
static void free_connection(struct connection *c)
{
    struct http_server *s = c->server;
    http_wait_stop(c->server, &c->reading);
    http_wait_stop(c->server, &c->writing);
    list_remove(&c->dirty);
    list_remove(&c->drained);
    list_remove(&c->node);
    s->stats.connections_open--;
    drop_requests(c);
    if (c->parser.request)
        http_server_end_request(take(c->parser.request), STATUS_CLIENT_GONE);
    buf_clear(&c->unparsed);
    mem_free(c);
    http_server_check_drained(s);
}

void http_connection_destroy(struct connection *c)
{
    io_stream_destroy(take(c->stream));
    if (c->websocket)
        http_websocket_begin(take(c->websocket), NULL, STR(""));
    free_connection(c);
}

/* ---- Reading ---- */

static void set_reading_wait(struct connection *c)
{
    const struct request *r = c->parser.request;
    bool is_open = c->state == CONNECTION_OPEN;
    enum wait_kind kind = WAIT_NONE;
    if (c->is_paused || (r && r->wants_continue))
        kind = WAIT_NONE; /* it is we whom the client waits for */
    else if (is_open && http_parser_is_within_request(&c->parser))
        kind = http_parser_is_within_body(&c->parser) ? WAIT_BODY : WAIT_HEAD;
    else if (is_open && c->request_count == 0)
        kind = WAIT_IDLE;
    else if (c->state == CONNECTION_LINGERING && io_stream_unsent(c->stream) == 0)
        kind = WAIT_LINGER;
    if (c->reading.kind == kind)
        return;
    if (kind == WAIT_NONE)
        http_wait_stop(c->server, &c->reading);
    else
        http_wait_start(c->server, &c->reading, kind);
    c->window_body = c->parser.body_got;
}

static void enqueue(struct connection *c, struct request *r)
{
    r->conn = c;
    list_push(&c->requests, &r->node);
    c->request_count++;
}

void http_connection_refuse(struct connection *c, enum http_refused reason, const char *why)
{
    struct http_server *s = c->server;
    struct request *r = c->parser.request ? take(c->parser.request) : http_server_take_request(c);
    log_debug("http.refused", "peer=%s reason=%s why=%s", io_stream_peer(c->stream),
              http_refused_name(reason), log_quote(str_of_c(why)));
    s->stats.refused[reason]++;
    if (!r->conn)
        enqueue(c, r);
    c->state = CONNECTION_LAST;
    http_wait_stop(c->server, &c->reading);
    http_response_refuse(r, http_refused_status(reason), why);
    http_server_mark(c);
}

/* An answer that needs no handler. With a body still to come, it is the connection's last. */
static void answer_without_handler(struct connection *c, struct request *r)
{
    c->parser.request = NULL;
    http_server_hand_over(r);
    if (r->has_body) {
        r->wants_continue = false;
        c->state = CONNECTION_LAST;
    }
    char allow[64] = "";
    for (unsigned bit = 1; bit <= HTTP_METHOD_OPTIONS; bit <<= 1)
        if (r->methods_allowed & bit) {
            size_t len = strlen(allow);
            snprintf(allow + len, sizeof allow - len, "%s%s", len ? ", " : "",
                     http_method_name(bit));
        }
    if (r->methods_allowed)
        http_add_header(&r->pub, STR("Allow"), str_of_c(allow));
    if (r->methods_allowed)
        http_response_unrouted(r, 405, "the address does not take this method");
    else
        http_response_unrouted(r, 404, "there is no such address");
}

/* True when its body is to be read. */
static bool got_head(struct connection *c)
{
    struct request *r = c->parser.request;
    enqueue(c, r);
    c->is_serial = c->is_serial || r->is_http10;
    r->route = http_route_find(c->server, r->pub.path, r->pub.method, &r->methods_allowed);
    if (!r->route && r->has_body) {
        answer_without_handler(c, r);
        return false;
    }
    if (!http_parser_limit_body(&c->parser, r->route ? r->route->body_bytes_max : 0)) {
        http_connection_refuse(c, c->parser.refused, c->parser.why);
        return false;
    }
    if (r->wants_continue)
        http_server_mark(c);
    if (r->has_body)
        http_wait_stop(c->server, &c->reading); /* its window begins now */
    return true;
}

static void got_request(struct connection *c)
{
    struct request *r = take(c->parser.request);
    struct http_server *s = c->server;
    if (c->reading.kind != WAIT_NONE)
        http_wait_stop(c->server, &c->reading); /* each request has its own deadline */
    r->wants_continue = false;
    if (!r->is_kept_alive || s->is_draining)
        c->state = CONNECTION_LAST;
    if (!r->route) {
        answer_without_handler(c, r);
        return;
    }
    if (r->route->is_prefix)
        r->pub.rest = str_from(r->pub.path, r->route->path.len);
    http_server_hand_over(r);
    r->route->fn(r->route->owner, &r->pub);
}

static bool may_read(const struct connection *c)
{
    const struct http_limits *limits = &c->server->limits;
    size_t most = c->is_serial ? 1 : limits->pipelined_max;
    bool is_full = c->request_count >= most && !http_parser_is_within_body(&c->parser);
    return c->state == CONNECTION_OPEN && !is_full &&
           io_stream_unsent(c->stream) <= limits->unsent_bytes;
}

/* Parses until the bytes are used up or back-pressure says stop. */
static void parse(struct connection *c, struct str *bytes)
{
    bool is_head_fresh = false; /* a request without a body completes without more bytes */
    while (may_read(c) && (bytes->len || is_head_fresh)) {
        if (!c->parser.request)
            c->parser.request = http_server_take_request(c);
        is_head_fresh = false;
        switch (http_parser_feed(&c->parser, bytes)) {
        case PARSER_MORE:
            break;
        case PARSER_HEAD:
            is_head_fresh = got_head(c);
            break;
        case PARSER_COMPLETE:
            got_request(c);
            break;
        case PARSER_REFUSED:
            http_connection_refuse(c, c->parser.refused, c->parser.why);
            break;
        }
    }
}

static void set_paused(struct connection *c, bool is_paused)
{
    if (c->is_paused == is_paused)
        return;
    c->is_paused = is_paused;
    if (is_paused)
        io_stream_pause(c->stream);
    else
        io_stream_resume(c->stream);
}

/* Reading goes on as long as it can, to see the client go: what comes when no more requests may be
 * in work is kept, and only then no more is read. */
static void set_back_pressure(struct connection *c)
{
    bool is_clogged = io_stream_unsent(c->stream) > c->server->limits.unsent_bytes;
    bool is_reading = c->state == CONNECTION_OPEN || c->state == CONNECTION_UPGRADING;
    set_paused(c, is_reading && (c->unparsed.len || is_clogged));
}

static void on_data(void *owner, struct str bytes)
{
    struct connection *c = owner;
    c->server->stats.bytes_in += bytes.len;
    if (c->state == CONNECTION_OPEN)
        parse(c, &bytes);
    if (c->state == CONNECTION_OPEN || c->state == CONNECTION_UPGRADING)
        buf_put_str(&c->unparsed, bytes);
    set_back_pressure(c);
    set_reading_wait(c);
}

static void parse_unparsed(struct connection *c)
{
    struct str rest = buf_str(&c->unparsed);
    parse(c, &rest);
    if (c->state != CONNECTION_OPEN && c->state != CONNECTION_UPGRADING)
        rest.len = 0; /* after the last request: read and left out */
    buf_consume(&c->unparsed, c->unparsed.len - rest.len);
    if (c->unparsed.len == 0)
        buf_clear(&c->unparsed);
}

/* ---- Ends ---- */

/* The client has ended its side. Whether it has gone or waits for its answers, only a write can
 * tell: what runs goes on. A stream ends, for it may have nothing to write for long. */
static void on_half_close(struct connection *c)
{
    c->has_ended = true;
    if (c->state == CONNECTION_OPEN)
        c->state = CONNECTION_LAST;
    c->is_doomed = c->state == CONNECTION_UPGRADING; /* nobody is left to speak to */
    http_wait_stop(c->server, &c->reading);
    struct request *unfinished = take(c->parser.request);
    if (unfinished) {
        c->request_count -= unfinished->conn != NULL;
        list_remove(&unfinished->node);
        http_server_end_request(unfinished, STATUS_CLIENT_GONE);
    }
    list_each (node, &c->requests) {
        struct request *r = container_of(node, struct request, node);
        if ((r->state == REQUEST_STREAMING && !r->is_stream_ended) ||
            (r->state == REQUEST_RUNNING && r->ends_with_client))
            http_request_cancel(r);
    }
}

static void on_end(void *owner, bool is_broken)
{
    struct connection *c = owner;
    if (is_broken) {
        http_connection_destroy(c);
        return;
    }
    on_half_close(c);
    http_server_mark(c);
}

static void on_drained(void *owner)
{
    http_server_tell_drained(owner);
    http_connection_advance(owner);
}

/* All answers are written and there will be no more. */
static void finish(struct connection *c)
{
    if (c->state != CONNECTION_LINGERING) {
        c->state = CONNECTION_LINGERING;
        io_stream_finish(c->stream);
    }
    set_reading_wait(c);
}

static void hand_over(struct connection *c)
{
    struct http_websocket *websocket = take(c->websocket);
    struct io_stream *stream = take(c->stream);
    struct buf unread = c->unparsed;
    c->unparsed = (struct buf){ 0 };
    free_connection(c);
    http_websocket_begin(websocket, stream, buf_str(&unread));
    buf_clear(&unread);
}

void http_connection_advance(struct connection *c)
{
    if (!c->is_doomed)
        http_response_flush(c);
    if (c->websocket && c->request_count == 0 && !c->is_doomed) {
        hand_over(c);
        return;
    }
    size_t unsent = io_stream_unsent(c->stream);
    bool is_over = c->state != CONNECTION_OPEN && c->request_count == 0;
    if (c->is_doomed || (is_over && c->has_ended && unsent == 0)) {
        http_connection_destroy(c);
        return;
    }
    if (unsent && c->writing.kind == WAIT_NONE) {
        c->window_unsent = unsent;
        http_wait_start(c->server, &c->writing, WAIT_WRITE);
    } else if (!unsent && c->writing.kind != WAIT_NONE) {
        http_wait_stop(c->server, &c->writing);
    }
    if (is_over) {
        finish(c);
        return;
    }
    if (c->unparsed.len && c->state == CONNECTION_OPEN)
        parse_unparsed(c);
    set_back_pressure(c);
    set_reading_wait(c);
}

/* An idle connection goes at once; one within a request ends with that request. */
void http_connection_begin_drain(struct connection *c)
{
    if (c->state != CONNECTION_OPEN || http_parser_is_within_request(&c->parser))
        return;
    c->state = CONNECTION_LAST;
    c->is_doomed = c->request_count == 0 && io_stream_unsent(c->stream) == 0;
    http_server_mark(c);
}

static const struct io_stream_events stream_events = {
    .on_data = on_data,
    .on_end = on_end,
    .on_drained = on_drained,
};

struct connection *http_connection_create(struct http_server *s, struct io_stream *stream)
{
    struct connection *c = mem_new(struct connection);
    c->server = s;
    c->stream = stream;
    http_parser_init(&c->parser, &s->limits);
    list_init(&c->requests);
    list_init(&c->dirty);
    list_init(&c->drained);
    list_init(&c->reading.node);
    list_init(&c->writing.node);
    c->reading.kind = c->writing.kind = WAIT_NONE;
    list_push(&s->connections, &c->node);
    s->stats.connections_open++;
    io_stream_start(stream, &stream_events, c);
    set_reading_wait(c);
    return c;
}
