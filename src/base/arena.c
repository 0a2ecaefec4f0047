#include "base/arena.h"

#include <pthread.h>

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

/* Requests wait by the thousand, and most need two or three blocks: those that they have beyond
 * what they use count. */
enum {
    FIRST_BLOCK_BYTES = 4096 - 64,
    SMALL_BYTES = 32 * 1024, /* blocks grow once so much is held */
    BLOCK_BYTES_MAX = 256 * 1024,
    SPARE_MAX = 256, /* of a thread: 1 MiB */
};

/* `size` is a multiple of the alignment, so that a piece that fits still does when it is rounded.
 */
struct arena_block {
    struct arena_block *older;
    size_t size;
    alignas(max_align_t) char bytes[];
};

struct arena_deferred {
    struct arena_deferred *older;
    arena_fn *fn;
    void *owned;
};

/* ── spare blocks: for this thread's next arenas, since malloc keeps none so large at hand ── */

static thread_local struct arena_block *spare;
static thread_local size_t spare_count;
static pthread_key_t thread_end;

static void free_spare(void *thread)
{
    (void)thread;
    while (spare) {
        struct arena_block *older = spare->older;
        mem_free(spare);
        spare = older;
    }
    spare_count = SPARE_MAX; /* what the thread still lets go is freed */
}

static void make_key(void)
{
    if (pthread_key_create(&thread_end, free_spare) != 0)
        base_abort("arena: no key for what threads leave");
}

static void free_block(struct arena_block *b)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (ARENA_BLOCK_PER_PIECE || b->size != FIRST_BLOCK_BYTES || spare_count >= SPARE_MAX) {
        mem_free(b);
        return;
    }
    if (spare == NULL) {
        pthread_once(&once, make_key);
        pthread_setspecific(thread_end, b);
    }
    b->older = spare;
    spare = b;
    spare_count++;
}

static struct arena_block *take_block(size_t size)
{
    struct arena_block *b = spare;
    if (size != FIRST_BLOCK_BYTES || b == NULL)
        return mem_alloc(sizeof *b + size);
    spare = b->older;
    spare_count--;
    return b;
}

/* ── arenas ── */

static void open_block(struct arena *a, struct arena_block *b)
{
    a->newest = b;
    a->at = b ? b->bytes : NULL;
    a->end = b ? b->bytes + b->size : NULL;
}

static void add_block(struct arena *a, size_t size)
{
    struct arena_block *b = take_block(size);
    b->size = size;
    b->older = a->newest;
    a->closed_bytes = arena_used(a);
    a->held_bytes += sizeof *b + size;
    open_block(a, b);
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

static void free_blocks(struct arena_block *b)
{
    while (b) {
        struct arena_block *older = b->older;
        free_block(b);
        b = older;
    }
}

static void run_deferred(struct arena *a)
{
    while (a->deferred) {
        struct arena_deferred *d = a->deferred;
        a->deferred = d->older;
        d->fn(d->owned);
    }
}

void arena_defer(struct arena *a, arena_fn *fn, void *owned)
{
    struct arena_deferred *d = arena_new(a, struct arena_deferred);
    *d = (struct arena_deferred){ .older = a->deferred, .fn = fn, .owned = owned };
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
    struct arena_block *oldest = a->newest;
    while (oldest && oldest->older) {
        struct arena_block *older = oldest->older;
        free_block(oldest);
        oldest = older;
    }
    if (oldest && (ARENA_BLOCK_PER_PIECE || oldest->size > FIRST_BLOCK_BYTES)) {
        mem_free(oldest);
        oldest = NULL;
    }
    open_block(a, oldest);
    a->closed_bytes = a->raised_bytes = 0;
    a->held_bytes = sizeof *a + (oldest ? sizeof *oldest + oldest->size : 0);
}

/* Blocks double from some size on, up to a bound, so that a large document costs few of them. */
static size_t next_block_size(const struct arena *a, size_t needed)
{
    if (ARENA_BLOCK_PER_PIECE)
        return needed;
    needed = (needed + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    size_t size = a->held_bytes < SMALL_BYTES
                      ? (size_t)FIRST_BLOCK_BYTES
                      : min_of(a->newest->size * 2, (size_t)BLOCK_BYTES_MAX);
    return max_of(size, needed);
}

void *arena_alloc_beyond(struct arena *a, size_t size)
{
    size_t rounded = 0;
    if (__builtin_add_overflow(size, alignof(max_align_t) - 1, &rounded))
        base_abort("arena: allocation size overflows");
    rounded = ARENA_BLOCK_PER_PIECE ? size : rounded & ~(alignof(max_align_t) - 1);
    add_block(a, next_block_size(a, max_of(rounded, (size_t)1)));
    char *piece = a->at;
    a->at += rounded;
    if (ARENA_BLOCK_PER_PIECE)
        a->end = a->at;
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
    size_t used = arena_used(a);
    return used > a->budget_bytes && used - a->budget_bytes > a->raised_bytes;
}

size_t arena_used(const struct arena *a)
{
    return a->closed_bytes + (a->newest ? (size_t)(a->at - a->newest->bytes) : 0);
}

size_t arena_held(const struct arena *a)
{
    return a->held_bytes;
}
