/*
 * base64: binary as text. base64url is safe in URLs, headers and names (RFC 4648 section 5); base64
 * is what mail and other people's secrets are written in (section 4).
 */
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

/* Characters for `bytes` bytes with the padding, without the NUL. */
#define BASE64_LEN(bytes) (((bytes) + 2) / 3 * 4)
/* With padding; `ret_text` has room for BASE64_LEN(bytes.len) characters and a NUL. */
void base64_encode(struct str bytes, char *ret_text);
/* As base64url_decode, but padding may be there. */
[[nodiscard]] bool base64_decode(struct str text, uint8_t *ret_bytes, size_t *ret_len);
