#include "http/parser_priv.h"

#include "base/mem.h"
#include "http/uri.h"

static bool refuse(struct parser *p, enum http_refused reason, const char *why)
{
    if (!p->refused) {
        p->refused = reason;
        p->why = why;
    }
    return false;
}

/* The same as the answer of a callback of llhttp. */
static int stop(struct parser *p, enum http_refused reason, const char *why)
{
    (void)refuse(p, reason, why);
    return HPE_USER;
}

/* ---- What llhttp tells ---- */

/* Where a byte of the present feed stands in the connection. */
static uint64_t place_of(const struct parser *p, const char *at)
{
    return p->fed_at + (uint64_t)(at - p->fed);
}

static int on_method(llhttp_t *llhttp, const char *at, size_t len)
{
    struct parser *p = llhttp->data;
    p->method_end = place_of(p, at + len);
    return HPE_OK;
}

static int on_method_complete(llhttp_t *llhttp)
{
    struct parser *p = llhttp->data;
    p->has_method = true;
    return HPE_OK;
}

static int on_url(llhttp_t *llhttp, const char *at, size_t len)
{
    struct parser *p = llhttp->data;
    if (!p->has_target && place_of(p, at) != p->method_end + 1)
        return stop(p, HTTP_REFUSED_SYNTAX, "more than a space after the method");
    p->has_target = true;
    p->target_end = place_of(p, at + len);
    struct request *r = p->request;
    size_t taken = min_of(len, p->limits->target_bytes - r->head.len);
    buf_put(&r->head, at, taken); /* its beginning tells how it is refused */
    r->target_len = r->head.len;
    if (taken < len)
        return stop(p, HTTP_REFUSED_TARGET_LONG, "request target is too long");
    return HPE_OK;
}

static int on_version_complete(llhttp_t *llhttp)
{
    struct parser *p = llhttp->data;
    p->has_version = true;
    return HPE_OK;
}

/* Counts what the field section, trailers and chunk extensions cost. */
static bool count_header(struct parser *p, size_t bytes)
{
    enum { SEPARATORS = 4 }; /* ": " and CRLF */
    p->header_bytes += bytes + (p->is_name_open ? 0 : SEPARATORS);
    return p->header_bytes <= p->limits->header_bytes;
}

static bool begin_field(struct parser *p)
{
    struct request *r = p->request;
    if (r->field_count == p->limits->header_fields)
        return false;
    if (r->field_count == r->field_capacity) {
        r->field_capacity = max_of(r->field_capacity * 2, (size_t)16);
        r->fields = mem_resize(r->fields, r->field_capacity, sizeof *r->fields);
    }
    r->fields[r->field_count++] = (struct field){ .name_at = (uint32_t)r->head.len };
    return true;
}

static int on_header_field(llhttp_t *llhttp, const char *at, size_t len)
{
    struct parser *p = llhttp->data;
    if (!count_header(p, len))
        return stop(p, HTTP_REFUSED_HEADER_LARGE, "header fields are too large");
    if (!p->is_name_open && !p->is_head_done && !begin_field(p))
        return stop(p, HTTP_REFUSED_HEADER_LARGE, "too many header fields");
    p->is_name_open = true;
    if (p->is_head_done)
        return HPE_OK; /* a trailer: read, bounded and left out */
    p->request->fields[p->request->field_count - 1].name_len += (uint32_t)len;
    buf_put(&p->request->head, at, len);
    return HPE_OK;
}

static int on_header_field_complete(llhttp_t *llhttp)
{
    struct parser *p = llhttp->data;
    struct request *r = p->request;
    p->is_name_open = false;
    if (!p->is_head_done)
        r->fields[r->field_count - 1].value_at = (uint32_t)r->head.len;
    return HPE_OK;
}

