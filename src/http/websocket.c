#include "http/websocket.h"

#include "base/log.h"
#include "base/mem.h"
#include "http/handshake.h"
#include "http/server_priv.h"

/* What is gathered for one write. */
enum { GATHERED_BYTES_MAX = 64 * 1024 };

enum state {
    OPENING, /* 101 is yet to be written; what is sent waits */
    OPEN,
    CLOSING,   /* our close is sent, theirs awaited */
    FINISHING, /* no more is read but the connection's end */
    GONE,      /* to be freed at the turn's end */
};

struct http_websocket {
    struct list node;  /* in server->websockets */
    struct list dirty; /* in server->dirty_websockets: something is to be done at the turn's end */
    struct http_server *server;
    struct io_stream *stream; /* NULL while OPENING, and where the client went before */
    const struct http_websocket_events *events;
    void *owner;
    enum state state;
    unsigned code;     /* of the close that came first; 0: none */
    bool is_told;      /* the owner, of the end */
    bool has_finished; /* our side of the connection */
    struct frames_reader frames;
    struct buf out; /* whole frames, to be written at the turn's end */
    struct wait reading, writing;
    size_t window_unsent; /* unsent when WAIT_UNSENT began */
};

static void mark(struct http_websocket *w)
{
    if (!list_is_empty(&w->dirty))
        return;
    list_push(&w->server->dirty_websockets, &w->dirty);
    io_turn_arm(w->server->turn);
}

/* The first code counts. */
static void enter(struct http_websocket *w, enum state state, unsigned code)
{
    w->state = max_of(w->state, state);
    w->code = w->code ? w->code : code;
    mark(w);
}

/* ---- Writing ---- */

static void flush(struct http_websocket *w)
{
    struct http_server *s = w->server;
    struct str bytes = buf_str(&w->out);
    if (!w->stream || bytes.len == 0 || w->has_finished)
        return;
    s->stats.writes++;
    s->stats.bytes_out += bytes.len;
    io_stream_write(w->stream, &bytes, 1);
    buf_clear(&w->out);
}

/* Bytes that the client has not taken yet. */
static size_t count_unsent(const struct http_websocket *w)
{
    return w->out.len + (w->stream ? io_stream_unsent(w->stream) : 0);
}

static void put_close(struct http_websocket *w, unsigned code, struct str reason)
{
    log_debug("websocket.close", "code=%u reason=%s", code, log_quote(reason));
    frames_write_close(w->server->frames, &w->out, code, reason);
}

void http_websocket_close(struct http_websocket *w, unsigned code, struct str reason)
{
    if (w->state > OPEN)
        return;
    put_close(w, code, reason);
    enter(w, CLOSING, code);
}

/* What waits is checked before, so that one large answer may go to a client that reads. */
static void put_frame(struct http_websocket *w, enum frames_opcode opcode, struct str payload)
{
    if (w->out.len > GATHERED_BYTES_MAX)
        flush(w);
    if (count_unsent(w) > w->server->limits.websocket_unsent_bytes) {
        w->server->stats.slow_consumers++;
        buf_reset(&w->out);
        http_websocket_close(w, CLOSE_TRY_AGAIN, STR("too much waits unread"));
        return;
    }
    frames_write(w->server->frames, &w->out, opcode, payload);
    mark(w);
}

void http_websocket_send(struct http_websocket *w, struct str text)
{
    if (w->state > OPEN)
        return;
    w->server->stats.messages_out++;
    put_frame(w, FRAMES_TEXT, text);
}

/* ---- Reading ---- */

/* The connection fails as RFC 6455 section 7.1.7 says: nothing more is read of it. */
static void fail(struct http_websocket *w, unsigned code, const char *why)
{
    if (w->state <= OPEN)
        put_close(w, code, str_of_c(why));
    enter(w, FINISHING, code);
}

