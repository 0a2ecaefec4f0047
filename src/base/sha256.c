#include "base/sha256.h"

#include "base/hex.h"

/* The calls below EVP: a digest of a short text, as each request makes some, takes 0.08 us by them
 * and 0.5 by EVP, which looks the algorithm up and allocates each time; a MAC 0.3 and 1.7. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

enum { BLOCK_LEN = SHA256_CBLOCK };

static void check(int outcome)
{
    if (outcome != 1)
        base_abort("SHA-256 is not available");
}

/* Of `first` and then `second`. */
static void digest_of(struct str first, struct str second, uint8_t ret_digest[SHA256_LEN])
{
    SHA256_CTX context;
    check(SHA256_Init(&context));
    check(SHA256_Update(&context, first.ptr, first.len));
    check(SHA256_Update(&context, second.ptr, second.len));
    check(SHA256_Final(ret_digest, &context));
    explicit_bzero(&context, sizeof context);
}

void sha256(struct str bytes, uint8_t ret_digest[SHA256_LEN])
{
    digest_of(bytes, STR(""), ret_digest);
}

void sha256_hex(struct str bytes, char ret_hex[SHA256_HEX_LEN + 1])
{
    uint8_t digest[SHA256_LEN];
    sha256(bytes, digest);
    hex_write(digest, SHA256_LEN, ret_hex);
    ret_hex[SHA256_HEX_LEN] = '\0';
}

/* Source: RFC 2104, section 2. */
void sha256_hmac(struct str key, struct str message, uint8_t ret_mac[SHA256_LEN])
{
    enum { INNER = 0x36, OUTER = 0x5c };
    char inner[BLOCK_LEN] = { 0 }, outer[BLOCK_LEN];
    uint8_t digest[SHA256_LEN];
    if (key.len > BLOCK_LEN)
        sha256(key, (uint8_t *)inner);
    else if (key.len > 0)
        memcpy(inner, key.ptr, key.len);
    for (size_t i = 0; i < BLOCK_LEN; i++) {
        outer[i] = (char)(inner[i] ^ OUTER);
        inner[i] = (char)(inner[i] ^ INNER);
    }
    digest_of(str_of(inner, BLOCK_LEN), message, digest);
    digest_of(str_of(outer, BLOCK_LEN), str_of((const char *)digest, SHA256_LEN), ret_mac);
    explicit_bzero(inner, sizeof inner);
    explicit_bzero(outer, sizeof outer);
}
