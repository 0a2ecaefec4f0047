#include "base/hex.h"

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'F';
}

size_t hex_read(struct str digits, void *ret_bytes)
{
    unsigned char *bytes = ret_bytes;
    size_t count = 0;
    for (size_t i = 0; i + 1 < digits.len; i += 2) {
        int high = hex_digit(digits.ptr[i]), low = hex_digit(digits.ptr[i + 1]);
        if (high < 0 || low < 0 || is_upper(digits.ptr[i]) || is_upper(digits.ptr[i + 1]))
            break;
        bytes[count++] = (unsigned char)(high << 4 | low);
    }
    return count;
}

void hex_write(const void *bytes, size_t count, char *ret_digits)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *at = bytes;
    for (size_t i = 0; i < count; i++) {
        *ret_digits++ = digits[at[i] >> 4];
        *ret_digits++ = digits[at[i] & 15];
    }
}
