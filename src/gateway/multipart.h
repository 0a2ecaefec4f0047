/*
 * multipart: an answer that comes in parts, as the body of one HTTP response of several JSON texts:
 * what @defer and @stream put off. A part ends with the boundary of the next one, so that a client
 * need not wait for that to know it whole.
 *
 *   multipart_begin --> multipart_part … --> the last part: the response ends
 *          `-- the client goes --> the request is cancelled, the response ends
 *
 * Source: GraphQL over HTTP, rfcs/IncrementalDelivery.md; RFC 2046 5.1.
 */
#pragma once
#include "gateway/request.h"

struct multipart;

/* The first part is `json`, and more follow. In the request's arena; `http` is the multipart's. */
[[nodiscard]] struct multipart *multipart_begin(struct request *r, struct http_request *http,
                                                struct str json);
/* One more. Without `has_next` it is the last, and the multipart is over. */
void multipart_part(struct multipart *m, struct str json, bool has_next);

/* The header lines of a response in parts. */
[[nodiscard]] struct str multipart_headers(void);
/* Turns `out`, one JSON text, into a body of one part: for clients that take nothing else. */
void multipart_wrap(struct buf *out, struct arena *a);
