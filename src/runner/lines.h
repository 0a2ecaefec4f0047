/*
 * lines: what an attempt has written and the worker has not been told: the last LINES_BYTES at
 * least, and not twice as much. They leave with a heartbeat or with the acknowledgement, once: a
 * call that gets no answer loses them.
 * Source: docs/protocol.md "Logs".
 */
#pragma once
#include "json/writer.h"

enum { LINES_BYTES = 64 * 1024, LINES_ONE_MAX = 8 * 1024 };

struct lines {
    struct buf older, newer; /* elements of a JSON array, with commas between them */
};

/* Copies it; bytes that are no UTF-8, and U+0000, become U+FFFD. */
void lines_add(struct lines *lines, int64_t at_us, const char *stream, struct str text);
[[nodiscard]] bool lines_are_empty(const struct lines *lines);
/* The elements of the array, and none are left. Appended to `out`. */
void lines_take(struct lines *lines, struct buf *out);
void lines_clear(struct lines *lines);
