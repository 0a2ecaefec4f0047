#include "base/map.h"

#include "base/mem.h"

struct slot {
    uint64_t hash;
    char *key; /* NULL: free */
    size_t key_len;
    void *value;
};

struct map {
    struct slot *slots;
    size_t capacity; /* a power of two, at most 3/4 used */
    size_t count;
};

enum { FIRST_CAPACITY = 16 };

struct map *map_create(void)
{
    struct map *m = mem_new(struct map);
    m->capacity = FIRST_CAPACITY;
    m->slots = mem_zalloc(m->capacity, sizeof *m->slots);
    return m;
}

void map_destroy(struct map *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->capacity; i++)
        mem_free(m->slots[i].key);
    mem_free(m->slots);
    mem_free(m);
}

/* The key's slot, or the free one where it would go. */
static struct slot *find(const struct map *m, struct str key, uint64_t hash)
{
    for (size_t i = hash & (m->capacity - 1);; i = (i + 1) & (m->capacity - 1)) {
        struct slot *s = &m->slots[i];
        if (!s->key || (s->hash == hash && str_eq(str_of(s->key, s->key_len), key)))
            return s;
    }
}

static void grow(struct map *m)
{
    struct map wider = { .capacity = m->capacity * 2, .count = m->count };
    wider.slots = mem_zalloc(wider.capacity, sizeof *wider.slots);
    for (size_t i = 0; i < m->capacity; i++) {
        struct slot *s = &m->slots[i];
        if (s->key)
            *find(&wider, str_of(s->key, s->key_len), s->hash) = *s;
    }
    mem_free(m->slots);
    *m = wider;
}

void *map_get(const struct map *m, struct str key)
{
    return find(m, key, str_hash(key))->value;
}

void *map_put(struct map *m, struct str key, void *value)
{
    assert(value);
    if ((m->count + 1) * 4 > m->capacity * 3)
        grow(m);
    uint64_t hash = str_hash(key);
    struct slot *s = find(m, key, hash);
    void *before = s->value;
    if (!s->key) {
        *s = (struct slot){ .hash = hash, .key = mem_cstr(key), .key_len = key.len };
        m->count++;
    }
    s->value = value;
    return before;
}

void *map_remove(struct map *m, struct str key)
{
    struct slot *hole = find(m, key, str_hash(key));
    void *value = hole->value;
    if (!hole->key)
        return NULL;
    mem_free(hole->key);
    m->count--;
    /* Close the gap (Knuth, TAOCP 6.4 algorithm R), so that no tombstones are needed. */
    size_t mask = m->capacity - 1;
    size_t free_at = (size_t)(hole - m->slots);
    for (size_t i = (free_at + 1) & mask; m->slots[i].key; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - free_at) & mask)) {
            m->slots[free_at] = m->slots[i];
            free_at = i;
        }
    }
    m->slots[free_at] = (struct slot){ 0 };
    return value;
}

size_t map_count(const struct map *m)
{
    return m->count;
}

bool map_next(const struct map *m, size_t *at, struct str *ret_key, void **ret_value)
{
    while (*at < m->capacity) {
        const struct slot *s = &m->slots[(*at)++];
        if (!s->key)
            continue;
        *ret_key = str_of(s->key, s->key_len);
        *ret_value = s->value;
        return true;
    }
    return false;
}