static void got_control(struct http_websocket *w, const struct frames_told *told)
{
    switch (told->opcode) {
    case FRAMES_PING:
        if (w->state <= OPEN)
            put_frame(w, FRAMES_PONG, told->payload);
        return;
    case FRAMES_CLOSE:
        if (w->state <= OPEN)
            put_close(w, told->code, STR(""));
        enter(w, FINISHING, told->code);
        return;
    case FRAMES_PONG:
    case FRAMES_TEXT:
    case FRAMES_BINARY:
        return; /* that it came was heard already */
    }
}

static void got_message(struct http_websocket *w, const struct frames_told *told)
{
    if (w->state > OPEN)
        return;
    w->server->stats.messages_in++;
    w->events->on_message(w->owner, told->payload, told->opcode == FRAMES_BINARY);
}

/* True when a message came to its end. */
static bool read_frames(struct http_websocket *w, struct str bytes)
{
    struct frames_told told;
    bool has_ended = false;
    while (w->state <= CLOSING) {
        switch (frames_read(&w->frames, &bytes, &told)) {
        case FRAMES_MORE:
            return has_ended;
        case FRAMES_MESSAGE:
            has_ended = true;
            got_message(w, &told);
            break;
        case FRAMES_CONTROL:
            got_control(w, &told);
            break;
        case FRAMES_REFUSED:
            fail(w, told.code, told.why);
            break;
        }
    }
    return has_ended;
}

/* Of an open socket, after something was heard. */
static void set_reading_wait(struct http_websocket *w, bool has_message_ended)
{
    enum wait_kind kind = frames_is_within(&w->frames) ? WAIT_MESSAGE : WAIT_QUIET;
    if (w->state == OPEN &&
        (kind == WAIT_QUIET || w->reading.kind != WAIT_MESSAGE || has_message_ended))
        http_wait_start(w->server, &w->reading, kind);
}

static void on_data(void *owner, struct str bytes)
{
    struct http_websocket *w = owner;
    w->server->stats.bytes_in += bytes.len;
    bool has_ended = read_frames(w, bytes);
    set_reading_wait(w, has_ended);
}

static void on_end(void *owner, bool is_broken)
{
    struct http_websocket *w = owner;
    (void)is_broken; /* a WebSocket whose client has ended its side is over, too */
    enter(w, GONE, CLOSE_ABNORMAL);
}

static void on_drained(void *owner)
{
    mark(owner);
}

void http_websocket_expire(struct wait *wait)
{
    struct http_websocket *w = wait->kind == WAIT_UNSENT
                                   ? container_of(wait, struct http_websocket, writing)
                                   : container_of(wait, struct http_websocket, reading);
    enum wait_kind kind = wait->kind;
    http_wait_stop(w->server, wait);
    if (kind == WAIT_UNSENT && io_stream_unsent(w->stream) < w->window_unsent) {
        mark(w); /* begins anew there */
    } else if (kind == WAIT_QUIET) {
        put_frame(w, FRAMES_PING, STR(""));
        http_wait_start(w->server, &w->reading, WAIT_PONG);
    } else if (kind == WAIT_MESSAGE) {
        fail(w, CLOSE_POLICY, "message came too slowly");
    } else {
        w->server->stats.slow_consumers += kind == WAIT_UNSENT;
        enter(w, GONE, CLOSE_ABNORMAL);
    }
}

/* ---- Life ---- */

static void tell(struct http_websocket *w)
{
    if (w->is_told)
        return;
    w->is_told = true;
    w->server->stats.websockets_closed[http_closed_index(w->code)]++;
    w->events->on_closed(w->owner, w->code);
}

static void destroy(struct http_websocket *w)
{
    struct http_server *s = w->server;
    tell(w);
    http_wait_stop(s, &w->reading);
    http_wait_stop(s, &w->writing);
    list_remove(&w->dirty);
    list_remove(&w->node);
    if (w->stream) {
        s->stats.connections_open--;
        s->stats.websockets_open--;
        io_stream_destroy(w->stream);
    }
    frames_reader_clear(&w->frames);
    buf_clear(&w->out);
    mem_free(w);
    http_server_check_drained(s);
}

