/* live_priv: what live.c, live_heap.c and the files of lanes share: tasks, which are numbered, and
 * heaps of them. */
#pragma once
#include "worker/live_lane_priv.h"

enum { LIVE_CHUNK_BYTES = 256 << 10, LIVE_CHUNK_HEAD = 64, LIVE_SLOT_BITS = 13 };
enum { LIVE_CHUNK_TASKS = (LIVE_CHUNK_BYTES - LIVE_CHUNK_HEAD) / sizeof(struct live) };
static_assert(LIVE_CHUNK_TASKS <= 1 << LIVE_SLOT_BITS, "a number holds chunk and slot");

/* At a multiple of its size, so that a task's address tells its number. */
struct live_chunk {
    uint32_t number;
    alignas(LIVE_CHUNK_HEAD) struct live tasks[LIVE_CHUNK_TASKS];
};
static_assert(sizeof(struct live_chunk) <= LIVE_CHUNK_BYTES, "a chunk has room for these");

typedef bool live_before_fn(const struct live *a, const struct live *b);

struct live_key_slot;

struct run {
    struct live_run run;
    uint32_t task;
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
