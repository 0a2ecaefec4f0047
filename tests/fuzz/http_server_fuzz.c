/*
 * http_server: any bytes, as a connection's parser reads them. Fed whole and byte by byte they must
 * tell the same requests and be refused or not alike (where a request has two faults, the cut may
 * decide which is named); what is told keeps its promises.
 */
#include "http/parser_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_BYTES_MAX = 4096, ARENA_BYTES = 1 << 20 };

struct reading {
    struct parser parser;
    struct buf told;
    int refused_status;
    bool is_head_fresh;
};

static void check_promises(const struct http_request *r)
{
    assert(r->method && *http_method_name(r->method));
    assert(str_is_utf8(r->path) && str_find_char(r->path, '\0') < 0);
    assert(str_find(r->path, STR("/../")) < 0 && !str_ends_with(r->path, STR("/..")));
    assert(r->body.len <= BODY_BYTES_MAX);
}

static void tell_request(struct reading *t)
{
    struct request *r = t->parser.request;
    struct str value;
    check_promises(&r->pub);
    buf_put_c(&t->told, http_method_name(r->pub.method));
    buf_put_str(&t->told, r->pub.path);
    buf_put_str(&t->told, r->pub.query);
    for (size_t i = 0; i < r->field_count; i++) {
        buf_put_str(&t->told, http_request_name(r, &r->fields[i]));
        buf_put_str(&t->told, http_request_value(r, &r->fields[i]));
    }
    buf_put_str(&t->told, r->pub.body);
    buf_put_char(&t->told, r->is_kept_alive ? 'k' : 'c');
    if (http_query(&r->pub, STR("a"), &value))
        buf_put_str(&t->told, value);
    http_request_reset(r);
}

static void feed(struct reading *t, struct str bytes)
{
    while (!t->refused_status && (bytes.len || t->is_head_fresh)) {
        enum parser_event event = http_parser_feed(&t->parser, &bytes);
        t->is_head_fresh = event == PARSER_HEAD;
        if (event == PARSER_COMPLETE)
            tell_request(t);
        if (event == PARSER_REFUSED ||
            (t->is_head_fresh && !http_parser_limit_body(&t->parser, BODY_BYTES_MAX)))
            t->refused_status = http_refused_status(t->parser.refused);
    }
}

static void begin(struct reading *t, const struct http_limits *limits)
{
    *t = (struct reading){ 0 };
    http_parser_init(&t->parser, limits);
    t->parser.request = http_request_create(NULL, ARENA_BYTES);
}

static void end(struct reading *t)
{
    http_request_destroy(t->parser.request);
    buf_clear(&t->told);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    struct reading whole, pieces;
    limits.header_bytes = 512; /* small enough to be met */
    limits.target_bytes = 64;
    limits.header_fields = 10;
    begin(&whole, &limits);
    begin(&pieces, &limits);
    feed(&whole, str_of((const char *)data, size));
    for (size_t i = 0; i < size; i++)
        feed(&pieces, str_of((const char *)data + i, 1));
    assert((whole.refused_status != 0) == (pieces.refused_status != 0));
    assert(str_eq(buf_str(&whole.told), buf_str(&pieces.told)));
    end(&whole);
    end(&pieces);
    return 0;
}
