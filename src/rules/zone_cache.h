/*
 * zone_cache: the zones that a process has loaded, by name, each once and for as long as the cache
 * lives. Thread: any; what it gives is read only.
 */
#pragma once
#include "rules/zone.h"

/* More names than the system has; only links that lead in circles could make more of them. */
enum { ZONE_CACHE_MAX = 2'000 };

struct zone_cache;

[[nodiscard]] struct zone_cache *zone_cache_create(void);
void zone_cache_destroy(struct zone_cache *c); /* accepts NULL */
DEFINE_SCOPED(zone_cache);

/* Errors: as zone_load; LIMIT beyond ZONE_CACHE_MAX. */
[[nodiscard]] bool zone_cache_get(struct zone_cache *c, struct str name,
                                  const struct zone **ret_zone, struct err *e);
