/*
 * conf/shard_map: which shard owns which queue (option shard-queues), and the texts that name
 * something of each shard (shard-urls, shard-database-urls). Worker and gateway read the same
 * option and so decide alike.
 *
 *     shard-queues   1:email,bulk;2:reports     every other queue is shard 0's
 *     texts          1:http://a:8081;2:unix:/run/x
 *
 * Shards are numbered from 0 without a gap; shard 0 is there without being named. What is read
 * points into the text given. Pure.
 * Source: docs/decisions/0025-shards.md.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum {
    SHARD_MAP_SHARDS_MAX = 16,
    SHARD_MAP_QUEUES_MAX = 256,
    SHARD_MAP_NAME_MAX = 200, /* bytes of a queue's name */
};

struct shard_map {
    size_t shard_count; /* those that the text speaks of, with shard 0: 1 where it is empty */
    size_t queue_count;
    struct shard_map_queue {
        struct str name;
        unsigned shard; /* never 0 */
    } queues[SHARD_MAP_QUEUES_MAX];
};

struct shard_texts {
    size_t shard_count;                     /* with shard 0 */
    struct str texts[SHARD_MAP_SHARDS_MAX]; /* by shard; that of shard 0 is empty */
};

/*
 * An empty text is a map of shard 0 alone. A shard may have no queue, `1:;2:reports`: it finishes
 * what it has.
 *
 * Errors:  INVALID: no number, shard 0, a gap, a shard or a queue twice, a limit above.
 */
[[nodiscard]] bool shard_map_read(struct str text, struct shard_map *ret_map, struct err *e);
/* Errors: INVALID, as above, and for a shard without a text. The texts, which may be secrets, are
 * never quoted. */
[[nodiscard]] bool shard_texts_read(struct str text, struct shard_texts *ret_texts, struct err *e);
/*
 * That of one shard; empty where there are no texts: it has none of its own then.
 *
 * Errors: INVALID: the others have texts and this shard has none; `name` is the option's.
 */
[[nodiscard]] bool shard_texts_pick(const struct shard_texts *texts, const char *name, size_t shard,
                                    struct str *ret_text, struct err *e);

/* The shard that owns a queue. Cost: a comparison of lengths for each queue that is named. */
[[nodiscard]] unsigned shard_map_of_queue(const struct shard_map *map, struct str queue);

/* Errors: INVALID: the map speaks of more shards than there are. */
[[nodiscard]] bool shard_map_fits(const struct shard_map *map, size_t shard_count, struct err *e);
/* Errors: INVALID: the map does not speak of that shard. */
[[nodiscard]] bool shard_map_names(const struct shard_map *map, size_t shard, struct err *e);
