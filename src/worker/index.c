#include "worker/index.h"

#include "base/mem.h"

enum { FIRST = 64, STEPS_SHIFT = 28, STEPS_MAX = 15, ITEM_MASK = (1 << STEPS_SHIFT) - 1 };

void index_init(struct index *index, index_hash_fn *hash, index_is_fn *is)
{
    *index = (struct index){ .capacity = FIRST, .hash = hash, .is = is };
    index->slots = mem_zalloc(index->capacity, sizeof *index->slots);
}

void index_clear(struct index *index)
{
    mem_free(index->slots);
    *index = (struct index){ 0 };
}

static size_t home_of(const struct index *index, uint64_t hash)
{
    return (size_t)((hash >> 32) * index->capacity >> 32);
}

static uint32_t item_of(uint32_t slot)
{
    return (slot & ITEM_MASK) - 1;
}

static uint32_t slot_of(uint32_t item, size_t steps)
{
    return (item + 1) | (uint32_t)min_of(steps, (size_t)STEPS_MAX) << STEPS_SHIFT;
}

static size_t after(const struct index *index, size_t at)
{
    return at + 1 < index->capacity ? at + 1 : 0;
}

int64_t index_find(const struct index *index, const void *owner, uint64_t hash, const void *key)
{
    size_t steps = 0;
    for (size_t at = home_of(index, hash); index->slots[at]; at = after(index, at), steps++) {
        uint32_t slot = index->slots[at];
        if (slot >> STEPS_SHIFT == min_of(steps, (size_t)STEPS_MAX) &&
            index->is(owner, item_of(slot), key))
            return item_of(slot);
    }
    return INDEX_NONE;
}

static void put(struct index *index, uint64_t hash, uint32_t item)
{
    size_t at = home_of(index, hash), steps = 0;
    for (; index->slots[at]; steps++)
        at = after(index, at);
    index->slots[at] = slot_of(item, steps);
}

static void grow(struct index *index, const void *owner)
{
    uint32_t *old = index->slots;
    size_t old_capacity = index->capacity;
    index->capacity += old_capacity / 2;
    index->slots = mem_zalloc(index->capacity, sizeof *index->slots);
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i])
            put(index, index->hash(owner, item_of(old[i])), item_of(old[i]));
    mem_free(old);
}

void index_add(struct index *index, const void *owner, uint32_t item)
{
    assert(item <= INDEX_ITEM_MAX);
    if ((index->count + 1) * 5 > index->capacity * 4)
        grow(index, owner);
    put(index, index->hash(owner, item), item);
    index->count++;
}

/* How far `to` is behind `from`, going around. */
static size_t distance(const struct index *index, size_t from, size_t to)
{
    return to >= from ? to - from : to + index->capacity - from;
}

/* How far the slot is behind its item's home. */
static size_t steps_of(const struct index *index, const void *owner, size_t at)
{
    uint32_t slot = index->slots[at];
    if (slot >> STEPS_SHIFT < STEPS_MAX)
        return slot >> STEPS_SHIFT;
    return distance(index, home_of(index, index->hash(owner, item_of(slot))), at);
}

void index_remove(struct index *index, const void *owner, uint32_t item)
{
    size_t hole = home_of(index, index->hash(owner, item));
    while (item_of(index->slots[hole]) != item) {
        assert(index->slots[hole]);
        hole = after(index, hole);
    }
    for (size_t at = after(index, hole); index->slots[at]; at = after(index, at)) {
        size_t steps = steps_of(index, owner, at), gap = distance(index, hole, at);
        if (steps < gap)
            continue; /* it would stand before its home */
        index->slots[hole] = slot_of(item_of(index->slots[at]), steps - gap);
        hole = at;
    }
    index->slots[hole] = 0;
    index->count--;
}

size_t index_bytes(const struct index *index)
{
    return index->capacity * sizeof *index->slots;
}
