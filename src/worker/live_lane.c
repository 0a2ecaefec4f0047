#include "worker/live_lane.h"

#include "base/mem.h"
#include "worker/live_priv.h"

/* ── what is found by what ── */

static uint64_t hash_of_lane(const struct lane *lane)
{
    return index_mix(((uint64_t)lane->group << 32 | lane->key) * LIVE_BANDS + lane->band);
}

static uint64_t hash_of_group(const struct group *group)
{
    return index_mix((uint64_t)group->type << 32 | group->queue);
}

static uint64_t hash_of_key(const struct lane_key *key)
{
    return lane_key_mix(lane_key_name(key));
}

static uint64_t lane_hash(const void *owner, uint32_t item)
{
    return hash_of_lane(lane_at(owner, item));
}

static uint64_t group_hash(const void *owner, uint32_t item)
{
    return hash_of_group(group_at(owner, item));
}

static uint64_t key_hash(const void *owner, uint32_t item)
{
    return hash_of_key(lane_key_at(owner, item));
}

static bool lane_is(const void *owner, uint32_t item, const void *like)
{
    const struct lane *a = lane_at(owner, item), *b = like;
    return a->group == b->group && a->key == b->key && a->band == b->band;
}

static bool group_is(const void *owner, uint32_t item, const void *like)
{
    const struct group *a = group_at(owner, item), *b = like;
    return a->type == b->type && a->queue == b->queue;
}

static bool key_is(const void *owner, uint32_t item, const void *like)
{
    const struct lane_key *a = lane_key_at(owner, item), *b = like;
    return a->hash == b->hash && a->type == b->type;
}

/* The one that is found as `like` would be; where there is none, a copy of it. */
static inline uint32_t item_like(struct lanes *lanes, struct live_pool *pool, struct index *index,
                                 uint64_t hash, const void *like, size_t size)
{
    int64_t found = index_find(index, lanes, hash, like);
    if (found != INDEX_NONE)
        return (uint32_t)found;
    uint32_t item = live_pool_take(pool);
    memcpy(live_pool_at(pool, item), like, size);
    index_add(index, lanes, item);
    return item;
}

void lanes_init(struct lanes *lanes)
{
    *lanes = (struct lanes){ 0 };
    live_pool_init(&lanes->lanes, sizeof(struct lane));
    live_pool_init(&lanes->groups, sizeof(struct group));
    live_pool_init(&lanes->keys, sizeof(struct lane_key));
    index_init(&lanes->lane_index, lane_hash, lane_is);
    index_init(&lanes->group_index, group_hash, group_is);
    index_init(&lanes->key_index, key_hash, key_is);
    lane_buckets_init(lanes);
}

void lanes_clear(struct lanes *lanes)
{
    for (uint32_t i = 0; i < lanes->lanes.count; i++)
        if (lane_at(lanes, i)->refs > 0 && lane_at(lanes, i)->capacity > 0)
            mem_free(lane_at(lanes, i)->many);
    live_pool_clear(&lanes->lanes);
    live_pool_clear(&lanes->groups);
    live_pool_clear(&lanes->keys);
    index_clear(&lanes->lane_index);
    index_clear(&lanes->group_index);
    index_clear(&lanes->key_index);
    lane_buckets_clear(lanes);
    mem_free(lanes->types);
    mem_free(lanes->queues);
}

size_t lanes_bytes(const struct lanes *lanes)
{
    return live_pool_bytes(&lanes->lanes) + live_pool_bytes(&lanes->groups) +
           live_pool_bytes(&lanes->keys) + index_bytes(&lanes->lane_index) +
           index_bytes(&lanes->group_index) + index_bytes(&lanes->key_index) +
           lanes->type_count * sizeof *lanes->types + lanes->queue_count * sizeof *lanes->queues +
           lanes->item_bytes + lane_buckets_bytes(lanes);
}

/* Room for the item of that number; what is new is zeroed. */
static void *grown(void *items, size_t *count, uint32_t number, size_t size)
{
    size_t was = *count;
    *count = max_of((size_t)number + 1, was + was / 2);
    items = mem_resize(items, *count, size);
    memset((char *)items + was * size, 0, (*count - was) * size);
    return items;
}

struct lane_type *lane_type_at(struct lanes *lanes, uint32_t type)
{
    size_t was = lanes->type_count;
    assert(type < LIVE_TYPES_MAX);
    if (type >= was)
        lanes->types = grown(lanes->types, &lanes->type_count, type, sizeof *lanes->types);
    for (size_t i = was; i < lanes->type_count; i++)
        for (size_t band = 0; band < LIVE_BANDS; band++)
            lanes->types[i].band[band].first = LIVE_NONE;
    return &lanes->types[type];
}

struct lane_queue *lane_queue_at(struct lanes *lanes, uint32_t queue)
{
    size_t was = lanes->queue_count;
    assert(queue < LIVE_QUEUES_MAX);
    if (queue >= was)
        lanes->queues = grown(lanes->queues, &lanes->queue_count, queue, sizeof *lanes->queues);
    for (size_t i = was; i < lanes->queue_count; i++)
        for (size_t band = 0; band < LIVE_BANDS; band++)
            lanes->queues[i].held[band] = LIVE_NONE;
    return &lanes->queues[queue];
}

/* ── joining and leaving ── */

