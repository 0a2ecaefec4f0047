/*
 * live_rate: buckets of tokens: one of each type that has a rate, and of types with a rate per key
 * one of each key that is neither full nor was never used.
 *
 * A key without a bucket holds what a bucket would that was empty when the rate was set and that
 * nobody took from; that is a full one after a while, so a bucket that is full again is dropped.
 * Before that first token no key has one, and nobody needs buckets to know it.
 *
 * Buckets of a type stand in a heap by when to look at them: when one has a token for the lanes
 * that it holds back, or is full.
 */
#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "worker/live_priv.h"

enum { CLOCK_FIRST = 16 };

/* ── a bucket ── */

static double size_of(struct live_rate rate)
{
    return rate.burst > 0 ? rate.burst : fmax(1, ceil(rate.per_s));
}

void live_bucket_fill(struct live_bucket *bucket, struct live_rate rate, int64_t mono_us)
{
    double more = rate.per_s * (double)(mono_us - bucket->at_us) / CLOCK_S;
    if (mono_us <= bucket->at_us)
        return;
    bucket->tokens = fmin(bucket->tokens + more, size_of(rate));
    bucket->at_us = mono_us;
}

void live_bucket_cap(struct live_bucket *bucket, struct live_rate rate)
{
    bucket->tokens = fmin(bucket->tokens, size_of(rate));
}

/* When it holds so many. */
static int64_t holds_us(const struct live_bucket *bucket, struct live_rate rate, double tokens)
{
    return bucket->at_us + (int64_t)ceil((tokens - bucket->tokens) / rate.per_s * CLOCK_S);
}

int64_t live_bucket_token_us(struct live_bucket *bucket, struct live_rate rate, int64_t mono_us)
{
    live_bucket_fill(bucket, rate, mono_us);
    return bucket->tokens >= 1 ? 0 : holds_us(bucket, rate, 1);
}

/* ── the buckets of keys ── */

static struct key_bucket *bucket_at(const struct lanes *lanes, uint32_t item)
{
    return live_pool_at(&lanes->buckets, item);
}

static struct lane_key_name name_of(const struct key_bucket *bucket)
{
    return (struct lane_key_name){ bucket->hash, bucket->type };
}

static uint64_t bucket_hash(const void *owner, uint32_t item)
{
    return lane_key_mix(name_of(bucket_at(owner, item)));
}

static bool bucket_is(const void *owner, uint32_t item, const void *like)
{
    const struct key_bucket *bucket = bucket_at(owner, item);
    const struct lane_key_name *name = like;
    return bucket->hash == name->hash && bucket->type == name->type;
}

void lane_buckets_init(struct lanes *lanes)
{
    live_pool_init(&lanes->buckets, sizeof(struct key_bucket));
    index_init(&lanes->bucket_index, bucket_hash, bucket_is);
}

void lane_buckets_clear(struct lanes *lanes)
{
    for (size_t i = 0; i < lanes->type_count; i++)
        mem_free(lanes->types[i].clock.items);
    live_pool_clear(&lanes->buckets);
    index_clear(&lanes->bucket_index);
}

size_t lane_buckets_bytes(const struct lanes *lanes)
{
    size_t bytes = live_pool_bytes(&lanes->buckets) + index_bytes(&lanes->bucket_index);
    for (size_t i = 0; i < lanes->type_count; i++)
        bytes += lanes->types[i].clock.capacity * sizeof(uint32_t);
    return bytes;
}

/* NULL: there is none. */
static struct key_bucket *find(const struct lanes *lanes, struct lane_key_name name)
{
    int64_t item = index_find(&lanes->bucket_index, lanes, lane_key_mix(name), &name);
    return item == INDEX_NONE ? NULL : bucket_at(lanes, (uint32_t)item);
}

/* ── the heap ── */

static bool is_later(const struct lanes *lanes, const struct live_heap *clock, uint32_t a,
                     uint32_t b)
{
    return bucket_at(lanes, clock->items[a])->look_us > bucket_at(lanes, clock->items[b])->look_us;
}

static void swap(const struct lanes *lanes, struct live_heap *clock, uint32_t a, uint32_t b)
{
    uint32_t item = clock->items[a];
    clock->items[a] = clock->items[b];
    clock->items[b] = item;
    bucket_at(lanes, clock->items[a])->pos = a;
    bucket_at(lanes, clock->items[b])->pos = b;
}

/* The one that stands there goes where it belongs. */
static void sift(const struct lanes *lanes, struct live_heap *clock, uint32_t at)
{
    for (; at > 0 && is_later(lanes, clock, (at - 1) / 2, at); at = (at - 1) / 2)
        swap(lanes, clock, at, (at - 1) / 2);
    for (uint32_t child; (child = at * 2 + 1) < clock->count; at = child) {
        child += child + 1 < clock->count && is_later(lanes, clock, child, child + 1);
        if (!is_later(lanes, clock, at, child))
            break;
        swap(lanes, clock, at, child);
    }
}

static struct live_heap *clock_of(struct lanes *lanes, const struct key_bucket *bucket)
{
    return &lanes->types[bucket->type].clock;
}

static void look_at(struct lanes *lanes, struct key_bucket *bucket, int64_t at_us)
{
    bucket->look_us = at_us;
    sift(lanes, clock_of(lanes, bucket), bucket->pos);
}

static void look_by(struct lanes *lanes, struct key_bucket *bucket, int64_t at_us)
{
    if (at_us < bucket->look_us)
        look_at(lanes, bucket, at_us);
}

