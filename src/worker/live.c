#include "worker/live.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/sha256.h"

enum { CHUNK = 4096, SLOTS_FIRST = 1024, HEAP_FIRST = 64, NOT_IN_HEAP = UINT32_MAX };

struct key_slot {
    struct live_key key;
    struct live *task; /* may have gone since, and its memory may be another task */
    struct uuid id;    /* whose it was */
};

struct live_type {
    struct live_heap ready, crashed;
};

struct live_set {
    struct live **chunks;
    size_t chunk_count, chunk_capacity;
    struct live **unused;
    size_t unused_count, unused_capacity;

    struct live **slots; /* open addressing, linear, a power of two, at most half full */
    size_t slot_count, count;
    struct key_slot *keys; /* the same; whoever has gone is dropped when it grows */
    size_t key_count, key_used;

    struct live_type *types; /* by number */
    size_t type_count;
    struct live_heap due, running;
    size_t ready_count;
};

struct live_set *live_create(void)
{
    struct live_set *set = mem_new(struct live_set);
    set->slot_count = set->key_count = SLOTS_FIRST;
    set->slots = mem_zalloc(set->slot_count, sizeof(struct live *));
    set->keys = mem_zalloc(set->key_count, sizeof *set->keys);
    return set;
}

void live_destroy(struct live_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->chunk_count; i++)
        mem_free(set->chunks[i]);
    for (size_t i = 0; i < set->type_count; i++) {
        mem_free(set->types[i].ready.items);
        mem_free(set->types[i].crashed.items);
    }
    mem_free(set->due.items);
    mem_free(set->running.items);
    mem_free(set->types);
    mem_free(set->chunks);
    mem_free(set->unused);
    mem_free(set->slots);
    mem_free(set->keys);
    mem_free(set);
}

/* ── by id ── */

/* The last eight bytes of a UUIDv7 are random; a chosen one costs its chooser's own shard. */
static size_t hash_of(struct uuid id)
{
    uint64_t high, low;
    memcpy(&high, id.bytes, sizeof high);
    memcpy(&low, id.bytes + sizeof high, sizeof low);
    uint64_t hash = (high ^ low) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 32;
    return (size_t)(hash * UINT64_C(0xd6e8feb86659fd93) >> 16);
}

static size_t slot_of(const struct live_set *set, struct uuid id)
{
    size_t mask = set->slot_count - 1, at = hash_of(id) & mask;
    while (set->slots[at] && !uuid_eq(set->slots[at]->id, id))
        at = (at + 1) & mask;
    return at;
}

struct live *live_find(const struct live_set *set, struct uuid id)
{
    return set->slots[slot_of(set, id)];
}

static void grow_slots(struct live_set *set)
{
    struct live **old = set->slots;
    size_t old_count = set->slot_count;
    set->slot_count *= 2;
    set->slots = mem_zalloc(set->slot_count, sizeof(struct live *));
    for (size_t i = 0; i < old_count; i++)
        if (old[i])
            set->slots[slot_of(set, old[i]->id)] = old[i];
    mem_free(old);
}

static struct live *take_memory(struct live_set *set)
{
    if (set->unused_count == 0) {
        struct live *chunk = mem_zalloc_aligned(64, CHUNK, sizeof *chunk);
        if (set->chunk_count == set->chunk_capacity) {
            set->chunk_capacity = set->chunk_capacity ? set->chunk_capacity * 2 : 16;
            set->chunks = mem_resize(set->chunks, set->chunk_capacity, sizeof(struct live *));
        }
        set->chunks[set->chunk_count++] = chunk;
        if (set->unused_capacity < set->chunk_count * CHUNK) {
            set->unused_capacity = set->chunk_capacity * CHUNK;
            set->unused = mem_resize(set->unused, set->unused_capacity, sizeof(struct live *));
        }
        for (size_t i = CHUNK; i > 0; i--)
            set->unused[set->unused_count++] = &chunk[i - 1];
    }
    return set->unused[--set->unused_count];
}

struct live *live_add(struct live_set *set, struct uuid id)
{
    if ((set->count + 1) * 2 > set->slot_count)
        grow_slots(set);
    size_t at = slot_of(set, id);
    assert(!set->slots[at]);
    struct live *task = take_memory(set);
    *task = (struct live){ .id = id, .state = LIVE_GONE, .heap_pos = NOT_IN_HEAP };
    set->slots[at] = task;
    set->count++;
    return task;
}

