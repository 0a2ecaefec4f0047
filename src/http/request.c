#include "base/mem.h"
#include "http/server_priv.h"
#include "http/uri.h"

/* What a pooled request may keep of what it grew to. Little: the next one holds it all the time
 * that it waits for the database, and a thousand may wait at once. */
enum { KEPT_BYTES = 4 * 1024, KEPT_FIELDS = 128 };

struct request *http_request_create(struct http_server *server, size_t arena_bytes)
{
    struct request *r = mem_new(struct request);
    r->server = server;
    r->pub.arena = arena_create(arena_bytes);
    r->pub.out = &r->out;
    r->pub.peer = r->peer;
    list_init(&r->node);
    return r;
}

void http_request_destroy(struct request *r)
{
    if (!r)
        return;
    list_remove(&r->node);
    arena_destroy(r->pub.arena);
    mem_free(r->fields);
    buf_clear(&r->head);
    buf_clear(&r->body);
    buf_clear(&r->out);
    buf_clear(&r->added);
    buf_clear(&r->pieces);
    mem_free(r);
}

static void trim_buf(struct buf *b)
{
    if (b->capacity > KEPT_BYTES)
        buf_clear(b);
    buf_reset(b);
}

void http_request_reset(struct request *r)
{
    arena_reset(r->pub.arena);
    if (r->field_capacity > KEPT_FIELDS) {
        mem_free(take(r->fields));
        r->field_capacity = 0;
    }
    trim_buf(&r->head);
    trim_buf(&r->body);
    trim_buf(&r->out);
    trim_buf(&r->added);
    trim_buf(&r->pieces);
    struct request kept = *r;
    *r = (struct request){
        .pub = { .arena = kept.pub.arena, .out = &r->out, .peer = r->peer },
        .node = kept.node,
        .server = kept.server,
        .head = kept.head,
        .fields = kept.fields,
        .field_capacity = kept.field_capacity,
        .body = kept.body,
        .out = kept.out,
        .added = kept.added,
        .pieces = kept.pieces,
    };
}

bool http_header_next(const struct http_request *pub, struct str name, size_t *at,
                      struct str *ret_value)
{
    const struct request *r = http_request_of_const(pub);
    for (size_t i = *at; i < r->field_count; i++) {
        const struct field *f = &r->fields[i];
        if (f->name_len == name.len && str_eq_nocase(http_request_name(r, f), name)) {
            *at = i + 1;
            *ret_value = http_request_value(r, f);
            return true;
        }
    }
    *at = r->field_count;
    return false;
}

struct str http_header(const struct http_request *r, struct str name)
{
    size_t at = 0;
    struct str value = { 0 };
    (void)http_header_next(r, name, &at, &value);
    return value;
}

bool http_query(const struct http_request *r, struct str name, struct str *ret_value)
{
    return http_query_find(r->arena, r->query, name, ret_value);
}

bool http_is_cancelled(const struct http_request *pub)
{
    return http_request_of_const(pub)->is_cancelled;
}

void http_end_with_client(struct http_request *pub)
{
    struct request *r = http_request_of(pub);
    assert(r->state == REQUEST_RUNNING);
    r->ends_with_client = true;
    if (!r->conn || r->conn->has_ended)
        r->is_cancelled = true;
}

void http_on_cancel(struct http_request *pub, io_fn *fn, void *owner)
{
    struct request *r = http_request_of(pub);
    assert(r->state == REQUEST_RUNNING);
    r->on_cancel = fn;
    r->cancel_owner = owner;
}

void http_request_cancel(struct request *r)
{
    if (r->is_cancelled)
        return;
    r->is_cancelled = true;
    if (r->state == REQUEST_STREAMING) {
        r->is_stream_closed = true;
        if (!r->is_stream_ended && r->stream.on_closed)
            r->stream.on_closed(r->stream_owner);
    } else if (r->state == REQUEST_RUNNING && r->on_cancel) {
        r->on_cancel(r->cancel_owner);
    }
}

const char *http_method_name(enum http_method method)
{
    switch (method) {
    case HTTP_METHOD_GET:
        return "GET";
    case HTTP_METHOD_HEAD:
        return "HEAD";
    case HTTP_METHOD_POST:
        return "POST";
    case HTTP_METHOD_PUT:
        return "PUT";
    case HTTP_METHOD_PATCH:
        return "PATCH";
    case HTTP_METHOD_DELETE:
        return "DELETE";
    case HTTP_METHOD_OPTIONS:
        return "OPTIONS";
    }
    return "";
}
