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

enum { DIGITS_MAX = 20 };

/* The digits of `value`, ending before `end`; where they start. */
static char *digits_before(char *end, uint64_t value)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    for (; value >= 100; value /= 100)
        memcpy(end -= 2, pairs + value % 100 * 2, 2);
    if (value >= 10)
        memcpy(end -= 2, pairs + value * 2, 2);
    else
        *--end = (char)('0' + value);
    return end;
}

void buf_put_u64(struct buf *b, uint64_t value)
{
    char digits[DIGITS_MAX];
    char *start = digits_before(digits + sizeof digits, value);
    buf_put(b, start, (size_t)(digits + sizeof digits - start));
}

void buf_put_i64(struct buf *b, int64_t value)
{
    char digits[1 + DIGITS_MAX];
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char *start = digits_before(digits + sizeof digits, magnitude);
    if (value < 0)
        *--start = '-';
    buf_put(b, start, (size_t)(digits + sizeof digits - start));
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
