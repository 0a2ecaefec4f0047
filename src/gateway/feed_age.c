#include "gateway/feed_age.h"

#include "base/clock.h"

void feed_age_init(struct feed_age *age, int64_t lag_max_us)
{
    *age = (struct feed_age){ .lag_max_us = lag_max_us, .reached = -1 };
    atomic_init(&age->current_at_us, 0);
    atomic_init(&age->live_since_us, -clock_wall_us());
}

/* ── what is asked ── */

static int64_t age_us(const struct feed_age *age)
{
    int64_t at_us = atomic_load(&age->current_at_us);
    return at_us == 0 ? INT64_MAX : max_of(clock_mono_us() - at_us, (int64_t)0);
}

int64_t feed_shard_lag_us(const struct gateway *gw, size_t shard)
{
    return age_us(feed_age_of(gw, shard));
}

int64_t feed_lag_us(const struct gateway *gw)
{
    int64_t lag_us = 0;
    for (size_t i = 0; i < gw->shard_count; i++)
        lag_us = max_of(lag_us, feed_shard_lag_us(gw, i));
    return lag_us;
}

bool feed_is_live(const struct gateway *gw)
{
    return feed_lag_us(gw) <= feed_age_of(gw, 0)->lag_max_us;
}

/*
 * Nobody tells when the bound is passed; who sees it first knows when that was. From then on it
 * counts as one time, until the tables have caught up, however far they come meanwhile: so what the
 * lag is held against is read before it, else a table that catches up between the two would count
 * as late from a moment that is over.
 */
bool feed_shard_is_live(const struct gateway *gw, size_t shard, int64_t *ret_since_us)
{
    struct feed_age *age = feed_age_of(gw, shard);
    long long since_us = atomic_load(&age->live_since_us);
    int64_t late_us = age_us(age) - age->lag_max_us;
    if (late_us > 0 && since_us >= 0) {
        long long passed_us = late_us - clock_wall_us();
        if (atomic_compare_exchange_strong(&age->live_since_us, &since_us, passed_us))
            since_us = passed_us;
    }
    *ret_since_us = since_us > 0 ? since_us : -since_us;
    return late_us <= 0;
}

/* ── what is told ── */

/* The tables hold what there was then. */
static void become_current(struct feed_age *age, int64_t at_us)
{
    bool was_live = age_us(age) <= age->lag_max_us;
    if (at_us <= atomic_load(&age->current_at_us))
        return;
    atomic_store(&age->current_at_us, at_us);
    if (!was_live && clock_mono_us() - at_us <= age->lag_max_us)
        atomic_store(&age->live_since_us, clock_wall_us());
}

/* The newest moment whose end of the feed the tables have reached. */
static void update(struct feed_age *age)
{
    size_t kept = min_of(age->sample_count, (size_t)FEED_AGE_SAMPLES);
    for (size_t back = 1; back <= kept; back++) {
        const struct feed_age_sample *s =
            &age->samples[(age->sample_count - back) % FEED_AGE_SAMPLES];
        if (s->seq <= age->reached) {
            become_current(age, s->at_us);
            return;
        }
    }
}

void feed_age_reach(struct feed_age *age, int64_t seq)
{
    age->reached = seq;
    update(age);
}

void feed_age_sample(struct feed_age *age, int64_t head, int64_t at_us)
{
    age->samples[age->sample_count++ % FEED_AGE_SAMPLES] = (struct feed_age_sample){ head, at_us };
    update(age);
}

void feed_age_forget(struct feed_age *age)
{
    age->sample_count = 0;
    age->reached = -1;
}
