#include "auth/token.h"

#include "base/base64.h"
#include "base/random.h"

enum { SECRET_LEN = 32, PREFIX_LEN = 4 };
static_assert(TOKEN_TEXT_LEN == PREFIX_LEN + BASE64URL_LEN(SECRET_LEN), "the header says so");

static const char prefixes[TOKEN_KIND_COUNT][PREFIX_LEN + 1] = {
    [TOKEN_SESSION] = "wls_",
    [TOKEN_API] = "wlt_",
    [TOKEN_SETUP] = "wlu_",
    [TOKEN_CAPABILITY] = "wlc_",
};

struct token token_make(enum token_kind kind)
{
    struct token t;
    uint8_t secret[SECRET_LEN];
    assert(kind < TOKEN_KIND_COUNT);
    random_bytes(secret, sizeof secret);
    memcpy(t.text, prefixes[kind], PREFIX_LEN);
    base64url_encode(str_of((const char *)secret, sizeof secret), t.text + PREFIX_LEN);
    explicit_bzero(secret, sizeof secret);
    sha256(str_of(t.text, TOKEN_TEXT_LEN), t.hash);
    return t;
}

bool token_parse(struct str text, enum token_kind *ret_kind, uint8_t ret_hash[SHA256_LEN])
{
    uint8_t secret[BASE64URL_BYTES(TOKEN_TEXT_LEN - PREFIX_LEN) + 1];
    size_t len = 0;
    if (text.len != TOKEN_TEXT_LEN || !base64url_decode(str_from(text, PREFIX_LEN), secret, &len) ||
        len != SECRET_LEN)
        return false;
    explicit_bzero(secret, sizeof secret);
    for (size_t kind = 0; kind < TOKEN_KIND_COUNT; kind++) {
        if (!str_eq_c(str_first(text, PREFIX_LEN), prefixes[kind]))
            continue;
        sha256(text, ret_hash);
        *ret_kind = (enum token_kind)kind;
        return true;
    }
    return false;
}
