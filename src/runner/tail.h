/*
 * tail: the last bytes of an output of any length, as text that JSON can carry.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

enum { TAIL_BYTES = 16 << 10 };

struct tail {
    struct buf bytes; /* at most twice as many */
    bool is_cut;
};

void tail_init(struct tail *tail);
void tail_clear(struct tail *tail);
void tail_add(struct tail *tail, struct str bytes);
/* The bytes as valid UTF-8 without U+0000; what was not is U+FFFD. */
void tail_put_valid(struct buf *out, struct str bytes);
/* In the arena: valid UTF-8 without U+0000; what was not is U+FFFD. */
[[nodiscard]] struct str tail_text(struct arena *a, const struct tail *tail);
/* Its last line that is not empty. */
[[nodiscard]] struct str tail_last_line(struct arena *a, const struct tail *tail);
