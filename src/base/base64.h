/* base64: binary as text that is safe in URLs, headers and names. Source: RFC 4648 section 5. */
#pragma once
#include "base/base.h"
#include "base/str.h"

/* Characters for `bytes` bytes, without the NUL. */
#define BASE64URL_LEN(bytes) (((bytes)*4 + 2) / 3)
/* At most so many bytes come from `len` characters. */
#define BASE64URL_BYTES(len) ((len)*3 / 4)

/* Without padding; `ret_text` has room for BASE64URL_LEN(bytes.len) characters and a NUL. */
void base64url_encode(struct str bytes, char *ret_text);

/*
 * `ret_bytes` has room for BASE64URL_BYTES(text.len). One text for each value: padding, other
 * characters and loose bits at the end are refused.
 */
[[nodiscard]] bool base64url_decode(struct str text, uint8_t *ret_bytes, size_t *ret_len);