void live_remove(struct live_set *set, struct live *task)
{
    live_lift(set, task);
    size_t mask = set->slot_count - 1, hole = slot_of(set, task->id);
    assert(set->slots[hole] == task);
    for (size_t at = (hole + 1) & mask; set->slots[at]; at = (at + 1) & mask) {
        size_t home = hash_of(set->slots[at]->id) & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue; /* it would stand before its home */
        set->slots[hole] = set->slots[at];
        hole = at;
    }
    set->slots[hole] = NULL;
    set->count--;
    task->state = LIVE_FREE;
    set->unused[set->unused_count++] = task;
}

size_t live_count(const struct live_set *set)
{
    return set->count;
}

/* ── by key ── */

struct live_key live_key_of(struct str key)
{
    uint8_t digest[SHA256_LEN];
    struct live_key hash;
    sha256(key, digest);
    memcpy(&hash, digest, sizeof hash);
    return hash;
}

static bool is_held(const struct key_slot *slot)
{
    return slot->task->state != LIVE_FREE && slot->task->flags & LIVE_KEYED &&
           uuid_eq(slot->task->id, slot->id);
}

static struct key_slot *key_slot_of(const struct live_set *set, struct live_key key)
{
    size_t mask = set->key_count - 1, at = (size_t)key.low & mask;
    while (set->keys[at].task &&
           (set->keys[at].key.high != key.high || set->keys[at].key.low != key.low))
        at = (at + 1) & mask;
    return &set->keys[at];
}

struct live *live_by_key(const struct live_set *set, struct live_key key)
{
    const struct key_slot *slot = key_slot_of(set, key);
    return slot->task && is_held(slot) ? slot->task : NULL;
}

static void rebuild_keys(struct live_set *set)
{
    struct key_slot *old = set->keys;
    size_t old_count = set->key_count, held = 0;
    for (size_t i = 0; i < old_count; i++)
        held += old[i].task && is_held(&old[i]);
    while (held * 4 > set->key_count)
        set->key_count *= 2;
    set->keys = mem_zalloc(set->key_count, sizeof *set->keys);
    set->key_used = held;
    for (size_t i = 0; i < old_count; i++)
        if (old[i].task && is_held(&old[i]))
            *key_slot_of(set, old[i].key) = old[i];
    mem_free(old);
}

void live_hold_key(struct live_set *set, struct live_key key, struct live *task)
{
    if ((set->key_used + 1) * 2 > set->key_count)
        rebuild_keys(set);
    struct key_slot *slot = key_slot_of(set, key);
    assert(!slot->task || !is_held(slot) || slot->task == task);
    set->key_used += slot->task == NULL;
    *slot = (struct key_slot){ .key = key, .task = task, .id = task->id };
    task->flags |= LIVE_KEYED;
}

/* ── heaps ── */

bool live_is_before(const struct live *a, const struct live *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority;
    if (a->at_us != b->at_us)
        return a->at_us < b->at_us;
    return memcmp(a->id.bytes, b->id.bytes, sizeof a->id.bytes) < 0;
}

int64_t live_deadline_us(const struct live *task)
{
    if (task->flags & LIVE_ENDING)
        return INT64_MAX;
    int64_t grace_s = task->flags & LIVE_OVERDUE ? LIVE_GRACE_S : 0;
    return task->at_us + ((int64_t)task->timeout_s + grace_s) * CLOCK_S;
}

static bool is_due_before(const struct live *a, const struct live *b)
{
    return a->at_us < b->at_us;
}

static bool ends_before(const struct live *a, const struct live *b)
{
    return live_deadline_us(a) < live_deadline_us(b);
}

typedef bool before_fn(const struct live *a, const struct live *b);

static void set_at(struct live_heap *heap, size_t at, struct live *task)
{
    heap->items[at] = task;
    task->heap_pos = (uint32_t)at;
}

static void sift_up(struct live_heap *heap, size_t at, struct live *task, before_fn *before)
{
    for (; at > 0; at = (at - 1) / 2) {
        struct live *parent = heap->items[(at - 1) / 2];
        if (!before(task, parent))
            break;
        set_at(heap, at, parent);
    }
    set_at(heap, at, task);
}

static void sift_down(struct live_heap *heap, size_t at, struct live *task, before_fn *before)
{
    for (size_t child; (child = at * 2 + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && before(heap->items[child + 1], heap->items[child]))
            child++;
        if (!before(heap->items[child], task))
            break;
        set_at(heap, at, heap->items[child]);
    }
    set_at(heap, at, task);
}

