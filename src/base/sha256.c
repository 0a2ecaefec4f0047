#include "base/sha256.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

void sha256(struct str bytes, uint8_t ret_digest[SHA256_LEN])
{
    if (EVP_Digest(bytes.ptr, bytes.len, ret_digest, NULL, EVP_sha256(), NULL) != 1)
        base_abort("SHA-256 is not available");
}

void sha256_hex(struct str bytes, char ret_hex[SHA256_HEX_LEN + 1])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t digest[SHA256_LEN];
    sha256(bytes, digest);
    for (size_t i = 0; i < SHA256_LEN; i++) {
        ret_hex[2 * i] = hex[digest[i] >> 4];
        ret_hex[2 * i + 1] = hex[digest[i] & 15];
    }
    ret_hex[SHA256_HEX_LEN] = '\0';
}

void sha256_hmac(struct str key, struct str message, uint8_t ret_mac[SHA256_LEN])
{
    assert(key.len <= INT32_MAX);
    if (HMAC(EVP_sha256(), key.len ? key.ptr : "", (int)key.len, (const uint8_t *)message.ptr,
             message.len, ret_mac, NULL) == NULL)
        base_abort("HMAC-SHA-256 is not available");
}
