/*
 * mem: the heap, for what outlives a request and has one owner. Nothing here returns NULL: running
 * out of memory ends the process, and its supervisor starts it again.
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

/* Uninitialised. */
[[nodiscard]] void *mem_alloc(size_t size) __attribute__((returns_nonnull, alloc_size(1)));
/* Zeroed; a product that overflows aborts. */
[[nodiscard]] void *mem_zalloc(size_t count, size_t size)
    __attribute__((returns_nonnull, alloc_size(1, 2)));
/* Zeroed, at a multiple of `alignment`, a power of two: what threads write side by side. */
[[nodiscard]] void *mem_zalloc_aligned(size_t alignment, size_t count, size_t size)
    __attribute__((returns_nonnull, alloc_size(2, 3)));
/* Zeroed pages of their own, outside the heap, at a multiple of `size`, a power of two and of the
 * page's size: for much that stays long, between which the heap would have gaps. */
[[nodiscard]] void *mem_map(size_t size) __attribute__((returns_nonnull, alloc_size(1)));
void mem_unmap(void *p, size_t size);
/* What the heap keeps of freed memory goes back to the system: for a quiet moment after a flood.
 * Cost: about a millisecond for each 10 MiB. */
void mem_give_back(void);
/* As realloc; a product that overflows aborts. */
[[nodiscard]] void *mem_resize(void *p, size_t count, size_t size)
    __attribute__((returns_nonnull, alloc_size(2, 3)));
/* An array with room for one more than `count`: where it is full, or NULL, it doubles, from `first`
 * on. */
[[nodiscard]] void *mem_grow(void *items, size_t count, size_t *capacity, size_t first, size_t size)
    __attribute__((returns_nonnull));
/* A copy that ends in NUL. Owns: the caller frees it. */
[[nodiscard]] char *mem_cstr(struct str s) __attribute__((returns_nonnull));
void mem_free(void *p); /* accepts NULL */

#define mem_new(type) ((type *)mem_zalloc(1, sizeof(type)))

/* For `scoped(mem_freep)` on any pointer. */
static inline void mem_freep(void *pp)
{
    void *p;
    memcpy(&p, pp, sizeof p);
    mem_free(p);
}
