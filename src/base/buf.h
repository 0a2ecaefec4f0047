/*
 * buf: a growing byte buffer with a bound. A write that would pass the bound sets `failed` and
 * changes nothing more; the writer checks once, at the end.
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

struct buf {
    char *ptr;
    size_t len, capacity; /* never beyond the limit */
    size_t limit_bytes;   /* 0: none */
    bool failed;
};

/* `limit_bytes` 0 is no bound. Allocates at the first write. */
void buf_init(struct buf *b, size_t limit_bytes);
void buf_clear(struct buf *b); /* frees; the buffer may be used again */
void buf_reset(struct buf *b); /* empties and keeps the memory */

void buf_put_u64(struct buf *b, uint64_t value);
void buf_put_i64(struct buf *b, int64_t value);
void buf_printf(struct buf *b, const char *fmt, ...) like_printf(2, 3);

/* buf_reserve where there is no room yet. */
[[nodiscard]] char *buf_grow(struct buf *b, size_t len);

/*
 * Room for `len` more bytes to be written in place, then counted by buf_advance; NULL on `failed`.
 * Answers are put together of thousands of small writes, so those that find room are inline.
 */
[[nodiscard]] static inline char *buf_reserve(struct buf *b, size_t len)
{
    return !b->failed && len <= b->capacity - b->len ? b->ptr + b->len : buf_grow(b, len);
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

static inline void buf_put(struct buf *b, const void *bytes, size_t len)
{
    char *at = len ? buf_reserve(b, len) : NULL;
    if (!at)
        return;
    memcpy(at, bytes, len);
    b->len += len;
}

static inline void buf_put_char(struct buf *b, char c)
{
    buf_put(b, &c, 1);
}

static inline void buf_put_str(struct buf *b, struct str s)
{
    buf_put(b, s.ptr, s.len);
}

static inline void buf_put_c(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}

/* Drops `len` bytes from the front. */
void buf_consume(struct buf *b, size_t len);

static inline struct str buf_str(const struct buf *b)
{
    return str_of(b->ptr, b->len);
}

/* Hands the bytes over and leaves the buffer empty. Owns: the caller, mem_free. */
[[nodiscard]] char *buf_take(struct buf *b, size_t *ret_len);