static int on_header_value(llhttp_t *llhttp, const char *at, size_t len)
{
    struct parser *p = llhttp->data;
    p->header_bytes += len;
    if (p->header_bytes > p->limits->header_bytes)
        return stop(p, HTTP_REFUSED_HEADER_LARGE, "header fields are too large");
    if (p->is_head_done)
        return HPE_OK;
    p->request->fields[p->request->field_count - 1].value_len += (uint32_t)len;
    buf_put(&p->request->head, at, len);
    return HPE_OK;
}

static int on_chunk_extension(llhttp_t *llhttp, const char *at, size_t len)
{
    struct parser *p = llhttp->data;
    (void)at;
    if (!count_header(p, len))
        return stop(p, HTTP_REFUSED_HEADER_LARGE, "chunk extensions are too large");
    p->is_name_open = true;
    return HPE_OK;
}

/* The line of a chunk's size has ended: what it announces need not come to be refused. */
static int on_chunk_header(llhttp_t *llhttp)
{
    struct parser *p = llhttp->data;
    p->is_name_open = false;
    if (llhttp->content_length > p->body_limit - p->body_got)
        return stop(p, HTTP_REFUSED_BODY_LARGE, "request body is too large");
    return HPE_OK;
}

static int on_headers_complete(llhttp_t *llhttp)
{
    struct parser *p = llhttp->data;
    p->is_head_done = true;
    llhttp->upgrade = 0; /* an upgrade that no handler takes is an ordinary request */
    return HPE_PAUSED;
}

static int on_body(llhttp_t *llhttp, const char *at, size_t len)
{
    struct parser *p = llhttp->data;
    p->body_got += len;
    if (p->body_got > p->body_limit)
        return stop(p, HTTP_REFUSED_BODY_LARGE, "request body is too large");
    buf_put(&p->request->body, at, len);
    return HPE_OK;
}

