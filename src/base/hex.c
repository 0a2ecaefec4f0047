#include "base/hex.h"

const signed char hex_values[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

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
    const unsigned char *at = bytes;
    for (size_t i = 0; i < count; i++, ret_digits += 2)
        hex_put(at[i], ret_digits);
}
