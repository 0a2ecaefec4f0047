#include "http/sse.h"

static const struct str BYTE_ORDER_MARK = { "\xef\xbb\xbf", 3 };

void http_sse_init(struct http_sse *s, size_t event_bytes_max, http_sse_fn *fn, void *owner)
{
    assert(event_bytes_max > 0);
    *s = (struct http_sse){ .fn = fn, .owner = owner, .event_bytes_max = event_bytes_max };
    buf_init(&s->line, event_bytes_max);
    buf_init(&s->name, event_bytes_max);
    buf_init(&s->data, event_bytes_max);
    buf_init(&s->id, event_bytes_max);
    buf_init(&s->last_id, event_bytes_max);
}

void http_sse_clear(struct http_sse *s)
{
    buf_clear(&s->line);
    buf_clear(&s->name);
    buf_clear(&s->data);
    buf_clear(&s->id);
    buf_clear(&s->last_id);
}

struct str http_sse_last_id(const struct http_sse *s)
{
    return buf_str(&s->last_id);
}

/* The empty line: what was collected is an event. One without a data field is none. */
static bool end_event(struct http_sse *s)
{
    struct http_sse_event event = {
        .name = s->name.len > 0 ? buf_str(&s->name) : STR("message"),
        .data = buf_str(&s->data),
    };
    buf_reset(&s->last_id);
    buf_put_str(&s->last_id, buf_str(&s->id));
    bool is_wanted = !s->has_data || s->fn(s->owner, &event);
    buf_reset(&s->name);
    buf_reset(&s->data);
    s->has_data = false;
    return is_wanted;
}

static void read_field(struct http_sse *s, struct str line)
{
    struct str field, value = { 0 };
    (void)str_cut(line, ':', &field, &value);
    if (str_starts_with(value, STR(" ")))
        value = str_from(value, 1);
    if (str_eq_c(field, "event")) {
        buf_reset(&s->name);
        buf_put_str(&s->name, value);
    } else if (str_eq_c(field, "data")) {
        if (s->has_data)
            buf_put_char(&s->data, '\n');
        buf_put_str(&s->data, value);
        s->has_data = true;
    } else if (str_eq_c(field, "id") && str_find_char(value, '\0') < 0) {
        buf_reset(&s->id); /* it holds for the events that follow, until another comes */
        buf_put_str(&s->id, value);
    }
}

/* False: no more are wanted. */
static bool end_line(struct http_sse *s)
{
    struct str line = buf_str(&s->line);
    bool is_wanted = true;
    if (line.len == 0)
        is_wanted = end_event(s);
    else if (!str_starts_with(line, STR(":"))) /* a comment keeps the connection alive */
        read_field(s, line);
    buf_reset(&s->line);
    return is_wanted;
}

/* The mark at the very start is no part of the first line; it may come in pieces. */
static bool is_mark(struct http_sse *s, char c)
{
    if (s->seen_bytes >= BYTE_ORDER_MARK.len)
        return false;
    if (BYTE_ORDER_MARK.ptr[s->seen_bytes] != c) {
        struct str held = str_first(BYTE_ORDER_MARK, s->seen_bytes);
        s->seen_bytes = BYTE_ORDER_MARK.len;
        buf_put_str(&s->line, held);
        return false;
    }
    s->seen_bytes++;
    return true;
}

bool http_sse_feed(struct http_sse *s, struct str bytes, struct err *e)
{
    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.ptr[i];
        bool is_second_half = c == '\n' && s->was_cr;
        s->was_cr = c == '\r';
        if (is_second_half || is_mark(s, c))
            continue;
        if (c != '\r' && c != '\n')
            buf_put_char(&s->line, c);
        else if (!end_line(s))
            return err_set(e, ERR_CANCELLED, "no more events are wanted");
        if (s->line.failed || s->name.failed || s->data.failed || s->id.failed)
            return err_set(e, ERR_LIMIT, "event is longer than %zu bytes", s->event_bytes_max);
    }
    return true;
}