static uint32_t group_of(struct lanes *lanes, uint32_t type, uint32_t queue)
{
    const struct group like = { .type = type, .queue = queue };
    uint32_t item = item_like(lanes, &lanes->groups, &lanes->group_index, hash_of_group(&like),
                              &like, sizeof like);
    struct group *group = group_at(lanes, item);
    for (size_t band = 0; group->refs == 0 && band < LIVE_BANDS; band++)
        group->band[band].first = LIVE_NONE;
    return item;
}

static uint32_t key_of(struct lanes *lanes, uint64_t hash, uint32_t type)
{
    const struct lane_key like = { .hash = hash, .type = type, .held = LIVE_NONE };
    if (hash == 0)
        return LIVE_NONE;
    return item_like(lanes, &lanes->keys, &lanes->key_index, hash_of_key(&like), &like,
                     sizeof like);
}

/* Its lane, with one task more. */
static uint32_t enlist(struct lanes *lanes, uint32_t group, uint32_t key, unsigned band)
{
    const struct lane like = { .group = group, .key = key, .band = (uint8_t)band };
    uint32_t item = item_like(lanes, &lanes->lanes, &lanes->lane_index, hash_of_lane(&like), &like,
                              sizeof like);
    if (lane_at(lanes, item)->refs++ == 0) {
        group_at(lanes, group)->refs++;
        if (key != LIVE_NONE)
            lane_key_at(lanes, key)->refs++;
    }
    lanes->queues[group_at(lanes, group)->queue].tasks++;
    return item;
}

void live_join(struct live_set *set, struct live *task, const struct live_lane *lane)
{
    struct lanes *lanes = &set->lanes;
    assert(task->lane == LIVE_NONE);
    (void)lane_type_at(lanes, lane->type);
    (void)lane_queue_at(lanes, lane->queue);
    uint32_t group = group_of(lanes, lane->type, lane->queue);
    uint32_t key = key_of(lanes, lane->key, lane->type);
    task->lane = enlist(lanes, group, key, lane->priority) & LIVE_NONE;
}

static void free_group(struct lanes *lanes, uint32_t group)
{
    if (--group_at(lanes, group)->refs > 0)
        return;
    index_remove(&lanes->group_index, lanes, group);
    live_pool_give(&lanes->groups, group);
}

static void free_key(struct lanes *lanes, uint32_t key)
{
    if (key == LIVE_NONE || --lane_key_at(lanes, key)->refs > 0)
        return;
    index_remove(&lanes->key_index, lanes, key);
    live_pool_give(&lanes->keys, key);
}

void live_leave(struct live_set *set, uint32_t item)
{
    struct lanes *lanes = &set->lanes;
    struct lane *lane = lane_at(lanes, item);
    lanes->queues[group_at(lanes, lane->group)->queue].tasks--;
    if (--lane->refs > 0)
        return;
    assert(lane->count == 0 && lane->where == LIVE_OUT);
    lane_drop_items(lanes, lane);
    index_remove(&lanes->lane_index, lanes, item);
    free_key(lanes, lane->key);
    free_group(lanes, lane->group);
    live_pool_give(&lanes->lanes, item);
}

struct live_lane live_lane_of(const struct live_set *set, const struct live *task)
{
    const struct lane *lane = lane_at(&set->lanes, task->lane);
    const struct group *group = group_at(&set->lanes, lane->group);
    return (struct live_lane){
        .type = group->type,
        .queue = group->queue,
        .priority = (enum rule_priority)(lane->band % PRIORITY_COUNT),
        .key = lane->key == LIVE_NONE ? 0 : lane_key_at(&set->lanes, lane->key)->hash,
    };
}

uint32_t live_type_of(const struct live_set *set, const struct live *task)
{
    return group_at(&set->lanes, lane_at(&set->lanes, task->lane)->group)->type;
}

uint32_t live_crash(struct live_set *set, struct live *task)
{
    struct lanes *lanes = &set->lanes;
    uint32_t left = task->lane;
    struct lane lane = *lane_at(lanes, left);
    assert(task->heap_pos == LIVE_NOT_IN_HEAP);
    task->crashes = (task->crashes + 1U) & 15;
    task->lane = enlist(lanes, lane.group, lane.key, lane.band % PRIORITY_COUNT + PRIORITY_COUNT) &
                 LIVE_NONE;
    return left;
}

/* NULL: no task has it. */
static struct lane_key *key_named(const struct lanes *lanes, struct lane_key_name name)
{
    const struct lane_key like = { .hash = name.hash, .type = name.type };
    int64_t item = index_find(&lanes->key_index, lanes, hash_of_key(&like), &like);
    return item == INDEX_NONE ? NULL : lane_key_at(lanes, (uint32_t)item);
}

void lane_key_wake(struct lanes *lanes, struct lane_key_name name)
{
    struct lane_key *key = key_named(lanes, name);
    if (key && !lane_key_is_full(lanes, key))
        lane_key_release(lanes, key);
}

void lane_keys_wake_all(struct lanes *lanes, uint32_t type)
{
    for (uint32_t i = 0; i < lanes->keys.count && lanes->types[type].held > 0; i++) {
        struct lane_key *key = lane_key_at(lanes, i);
        if (key->refs > 0 && key->type == type && !lane_key_is_full(lanes, key))
            lane_key_release(lanes, key);
    }
}

size_t live_lane_count(const struct live_set *set)
{
    return set->lanes.lane_index.count;
}
