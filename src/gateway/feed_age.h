/*
 * feed_age: how old what the tables hold of a shard's tasks and jobs is, for feed.c: the worker's
 * end of the feed is noted with each of its answers, and when the tables have come so far, they
 * hold what there was then. Thread: the first loop's, but where it says any.
 */
#pragma once
#include <stdatomic.h>

#include "gateway/feed.h"

enum { FEED_AGE_SAMPLES = 128 };

struct feed_age {
    int64_t lag_max_us;
    /* The worker's ends of the feed, and when (mono) they were there. */
    struct feed_age_sample {
        int64_t seq, at_us;
    } samples[FEED_AGE_SAMPLES];
    size_t sample_count; /* in all; the newest at (count - 1) % FEED_AGE_SAMPLES */
    int64_t reached;     /* what the tables hold, as far as known; -1: it is not */

    /* For any thread. */
    atomic_llong current_at_us; /* mono: what the tables held then; 0: never */
    atomic_llong live_since_us; /* wall: since when that is not too long ago, or, negative, is */
};

void feed_age_init(struct feed_age *age, int64_t lag_max_us);
/* Numbers mean nothing from now on: the feed begins anew. What the tables held they still hold. */
void feed_age_forget(struct feed_age *age);
/* The worker's feed ended before `head` then (mono). */
void feed_age_sample(struct feed_age *age, int64_t head, int64_t at_us);
/* The tables hold all before `seq`. */
void feed_age_reach(struct feed_age *age, int64_t seq);

/* ── feed.c ── */
[[nodiscard]] struct feed_age *feed_age_of(const struct gateway *gw, size_t shard); /* any */
