/* live_pool: memory of things that are numbered: items of one size, in one array that may move;
 * free ones are linked by their first four bytes. A number is four bytes where a pointer is eight.
 */
#pragma once
#include "worker/index.h"

enum { LIVE_NONE = INDEX_ITEM_MAX + 1 }; /* no number */

struct live_pool {
    char *items;
    size_t size, count, capacity;
    uint32_t free_first;
};

void live_pool_init(struct live_pool *pool, size_t size);
void live_pool_clear(struct live_pool *pool);
/* Zeroed. Others may move. */
[[nodiscard]] uint32_t live_pool_take(struct live_pool *pool);
void live_pool_give(struct live_pool *pool, uint32_t item);
[[nodiscard]] static inline size_t live_pool_bytes(const struct live_pool *pool)
{
    return pool->capacity * pool->size;
}
[[nodiscard]] static inline void *live_pool_at(const struct live_pool *pool, uint32_t item)
{
    assert(item < pool->count);
    return pool->items + (size_t)item * pool->size;
}
