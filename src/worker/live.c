#include "worker/live.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "worker/live_priv.h"

enum { KEYS_FIRST = 64, HEAP_FIRST = 64 };

/* In words, so that it is no longer than its parts. The task may have gone since, and its memory
 * may be another's: `id_hash` tells whose it was. */
struct live_key_slot {
    uint32_t key[4];
    uint32_t id_hash[2];
    uint32_t task; /* number + 1; 0: free */
};

/* ── by id ── */

/* All sixteen bytes, mixed: a UUIDv7 ends in a count (base/uuid.h). A chosen one costs its
 * chooser's own shard. */
static uint64_t hash_of(struct uuid id)
{
    uint64_t high, low;
    memcpy(&high, id.bytes, sizeof high);
    memcpy(&low, id.bytes + sizeof high, sizeof low);
    return index_mix(high * UINT64_C(0xff51afd7ed558ccd) ^ low);
}

static uint64_t task_hash(const void *owner, uint32_t item)
{
    return hash_of(live_at(owner, item)->id);
}

static bool task_is(const void *owner, uint32_t item, const void *key)
{
    struct uuid id;
    memcpy(&id, key, sizeof id);
    return uuid_eq(live_at(owner, item)->id, id);
}

static uint64_t run_hash(const void *owner, uint32_t item)
{
    const struct live_set *set = owner;
    return index_mix(((const struct run *)live_pool_at(&set->runs, item))->task);
}

static bool run_is(const void *owner, uint32_t item, const void *key)
{
    const struct live_set *set = owner;
    return ((const struct run *)live_pool_at(&set->runs, item))->task == *(const uint32_t *)key;
}

struct live_set *live_create(void)
{
    struct live_set *set = mem_new(struct live_set);
    live_pool_init(&set->runs, sizeof(struct run));
    index_init(&set->by_task, run_hash, run_is);
    index_init(&set->by_id, task_hash, task_is);
    set->free_first = LIVE_NONE;
    set->key_capacity = KEYS_FIRST;
    set->keys = mem_zalloc(set->key_capacity, sizeof *set->keys);
    lanes_init(&set->lanes);
    return set;
}

void live_destroy(struct live_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->chunk_count; i++)
        mem_unmap(set->chunks[i], LIVE_CHUNK_BYTES);
    mem_free(set->due.items);
    mem_free(set->running.items);
    mem_free(set->chunks);
    mem_free(set->keys);
    index_clear(&set->by_id);
    index_clear(&set->by_task);
    live_pool_clear(&set->runs);
    lanes_clear(&set->lanes);
    mem_free(set);
}

struct live *live_find(const struct live_set *set, struct uuid id)
{
    int64_t number = index_find(&set->by_id, set, hash_of(id), &id);
    return number == INDEX_NONE ? NULL : live_at(set, (uint32_t)number);
}

static int64_t run_number(const struct live_set *set, const struct live *task)
{
    uint32_t number = live_number(task);
    return index_find(&set->by_task, set, index_mix(number), &number);
}

struct live_run live_run_of(const struct live_set *set, const struct live *task)
{
    int64_t found = run_number(set, task);
    if (found == INDEX_NONE)
        return (struct live_run){ 0 };
    return ((const struct run *)live_pool_at(&set->runs, (uint32_t)found))->run;
}

void live_set_run(struct live_set *set, const struct live *task, struct live_run run)
{
    int64_t found = run_number(set, task);
    uint32_t item = (uint32_t)found;
    if (found == INDEX_NONE && run.fence == 0)
        return;
    if (run.fence == 0) {
        index_remove(&set->by_task, set, item);
        live_pool_give(&set->runs, item);
        return;
    }
    if (found == INDEX_NONE) {
        item = live_pool_take(&set->runs);
        ((struct run *)live_pool_at(&set->runs, item))->task = live_number(task);
        index_add(&set->by_task, set, item);
    }
    ((struct run *)live_pool_at(&set->runs, item))->run = run;
}

