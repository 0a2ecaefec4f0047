/*
 * backoff: how long to wait before the next try: twice as long each time, from `min_ms` up to
 * `max_ms`, with a fifth of chance either way, so that many who failed together do not return
 * together.
 */
#pragma once
#include "base/base.h"

struct backoff {
    int64_t min_ms, max_ms; /* of the wait before chance */
    unsigned failures;      /* in a row */
};

/* The wait after one more failure. */
[[nodiscard]] int64_t backoff_next_ms(struct backoff *b);
/* After a success. */
void backoff_reset(struct backoff *b);
