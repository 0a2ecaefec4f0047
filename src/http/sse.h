/*
 * sse: reads a stream of Server-Sent Events as its bytes come, in pieces of any size. `retry` is
 * skipped: whoever asks again chooses when.
 * Source: https://html.spec.whatwg.org/multipage/server-sent-events.html section 9.2.6.
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"

/* One event; texts live during the call. */
struct http_sse_event {
    struct str name; /* "message" where the stream names none */
    struct str data; /* lines joined by LF */
};
/* False: no more are wanted. */
typedef bool http_sse_fn(void *owner, const struct http_sse_event *event);

struct http_sse {
    http_sse_fn *fn;
    void *owner;
    size_t event_bytes_max;
    struct buf line, name, data;
    struct buf id, last_id; /* of the event that is being collected; of what is complete */
    size_t seen_bytes;      /* of the stream, as far as the byte order mark matters */
    bool has_data;          /* also an empty line of it */
    bool was_cr;            /* a LF that follows belongs to it */
};

/* `event_bytes_max` bounds the line and the event that are being collected. */
void http_sse_init(struct http_sse *s, size_t event_bytes_max, http_sse_fn *fn, void *owner);
void http_sse_clear(struct http_sse *s);

/*
 * Calls `fn` for each event that the bytes complete.
 *
 * Errors: LIMIT beyond event_bytes_max, CANCELLED when `fn` wanted no more; feed no more then.
 */
[[nodiscard]] bool http_sse_feed(struct http_sse *s, struct str bytes, struct err *e);

/* Where the stream is to go on, as Last-Event-ID; empty: from its beginning. Until the next feed.
 */
[[nodiscard]] struct str http_sse_last_id(const struct http_sse *s);
