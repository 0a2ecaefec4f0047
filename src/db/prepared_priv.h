/*
 * prepared: what one connection knows of the statements it has prepared. Fixed ones stay, of the
 * composed ones the least recently used goes. Names on the server carry a serial number, so that
 * preparing anew never meets an old one.
 */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "db/statement.h"

struct prepared {
    struct list used;           /* in the cache's composed, the latest last; or in its dropped */
    char name[DB_NAME_MAX + 1]; /* on the server */
    char *key;                  /* the statement's name */
    bool is_composed;
    bool is_known;   /* sent to be parsed, or parsed */
    bool is_dropped; /* no longer to be found; freed when the server was told */
};

struct prepared_cache {
    struct map *by_name;
    struct list composed, dropped;
    size_t composed_count, composed_max;
    unsigned serial;
};

void prepared_cache_init(struct prepared_cache *cache, size_t composed_max);
void prepared_cache_clear(struct prepared_cache *cache);

/* The statement's entry, made if need be, which may drop another. */
[[nodiscard]] struct prepared *prepared_get(struct prepared_cache *cache,
                                            const struct db_statement *statement);
/* To be prepared anew, under another name. */
void prepared_drop(struct prepared_cache *cache, struct prepared *p);
/* One that the server may forget; the caller frees it when it has. NULL: none. */
[[nodiscard]] struct prepared *prepared_take_dropped(struct prepared_cache *cache);
void prepared_free(struct prepared *p);
