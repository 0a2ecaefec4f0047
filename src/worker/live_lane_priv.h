/* live_lane_priv: what the files of lanes share: live_lane.c (which there are), live_ring.c (where
 * they stand), live_turn.c (which is next), live_rate.c (how often) and live_standing.c (how things
 * are). */
#pragma once
#include "worker/live_lane.h"
#include "worker/live_pool.h"

enum { LIVE_BANDS = 2 * PRIORITY_COUNT }; /* the levels, and again for those that crashed */

/* Of a ring: each item knows both neighbours; a ring is named by its first. */
struct live_link {
    uint32_t next, prev;
};

/* A binary heap of numbered things, each of which knows its place in it. */
struct live_heap {
    uint32_t *items;
    uint32_t count, capacity;
};

enum live_where { LIVE_OUT, LIVE_IN, LIVE_HELD };

struct lane {
    struct live_link link; /* in its group's ring, or among those that its key holds back */
    uint32_t group, key;   /* LIVE_NONE: no key */
    uint32_t refs;         /* tasks that name it */
    uint32_t count, capacity;
    uint8_t band, where; /* enum live_where */
    union {
        uint32_t one; /* capacity 0 */
        uint32_t *many;
    };
};

/* The lanes of one type and queue. */
struct group {
    uint32_t type, queue;
    uint32_t refs; /* lanes */
    struct {
        struct live_link link; /* in its type's ring, or among those that its queue holds back */
        uint32_t first;        /* lane */
        uint32_t lanes;        /* in the ring */
        uint8_t where;
    } band[LIVE_BANDS];
};

/* Tokens of a rate: whoever begins takes one. */
struct live_rate {
    double per_s;
    uint32_t burst; /* so many at most; 0: those of a second, and one at least */
};

struct live_bucket {
    double tokens;
    int64_t at_us; /* monotonic: up to when they were counted */
};

/* What finds a key and its bucket. */
struct lane_key_name {
    uint64_t hash;
    uint32_t type;
};

struct key_bucket {
    uint64_t hash;
    uint32_t type;
    uint32_t pos; /* in its type's clock */
    struct live_bucket bucket;
    int64_t look_us; /* monotonic: when it has a token for lanes that wait, or is full */
};

struct lane_key {
    uint64_t hash;
    uint32_t type;
    uint32_t refs; /* lanes */
    uint32_t running;
    uint32_t held; /* the first of the lanes that it holds back */
};

struct lane_type {
    struct live_limits limits;
    uint32_t running;
    uint32_t held; /* lanes that its keys hold back */
    size_t ready;
    struct live_bucket bucket;
    struct live_heap clock; /* of the buckets of its keys, by when to look at them */
    int64_t keys_since_us;  /* monotonic: when its keys' rate was set */
    int64_t
        first_token_us; /* monotonic: when lanes wake whose keys have no bucket; 0: none sleep */
    struct {
        uint32_t first; /* group */
        uint64_t turn;  /* when it was served last */
    } band[LIVE_BANDS];
};

struct lane_queue {
    bool is_paused;
    size_t tasks, running;
    uint32_t held[LIVE_BANDS]; /* the first of the groups that it holds back */
};

struct lanes {
    struct live_pool lanes, groups, keys, buckets;
    struct index lane_index, group_index, key_index, bucket_index;
    struct lane_type *types;
    struct lane_queue *queues;
    size_t type_count, queue_count;
    size_t crashed_ready;
    uint64_t turn;     /* of all types: the last one */
    size_t item_bytes; /* of heaps of lanes */
};

[[nodiscard]] static inline struct lane *lane_at(const struct lanes *lanes, uint32_t lane)
{
    return live_pool_at(&lanes->lanes, lane);
}

[[nodiscard]] static inline struct group *group_at(const struct lanes *lanes, uint32_t group)
{
    return live_pool_at(&lanes->groups, group);
}

[[nodiscard]] static inline struct lane_key *lane_key_at(const struct lanes *lanes, uint32_t key)
{
    return live_pool_at(&lanes->keys, key);
}

[[nodiscard]] static inline uint64_t lane_key_mix(struct lane_key_name name)
{
    return index_mix(name.hash ^ (uint64_t)name.type << 40);
}

