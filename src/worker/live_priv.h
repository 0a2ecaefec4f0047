/* live_priv: what live.c, live_heap.c and live_lane.c share. Tasks, lanes, groups and keys are
 * numbered; a number is four bytes where a pointer is eight. */
#pragma once
#include "worker/index.h"
#include "worker/live_lane.h"

enum {
    LIVE_NONE = INDEX_ITEM_MAX + 1,  /* no number */
    LIVE_BANDS = 2 * PRIORITY_COUNT, /* the levels, and again for those that crashed */
};

/* ── memory of things that are numbered ── */

/* Items of one size, in one array that may move; free ones are linked by their first four bytes. */
struct live_pool {
    char *items;
    size_t size, count, capacity;
    uint32_t free_first;
};

void live_pool_init(struct live_pool *pool, size_t size);
void live_pool_clear(struct live_pool *pool);
/* Zeroed. Others may move. */
[[nodiscard]] uint32_t live_pool_take(struct live_pool *pool);
void live_pool_give(struct live_pool *pool, uint32_t item);
[[nodiscard]] static inline void *live_pool_at(const struct live_pool *pool, uint32_t item)
{
    assert(item < pool->count);
    return pool->items + (size_t)item * pool->size;
}

/* ── tasks ── */

enum { LIVE_CHUNK_BYTES = 256 << 10, LIVE_CHUNK_HEAD = 64, LIVE_SLOT_BITS = 13 };
enum { LIVE_CHUNK_TASKS = (LIVE_CHUNK_BYTES - LIVE_CHUNK_HEAD) / sizeof(struct live) };
static_assert(LIVE_CHUNK_TASKS <= 1 << LIVE_SLOT_BITS, "a number holds chunk and slot");

/* At a multiple of its size, so that a task's address tells its number. */
struct live_chunk {
    uint32_t number;
    alignas(LIVE_CHUNK_HEAD) struct live tasks[LIVE_CHUNK_TASKS];
};
static_assert(sizeof(struct live_chunk) <= LIVE_CHUNK_BYTES, "a chunk has room for these");

/* A binary heap of tasks; each knows its place in it. */
struct live_heap {
    uint32_t *items;
    uint32_t count, capacity;
};

typedef bool live_before_fn(const struct live *a, const struct live *b);

struct live_key_slot;

struct run {
    struct live_run run;
    uint32_t task;
};

/* ── lanes ── */

/* Of a ring: each item knows both neighbours; a ring is named by its first. */
struct live_link {
    uint32_t next, prev;
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
    size_t ready;
    double tokens;
    int64_t token_us; /* monotonic: up to when tokens were counted */
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
    struct live_pool lanes, groups, keys;
    struct index lane_index, group_index, key_index;
    struct lane_type *types;
    struct lane_queue *queues;
    size_t type_count, queue_count;
    size_t crashed_ready;
    uint64_t turn;     /* of all types: the last one */
    size_t item_bytes; /* of heaps of lanes */
};

struct live_set {
    struct live_chunk **chunks;
    size_t chunk_count, chunk_capacity;
    uint32_t free_first; /* linked by their versions */
    size_t count;
    struct index by_id;
    struct live_key_slot *keys; /* open addressing; whoever has gone is dropped when it grows */
    size_t key_capacity, key_used;
    struct live_heap due, running;
    struct live_pool runs; /* of those that run, or ran until the batch in flight */
    struct index by_task;
    size_t ready_count;
    struct lanes lanes;
};

[[nodiscard]] static inline struct live *live_at(const struct live_set *set, uint32_t number)
{
    return &set->chunks[number >> LIVE_SLOT_BITS]->tasks[number & ((1U << LIVE_SLOT_BITS) - 1)];
}

[[nodiscard]] static inline uint32_t live_number(const struct live *task)
{
    const struct live_chunk *chunk =
        (const struct live_chunk *)((uintptr_t)task & ~(uintptr_t)(LIVE_CHUNK_BYTES - 1));
    return chunk->number << LIVE_SLOT_BITS | (uint32_t)(task - chunk->tasks);
}

/* ── live_heap.c ── */

enum { LIVE_NOT_IN_HEAP = LIVE_NONE };

/* A heap of `count` items, of which one is added at the end, or one is taken out; there is room. */
void live_heap_push(const struct live_set *set, uint32_t *items, uint32_t count, struct live *task,
                    live_before_fn *before);
void live_heap_take(const struct live_set *set, uint32_t *items, uint32_t count, struct live *task,
                    live_before_fn *before);
/* Room for one more, by half more. */
[[nodiscard]] uint32_t *live_heap_grow(uint32_t *items, uint32_t *capacity, uint32_t first);

/* ── live_lane.c ── */

void lanes_init(struct lanes *lanes);
void lanes_clear(struct lanes *lanes);
[[nodiscard]] size_t lanes_bytes(const struct lanes *lanes);
/* A due task into its lane's heap, and out of it. */
void lanes_put(struct live_set *set, struct live *task);
void lanes_take(struct live_set *set, struct live *task);
/* One more of the lane runs, or one less. */
void lanes_begin(struct live_set *set, uint32_t lane);
void lanes_end(struct live_set *set, uint32_t lane);
