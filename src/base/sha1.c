#include "base/sha1.h"

#include <openssl/evp.h>

void sha1(struct str bytes, uint8_t ret_digest[SHA1_LEN])
{
    if (EVP_Digest(bytes.ptr, bytes.len, ret_digest, NULL, EVP_sha1(), NULL) != 1)
        base_abort("SHA-1 is not available");
}