static int on_message_complete(llhttp_t *llhttp)
{
    struct parser *p = llhttp->data;
    p->is_complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_method = on_method,
    .on_method_complete = on_method_complete,
    .on_url = on_url,
    .on_version_complete = on_version_complete,
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
    .on_chunk_header = on_chunk_header,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void http_parser_init(struct parser *p, const struct http_limits *limits)
{
    *p = (struct parser){ .limits = limits };
    llhttp_init(&p->llhttp, HTTP_REQUEST, &settings);
    p->llhttp.data = p;
}

/* ---- What llhttp leaves to us ---- */

static bool is_token_char(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static void refuse_as_llhttp_says(struct parser *p, llhttp_errno_t error, struct str rest)
{
    const char *reason = llhttp_get_error_reason(&p->llhttp);
    switch ((int)error) {
    case HPE_INVALID_METHOD:
        /* A letter that fits no method we know may spell one that we do not. */
        if (!p->has_method && rest.len && is_token_char((unsigned char)rest.ptr[0]))
            (void)refuse(p, HTTP_REFUSED_METHOD, "method is not known here");
        break;
    case HPE_INVALID_VERSION:
        if (!p->has_version)
            (void)refuse(p, HTTP_REFUSED_VERSION, "HTTP version is not 1.0 or 1.1");
        break;
    case HPE_PAUSED_H2_UPGRADE:
        (void)refuse(p, HTTP_REFUSED_VERSION, "HTTP/2 is not spoken here");
        break;
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_INVALID_TRANSFER_ENCODING:
    case HPE_INVALID_CHUNK_SIZE:
        (void)refuse(p, HTTP_REFUSED_FRAMING, reason);
        break;
    default:
        break;
    }
    (void)refuse(p, HTTP_REFUSED_SYNTAX, reason);
}

/*
 * Empty lines before a request, which llhttp skips without end and also as bare LF. Source: RFC
 * 9112 section 2.2.
 */
static bool skip_empty_lines(struct parser *p, struct str *bytes)
{
    enum { OCTETS_MAX = 4 };
    while (bytes->len && (bytes->ptr[0] == '\r' || bytes->ptr[0] == '\n')) {
        bool is_due = bytes->ptr[0] == (p->crlf_seen % 2 ? '\n' : '\r');
        if (!is_due || ++p->crlf_seen > OCTETS_MAX) {
            return refuse(p, HTTP_REFUSED_SYNTAX, "no request line");
        }
        *bytes = str_from(*bytes, 1);
        p->fed_at++;
    }
    if (bytes->len && p->crlf_seen % 2) {
        return refuse(p, HTTP_REFUSED_SYNTAX, "CR without LF before the request line");
    }
    return true;
}

/* The byte that stands at `place` in the connection, if this feed of `len` bytes shows it. */
static bool byte_at(const struct parser *p, uint64_t place, size_t len, char *ret_byte)
{
    if (place < p->fed_at || place >= p->fed_at + len)
        return false;
    *ret_byte = p->fed[place - p->fed_at];
    return true;
}

/*
 * llhttp takes a missing version for HTTP/0.9, more than one space between the parts, and the
 * protocols RTSP and ICE. Looks at what stands around the target, as far as this feed shows it.
 */
static void check_request_line(struct parser *p, size_t len)
{
    static const char expected[] = " HTTP/";
    char byte = 0;
    if (p->has_method && byte_at(p, p->method_end + 1, len, &byte) && byte == ' ')
        (void)refuse(p, HTTP_REFUSED_SYNTAX, "more than a space after the method");
    for (size_t i = 0; p->has_target && i < sizeof expected - 1; i++)
        if (byte_at(p, p->target_end + i, len, &byte) && byte != expected[i])
            (void)refuse(p, HTTP_REFUSED_SYNTAX, "request line does not end in an HTTP version");
}

/* Whatever llhttp skips silently (spaces before a value) counts here. */
static void check_head_size(struct parser *p)
{
    enum { SLACK = 1024 };
    size_t most = p->limits->target_bytes + p->limits->header_bytes + SLACK;
    if (p->fed_at - p->begun_at > most)
        (void)refuse(p, HTTP_REFUSED_HEADER_LARGE, "request head is too large");
}

static enum http_method known_method(uint8_t method)
{
    switch (method) {
    case HTTP_GET:
        return HTTP_METHOD_GET;
    case HTTP_HEAD:
        return HTTP_METHOD_HEAD;
    case HTTP_POST:
        return HTTP_METHOD_POST;
    case HTTP_PUT:
        return HTTP_METHOD_PUT;
    case HTTP_PATCH:
        return HTTP_METHOD_PATCH;
    case HTTP_DELETE:
        return HTTP_METHOD_DELETE;
    case HTTP_OPTIONS:
        return HTTP_METHOD_OPTIONS;
    default:
        return 0;
    }
}

/* Reads the fields that tell how the message is framed and for whom it is. */
static bool check_fields(struct parser *p)
{
    struct request *r = p->request;
    bool has_host = false;
    for (size_t i = 0; i < r->field_count; i++) {
        struct field *f = &r->fields[i];
        f->value_len = (uint32_t)str_trim(http_request_value(r, f)).len; /* no space before it */
        struct str name = http_request_name(r, f), value = http_request_value(r, f);
        if (str_eq_nocase(name, STR("host"))) {
            if (has_host || !http_host_is_valid(value))
                return refuse(p, HTTP_REFUSED_HOST,
                              has_host ? "more than one Host field" : "Host is not a host");
            has_host = true;
            r->pub.host = value;
        } else if (str_eq_nocase(name, STR("transfer-encoding"))) {
            if (r->is_http10)
                return refuse(p, HTTP_REFUSED_FRAMING, "Transfer-Encoding in HTTP/1.0");
            if (!str_eq_nocase(value, STR("chunked")))
                return refuse(p, HTTP_REFUSED_CODING, "transfer coding is not chunked");
            r->has_body = true;
        } else if (str_eq_nocase(name, STR("content-encoding"))) {
            if (!str_eq_nocase(value, STR("identity")))
                return refuse(p, HTTP_REFUSED_ENCODING, "content is encoded");
        } else if (str_eq_nocase(name, STR("expect")) && !r->is_http10) {
            if (!str_eq_nocase(value, STR("100-continue")))
                return refuse(p, HTTP_REFUSED_EXPECTATION, "expectation is not 100-continue");
            r->wants_continue = true;
        }
    }
    if (!has_host && !r->is_http10)
        return refuse(p, HTTP_REFUSED_HOST, "no Host field");
    return true;
}

static bool finish_head(struct parser *p)
{
    struct request *r = p->request;
    r->is_http10 = p->llhttp.http_minor == 0;
    if (p->llhttp.http_major != 1)
        return refuse(p, HTTP_REFUSED_VERSION, "HTTP version is not 1.0 or 1.1");
    r->pub.method = known_method(p->llhttp.method);
    if (!r->pub.method)
        return refuse(p, HTTP_REFUSED_METHOD, "method is not known here");
    if (!check_fields(p))
        return false;
    struct str raw_path;
    struct str target = str_first(buf_str(&r->head), r->target_len);
    if (!http_target_split(target, r->pub.host, &raw_path, &r->pub.query))
        return refuse(p, HTTP_REFUSED_TARGET, "request target is not a path of this host");
    if (str_eq_c(raw_path, "*") && r->pub.method == HTTP_METHOD_OPTIONS)
        r->pub.path = raw_path;
    else if (!http_path_decode(r->pub.arena, raw_path, &r->pub.path))
        return refuse(p, HTTP_REFUSED_TARGET, "path is badly encoded or leaves its root");
    r->has_body = r->has_body || p->llhttp.content_length > 0;
    r->wants_continue = r->wants_continue && r->has_body;
    r->is_kept_alive = llhttp_should_keep_alive(&p->llhttp) != 0;
    p->body_limit = SIZE_MAX;
    return true;
}

bool http_parser_limit_body(struct parser *p, size_t bytes_max)
{
    enum { FIRST_BYTES = 64 * 1024 };
    uint64_t announced = p->llhttp.content_length;
    p->body_limit = bytes_max;
    if (announced > bytes_max)
        return refuse(p, HTTP_REFUSED_BODY_LARGE, "request body is too large");
    if (announced)
        (void)buf_reserve(&p->request->body, min_of((size_t)announced, (size_t)FIRST_BYTES));
    return true;
}

/* A new request on the same connection; what llhttp knows of it goes on. */
static void begin_next(struct parser *p)
{
    p->has_begun = p->has_method = p->has_target = p->has_version = false;
    p->is_name_open = p->is_head_done = p->is_complete = false;
    p->crlf_seen = 0;
    p->header_bytes = 0;
    p->body_got = 0;
}

enum parser_event http_parser_feed(struct parser *p, struct str *bytes)
{
    assert(!p->refused);
    if (p->is_complete)
        begin_next(p);
    if (!p->has_begun) {
        if (!skip_empty_lines(p, bytes))
            return PARSER_REFUSED;
        if (bytes->len == 0)
            return PARSER_MORE;
        p->has_begun = true;
        p->begun_at = p->fed_at;
    }
    bool had_head = p->is_head_done;
    p->fed = bytes->ptr;
    llhttp_errno_t error = llhttp_execute(&p->llhttp, bytes->ptr, bytes->len);
    size_t used = bytes->len;
    if (error != HPE_OK)
        used = (size_t)(llhttp_get_error_pos(&p->llhttp) - bytes->ptr);
    if (!had_head)
        check_request_line(p, bytes->len);
    p->fed_at += used;
    if (!had_head)
        check_head_size(p);
    *bytes = str_from(*bytes, used);
    if (error != HPE_OK && error != HPE_PAUSED)
        refuse_as_llhttp_says(p, error, *bytes);
    if (p->refused)
        return PARSER_REFUSED;
    if (error == HPE_OK)
        return PARSER_MORE;
    llhttp_resume(&p->llhttp);
    if (p->is_complete) {
        p->request->pub.body = buf_str(&p->request->body);
        return PARSER_COMPLETE;
    }
    return finish_head(p) ? PARSER_HEAD : PARSER_REFUSED;
}
