#include "base/clock.h"
#include "http/accept.h"
#include "http/server_priv.h"

/* Bodies up to this are copied behind their head, so that a turn's answers are one write. */
enum { COPIED_BYTES_MAX = 16 * 1024, UNKNOWN_LENGTH = -1 };

struct str http_reason(int status)
{
    switch (status) {
#define REASON(code, text)                                                                         \
    case code:                                                                                     \
        return STR(text)
        REASON(101, "Switching Protocols");
        REASON(200, "OK");
        REASON(201, "Created");
        REASON(202, "Accepted");
        REASON(204, "No Content");
        REASON(301, "Moved Permanently");
        REASON(302, "Found");
        REASON(303, "See Other");
        REASON(304, "Not Modified");
        REASON(307, "Temporary Redirect");
        REASON(308, "Permanent Redirect");
        REASON(400, "Bad Request");
        REASON(401, "Unauthorized");
        REASON(403, "Forbidden");
        REASON(404, "Not Found");
        REASON(405, "Method Not Allowed");
        REASON(406, "Not Acceptable");
        REASON(408, "Request Timeout");
        REASON(409, "Conflict");
        REASON(410, "Gone");
        REASON(413, "Content Too Large");
        REASON(414, "URI Too Long");
        REASON(415, "Unsupported Media Type");
        REASON(417, "Expectation Failed");
        REASON(421, "Misdirected Request");
        REASON(422, "Unprocessable Content");
        REASON(426, "Upgrade Required");
        REASON(429, "Too Many Requests");
        REASON(431, "Request Header Fields Too Large");
        REASON(500, "Internal Server Error");
        REASON(501, "Not Implemented");
        REASON(502, "Bad Gateway");
        REASON(503, "Service Unavailable");
        REASON(504, "Gateway Timeout");
        REASON(505, "HTTP Version Not Supported");
#undef REASON
    default:
        return STR("Other");
    }
}

/* ---- Heads ---- */

/* The Date field and those that all answers share, made anew each second. */
static struct str fixed_fields(struct http_server *s)
{
    enum { DATE_MAX = 40 };
    int64_t second = io_loop_now_us(s->loop) / 1'000'000;
    if (second == s->fixed_second && s->fixed_fields.len)
        return buf_str(&s->fixed_fields);
    char date[DATE_MAX];
    struct tm tm;
    time_t now = time(NULL);
    (void)gmtime_r(&now, &tm);
    strftime(date, sizeof date, "Date: %a, %d %b %Y %T GMT\r\n", &tm); /* the C locale's names */
    buf_reset(&s->fixed_fields);
    buf_put_c(&s->fixed_fields, date);
    buf_put_str(&s->fixed_fields, s->common_headers);
    s->fixed_second = second;
    return buf_str(&s->fixed_fields);
}

static void put_status_line(struct buf *out, int status)
{
    if (status == 200) {
        buf_put_str(out, STR("HTTP/1.1 200 OK\r\n"));
        return;
    }
    buf_put_str(out, STR("HTTP/1.1 "));
    buf_put_u64(out, (uint64_t)status);
    buf_put_char(out, ' ');
    buf_put_str(out, http_reason(status));
    buf_put_str(out, STR("\r\n"));
}

static bool is_last_of(const struct request *r)
{
    return r->conn->state != CONNECTION_OPEN && r->conn->request_count == 1;
}

static void put_head(struct buf *out, struct request *r, int64_t length)
{
    put_status_line(out, r->status);
    buf_put_str(out, fixed_fields(r->server));
    buf_put_str(out, r->headers);
    buf_put_str(out, buf_str(&r->added));
    if (length != UNKNOWN_LENGTH && r->status != 204 && r->status != 304) {
        buf_put_str(out, STR("Content-Length: "));
        buf_put_u64(out, (uint64_t)length);
        buf_put_str(out, STR("\r\n"));
    } else if (r->is_chunked) {
        buf_put_str(out, STR("Transfer-Encoding: chunked\r\n"));
    }
    if (r->state == REQUEST_UPGRADING)
        buf_put_str(out, STR("Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"));
    else if (is_last_of(r))
        buf_put_str(out, STR("Connection: close\r\n\r\n"));
    else
        buf_put_str(out, r->is_http10 ? STR("Connection: keep-alive\r\n\r\n") : STR("\r\n"));
}

static bool has_body(const struct request *r)
{
    return r->pub.method != HTTP_METHOD_HEAD && r->status != 204 && r->status != 304;
}

/* ---- Answers ---- */

void http_add_header(struct http_request *pub, struct str name, struct str value)
{
    struct request *r = http_request_of(pub);
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] == '\r' || value.ptr[i] == '\n' || value.ptr[i] == '\0')
            return;
    buf_put_str(&r->added, name);
    buf_put_str(&r->added, STR(": "));
    buf_put_str(&r->added, value);
    buf_put_str(&r->added, STR("\r\n"));
}

