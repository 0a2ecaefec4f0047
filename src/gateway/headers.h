/*
 * headers: what a request's headers say to the gateway, and the session cookie.
 * Source: GraphQL over HTTP 6.2; RFC 6265; Fetch Metadata;
 * docs/decisions/0007-passwords-by-argon2id.md.
 */
#pragma once
#include "http/server.h"

enum headers_answer { HEADERS_GRAPHQL, HEADERS_JSON, HEADERS_EVENTS, HEADERS_NONE };
/* What the client wants to be answered with; HEADERS_GRAPHQL where it does not say. */
[[nodiscard]] enum headers_answer headers_answer(const struct http_request *http);
/* application/json, in UTF-8 where it says a charset. */
[[nodiscard]] bool headers_is_json(const struct http_request *http);

/*
 * True without an Origin (no browser), and where it is `public_origin`; without a public origin,
 * where it is the host that the request names.
 */
[[nodiscard]] bool headers_is_same_origin(const struct http_request *http,
                                          struct str public_origin);
/* The browser says that a page of ours, or a person, asked. */
[[nodiscard]] bool headers_is_same_site_fetch(const struct http_request *http);

/* The bearer token, else the session cookie; empty where there is neither. */
[[nodiscard]] struct str headers_token(const struct http_request *http, bool *ret_is_cookie);

#define HEADERS_COOKIE "windlass_session"
