/*
 * headers: what a request's headers say to the gateway, the session cookie, and what pages of other
 * origins are told.
 * Source: GraphQL over HTTP 6.2; RFC 6265; Fetch, "CORS protocol"; Fetch Metadata;
 * docs/decisions/0007-passwords-by-argon2id.md.
 */
#pragma once
#include "gql/gql.h"
#include "http/server.h"

enum headers_answer { HEADERS_GRAPHQL, HEADERS_JSON, HEADERS_EVENTS, HEADERS_NONE };
/*
 * What the client wants to be answered with. HEADERS_JSON where it does not say, or takes all that
 * there is without naming the newer type: then it may not know what that one means by its statuses.
 */
[[nodiscard]] enum headers_answer headers_answer(const struct http_request *http);
/* The same among GRAPHQL and JSON, for what is answered by one body. */
[[nodiscard]] enum headers_answer headers_answer_whole(const struct http_request *http);
/*
 * Whether the client takes an answer in parts, and in which format: `multipart/mixed` with
 * `deferSpec=20220824` is that of 2022; with `incrementalSpec=v0.2`, or without either, the
 * draft's.
 */
[[nodiscard]] enum gql_incremental headers_incremental(const struct http_request *http);
/* application/json, in UTF-8 where it says a charset. */
[[nodiscard]] bool headers_is_json(const struct http_request *http);

/* Whose page has led a browser to ask, or to open a WebSocket. */
enum headers_origin {
    HEADERS_ORIGIN_OWN,    /* ours, or no Origin: no browser */
    HEADERS_ORIGIN_LISTED, /* may ask with a bearer token; a cookie of it counts for nothing */
    HEADERS_ORIGIN_FOREIGN /* may not ask */
};
/*
 * Ours is `public_origin`; without one, the host that the request names. `listed` is the setting
 * cors-origins: origins with commas between.
 */
[[nodiscard]] enum headers_origin headers_origin(const struct http_request *http,
                                                 struct str public_origin, struct str listed);
/* Lets a page of a listed origin read the answer, never with credentials. With an empty list
 * nothing is added. */
void headers_allow_origin(struct http_request *http, enum headers_origin origin, struct str listed);
/* Beside it, the answer to the question whether such a page may send what it wants to send. */
void headers_allow_sending(struct http_request *http, enum headers_origin origin);

/* When the client may come again, in whole seconds; nothing where `us` is 0. */
void headers_retry_after(struct http_request *http, int64_t us);

/* The bearer token, else, for a page of ours, the session cookie; empty where there is neither. */
[[nodiscard]] struct str headers_token(const struct http_request *http, enum headers_origin origin,
                                       bool *ret_is_cookie);
/*
 * The same of whoever may ask at all. A cookie is sent by any page that leads a browser here, so
 * that a GET with one must be a page's of ours.
 *
 * Errors:  DENIED.
 */
[[nodiscard]] bool headers_read_token(const struct http_request *http, enum headers_origin origin,
                                      bool is_get, struct str *ret_token, bool *ret_is_cookie,
                                      struct err *e);

#define HEADERS_COOKIE "windlass_session"
