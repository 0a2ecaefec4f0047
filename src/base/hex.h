/* hex: bytes as hexadecimal digits. Source: RFC 4648, section 8. */
#pragma once
#include "base/base.h"
#include "base/str.h"

/* The value of a digit, of either case; -1: it is none. */
static inline int hex_digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    int lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The bytes that `digits`, all in lower case, stand for: half as many. Gives how many come before
 * what is no such pair: all of them where everything is. */
size_t hex_read(struct str digits, void *ret_bytes);
/* Two digits a byte, in lower case, and no NUL. */
void hex_write(const void *bytes, size_t count, char *ret_digits);
