/*
 * http_carrier: GraphQL over HTTP: one operation a request, read from its body or query string,
 * answered by one body; a subscription goes on as Server-Sent Events (sse_carrier.h), several
 * operations in one body as a batch (http_batch.h).
 *
 *   read --> request_start --> identified --> run --> answer
 *     `-- malformed ----------------------------------^
 *
 * Source: https://graphql.github.io/graphql-over-http/draft/
 */
#pragma once
#include "gateway/request.h"

/* What createTasks may need; all else is held to body-limit. */
enum { HTTP_CARRIER_BODY_BYTES_MAX = 8 << 20 };

/* Of the one that speaks, or that a proxy which we trust speaks for. */
[[nodiscard]] struct str http_carrier_client_address(const struct gateway *gw,
                                                     const struct http_request *http,
                                                     struct arena *a);

/* The routes' handlers; `owner` is the loop. */
void http_carrier_post(void *owner, struct http_request *http);
void http_carrier_get(void *owner, struct http_request *http);
/* What browsers ask before a page of another origin may ask anything. */
void http_carrier_options(void *owner, struct http_request *http);
/* Methods that the API has not: 405 in the form of its answers. */
void http_carrier_other(void *owner, struct http_request *http);
