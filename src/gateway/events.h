/*
 * events: subscriptions over Server-Sent Events, one stream a request, as the protocol "GraphQL
 * over SSE" says in its distinct connections mode: `event: next` with a response each, then
 * `complete`.
 *
 *   begin --> (source stream) --> next … next --> complete
 *      `-- refused --> an ordinary answer       ^-- logged out, role changed, draining
 *
 * Who watches is asked anew each second: a stream ends when its credential does.
 * Source: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
 */
#pragma once
#include "gateway/request.h"

/* Runs the request's document as a subscription. `token` is what it was sent with; empty: none. */
void events_begin(struct request *r, struct str token);

/* Once a second: tells what has changed, asks who still may watch, keeps connections alive. */
void events_tick(struct gateway_loop *loop);
/* The gateway is stopping. */
void events_end_all(struct gateway_loop *loop);
