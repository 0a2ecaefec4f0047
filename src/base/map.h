/*
 * map: string keys to pointers, open addressing with a seeded hash. It copies keys and owns no
 * values.
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

struct map;

[[nodiscard]] struct map *map_create(void);
void map_destroy(struct map *m); /* accepts NULL; values are the caller's */
DEFINE_SCOPED(map);

/* NULL where there is none. */
[[nodiscard]] void *map_get(const struct map *m, struct str key);
/* Sets or replaces; returns the value that was there, or NULL. `value` must not be NULL. */
void *map_put(struct map *m, struct str key, void *value);
/* Returns the value that was there, or NULL. */
void *map_remove(struct map *m, struct str key);
[[nodiscard]] size_t map_count(const struct map *m);

/* Starts with *at = 0; false at the end. The map must not change meanwhile. */
[[nodiscard]] bool map_next(const struct map *m, size_t *at, struct str *ret_key, void **ret_value);
