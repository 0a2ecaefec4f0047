#include "base/arena.h"

#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_BLOCK_PER_PIECE 1 /* one block a piece, so that ASan sees each piece's end */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_BLOCK_PER_PIECE 1
#endif
#endif
#ifndef ARENA_BLOCK_PER_PIECE
#define ARENA_BLOCK_PER_PIECE 0
#endif

enum { FIRST_BLOCK_BYTES = 8192 - 64, BLOCK_BYTES_MAX = 256 * 1024 };

struct block {
    struct block *older;
    size_t size, used;
    alignas(max_align_t) unsigned char bytes[];
};

struct deferred {
    struct deferred *older;
    arena_fn *fn;
    void *owned;
};

struct arena {
    struct block *newest;
    struct deferred *deferred; /* the last one first */
    size_t budget_bytes;
    size_t raised_bytes; /* beyond it, until the next reset */
    size_t used_bytes;
    size_t held_bytes;
};

static void add_block(struct arena *a, size_t size)
{
    struct block *b = mem_alloc(sizeof *b + size);
    b->size = size;
    b->used = 0;
    b->older = a->newest;
    a->newest = b;
    a->held_bytes += sizeof *b + size;
}

struct arena *arena_create(size_t budget_bytes)
{
    struct arena *a = mem_alloc(sizeof *a);
    *a = (struct arena){ .budget_bytes = budget_bytes, .held_bytes = sizeof *a };
    return a;
}

void arena_raise_budget(struct arena *a, size_t more_bytes)
{
    a->raised_bytes = max_of(a->raised_bytes, more_bytes);
}

static void free_blocks(struct block *b)
{
    while (b) {
        struct block *older = b->older;
        mem_free(b);
        b = older;
    }
}

static void run_deferred(struct arena *a)
{
    while (a->deferred) {
        struct deferred *d = a->deferred;
        a->deferred = d->older;
        d->fn(d->owned);
    }
}

void arena_defer(struct arena *a, arena_fn *fn, void *owned)
{
    struct deferred *d = arena_new(a, struct deferred);
    *d = (struct deferred){ .older = a->deferred, .fn = fn, .owned = owned };
    a->deferred = d;
}

void arena_destroy(struct arena *a)
{
    if (!a)
        return;
    run_deferred(a);
    free_blocks(a->newest);
    mem_free(a);
}

void arena_reset(struct arena *a)
{
    run_deferred(a);
    struct block *oldest = a->newest;
    while (oldest && oldest->older) {
        struct block *older = oldest->older;
        mem_free(oldest);
        oldest = older;
    }
    if (oldest && (ARENA_BLOCK_PER_PIECE || oldest->size > FIRST_BLOCK_BYTES)) {
        mem_free(oldest);
        oldest = NULL;
    }
    if (oldest)
        oldest->used = 0;
    a->newest = oldest;
    a->used_bytes = a->raised_bytes = 0;
    a->held_bytes = sizeof *a + (oldest ? sizeof *oldest + oldest->size : 0);
}

/* Blocks double up to a bound, so that a large document costs few of them. */
static size_t next_block_size(const struct arena *a, size_t needed)
{
    if (ARENA_BLOCK_PER_PIECE)
        return needed;
    size_t size = a->newest ? min_of(a->newest->size * 2, (size_t)BLOCK_BYTES_MAX)
                            : (size_t)FIRST_BLOCK_BYTES;
    return max_of(size, needed);
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t rounded = 0;
    if (__builtin_add_overflow(size, alignof(max_align_t) - 1, &rounded))
        base_abort("arena: allocation size overflows");
    rounded &= ~(alignof(max_align_t) - 1);
    rounded = ARENA_BLOCK_PER_PIECE ? size : rounded;
    struct block *b = a->newest;
    if (!b || b->size - b->used < rounded || (ARENA_BLOCK_PER_PIECE && b->used)) {
        add_block(a, next_block_size(a, max_of(rounded, (size_t)1)));
        b = a->newest;
    }
    void *piece = b->bytes + b->used;
    b->used += rounded;
    a->used_bytes += rounded;
    return memset(piece, 0, size);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t total = 0;
    if (__builtin_mul_overflow(count, size, &total))
        base_abort("arena: array size overflows");
    return arena_alloc(a, total);
}

char *arena_cstr(struct arena *a, struct str s)
{
    char *copy = arena_alloc(a, s.len + 1);
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    return copy;
}

struct str arena_copy(struct arena *a, struct str s)
{
    return str_of(arena_cstr(a, s), s.len);
}

struct str arena_vprintf(struct arena *a, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    assert(len >= 0);
    char *text = arena_alloc(a, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return str_of(text, (size_t)len);
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct str text = arena_vprintf(a, fmt, args);
    va_end(args);
    return text;
}

bool arena_over_budget(const struct arena *a)
{
    return a->used_bytes > a->budget_bytes && a->used_bytes - a->budget_bytes > a->raised_bytes;
}

size_t arena_used(const struct arena *a)
{
    return a->used_bytes;
}

size_t arena_held(const struct arena *a)
{
    return a->held_bytes;
}
