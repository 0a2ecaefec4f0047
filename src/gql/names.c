#include "gql/names_priv.h"

enum { FIRST_CAPACITY = 8 };

static struct name_slot *find(const struct names *n, struct str name, uint64_t hash)
{
    uint32_t mask = n->capacity - 1;
    uint32_t i = (uint32_t)hash & mask;
    while (n->slots[i].value && (n->slots[i].hash != hash || !str_eq(n->slots[i].name, name)))
        i = (i + 1) & mask;
    return &n->slots[i];
}

void *names_get_hashed(const struct names *n, struct str name, uint64_t hash)
{
    return n->count ? find(n, name, hash)->value : NULL;
}

void *names_get(const struct names *n, struct str name)
{
    return n->count ? find(n, name, str_hash(name))->value : NULL;
}

static void grow(struct arena *arena, struct names *n)
{
    struct names wider = { .count = n->count,
                           .capacity = max_of(n->capacity * 2, (uint32_t)FIRST_CAPACITY) };
    wider.slots = arena_new_array(arena, wider.capacity, struct name_slot);
    for (uint32_t i = 0; i < n->capacity; i++)
        if (n->slots[i].value)
            *find(&wider, n->slots[i].name, n->slots[i].hash) = n->slots[i];
    *n = wider;
}

void *names_add(struct arena *arena, struct names *n, struct str name, void *value)
{
    uint64_t hash = str_hash(name);
    assert(value);
    if ((n->count + 1) * 2 > n->capacity)
        grow(arena, n);
    struct name_slot *slot = find(n, name, hash);
    if (slot->value)
        return slot->value;
    *slot = (struct name_slot){ name, value, hash };
    n->count++;
    return NULL;
}
