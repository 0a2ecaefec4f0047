#include "support/allocations.h"

#include "base/base.h"

#include <stdatomic.h>

/* Whatever calls malloc is linked to __wrap_malloc, which alone reaches the real one. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

static atomic_size_t count_of_all;

size_t allocations_count(void)
{
    return count_of_all;
}

void *__wrap_malloc(size_t size)
{
    count_of_all++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    count_of_all++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    count_of_all++;
    return __real_realloc(p, size);
}