static void compress(struct request *r)
{
    const struct http_limits *limits = &r->server->limits;
    http_add_header(&r->pub, STR("Vary"), STR("Accept-Encoding"));
    if (r->answer.len < limits->gzip_bytes_min || r->answer.len > limits->gzip_bytes_max ||
        !http_accepts_gzip(http_header(&r->pub, STR("accept-encoding"))))
        return;
    if (http_gzip_compress(r->server->gzip, r->answer, r->pub.arena, &r->answer))
        http_add_header(&r->pub, STR("Content-Encoding"), STR("gzip"));
}

void http_respond(struct http_request *pub, int status, struct str headers, struct str body)
{
    struct request *r = http_request_of(pub);
    assert(r->state == REQUEST_RUNNING);
    assert(status >= 200 && status <= 599);
    r->state = REQUEST_DONE;
    if (!r->conn) {
        http_server_end_request(r, STATUS_CLIENT_GONE);
        return;
    }
    assert(status != STATUS_CLIENT_GONE); /* is told, never written */
    r->status = status;
    r->headers = headers;
    r->answer = body;
    if (pub->may_compress)
        compress(r);
    http_server_mark(r->conn);
}

static struct str text_of(struct request *r, int status, struct str text)
{
    struct str reason = http_reason(status);
    return arena_printf(r->pub.arena, "%.*s%s%.*s\n", STR_FMT(reason), text.len ? ": " : "",
                        STR_FMT(text));
}

void http_respond_text(struct http_request *pub, int status, struct str text)
{
    http_respond(pub, status, HTTP_TEXT, text_of(http_request_of(pub), status, text));
}

static const char *code_of(int status)
{
    switch (status) {
    case 404:
        return "NOT_FOUND";
    case 408:
        return "TIMEOUT";
    case 503:
        return "UNAVAILABLE";
    default:
        return "BAD_USER_INPUT";
    }
}

static bool wants_problem(const struct request *r)
{
    struct str prefix = r->server->problem_prefix;
    return prefix.len > 0 && str_starts_with(str_first(buf_str(&r->head), r->target_len), prefix);
}

/* RFC 9457. `why` is a constant of this module. */
static struct str problem_of(struct request *r, int status, const char *why)
{
    assert(!strpbrk(why, "\"\\"));
    return arena_printf(
        r->pub.arena,
        "{\"type\":\"about:blank\",\"title\":\"%.*s\",\"status\":%d,\"detail\":\"%s\","
        "\"code\":\"%s\",\"server_time_us\":%lld}",
        STR_FMT(http_reason(status)), status, why, code_of(status), (long long)clock_wall_us());
}

void http_response_unrouted(struct request *r, int status, const char *why)
{
    if (wants_problem(r))
        http_respond(&r->pub, status, HTTP_PROBLEM, problem_of(r, status, why));
    else
        http_respond_text(&r->pub, status, STR(""));
}

void http_response_upgrade(struct request *r, struct http_websocket *socket)
{
    assert(r->state == REQUEST_RUNNING);
    r->state = REQUEST_UPGRADING;
    r->status = 101;
    if (!r->conn) {
        http_websocket_begin(socket, NULL, STR(""));
        http_server_end_request(r, STATUS_CLIENT_GONE);
        return;
    }
    r->conn->state = CONNECTION_UPGRADING;
    r->conn->is_doomed = r->conn->has_ended;
    r->conn->websocket = socket;
    http_server_mark(r->conn);
}

void http_response_refuse(struct request *r, int status, const char *why)
{
    assert(r->state == REQUEST_READING);
    buf_reset(&r->added);
    r->state = REQUEST_DONE;
    if (status == http_refused_status(HTTP_REFUSED_ENCODING))
        http_add_header(&r->pub, STR("Accept-Encoding"), STR("identity")); /* RFC 9110, 15.5.16 */
    r->wants_continue = false;
    r->status = status;
    bool is_problem = wants_problem(r);
    r->headers = is_problem ? HTTP_PROBLEM : HTTP_TEXT;
    r->answer = is_problem ? problem_of(r, status, why) : text_of(r, status, str_of_c(why));
}

/* ---- Streams ---- */

void http_stream_start(struct http_request *pub, int status, struct str headers,
                       const struct http_stream_events *events, void *owner)
{
    struct request *r = http_request_of(pub);
    assert(r->state == REQUEST_RUNNING);
    r->state = REQUEST_STREAMING;
    r->status = status;
    r->headers = headers;
    r->stream = *events;
    r->stream_owner = owner;
    r->is_chunked = !r->is_http10 && has_body(r);
    if (r->conn && r->conn->has_ended)
        r->is_cancelled = true; /* as a stream that ran when its client ended its side */
    r->is_stream_closed = r->is_cancelled;
    if (!r->conn)
        return;
    if (r->is_http10)
        r->conn->state = CONNECTION_LAST; /* its end is the connection's */
    http_server_mark(r->conn);
}