[[nodiscard]] static inline struct lane_key_name lane_key_name(const struct lane_key *key)
{
    return (struct lane_key_name){ key->hash, key->type };
}

[[nodiscard]] static inline struct live_rate live_rate_of(const struct live_limits *limits)
{
    return (struct live_rate){ limits->rate_per_s, limits->burst };
}

/* It runs as many as it may. */
[[nodiscard]] static inline bool lane_key_is_full(const struct lanes *lanes,
                                                  const struct lane_key *key)
{
    uint32_t max = lanes->types[key->type].limits.max_running_per_key;
    return max > 0 && key->running >= max;
}

/* The lane's heap. */
[[nodiscard]] static inline uint32_t *lane_items(struct lane *lane)
{
    return lane->capacity > 0 ? lane->many : &lane->one;
}

/* Within a lane. */
[[nodiscard]] static inline bool live_goes_before(const struct live *a, const struct live *b)
{
    if (a->at_us != b->at_us)
        return a->at_us < b->at_us;
    return memcmp(a->id.bytes, b->id.bytes, sizeof a->id.bytes) < 0;
}

/* ── live_lane.c ── */

void lanes_init(struct lanes *lanes);
void lanes_clear(struct lanes *lanes);
[[nodiscard]] size_t lanes_bytes(const struct lanes *lanes);
/* Made where there was none; others may move. */
[[nodiscard]] struct lane_type *lane_type_at(struct lanes *lanes, uint32_t type);
[[nodiscard]] struct lane_queue *lane_queue_at(struct lanes *lanes, uint32_t queue);
/* Releases the lanes that the key holds back, if it is not full; or those of all keys of the type.
 */
void lane_key_wake(struct lanes *lanes, struct lane_key_name name);
void lane_keys_wake_all(struct lanes *lanes, uint32_t type);

/* ── live_ring.c ── */

/* A due task into its lane's heap, and out of it. */
void lanes_put(struct live_set *set, struct live *task);
void lanes_take(struct live_set *set, struct live *task);
/* The memory of a lane's heap, which is empty. */
void lane_drop_items(struct lanes *lanes, struct lane *lane);
/* Out of the ring, until the key or the queue releases it. */
void lane_hold(struct lanes *lanes, uint32_t lane);
void group_hold(struct lanes *lanes, uint32_t group, unsigned band);
void lane_key_release(struct lanes *lanes, struct lane_key *key);

/* ── live_turn.c ── */

/* One more of the lane runs, or one less. */
void lanes_begin(struct live_set *set, uint32_t lane);
void lanes_end(struct live_set *set, uint32_t lane);
/* When it has a token; 0: it has one now. */
[[nodiscard]] int64_t lane_type_token_us(struct lane_type *type, int64_t mono_us);

/* ── live_rate.c ── */

void lane_buckets_init(struct lanes *lanes);
void lane_buckets_clear(struct lanes *lanes); /* before the types */
[[nodiscard]] size_t lane_buckets_bytes(const struct lanes *lanes);
void live_bucket_fill(struct live_bucket *bucket, struct live_rate rate, int64_t mono_us);
/* No more than the rate lets it hold. */
void live_bucket_cap(struct live_bucket *bucket, struct live_rate rate);
/* When it has a token; 0: it has one now. */
[[nodiscard]] int64_t live_bucket_token_us(struct live_bucket *bucket, struct live_rate rate,
                                           int64_t mono_us);
/* The same of a key. */
[[nodiscard]] int64_t lane_key_token_us(const struct lanes *lanes, struct lane_key_name name,
                                        int64_t mono_us);
/* Its lanes are held back until then. */
void lane_key_sleep(struct lanes *lanes, struct lane_key_name name, int64_t token_us);
void lane_key_take_token(struct lanes *lanes, struct lane_key_name name, int64_t mono_us);
void lane_key_untake_token(struct lanes *lanes, struct lane_key_name name);
/* Lanes whose keys have a token again may run, full buckets go. Returns when to call it next; 0:
 * nothing waits for it. */
int64_t lane_keys_wake(struct lanes *lanes, uint32_t type, int64_t mono_us);
/* All keys of the type have empty buckets. */
void lane_keys_start_anew(struct lanes *lanes, uint32_t type, int64_t mono_us);
