/*
 * trace: request ids of our own, and W3C Trace Context in and out.
 * Source: https://www.w3.org/TR/trace-context-1/ section 3.2.
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

struct trace {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    bool is_sampled;
};

enum { TRACE_TEXT_LEN = 55, TRACE_ID_HEX_LEN = 32 };

/* A `traceparent` header; false where it must be ignored. */
[[nodiscard]] bool trace_parse(struct str header, struct trace *ret_trace);
/* Version 00, and its NUL. */
void trace_format(const struct trace *t, char ret_text[TRACE_TEXT_LEN + 1]);
/* The trace id alone, for logs. */
void trace_id_hex(const struct trace *t, char ret_hex[TRACE_ID_HEX_LEN + 1]);

/* A trace of our own, not sampled. */
[[nodiscard]] struct trace trace_start(void);
/* The same trace with a span of our own: what goes out with calls made for the caller. */
[[nodiscard]] struct trace trace_child(const struct trace *parent);

/* Ids of requests: 16 characters that need no quotes in a log, and their NUL. */
enum { REQUEST_ID_LEN = 16, REQUEST_ID_LEN_MAX = 64 };
void request_id_make(char ret_text[REQUEST_ID_LEN + 1]);
/* True where a caller's X-Request-Id may be taken over: 1 to 64 letters, digits, '.', '_', '-'. */
[[nodiscard]] bool request_id_is_valid(struct str id);
