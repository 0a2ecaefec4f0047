#include "base/mem.h"

#include <malloc.h>
#include <sys/mman.h>

static void *checked(void *p)
{
    if (!p)
        base_abort("out of memory");
    return p;
}

void *mem_alloc(size_t size)
{
    return checked(malloc(max_of(size, (size_t)1)));
}

void *mem_zalloc(size_t count, size_t size)
{
    return checked(calloc(max_of(count, (size_t)1), max_of(size, (size_t)1)));
}

void *mem_zalloc_aligned(size_t alignment, size_t count, size_t size)
{
    size_t total = 0;
    if (__builtin_mul_overflow(count, size, &total) ||
        __builtin_add_overflow(total, alignment - 1, &total))
        base_abort("memory size overflows");
    total = max_of(total / alignment * alignment, alignment);
    return memset(checked(aligned_alloc(alignment, total)), 0, total);
}

/* Twice as much holds what begins at a multiple; the rest goes back. */
void *mem_map(size_t size)
{
    assert(size > 0 && (size & (size - 1)) == 0);
    char *pages = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        base_abort("out of memory");
    size_t before = (size - ((uintptr_t)pages & (size - 1))) & (size - 1);
    if (before > 0)
        mem_unmap(pages, before);
    mem_unmap(pages + before + size, size - before);
    return pages + before;
}

void mem_unmap(void *p, size_t size)
{
    int status = munmap(p, size);
    assert(status == 0);
}

void mem_give_back(void)
{
    (void)malloc_trim(0);
}

void *mem_resize(void *p, size_t count, size_t size)
{
    size_t total = 0;
    if (__builtin_mul_overflow(count, size, &total))
        base_abort("memory size overflows");
    return checked(realloc(p, max_of(total, (size_t)1)));
}

void *mem_grow(void *items, size_t count, size_t *capacity, size_t first, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity ? *capacity * 2 : first;
    return mem_resize(items, *capacity, size);
}

char *mem_cstr(struct str s)
{
    char *copy = mem_alloc(s.len + 1);
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

void mem_free(void *p)
{
    free(p);
}
