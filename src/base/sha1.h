/* sha1: for the WebSocket handshake, which asks for it by name; it protects nothing. By OpenSSL's
 * libcrypto. Source: FIPS 180-4; RFC 6455 section 1.3.
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

enum { SHA1_LEN = 20 };

void sha1(struct str bytes, uint8_t ret_digest[SHA1_LEN]);
