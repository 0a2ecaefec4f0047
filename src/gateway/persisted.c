#include "gateway/persisted.h"

#include <pthread.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

enum {
    PROBATION_SHARE = 8,
    OVERHEAD_BYTES = 128, /* of a text beside itself: its entry, its key and place in the map */
};

struct entry {
    struct list by_use; /* in one of the two segments */
    uint8_t hash[SHA256_LEN];
    bool is_protected;
    size_t len;
    char text[];
};

struct persisted {
    pthread_mutex_t lock;
    struct map *entries;
    struct list probation, protected; /* the oldest first */
    size_t bytes_max, bytes, probation_bytes;
    uint64_t evictions;
};

struct persisted *persisted_create(size_t bytes_max)
{
    struct persisted *p = mem_new(struct persisted);
    int failed = pthread_mutex_init(&p->lock, NULL);
    assert(!failed);
    p->entries = map_create();
    p->bytes_max = bytes_max;
    list_init(&p->probation);
    list_init(&p->protected);
    return p;
}

static struct str key_of(const uint8_t hash[SHA256_LEN])
{
    return str_of((const char *)hash, SHA256_LEN);
}

static size_t size_of(const struct entry *entry)
{
    return entry->len + OVERHEAD_BYTES;
}

static void drop(struct persisted *p, struct list *node)
{
    struct entry *entry = container_of(node, struct entry, by_use);
    (void)map_remove(p->entries, key_of(entry->hash));
    list_remove(&entry->by_use);
    p->bytes -= size_of(entry);
    if (!entry->is_protected)
        p->probation_bytes -= size_of(entry);
    mem_free(entry);
}

void persisted_destroy(struct persisted *p)
{
    if (p == NULL)
        return;
    list_each (node, &p->probation)
        drop(p, node);
    list_each (node, &p->protected)
        drop(p, node);
    map_destroy(p->entries);
    (void)pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

static void evict(struct persisted *p, struct list *segment)
{
    drop(p, segment->next);
    p->evictions++;
}

/* Down to the bounds: the whole, and probation's share of it. */
static void shrink(struct persisted *p)
{
    while (p->probation_bytes > p->bytes_max / PROBATION_SHARE)
        evict(p, &p->probation);
    while (p->bytes > p->bytes_max)
        evict(p, list_is_empty(&p->protected) ? &p->probation : &p->protected);
}

static void protect(struct persisted *p, struct entry *entry)
{
    list_remove(&entry->by_use);
    list_push(&p->protected, &entry->by_use);
    if (!entry->is_protected)
        p->probation_bytes -= size_of(entry);
    entry->is_protected = true;
}

bool persisted_find(struct persisted *p, const uint8_t hash[SHA256_LEN], struct arena *a,
                    struct str *ret_text)
{
    pthread_mutex_lock(&p->lock);
    struct entry *entry = map_get(p->entries, key_of(hash));
    if (entry != NULL) {
        protect(p, entry);
        *ret_text = arena_copy(a, str_of(entry->text, entry->len));
    }
    pthread_mutex_unlock(&p->lock);
    return entry != NULL;
}

static void add(struct persisted *p, const uint8_t hash[SHA256_LEN], struct str text)
{
    struct entry *entry = mem_alloc(sizeof *entry + text.len);
    *entry = (struct entry){ .len = text.len };
    memcpy(entry->hash, hash, SHA256_LEN);
    memcpy(entry->text, text.ptr, text.len);
    (void)map_put(p->entries, key_of(hash), entry);
    list_push(&p->probation, &entry->by_use);
    p->bytes += size_of(entry);
    p->probation_bytes += size_of(entry);
    shrink(p);
}

void persisted_add(struct persisted *p, const uint8_t hash[SHA256_LEN], struct str text)
{
    if (text.len + OVERHEAD_BYTES > p->bytes_max / PROBATION_SHARE)
        return; /* it would only empty the others' room */
    pthread_mutex_lock(&p->lock);
    if (map_get(p->entries, key_of(hash)) == NULL)
        add(p, hash, text);
    pthread_mutex_unlock(&p->lock);
}

struct persisted_stats persisted_stats(struct persisted *p)
{
    pthread_mutex_lock(&p->lock);
    struct persisted_stats stats = { map_count(p->entries), p->bytes, p->evictions };
    pthread_mutex_unlock(&p->lock);
    return stats;
}
