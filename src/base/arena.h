/*
 * arena: memory for one request, task run or parsed document. Pieces are never freed alone; the
 * whole goes at once. What outlives the arena is copied out of it.
 * Source: docs/style.md section 3.
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

/* Its own business; here only so that an allocation is a few instructions at the caller's. */
struct arena_block;
struct arena_deferred;
struct arena {
    char *at, *end; /* what is free of the newest block */
    struct arena_block *newest;
    struct arena_deferred *deferred; /* the last one first */
    size_t budget_bytes;
    size_t raised_bytes; /* beyond it, until the next reset */
    size_t closed_bytes; /* handed out from older blocks */
    size_t held_bytes;
};

/*
 * `budget_bytes` bounds what input may make the arena grow to: allocation goes on beyond it (it
 * never fails), arena_over_budget tells, and every loop that input can lengthen asks.
 */
[[nodiscard]] struct arena *arena_create(size_t budget_bytes);
/* To at least so much more, until the next reset: for what proved to be worth it. */
void arena_raise_budget(struct arena *a, size_t more_bytes);
void arena_destroy(struct arena *a); /* accepts NULL */
DEFINE_SCOPED(arena);

/* Empties the arena for its next use and keeps its first block. */
void arena_reset(struct arena *a);

/* The part of arena_alloc that needs a new block. */
[[nodiscard]] void *arena_alloc_beyond(struct arena *a, size_t size)
    __attribute__((malloc, returns_nonnull, alloc_size(2)));

/* Zeroed memory for any type; never NULL (out of memory aborts). */
[[nodiscard]] static inline __attribute__((malloc, returns_nonnull, alloc_size(2))) void *
arena_alloc(struct arena *a, size_t size)
{
    /* Under AddressSanitizer nothing is ever left of a block: each piece is one. What just fits
     * takes the other way too, so that no piece of nothing lies outside of all blocks. */
    if (size >= (size_t)(a->end - a->at))
        return arena_alloc_beyond(a, size);
    char *piece = a->at;
    a->at += (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    return memset(piece, 0, size);
}
/* Zeroed memory for `count` elements; a product that overflows aborts. */
[[nodiscard]] void *arena_array(struct arena *a, size_t count, size_t size)
    __attribute__((malloc, returns_nonnull, alloc_size(2, 3)));

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define arena_new_array(a, count, type) ((type *)arena_array((a), (count), sizeof(type)))

/* A copy that also ends in NUL (not counted in its length). */
[[nodiscard]] struct str arena_copy(struct arena *a, struct str s);
/* The same as a C string. */
[[nodiscard]] char *arena_cstr(struct arena *a, struct str s);
[[nodiscard]] struct str arena_printf(struct arena *a, const char *fmt, ...) like_printf(2, 3);
[[nodiscard]] struct str arena_vprintf(struct arena *a, const char *fmt, va_list args)
    like_printf(2, 0);

/*
 * Calls fn(owned) when the arena is reset or destroyed, the last one given first: for what a
 * request holds that is not memory of its arena, such as the rows its answer points into.
 */
typedef void arena_fn(void *owned);
void arena_defer(struct arena *a, arena_fn *fn, void *owned);

[[nodiscard]] bool arena_over_budget(const struct arena *a);
/* Bytes handed out since the last reset. */
[[nodiscard]] size_t arena_used(const struct arena *a);
/* Bytes of the heap that the arena itself occupies, used or not. */
[[nodiscard]] size_t arena_held(const struct arena *a);
