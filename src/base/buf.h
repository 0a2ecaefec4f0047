/*
 * buf: a growing byte buffer with a bound. A write that would pass the bound sets `failed` and
 * changes nothing more; the writer checks once, at the end.
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

struct buf {
    char *ptr;
    size_t len, capacity;
    size_t limit_bytes; /* 0: none */
    bool failed;
};

/* `limit_bytes` 0 is no bound. Allocates at the first write. */
void buf_init(struct buf *b, size_t limit_bytes);
void buf_clear(struct buf *b); /* frees; the buffer may be used again */
void buf_reset(struct buf *b); /* empties and keeps the memory */

void buf_put(struct buf *b, const void *bytes, size_t len);
void buf_put_char(struct buf *b, char c);
void buf_put_str(struct buf *b, struct str s);
void buf_put_c(struct buf *b, const char *text);
void buf_put_u64(struct buf *b, uint64_t value);
void buf_put_i64(struct buf *b, int64_t value);
void buf_printf(struct buf *b, const char *fmt, ...) like_printf(2, 3);

/* Room for `len` more bytes to be written in place, then counted by buf_advance; NULL on `failed`.
 */
[[nodiscard]] char *buf_reserve(struct buf *b, size_t len);
void buf_advance(struct buf *b, size_t len);

/* Drops `len` bytes from the front. */
void buf_consume(struct buf *b, size_t len);

static inline struct str buf_str(const struct buf *b)
{
    return str_of(b->ptr, b->len);
}

/* Hands the bytes over and leaves the buffer empty. Owns: the caller, mem_free. */
[[nodiscard]] char *buf_take(struct buf *b, size_t *ret_len);
