/*
 * note: what the access log tells of a request, and the headers that every answer carries: the
 * request id (the caller's own where it is harmless), and a traceparent where one came in.
 */
#pragma once
#include "base/uuid.h"
#include "http/server.h"
#include "obs/trace.h"

struct request_note {
    struct str id;
    const char *route;         /* of metrics and log; NULL: not logged */
    const char *operation;     /* "query", or NULL */
    struct str operation_name; /* the client's */
    const char *code;          /* of the first error, or NULL */
    struct uuid user;          /* all zeroes: nobody */
    struct trace trace;
    bool has_trace;
};

/* Made at the first call, by the route's handler, and kept with the request; later calls find it.
 */
struct request_note *request_note(struct http_request *http, const char *route);

/* http_server's on_answered: writes the line and counts. `owner` is the loop. */
void note_answered(void *owner, const struct http_request *http, int status, uint64_t body_bytes);
/* The loop's log_turn. */
void note_turn(void *owner);