static void set_writing_wait(struct http_websocket *w, size_t unsent)
{
    if (unsent && w->writing.kind == WAIT_NONE) {
        w->window_unsent = unsent;
        http_wait_start(w->server, &w->writing, WAIT_UNSENT);
    } else if (!unsent && w->writing.kind != WAIT_NONE) {
        http_wait_stop(w->server, &w->writing);
    }
}

static void advance(struct http_websocket *w)
{
    flush(w);
    if (w->state > OPEN)
        tell(w);
    if (w->state == GONE) {
        destroy(w);
        return;
    }
    if (!w->stream)
        return;
    size_t unsent = io_stream_unsent(w->stream);
    set_writing_wait(w, unsent);
    if (w->state <= OPEN)
        return;
    /* The client is waited for once it has been sent our close. */
    if (unsent)
        http_wait_stop(w->server, &w->reading);
    else if (w->reading.kind != WAIT_CLOSE)
        http_wait_start(w->server, &w->reading, WAIT_CLOSE);
    if (w->state == FINISHING && !w->has_finished) {
        w->has_finished = true;
        io_stream_finish(w->stream);
    }
}

void http_websockets_advance(struct http_server *s)
{
    for (struct list *node; (node = list_pop(&s->dirty_websockets));)
        advance(container_of(node, struct http_websocket, dirty));
}

static void begin_drain(struct http_websocket *w)
{
    if (w->state != OPEN)
        return;
    if (w->events->on_drain)
        w->events->on_drain(w->owner);
    else
        http_websocket_close(w, CLOSE_GOING_AWAY, STR("the server is stopping"));
}

void http_websockets_begin_drain(struct http_server *s)
{
    list_each (node, &s->websockets)
        begin_drain(container_of(node, struct http_websocket, node));
}

void http_websockets_destroy(struct http_server *s)
{
    while (!list_is_empty(&s->websockets)) {
        struct http_websocket *w = container_of(s->websockets.next, struct http_websocket, node);
        enter(w, GONE, CLOSE_ABNORMAL);
        destroy(w);
    }
}

static const struct io_stream_events stream_events = {
    .on_data = on_data,
    .on_end = on_end,
    .on_drained = on_drained,
};

void http_websocket_begin(struct http_websocket *w, struct io_stream *stream, struct str unread)
{
    struct http_server *s = w->server;
    if (!stream) {
        enter(w, GONE, CLOSE_ABNORMAL);
        return;
    }
    w->stream = stream;
    s->stats.connections_open++;
    s->stats.websockets_open++;
    s->stats.websockets++;
    if (w->state == OPENING)
        w->state = OPEN;
    mark(w);
    io_stream_start(stream, &stream_events, w);
    on_data(w, unread);
    if (s->is_draining)
        begin_drain(w);
}

bool http_websocket_is_asked(const struct http_request *r)
{
    return handshake_has_token(r, STR("Upgrade"), STR("websocket"));
}

struct http_websocket *http_websocket_accept(struct http_request *pub, const struct str *protocols,
                                             size_t protocol_count,
                                             const struct http_websocket_events *events,
                                             void *owner, int *ret_protocol)
{
    struct http_server *s = http_request_of(pub)->server;
    struct str key;
    char accept[HANDSHAKE_ACCEPT_LEN + 1];
    *ret_protocol = -1;
    if (!handshake_check(pub, &key))
        return NULL;
    handshake_accept(key, accept);
    http_add_header(pub, STR("Sec-WebSocket-Accept"), str_of_c(accept));
    *ret_protocol = handshake_protocol(pub, protocols, protocol_count);
    if (*ret_protocol >= 0)
        http_add_header(pub, STR("Sec-WebSocket-Protocol"), protocols[*ret_protocol]);
    struct http_websocket *w = mem_new(struct http_websocket);
    *w = (struct http_websocket){ .server = s, .events = events, .owner = owner };
    list_init(&w->dirty);
    list_init(&w->reading.node);
    list_init(&w->writing.node);
    w->reading.kind = w->writing.kind = WAIT_NONE;
    frames_reader_init(&w->frames, s->frames, s->limits.websocket_message_bytes);
    list_push(&s->websockets, &w->node);
    http_response_upgrade(http_request_of(pub), w);
    return w;
}