static void add_chunk(struct live_set *set)
{
    struct live_chunk *chunk = mem_map(LIVE_CHUNK_BYTES);
    if (set->chunk_count == set->chunk_capacity) {
        set->chunk_capacity = set->chunk_capacity ? set->chunk_capacity * 2 : 16;
        set->chunks = mem_resize(set->chunks, set->chunk_capacity, sizeof(struct live_chunk *));
    }
    chunk->number = (uint32_t)set->chunk_count;
    set->chunks[set->chunk_count++] = chunk;
    for (size_t i = LIVE_CHUNK_TASKS; i > 0; i--) {
        chunk->tasks[i - 1].version = set->free_first;
        set->free_first = live_number(&chunk->tasks[i - 1]);
    }
}

struct live *live_add(struct live_set *set, struct uuid id)
{
    assert(!live_find(set, id));
    if (set->free_first == LIVE_NONE)
        add_chunk(set);
    struct live *task = live_at(set, set->free_first);
    set->free_first = (uint32_t)task->version;
    *task = (struct live){
        .id = id, .state = LIVE_GONE, .lane = LIVE_NONE, .heap_pos = LIVE_NOT_IN_HEAP
    };
    index_add(&set->by_id, set, live_number(task));
    set->count++;
    return task;
}

void live_remove(struct live_set *set, struct live *task)
{
    live_lift(set, task);
    live_set_run(set, task, (struct live_run){ 0 });
    index_remove(&set->by_id, set, live_number(task));
    if (task->lane != LIVE_NONE)
        live_leave(set, task->lane);
    set->count--;
    task->state = LIVE_FREE;
    task->version = set->free_first;
    set->free_first = live_number(task);
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

static bool is_held(const struct live_set *set, const struct live_key_slot *slot)
{
    const struct live *task = live_at(set, slot->task - 1);
    uint64_t hash = hash_of(task->id);
    return task->state != LIVE_FREE && task->flags & LIVE_KEYED &&
           memcmp(&hash, slot->id_hash, sizeof hash) == 0;
}

static size_t key_home(const struct live_set *set, const void *key)
{
    uint32_t word;
    memcpy(&word, (const char *)key + sizeof(uint64_t), sizeof word);
    return (size_t)((uint64_t)word * set->key_capacity >> 32);
}

/* The slot of the key, or the free one where it would be. */
static struct live_key_slot *key_slot_of(const struct live_set *set, const void *key)
{
    size_t at = key_home(set, key);
    while (set->keys[at].task && memcmp(set->keys[at].key, key, sizeof(struct live_key)) != 0)
        at = at + 1 < set->key_capacity ? at + 1 : 0;
    return &set->keys[at];
}

struct live *live_by_key(const struct live_set *set, struct live_key key)
{
    const struct live_key_slot *slot = key_slot_of(set, &key);
    return slot->task && is_held(set, slot) ? live_at(set, slot->task - 1) : NULL;
}

static void rebuild_keys(struct live_set *set)
{
    struct live_key_slot *old = set->keys;
    size_t old_capacity = set->key_capacity, held = 0;
    for (size_t i = 0; i < old_capacity; i++)
        held += old[i].task && is_held(set, &old[i]);
    set->key_capacity = max_of(held + held * 2 / 3, (size_t)KEYS_FIRST);
    set->keys = mem_zalloc(set->key_capacity, sizeof *set->keys);
    set->key_used = held;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].task && is_held(set, &old[i]))
            *key_slot_of(set, old[i].key) = old[i];
    mem_free(old);
}

void live_hold_key(struct live_set *set, struct live_key key, struct live *task)
{
    if ((set->key_used + 1) * 5 > set->key_capacity * 4)
        rebuild_keys(set);
    struct live_key_slot *slot = key_slot_of(set, &key);
    uint64_t hash = hash_of(task->id);
    assert(!slot->task || !is_held(set, slot) || slot->task == live_number(task) + 1);
    set->key_used += slot->task == 0;
    memcpy(slot->key, &key, sizeof key);
    memcpy(slot->id_hash, &hash, sizeof hash);
    slot->task = live_number(task) + 1;
    task->flags |= LIVE_KEYED;
}

