/*
 * index: finds numbered things by a hash, four bytes each and some room. It holds numbers alone:
 * their owner tells the hash of each, and which is the one that is looked for. Open addressing,
 * between half and four fifths full. Four bits of each slot say how far it is behind its home, so
 * that most finds look at one thing alone, and a removal at none of its neighbours: in a large set
 * each look is a miss of the CPU's caches.
 */
#pragma once
#include "base/base.h"

enum { INDEX_ITEM_MAX = (1 << 28) - 2, INDEX_NONE = -1 };

typedef uint64_t index_hash_fn(const void *owner, uint32_t item);
typedef bool index_is_fn(const void *owner, uint32_t item, const void *key);

struct index {
    uint32_t *slots; /* 0: free; else the item + 1, and the steps from its home */
    size_t capacity, count;
    index_hash_fn *hash; /* 64 good bits */
    index_is_fn *is;
};

void index_init(struct index *index, index_hash_fn *hash, index_is_fn *is);
void index_clear(struct index *index);
/* INDEX_NONE: there is none. `hash` is of the key. */
[[nodiscard]] int64_t index_find(const struct index *index, const void *owner, uint64_t hash,
                                 const void *key);
/* One that is not there. */
void index_add(struct index *index, const void *owner, uint32_t item);
/* One that is there, and whose hash can still be told. */
void index_remove(struct index *index, const void *owner, uint32_t item);
[[nodiscard]] size_t index_bytes(const struct index *index);

/* Good bits of poor ones. */
[[nodiscard]] static inline uint64_t index_mix(uint64_t x)
{
    x = (x ^ x >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 29) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}
