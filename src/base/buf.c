#include "base/buf.h"

#include "base/mem.h"

enum { FIRST_CAPACITY = 256 };

void buf_init(struct buf *b, size_t limit_bytes)
{
    *b = (struct buf){ .limit_bytes = limit_bytes };
}

void buf_clear(struct buf *b)
{
    mem_free(b->ptr);
    buf_init(b, b->limit_bytes);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

char *buf_grow(struct buf *b, size_t len)
{
    size_t needed = 0;
    if (b->failed || __builtin_add_overflow(b->len, len, &needed) ||
        (b->limit_bytes && needed > b->limit_bytes)) {
        b->failed = true;
        return NULL;
    }
    size_t capacity = max_of(b->capacity * 2, (size_t)FIRST_CAPACITY);
    capacity = max_of(capacity, needed);
    b->capacity = b->limit_bytes ? min_of(capacity, b->limit_bytes) : capacity;
    b->ptr = mem_resize(b->ptr, b->capacity, 1);
    return b->ptr + b->len;
}

void buf_put_u64(struct buf *b, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buf_put(b, digits + at, sizeof digits - at);
}

void buf_put_i64(struct buf *b, int64_t value)
{
    if (value < 0)
        buf_put_char(b, '-');
    buf_put_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    assert(len >= 0);
    char *at = buf_reserve(b, (size_t)len + 1);
    if (!at)
        return;
    va_start(args, fmt);
    vsnprintf(at, (size_t)len + 1, fmt, args);
    va_end(args);
    b->len += (size_t)len;
}

void buf_consume(struct buf *b, size_t len)
{
    assert(len <= b->len);
    b->len -= len;
    if (b->len)
        memmove(b->ptr, b->ptr + len, b->len);
}

char *buf_take(struct buf *b, size_t *ret_len)
{
    char *bytes = b->ptr;
    *ret_len = b->len;
    buf_init(b, b->limit_bytes);
    return bytes;
}
