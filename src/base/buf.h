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
/* The part of buf_put_char that makes room. */
void buf_put_char_beyond(struct buf *b, char c);
static inline void buf_put_char(struct buf *b, char c)
{
    if (b->len < b->capacity && !b->failed)
        b->ptr[b->len++] = c;
    else
        buf_put_char_beyond(b, c);
}
void buf_put_str(struct buf *b, struct str s);
void buf_put_c(struct buf *b, const char *text);
void buf_put_u64(struct buf *b, uint64_t value);
void buf_put_i64(struct buf *b, int64_t value);
void buf_printf(struct buf *b, const char *fmt, ...) like_printf(2, 3);

/* The part of buf_reserve that makes room. */
[[nodiscard]] char *buf_reserve_beyond(struct buf *b, size_t len);
/* Room for `len` more bytes to be written in place, then counted by buf_advance; NULL on `failed`.
 */
[[nodiscard]] static inline char *buf_reserve(struct buf *b, size_t len)
{
    bool has_room = len <= b->capacity - b->len && !b->failed && b->ptr;
    return has_room ? b->ptr + b->len : buf_reserve_beyond(b, len);
}
/* True where `len` more bytes are within the bound. */
static inline bool buf_has_room(const struct buf *b, size_t len)
{
    return !b->failed && (!b->limit_bytes || len <= b->limit_bytes - b->len);
}
static inline void buf_advance(struct buf *b, size_t len)
{
    assert(len <= b->capacity - b->len);
    b->len += len;
}

/* Drops `len` bytes from the front. */
void buf_consume(struct buf *b, size_t len);

static inline struct str buf_str(const struct buf *b)
{
    return str_of(b->ptr, b->len);
}

/* Hands the bytes over and leaves the buffer empty. Owns: the caller, mem_free. */
[[nodiscard]] char *buf_take(struct buf *b, size_t *ret_len);
