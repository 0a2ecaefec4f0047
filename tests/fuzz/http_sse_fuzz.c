/*
 * http_sse: any bytes as an event stream, in two pieces cut anywhere; the events are those of the
 * whole, and nothing collected is longer than allowed.
 */
#include "base/arena.h"
#include "http/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENT_BYTES_MAX = 64 };

static bool hear(void *owner, const struct http_sse_event *event)
{
    struct buf *heard = owner;
    assert(event->data.len <= EVENT_BYTES_MAX);
    assert(event->name.len > 0 && event->name.len <= EVENT_BYTES_MAX);
    buf_put_str(heard, event->name);
    buf_put_char(heard, '=');
    buf_put_str(heard, event->data);
    return !str_eq_c(event->name, "done");
}

static enum err_code run(struct str stream, size_t cut, struct buf *heard)
{
    struct http_sse s;
    struct err e = { 0 };
    buf_init(heard, 0);
    http_sse_init(&s, EVENT_BYTES_MAX, hear, heard);
    bool is_good = http_sse_feed(&s, str_first(stream, cut), &e) &&
                   http_sse_feed(&s, str_from(stream, cut), &e);
    assert(is_good || e.code == ERR_LIMIT || e.code == ERR_CANCELLED);
    http_sse_clear(&s);
    return is_good ? ERR_NONE : e.code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str stream = str_of((const char *)data, size);
    struct buf whole, cut;
    enum err_code at_once = run(stream, size, &whole);
    enum err_code in_two = run(stream, size > 0 ? data[0] % size : 0, &cut);
    assert(at_once == in_two);
    assert(str_eq(buf_str(&whole), buf_str(&cut)));
    buf_clear(&whole);
    buf_clear(&cut);
    return 0;
}
