/*
 * A segmented cache, bounded in bytes. A plan is first on probation, in an eighth of the room, and
 * is protected from its second use on; documents that come once push out only each other.
 */
#include "base/mem.h"
#include "gql/plan_priv.h"

struct plan_cache {
    struct plan **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
    size_t bytes_max, bytes;
    struct list probation, protected; /* the oldest first */
    size_t probation_bytes;
    uint64_t evictions;
};

enum { FIRST_BUCKETS = 64, PROBATION_SHARE = 8 };

struct plan_cache *plan_cache_create(size_t bytes_max)
{
    struct plan_cache *c = mem_new(struct plan_cache);
    c->bytes_max = bytes_max;
    c->bucket_count = FIRST_BUCKETS;
    c->buckets = mem_zalloc(c->bucket_count, sizeof(struct plan *));
    list_init(&c->probation);
    list_init(&c->protected);
    return c;
}

uint64_t plan_hash(const struct gql_request *request)
{
    uint64_t h = str_hash(request->document);
    if (request->operation_name.len)
        h ^= str_hash(request->operation_name) * 0x9E3779B97F4A7C15U;
    return h + request->role * 2 + request->no_introspection;
}

static struct plan **bucket_of(const struct plan_cache *c, uint64_t hash)
{
    return &c->buckets[hash & (c->bucket_count - 1)];
}

static void drop(struct plan_cache *c, struct plan *p)
{
    struct plan **link = bucket_of(c, p->hash);
    while (*link != p)
        link = &(*link)->hash_next;
    *link = p->hash_next;
    list_remove(&p->by_use);
    c->bytes -= p->bytes;
    if (!p->is_protected)
        c->probation_bytes -= p->bytes;
    c->count--;
    p->is_cached = false;
    plan_unref(p);
}

static void evict(struct plan_cache *c, struct list *segment)
{
    drop(c, container_of(segment->next, struct plan, by_use));
    c->evictions++;
}

/* Down to the bounds: the whole, and probation's share of it. */
static void shrink(struct plan_cache *c)
{
    while (c->probation_bytes > c->bytes_max / PROBATION_SHARE)
        evict(c, &c->probation);
    while (c->bytes > c->bytes_max)
        evict(c, list_is_empty(&c->protected) ? &c->probation : &c->protected);
}

void plan_cache_destroy(struct plan_cache *c)
{
    if (!c)
        return;
    while (!list_is_empty(&c->probation))
        drop(c, container_of(c->probation.next, struct plan, by_use));
    while (!list_is_empty(&c->protected))
        drop(c, container_of(c->protected.next, struct plan, by_use));
    mem_free(c->buckets);
    mem_free(c);
}

static bool is_match(const struct plan *p, const struct gql_request *r, uint64_t hash)
{
    return p->hash == hash && p->role == r->role && p->has_introspection == !r->no_introspection &&
           str_eq(p->text, r->document) && str_eq(p->operation_name, r->operation_name);
}

struct plan *plan_cache_find(struct plan_cache *c, const struct gql_request *request)
{
    uint64_t hash = plan_hash(request);
    struct plan *p = *bucket_of(c, hash);
    while (p && !is_match(p, request, hash))
        p = p->hash_next;
    if (!p)
        return NULL;
    list_remove(&p->by_use);
    list_push(&c->protected, &p->by_use);
    if (!p->is_protected)
        c->probation_bytes -= p->bytes;
    p->is_protected = true;
    p->refs++;
    return p;
}

static void grow(struct plan_cache *c)
{
    struct plan **old = c->buckets;
    size_t old_count = c->bucket_count;
    c->bucket_count *= 2;
    c->buckets = mem_zalloc(c->bucket_count, sizeof(struct plan *));
    for (size_t i = 0; i < old_count; i++)
        for (struct plan *p = old[i], *next = NULL; p; p = next) {
            struct plan **bucket = bucket_of(c, p->hash);
            next = p->hash_next;
            p->hash_next = *bucket;
            *bucket = p;
        }
    mem_free(old);
}

void plan_cache_add(struct plan_cache *c, struct plan *p)
{
    if (p->bytes > c->bytes_max / PROBATION_SHARE)
        return; /* it would only empty the others' room */
    if (c->count >= c->bucket_count)
        grow(c);
    struct plan **bucket = bucket_of(c, p->hash);
    p->hash_next = *bucket;
    *bucket = p;
    list_push(&c->probation, &p->by_use);
    p->refs++;
    p->is_cached = true;
    c->count++;
    c->bytes += p->bytes;
    c->probation_bytes += p->bytes;
    shrink(c);
}

void plan_cache_resized(struct plan_cache *c, struct plan *p, size_t bytes_before)
{
    if (!p->is_cached)
        return;
    c->bytes += p->bytes - bytes_before;
    if (!p->is_protected)
        c->probation_bytes += p->bytes - bytes_before;
    shrink(c);
}

size_t plan_cache_bytes(const struct plan_cache *c)
{
    return c->bytes;
}

size_t plan_cache_count(const struct plan_cache *c)
{
    return c->count;
}

uint64_t plan_cache_evictions(const struct plan_cache *c)
{
    return c->evictions;
}
