/*
 * sse_carrier: a subscription over Server-Sent Events, one stream a request, as the protocol
 * "GraphQL over SSE" says in its distinct connections mode: `event: next` with a response each,
 * then `complete`.
 *
 *   begin --> (started) --> next … next --> complete
 *      `-- refused --> an ordinary answer       ^-- logged out, role changed, draining
 *
 * Source: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
 */
#pragma once
#include "gateway/request.h"

/* Runs the request's document as a subscription and answers `http` with its stream. */
void sse_begin(struct request *r, struct http_request *http);
/* Once a second: keeps connections alive. */
void sse_tick(struct gateway_loop *loop);
