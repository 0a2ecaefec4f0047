#include "gateway/note.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/gateway_priv.h"
#include "gateway/meter.h"

struct request_note *request_note(struct http_request *http, const char *route)
{
    struct request_note *note = http->user;
    if (note != NULL)
        return note;
    struct trace caller;
    struct str id = http_header(http, STR("X-Request-Id"));
    note = http->user = arena_new(http->arena, struct request_note);
    note->route = route;
    note->id = request_id_is_valid(id) ? id : str_of_c(http->id);
    http_add_header(http, STR("X-Request-Id"), note->id);
    note->has_trace = trace_parse(http_header(http, STR("traceparent")), &caller);
    if (note->has_trace) {
        char *text = arena_alloc(http->arena, TRACE_TEXT_LEN + 1);
        note->trace = trace_child(&caller);
        trace_format(&note->trace, text);
        http_add_header(http, STR("traceparent"), str_of_c(text));
    }
    return note;
}

static void log_access(const struct http_request *http, const struct request_note *note, int status,
                       uint64_t body_bytes, int64_t took_us)
{
    static const struct uuid nobody = { 0 };
    char user[UUID_TEXT_LEN + 1] = "-";
    char trace[TRACE_ID_HEX_LEN + 1] = "-";
    if (!uuid_eq(note->user, nobody))
        uuid_format(note->user, user);
    if (note->has_trace)
        trace_id_hex(&note->trace, trace);
    log_info(
        "http.request",
        "req=%.*s method=%s path=%s status=%d bytes=%llu us=%lld peer=%s user=%s op=%s name=%s "
        "code=%s trace=%s",
        STR_FMT(note->id), http_method_name(http->method), log_quote(http->path), status,
        (unsigned long long)body_bytes, (long long)took_us, http->peer, user,
        note->operation ? note->operation : "-",
        note->operation_name.len ? log_quote(note->operation_name) : "-",
        note->code ? note->code : "-", trace);
}

void note_turn(void *owner)
{
    (void)owner;
    log_release();
}

void note_answered(void *owner, const struct http_request *http, int status, uint64_t body_bytes)
{
    struct gateway_loop *loop = owner;
    const struct request_note *note = http->user;
    int64_t took_us = clock_mono_us() - http->started_us;
    meter_request(loop->gateway->meter, note, status, took_us);
    if (note == NULL || note->route == NULL || !log_is_on(LOG_INFO))
        return;
    log_hold(); /* the lines of one turn are written together, at its end */
    io_turn_arm(loop->log_turn);
    log_access(http, note, status, body_bytes, took_us);
}
