/*
 * handshake: how an HTTP request asks for a WebSocket, and what it is answered. Pure but for the
 * answer. Source: RFC 6455 section 4.2.
 */
#pragma once
#include "http/server.h"

/* "dGhlIHNhbXBsZSBub25jZQ==" --> "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" */
enum { HANDSHAKE_KEY_LEN = 24, HANDSHAKE_ACCEPT_LEN = 28 };

/* True when `text` is the Base64 of 16 bytes. */
[[nodiscard]] bool handshake_key_is_valid(struct str text);
void handshake_accept(struct str key, char ret_accept[HANDSHAKE_ACCEPT_LEN + 1]);

/* Whether one of the fields of that name lists the token, in any case. */
[[nodiscard]] bool handshake_has_token(const struct http_request *r, struct str name,
                                       struct str token);
/* The client's first protocol that is one of ours: its index; -1: none. */
[[nodiscard]] int handshake_protocol(const struct http_request *r, const struct str *ours,
                                     size_t count);

/* True when the request is a sound opening handshake; else it has been answered, with 400 or 426.
 */
[[nodiscard]] bool handshake_check(struct http_request *r, struct str *ret_key);
