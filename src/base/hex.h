/* hex: bytes as hexadecimal digits. Source: RFC 4648, section 8. */
#pragma once
#include "base/base.h"
#include "base/str.h"

extern const signed char hex_values[256]; /* one more than the digit's value; 0: it is none */

/* The value of a digit, of either case; -1: `c`, a char or -1 for none, is no digit. */
static inline int hex_digit(int c)
{
    return hex_values[c & 0xff] - 1;
}

/* The two digits of a byte, in lower case. */
static inline void hex_put(unsigned char byte, char ret_digits[2])
{
    static const char digits[] = "0123456789abcdef";
    ret_digits[0] = digits[byte >> 4];
    ret_digits[1] = digits[byte & 15];
}

/* The bytes that `digits`, all in lower case, stand for: half as many. Gives how many come before
 * what is no such pair: all of them where everything is. */
size_t hex_read(struct str digits, void *ret_bytes);
/* Two digits a byte, in lower case, and no NUL. */
void hex_write(const void *bytes, size_t count, char *ret_digits);
