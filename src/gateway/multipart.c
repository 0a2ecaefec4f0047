#include "gateway/multipart.h"

struct multipart {
    struct request *r;
    struct http_request *http; /* NULL once the client has gone */
};

struct str multipart_headers(void)
{
    return STR("Content-Type: multipart/mixed; boundary=\"-\"\r\n"
               "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n");
}

static void put_part(struct buf *words, struct str json, bool is_first, bool has_next)
{
    buf_put_c(words, is_first ? "---" : "");
    buf_put_c(words, "\r\nContent-Type: application/json; charset=utf-8\r\n\r\n");
    buf_put_str(words, json);
    buf_put_c(words, has_next ? "\r\n---" : "\r\n-----\r\n");
}

void multipart_wrap(struct buf *out, struct arena *a)
{
    struct str json = arena_copy(a, buf_str(out));
    buf_reset(out);
    put_part(out, json, true, false);
}

/* May come from within a write. */
static void closed(void *owner)
{
    struct multipart *m = owner;
    struct http_request *http = m->http;
    m->http = NULL;
    request_cancel(m->r);
    http_stream_end(http);
}

static void write_part(struct multipart *m, struct str json, bool is_first, bool has_next)
{
    struct buf words;
    buf_init(&words, 0);
    put_part(&words, json, is_first, has_next);
    (void)http_stream_write(m->http, buf_str(&words));
    buf_clear(&words);
}

struct multipart *multipart_begin(struct request *r, struct http_request *http, struct str json)
{
    static const struct http_stream_events events = { .on_closed = closed };
    struct multipart *m = arena_new(r->arena, struct multipart);
    m->r = r;
    m->http = http;
    http_stream_start(http, 200, multipart_headers(), &events, m);
    write_part(m, json, true, true);
    if (m->http != NULL && http_is_cancelled(http)) /* then `closed` does not come */
        closed(m);
    return m;
}

void multipart_part(struct multipart *m, struct str json, bool has_next)
{
    struct http_request *http = m->http;
    write_part(m, json, false, has_next);
    if (has_next || m->http == NULL)
        return;
    m->http = NULL;
    http_stream_end(http);
}
