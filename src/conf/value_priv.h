/* conf/value: one value's text against its option. */
#pragma once
#include "conf/table.h"

/*
 * Checks `text`; numbers, durations (microseconds), sizes, 0/1 and the index of a choice come back
 * as a number, text perhaps shorter (a URL without its last slash).
 *
 * Errors:  INVALID: what is wrong and what is allowed. A secret's value is never quoted.
 */
[[nodiscard]] bool value_parse(const struct conf_option *o, struct str *text, int64_t *ret_number,
                               struct err *e);

/* The nearest name within a typing error's distance, else NULL. */
struct value_guess {
    struct str wrong;
    const char *best;
    size_t distance;
};
void value_guess(struct value_guess *g, const char *candidate);
