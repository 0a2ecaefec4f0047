#include "db/prepared_priv.h"

#include "base/mem.h"

void prepared_cache_init(struct prepared_cache *cache, size_t composed_max)
{
    *cache = (struct prepared_cache){ .by_name = map_create(),
                                      .composed_max = max_of(composed_max, (size_t)1) };
    list_init(&cache->composed);
    list_init(&cache->dropped);
}

void prepared_free(struct prepared *p)
{
    list_remove(&p->used);
    mem_free(p->key);
    mem_free(p);
}

void prepared_cache_clear(struct prepared_cache *cache)
{
    size_t at = 0;
    struct str key;
    void *p;
    while (cache->by_name && map_next(cache->by_name, &at, &key, &p))
        prepared_free(p);
    map_destroy(cache->by_name);
    cache->by_name = NULL;
    for (struct prepared *d; (d = prepared_take_dropped(cache));)
        prepared_free(d);
}

static void drop_oldest(struct prepared_cache *cache)
{
    prepared_drop(cache, container_of(cache->composed.next, struct prepared, used));
}

static struct prepared *add(struct prepared_cache *cache, const struct db_statement *statement)
{
    enum { SERIAL_LEN = 12 };
    if (statement->is_composed && cache->composed_count >= cache->composed_max)
        drop_oldest(cache);
    struct prepared *p = mem_new(struct prepared);
    list_init(&p->used);
    p->key = mem_cstr(str_of_c(statement->name));
    p->is_composed = statement->is_composed;
    snprintf(p->name, sizeof p->name, "%.*s_%u", DB_NAME_MAX - SERIAL_LEN, statement->name,
             ++cache->serial);
    (void)map_put(cache->by_name, str_of_c(p->key), p);
    if (p->is_composed) {
        list_push(&cache->composed, &p->used);
        cache->composed_count++;
    }
    return p;
}

struct prepared *prepared_get(struct prepared_cache *cache, const struct db_statement *statement)
{
    struct prepared *p = map_get(cache->by_name, str_of_c(statement->name));
    if (!p)
        return add(cache, statement);
    if (p->is_composed) {
        list_remove(&p->used);
        list_push(&cache->composed, &p->used);
    }
    return p;
}

void prepared_drop(struct prepared_cache *cache, struct prepared *p)
{
    if (p->is_dropped)
        return;
    p->is_dropped = true;
    (void)map_remove(cache->by_name, str_of_c(p->key));
    cache->composed_count -= p->is_composed;
    list_remove(&p->used);
    list_push(&cache->dropped, &p->used);
}

struct prepared *prepared_take_dropped(struct prepared_cache *cache)
{
    struct list *first = list_pop(&cache->dropped);
    return first ? container_of(first, struct prepared, used) : NULL;
}