size_t http_stream_unsent(const struct http_request *pub)
{
    const struct request *r = http_request_of_const(pub);
    return r->pieces.len + (r->conn ? io_stream_unsent(r->conn->stream) : 0);
}

bool http_stream_write(struct http_request *pub, struct str bytes)
{
    struct request *r = http_request_of(pub);
    assert(r->state == REQUEST_STREAMING && !r->is_stream_ended);
    if (r->is_stream_closed)
        return false;
    if (bytes.len == 0 || !has_body(r))
        return true;
    if (r->is_chunked)
        buf_printf(&r->pieces, "%zx\r\n", bytes.len);
    buf_put_str(&r->pieces, bytes);
    if (r->is_chunked)
        buf_put_str(&r->pieces, STR("\r\n"));
    r->body_bytes += bytes.len;
    if (http_stream_unsent(pub) > r->server->limits.stream_unsent_bytes) {
        r->server->stats.slow_consumers++;
        r->is_stream_closed = true;
        r->conn->is_doomed = true;
    }
    http_server_mark(r->conn);
    return !r->is_stream_closed;
}

void http_stream_end(struct http_request *pub)
{
    struct request *r = http_request_of(pub);
    assert(r->state == REQUEST_STREAMING && !r->is_stream_ended);
    r->is_stream_ended = true;
    if (r->conn)
        http_server_mark(r->conn);
    else
        http_server_end_request(r, STATUS_CLIENT_GONE);
}

/* ---- The turn's end ---- */

static void send_scratch(struct connection *c, struct str tail)
{
    struct http_server *s = c->server;
    struct str parts[] = { buf_str(&s->scratch), tail };
    s->stats.writes++;
    s->stats.bytes_out += parts[0].len + tail.len;
    io_stream_write(c->stream, parts, tail.len ? 2 : 1);
    buf_reset(&s->scratch);
}

static void put_answer(struct connection *c, struct request *r)
{
    struct buf *out = &c->server->scratch;
    put_head(out, r, (int64_t)r->answer.len);
    if (!has_body(r))
        return;
    r->body_bytes = r->answer.len;
    if (r->answer.len <= COPIED_BYTES_MAX)
        buf_put_str(out, r->answer);
    else
        send_scratch(c, r->answer);
}

/* True when the stream has ended. */
static bool put_stream(struct connection *c, struct request *r)
{
    struct buf *out = &c->server->scratch;
    if (r->is_stream_closed)
        return r->is_stream_ended;
    if (!r->is_head_written)
        put_head(out, r, UNKNOWN_LENGTH);
    r->is_head_written = true;
    bool had_pieces = r->pieces.len > 0;
    if (r->is_stream_ended && r->is_chunked)
        buf_put_str(&r->pieces, STR("0\r\n\r\n"));
    if (r->pieces.len <= COPIED_BYTES_MAX)
        buf_put_str(out, buf_str(&r->pieces));
    else
        send_scratch(c, buf_str(&r->pieces));
    buf_reset(&r->pieces);
    if (had_pieces && !r->is_stream_ended && io_stream_unsent(c->stream) == 0)
        http_server_tell_drained(c);
    return r->is_stream_ended;
}

/* True when the request at the queue's front is done with. */
static bool put_front(struct connection *c, struct request *r)
{
    switch (r->state) {
    case REQUEST_DONE:
        put_answer(c, r);
        return true;
    case REQUEST_STREAMING:
        return put_stream(c, r);
    case REQUEST_UPGRADING:
        put_head(&c->server->scratch, r, UNKNOWN_LENGTH);
        return true;
    case REQUEST_READING:
        if (r->wants_continue)
            buf_put_str(&c->server->scratch, STR("HTTP/1.1 100 Continue\r\n\r\n"));
        r->wants_continue = false;
        return false;
    case REQUEST_RUNNING:
        return false;
    }
    return false;
}

void http_response_flush(struct connection *c)
{
    while (!c->is_doomed && !list_is_empty(&c->requests)) {
        struct request *r = container_of(c->requests.next, struct request, node);
        if (!put_front(c, r))
            break;
        list_remove(&r->node);
        c->request_count--;
        c->is_doomed = r->is_stream_closed; /* nothing can follow an answer that was cut off */
        http_server_end_request(r, r->is_stream_closed ? STATUS_CLIENT_GONE : r->status);
    }
    if (c->server->scratch.len)
        send_scratch(c, (struct str){ 0 });
}
