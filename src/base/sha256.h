/* sha256: digests of tokens, documents and migrations, by OpenSSL's libcrypto. Source: FIPS 180-4.
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

enum { SHA256_LEN = 32, SHA256_HEX_LEN = 64 };

void sha256(struct str bytes, uint8_t ret_digest[SHA256_LEN]);
/* Lower-case hexadecimal and its NUL. */
void sha256_hex(struct str bytes, char ret_hex[SHA256_HEX_LEN + 1]);

/* A message's authentication code under a key of any length. Source: RFC 2104. */
void sha256_hmac(struct str key, struct str message, uint8_t ret_mac[SHA256_LEN]);
