/* json/number: what a number's text says, without a double in between. */
#pragma once
#include "json/json.h"

/* The number is D × 10^scale, D being its digits without leading zeros. */
struct json_number {
    bool is_negative;
    size_t digit_count;    /* of D; 0: the number is zero */
    size_t trailing_zeros; /* of D */
    int64_t scale;
    bool is_far; /* its exponent is beyond ±JSON_EXPONENT_MAX, and `scale` means nothing */
};

/* No number of a permitted length needs more, zeros apart; a zero of a far exponent is one that
 * PostgreSQL's numeric refuses, too. */
enum { JSON_EXPONENT_MAX = 1'000'000 };

/* `text` must be a number as RFC 8259 section 6 spells it. */
struct json_number json_number_read(struct str text);