/* ── heaps ── */

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

static void push(struct live_set *set, struct live_heap *heap, struct live *task,
                 live_before_fn *before)
{
    if (heap->count == heap->capacity)
        heap->items = live_heap_grow(heap->items, &heap->capacity, HEAP_FIRST);
    live_heap_push(set, heap->items, heap->count++, task, before);
}

static void take_out(struct live_set *set, struct live_heap *heap, struct live *task,
                     live_before_fn *before)
{
    live_heap_take(set, heap->items, heap->count--, task, before);
}

static bool is_in(const struct live_heap *heap, const struct live *task)
{
    return task->heap_pos < heap->count && heap->items[task->heap_pos] == live_number(task);
}

void live_lift(struct live_set *set, struct live *task)
{
    if (task->heap_pos == LIVE_NOT_IN_HEAP)
        return;
    if (is_in(&set->running, task)) {
        take_out(set, &set->running, task, ends_before);
        lanes_end(set, task->lane);
    } else if (is_in(&set->due, task)) {
        take_out(set, &set->due, task, is_due_before);
    } else {
        lanes_take(set, task);
        set->ready_count--;
    }
}

void live_place(struct live_set *set, struct live *task, int64_t now_us)
{
    assert(task->heap_pos == LIVE_NOT_IN_HEAP);
    assert(task->lane != LIVE_NONE);
    if (task->state == LIVE_RUNNING) {
        push(set, &set->running, task, ends_before);
        lanes_begin(set, task->lane);
    } else if (task->state == LIVE_WAITING && task->at_us > now_us) {
        push(set, &set->due, task, is_due_before);
    } else if (task->state == LIVE_WAITING) {
        lanes_put(set, task);
        set->ready_count++;
    }
}

void live_restore(struct live_set *set, struct live *task, const struct live *was,
                  struct live_run run, int64_t now_us)
{
    assert(uuid_eq(task->id, was->id));
    live_lift(set, task);
    if (task->lane != was->lane)
        live_leave(set, task->lane);
    *task = *was;
    live_set_run(set, task, run);
    task->heap_pos = LIVE_NOT_IN_HEAP;
    live_place(set, task, now_us);
}

void live_ripen(struct live_set *set, int64_t now_us)
{
    while (set->due.count > 0 && live_first_due(set)->at_us <= now_us) {
        struct live *task = live_first_due(set);
        take_out(set, &set->due, task, is_due_before);
        live_place(set, task, now_us);
    }
}

static struct live *first_of(const struct live_set *set, const struct live_heap *heap)
{
    return heap->count > 0 ? live_at(set, heap->items[0]) : NULL;
}

struct live *live_first_due(const struct live_set *set)
{
    return first_of(set, &set->due);
}

struct live *live_first_deadline(const struct live_set *set)
{
    return first_of(set, &set->running);
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
    return live_at(set, set->running.items[i]);
}

struct live *live_next(const struct live_set *set, size_t *at)
{
    for (; *at < set->chunk_count * LIVE_CHUNK_TASKS; (*at)++) {
        struct live *task = &set->chunks[*at / LIVE_CHUNK_TASKS]->tasks[*at % LIVE_CHUNK_TASKS];
        if (task->state == LIVE_FREE)
            continue;
        (*at)++;
        return task;
    }
    return NULL;
}

size_t live_bytes(const struct live_set *set)
{
    return set->chunk_count * LIVE_CHUNK_BYTES + index_bytes(&set->by_id) +
           set->key_capacity * sizeof *set->keys + set->runs.capacity * set->runs.size +
           index_bytes(&set->by_task) +
           ((size_t)set->due.capacity + set->running.capacity) * sizeof(uint32_t) +
           lanes_bytes(&set->lanes);
}