static struct key_bucket *create(struct lanes *lanes, struct lane_key_name name,
                                 struct live_bucket like)
{
    struct live_heap *clock = &lanes->types[name.type].clock;
    uint32_t item = live_pool_take(&lanes->buckets);
    struct key_bucket *bucket = bucket_at(lanes, item);
    if (clock->count == clock->capacity)
        clock->items = live_heap_grow(clock->items, &clock->capacity, CLOCK_FIRST);
    *bucket = (struct key_bucket){ .hash = name.hash,
                                   .type = name.type,
                                   .pos = clock->count,
                                   .bucket = like,
                                   .look_us = INT64_MAX };
    clock->items[clock->count++] = item;
    index_add(&lanes->bucket_index, lanes, item);
    return bucket;
}

static void drop(struct lanes *lanes, struct key_bucket *bucket)
{
    struct live_heap *clock = clock_of(lanes, bucket);
    uint32_t at = bucket->pos, item = clock->items[at];
    index_remove(&lanes->bucket_index, lanes, item);
    if (at != --clock->count) {
        swap(lanes, clock, at, clock->count);
        sift(lanes, clock, at);
    }
    live_pool_give(&lanes->buckets, item);
}

/* ── the keys of a type ── */

static struct live_rate rate_of(const struct lane_type *type)
{
    return (struct live_rate){ type->limits.rate_per_key_per_s, type->limits.burst_per_key };
}

/* What a key holds that has no bucket. */
static struct live_bucket untouched(const struct lane_type *type, int64_t mono_us)
{
    struct live_bucket bucket = { .at_us = type->keys_since_us };
    live_bucket_fill(&bucket, rate_of(type), mono_us);
    return bucket;
}

int64_t lane_key_token_us(const struct lanes *lanes, struct lane_key_name name, int64_t mono_us)
{
    const struct lane_type *type = &lanes->types[name.type];
    if (type->limits.rate_per_key_per_s <= 0)
        return 0;
    const struct key_bucket *found = find(lanes, name);
    struct live_bucket bucket = found ? found->bucket : untouched(type, mono_us);
    return live_bucket_token_us(&bucket, rate_of(type), mono_us);
}

void lane_key_sleep(struct lanes *lanes, struct lane_key_name name, int64_t token_us)
{
    struct key_bucket *bucket = find(lanes, name);
    if (bucket)
        look_by(lanes, bucket, token_us);
    else
        lanes->types[name.type].first_token_us = token_us;
}

void lane_key_take_token(struct lanes *lanes, struct lane_key_name name, int64_t mono_us)
{
    struct lane_type *type = &lanes->types[name.type];
    if (type->limits.rate_per_key_per_s <= 0)
        return;
    struct key_bucket *bucket = find(lanes, name);
    if (!bucket)
        bucket = create(lanes, name, untouched(type, mono_us));
    live_bucket_fill(&bucket->bucket, rate_of(type), mono_us);
    bucket->bucket.tokens -= 1;
    look_by(lanes, bucket, holds_us(&bucket->bucket, rate_of(type), size_of(rate_of(type))));
}

void lane_key_untake_token(struct lanes *lanes, struct lane_key_name name)
{
    const struct lane_type *type = &lanes->types[name.type];
    struct key_bucket *bucket = find(lanes, name);
    if (!bucket) /* it is full, or the rate has changed since */
        return;
    bucket->bucket.tokens = fmin(bucket->bucket.tokens + 1, size_of(rate_of(type)));
    look_at(lanes, bucket, 0);
}

/* Its time has come: its lanes may run, or nobody needs it any more. */
static void look(struct lanes *lanes, struct key_bucket *bucket, int64_t mono_us)
{
    struct live_rate rate = rate_of(&lanes->types[bucket->type]);
    int64_t token_us = live_bucket_token_us(&bucket->bucket, rate, mono_us);
    if (token_us == 0)
        lane_key_wake(lanes, name_of(bucket));
    if (bucket->bucket.tokens >= size_of(rate))
        drop(lanes, bucket);
    else
        look_at(lanes, bucket,
                token_us > 0 ? token_us : holds_us(&bucket->bucket, rate, size_of(rate)));
}

int64_t lane_keys_wake(struct lanes *lanes, uint32_t number, int64_t mono_us)
{
    struct lane_type *type = &lanes->types[number];
    if (type->first_token_us > 0 && type->first_token_us <= mono_us) {
        type->first_token_us = 0;
        lane_keys_wake_all(lanes, number);
    }
    while (type->clock.count > 0 && bucket_at(lanes, type->clock.items[0])->look_us <= mono_us)
        look(lanes, bucket_at(lanes, type->clock.items[0]), mono_us);
    int64_t next_us = type->clock.count > 0 ? bucket_at(lanes, type->clock.items[0])->look_us : 0;
    return type->first_token_us > 0 && (next_us == 0 || type->first_token_us < next_us)
               ? type->first_token_us
               : next_us;
}

void lane_keys_start_anew(struct lanes *lanes, uint32_t number, int64_t mono_us)
{
    struct lane_type *type = &lanes->types[number];
    while (type->clock.count > 0)
        drop(lanes, bucket_at(lanes, type->clock.items[type->clock.count - 1]));
    type->keys_since_us = mono_us;
    type->first_token_us = 0;
    lane_keys_wake_all(lanes, number);
}

void live_refill(struct live_set *set, int64_t mono_us)
{
    for (uint32_t type = 0; type < set->lanes.type_count; type++)
        if (set->lanes.types[type].clock.count > 0)
            (void)lane_keys_wake(&set->lanes, type, mono_us);
}

size_t live_bucket_count(const struct live_set *set)
{
    return set->lanes.bucket_index.count;
}
