/* analyst_series: seeded chance, for series that are the same in every run. */
#pragma once
#include <math.h>

#include "base/base.h"

struct chance_source {
    uint64_t state;
};

/* SplitMix64. */
static inline uint64_t chance_bits(struct chance_source *c)
{
    uint64_t z = (c->state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/* Even over (0, 1). */
static inline double chance_even(struct chance_source *c)
{
    return ((double)(chance_bits(c) >> 11) + 0.5) / 9007199254740992.0;
}

static inline double chance_normal(struct chance_source *c)
{
    return sqrt(-2 * log(chance_even(c))) * cos(2 * M_PI * chance_even(c));
}

static inline double chance_poisson(struct chance_source *c, double mean)
{
    if (mean > 50)
        return fmax(0, round(mean + sqrt(mean) * chance_normal(c)));
    double count = 0, product = chance_even(c), limit = exp(-mean);
    for (; product > limit; count++)
        product *= chance_even(c);
    return count;
}

static inline double chance_hits(struct chance_source *c, double count, double share)
{
    double hits = 0;
    for (size_t i = 0; i < (size_t)count; i++)
        hits += chance_even(c) < share;
    return hits;
}
