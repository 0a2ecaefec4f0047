#include "auth/rate.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

struct entry {
    struct list node;
    int64_t full_at_us; /* when the whole burst is there again; the past says it is */
    size_t key_len;
    char key[];
};

struct rate {
    struct map *entries;
    struct list by_use;  /* the longest quiet first */
    int64_t interval_us; /* one more each */
    int64_t window_us;
    size_t keys_max;
};

struct rate *rate_create(uint32_t count, int64_t window_us, size_t keys_max)
{
    assert(count > 0);
    assert(window_us >= (int64_t)count);
    assert(keys_max > 0);
    struct rate *r = mem_new(struct rate);
    r->entries = map_create();
    list_init(&r->by_use);
    r->interval_us = window_us / count;
    r->window_us = r->interval_us * count;
    r->keys_max = keys_max;
    return r;
}

static void drop(struct rate *r, struct entry *entry)
{
    list_remove(&entry->node);
    (void)map_remove(r->entries, str_of(entry->key, entry->key_len));
    mem_free(entry);
}

void rate_destroy(struct rate *r)
{
    if (!r)
        return;
    list_each (node, &r->by_use)
        drop(r, container_of(node, struct entry, node));
    map_destroy(r->entries);
    mem_free(r);
}

static struct entry *add(struct rate *r, struct str key)
{
    if (map_count(r->entries) >= r->keys_max)
        drop(r, container_of(r->by_use.next, struct entry, node));
    struct entry *entry = mem_zalloc(1, sizeof *entry + key.len);
    entry->key_len = key.len;
    if (key.len > 0)
        memcpy(entry->key, key.ptr, key.len);
    entry->full_at_us = INT64_MIN;
    list_init(&entry->node);
    (void)map_put(r->entries, key, entry);
    return entry;
}

static void mark_used(struct rate *r, struct entry *entry)
{
    list_remove(&entry->node);
    list_push(&r->by_use, &entry->node);
}

bool rate_take(struct rate *r, struct str key, int64_t now_us, int64_t *ret_retry_us)
{
    struct entry *entry = map_get(r->entries, key);
    int64_t full_at_us = entry ? max_of(entry->full_at_us, now_us) : now_us;
    int64_t too_much_us = full_at_us + r->interval_us - (now_us + r->window_us);
    if (entry && too_much_us > 0) {
        mark_used(r, entry); /* one that keeps trying is not forgotten */
        *ret_retry_us = too_much_us;
        return false;
    }
    if (!entry)
        entry = add(r, key);
    entry->full_at_us = full_at_us + r->interval_us;
    mark_used(r, entry);
    return true;
}

void rate_give_back(struct rate *r, struct str key)
{
    struct entry *entry = map_get(r->entries, key);
    if (entry)
        entry->full_at_us -= r->interval_us;
}

void rate_forget(struct rate *r, struct str key)
{
    struct entry *entry = map_get(r->entries, key);
    if (entry)
        drop(r, entry);
}

size_t rate_key_count(const struct rate *r)
{
    return map_count(r->entries);
}
