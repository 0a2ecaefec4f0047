#include "base/base64.h"

#define ALPHANUMERICS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* The 63rd and 64th characters of each alphabet. */
static const char URL_SAFE[] = ALPHANUMERICS "-_";
static const char PLAIN[] = ALPHANUMERICS "+/";

static char *encode(const char *alphabet, struct str bytes, char *ret_text)
{
    uint32_t bits = 0;
    int held = 0; /* bits not written yet */
    for (size_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | (uint8_t)bytes.ptr[i];
        for (held += 8; held >= 6; held -= 6)
            *ret_text++ = alphabet[bits >> (held - 6) & 63];
    }
    if (held > 0)
        *ret_text++ = alphabet[bits << (6 - held) & 63];
    *ret_text = '\0';
    return ret_text;
}

void base64url_encode(struct str bytes, char *ret_text)
{
    (void)encode(URL_SAFE, bytes, ret_text);
}

void base64_encode(struct str bytes, char *ret_text)
{
    char *end = encode(PLAIN, bytes, ret_text);
    while ((end - ret_text) % 4 != 0)
        *end++ = '=';
    *end = '\0';
}

static int digit(const char *alphabet, char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == alphabet[62] ? 62 : c == alphabet[63] ? 63 : -1;
}

static bool decode(const char *alphabet, struct str text, uint8_t *ret_bytes, size_t *ret_len)
{
    uint32_t bits = 0;
    int held = 0;
    size_t len = 0;
    if (text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int value = digit(alphabet, text.ptr[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            ret_bytes[len++] = (uint8_t)(bits >> held);
        }
    }
    if ((bits & ((1U << held) - 1)) != 0)
        return false;
    *ret_len = len;
    return true;
}

bool base64url_decode(struct str text, uint8_t *ret_bytes, size_t *ret_len)
{
    return decode(URL_SAFE, text, ret_bytes, ret_len);
}

bool base64_decode(struct str text, uint8_t *ret_bytes, size_t *ret_len)
{
    bool is_padded = text.len > 0 && text.len % 4 == 0 && text.ptr[text.len - 1] == '=';
    if (is_padded)
        text.len -= text.ptr[text.len - 2] == '=' ? 2 : 1;
    return decode(PLAIN, text, ret_bytes, ret_len);
}
