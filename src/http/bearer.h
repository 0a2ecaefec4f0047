/* bearer: the tokens that services show each other. Source: RFC 6750; docs/protocol.md. */
#pragma once
#include "http/server.h"

/*
 * Whether the caller may pass as the holder of `token`: it shows it, or there is none and it came
 * over a unix socket, whose folder then says who may. The comparison takes the same time for every
 * wrong token of that length.
 */
[[nodiscard]] bool http_bearer_is(const struct http_request *r, struct str token);
