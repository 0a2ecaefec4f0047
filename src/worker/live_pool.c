#include "worker/live_pool.h"

#include "base/mem.h"

enum { POOL_FIRST = 16 };

void live_pool_init(struct live_pool *pool, size_t size)
{
    *pool = (struct live_pool){ .size = size, .free_first = LIVE_NONE };
}

void live_pool_clear(struct live_pool *pool)
{
    mem_free(pool->items);
    live_pool_init(pool, pool->size);
}

uint32_t live_pool_take(struct live_pool *pool)
{
    uint32_t item = pool->free_first;
    if (item != LIVE_NONE) {
        memcpy(&pool->free_first, live_pool_at(pool, item), sizeof pool->free_first);
    } else {
        if (pool->count == pool->capacity) {
            pool->capacity = max_of(pool->capacity + pool->capacity / 2, (size_t)POOL_FIRST);
            pool->items = mem_resize(pool->items, pool->capacity, pool->size);
        }
        item = (uint32_t)pool->count++;
        assert(item < LIVE_NONE);
    }
    memset(live_pool_at(pool, item), 0, pool->size);
    return item;
}

void live_pool_give(struct live_pool *pool, uint32_t item)
{
    memcpy(live_pool_at(pool, item), &pool->free_first, sizeof pool->free_first);
    pool->free_first = item;
}
