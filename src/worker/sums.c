#include "worker/sums.h"

/* ── memory ── */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 32);
}

static uint64_t sum_of_task(const struct shard *s, const struct live *t)
{
    struct live_lane lane = live_lane_of(s->live, t);
    enum { FLAGS = LIVE_OF_ROW | LIVE_KEYED };
    uint64_t high, low;
    memcpy(&high, t->id.bytes, sizeof high);
    memcpy(&low, t->id.bytes + sizeof high, sizeof low);
    uint64_t hash = mix(mix(0, high), low);
    hash = mix(mix(hash, (uint64_t)t->version), (uint64_t)t->at_us);
    struct live_run run = live_run_of(s->live, t);
    if (t->state == LIVE_RUNNING)
        hash = mix(mix(hash, (uint64_t)run.fence), run.session);
    hash = mix(mix(hash, lane.type), t->timeout_s);
    hash = mix(mix(hash, lane.queue), lane.key);
    hash = mix(mix(hash, t->attempt), t->max_attempts);
    hash = mix(mix(hash, t->state), lane.priority);
    return mix(mix(hash, t->crashes), (uint64_t)(t->flags & FLAGS));
}

/* Tasks stand in no order, so theirs are added. */
uint64_t sums_of_memory(const struct shard *s)
{
    uint64_t sum = 0;
    size_t at = 0;
    for (size_t i = 0; i < s->type_count; i++)
        for (size_t k = 0; k < STATUS_COUNT; k++)
            if (s->types[i].counts[k] != 0)
                sum += mix(mix(mix(0, i), k), (uint64_t)s->types[i].counts[k]);
    for (const struct live *task; (task = live_next(s->live, &at));)
        sum += sum_of_task(s, task);
    return sum;
}
