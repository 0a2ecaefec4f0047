#include "rules/zone_cache.h"

#include <pthread.h>

#include "base/map.h"
#include "base/mem.h"

struct zone_cache {
    pthread_mutex_t lock; /* of `zones` */
    struct map *zones;
};

struct zone_cache *zone_cache_create(void)
{
    struct zone_cache *c = mem_new(struct zone_cache);
    (void)pthread_mutex_init(&c->lock, NULL);
    c->zones = map_create();
    return c;
}

void zone_cache_destroy(struct zone_cache *c)
{
    struct str name;
    void *zone;
    if (c == NULL)
        return;
    for (size_t at = 0; map_next(c->zones, &at, &name, &zone);)
        zone_destroy(zone);
    map_destroy(c->zones);
    (void)pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

static bool find_or_load(struct zone_cache *c, struct str name, const struct zone **ret_zone,
                         struct err *e)
{
    struct zone *zone = map_get(c->zones, name);
    if (zone == NULL) {
        if (map_count(c->zones) >= ZONE_CACHE_MAX)
            return err_set(e, ERR_LIMIT, "more than %d time zones are in use", ZONE_CACHE_MAX);
        if (!zone_load(name, &zone, e))
            return false;
        (void)map_put(c->zones, name, zone);
    }
    *ret_zone = zone;
    return true;
}

bool zone_cache_get(struct zone_cache *c, struct str name, const struct zone **ret_zone,
                    struct err *e)
{
    (void)pthread_mutex_lock(&c->lock);
    bool is_found = find_or_load(c, name, ret_zone, e);
    (void)pthread_mutex_unlock(&c->lock);
    return is_found;
}
