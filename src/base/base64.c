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

/* One more than the value of each digit that both alphabets have; 0: it is none of these. */
static const uint8_t values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62,
};

static int digit(const char *alphabet, char c)
{
    int value = values[(unsigned char)c] - 1;
    if (value < 0)
        value = c == alphabet[62] ? 62 : c == alphabet[63] ? 63 : -1;
    return value;
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