static void heap_push(struct live_heap *heap, struct live *task, before_fn *before)
{
    if (heap->count == heap->capacity) {
        heap->capacity = heap->capacity ? heap->capacity * 2 : HEAP_FIRST;
        heap->items = mem_resize(heap->items, heap->capacity, sizeof(struct live *));
    }
    heap->count++;
    sift_up(heap, heap->count - 1, task, before);
}

static void heap_take(struct live_heap *heap, struct live *task, before_fn *before)
{
    size_t at = task->heap_pos;
    assert(at < heap->count && heap->items[at] == task);
    struct live *last = heap->items[--heap->count];
    task->heap_pos = NOT_IN_HEAP;
    if (last == task)
        return;
    if (at > 0 && before(last, heap->items[(at - 1) / 2]))
        sift_up(heap, at, last, before);
    else
        sift_down(heap, at, last, before);
}

static struct live_type *type_of(struct live_set *set, uint32_t type)
{
    assert(type < LIVE_TYPES_MAX);
    if (type >= set->type_count) {
        size_t count = max_of((size_t)type + 1, set->type_count * 2);
        set->types = mem_resize(set->types, count, sizeof *set->types);
        memset(&set->types[set->type_count], 0, (count - set->type_count) * sizeof *set->types);
        set->type_count = count;
    }
    return &set->types[type];
}

static struct live_heap *ready_heap(struct live_set *set, const struct live *task)
{
    struct live_type *type = type_of(set, task->type);
    return task->crashes > 0 ? &type->crashed : &type->ready;
}

static bool is_in(const struct live_heap *heap, const struct live *task)
{
    return task->heap_pos < heap->count && heap->items[task->heap_pos] == task;
}

void live_lift(struct live_set *set, struct live *task)
{
    if (task->heap_pos == NOT_IN_HEAP)
        return;
    if (is_in(&set->running, task)) {
        heap_take(&set->running, task, ends_before);
    } else if (is_in(&set->due, task)) {
        heap_take(&set->due, task, is_due_before);
    } else {
        heap_take(ready_heap(set, task), task, live_is_before);
        set->ready_count--;
    }
}

void live_place(struct live_set *set, struct live *task, int64_t now_us)
{
    assert(task->heap_pos == NOT_IN_HEAP);
    if (task->state == LIVE_RUNNING) {
        heap_push(&set->running, task, ends_before);
    } else if (task->state == LIVE_WAITING && task->at_us > now_us) {
        heap_push(&set->due, task, is_due_before);
    } else if (task->state == LIVE_WAITING) {
        heap_push(ready_heap(set, task), task, live_is_before);
        set->ready_count++;
    }
}

void live_restore(struct live_set *set, struct live *task, const struct live *was, int64_t now_us)
{
    assert(uuid_eq(task->id, was->id));
    live_lift(set, task);
    *task = *was;
    task->heap_pos = NOT_IN_HEAP;
    live_place(set, task, now_us);
}

void live_ripen(struct live_set *set, int64_t now_us)
{
    while (set->due.count > 0 && set->due.items[0]->at_us <= now_us) {
        struct live *task = set->due.items[0];
        heap_take(&set->due, task, is_due_before);
        live_place(set, task, now_us);
    }
}

static struct live *first_of(const struct live_heap *heap)
{
    return heap->count > 0 ? heap->items[0] : NULL;
}

struct live *live_first_ready(const struct live_set *set, uint32_t type, bool crashed)
{
    if (type >= set->type_count)
        return NULL;
    return first_of(crashed ? &set->types[type].crashed : &set->types[type].ready);
}

struct live *live_first_due(const struct live_set *set)
{
    return first_of(&set->due);
}

struct live *live_first_deadline(const struct live_set *set)
{
    return first_of(&set->running);
}

size_t live_ready_count(const struct live_set *set)
{
    return set->ready_count;
}

size_t live_running_count(const struct live_set *set)
{
    return set->running.count;
}

struct live *live_running_at(const struct live_set *set, size_t i)
{
    assert(i < set->running.count);
    return set->running.items[i];
}

struct live *live_next(const struct live_set *set, size_t *at)
{
    for (; *at < set->chunk_count * CHUNK; (*at)++) {
        struct live *task = &set->chunks[*at / CHUNK][*at % CHUNK];
        if (task->state == LIVE_FREE)
            continue;
        (*at)++;
        return task;
    }
    return NULL;
}

size_t live_bytes(const struct live_set *set)
{
    return set->chunk_count * CHUNK * (sizeof(struct live) + sizeof(struct live *)) +
           set->slot_count * sizeof(struct live *) + set->key_count * sizeof *set->keys +
           (set->due.capacity + set->running.capacity) * sizeof(struct live *);
}
