/*
 * chance: tails of distributions, and how sure a finding may call itself.
 * Pure.  Source: Abramowitz and Stegun 26.5; Sellke, Bayarri, Berger, The American Statistician
 * 2001.
 */
#pragma once
#include "base/base.h"

/* P(Z > z) of the standard normal distribution. */
[[nodiscard]] double chance_normal_above(double z);
/* P(T > t) of Student's distribution; `df` above 0. */
[[nodiscard]] double chance_student_above(double t, double df);

/*
 * P(X >= k) where X of n trials hit with a share of which `hits` and `misses` were seen before
 * (posterior predictive, Jeffreys' prior): exact for small numbers, and aware of how little the
 * past tells. At most 0.5: it is asked of what is above the mean.
 */
[[nodiscard]] double chance_hits_above(double k, double n, double hits, double misses);
/* P(X <= k) of a Poisson variable. */
[[nodiscard]] double chance_poisson_below(double k, double mean);

/* Wilson's score interval of a share: `hits` of `count` were seen, `z` wide (1.96 is 95 %). */
struct chance_interval {
    double low, high;
};
[[nodiscard]] struct chance_interval chance_wilson(double hits, double count, double z);

/*
 * How sure one may be of an effect that chance alone would show with probability `p`, when `looks`
 * places were searched for it. Calibrated in the sense of the API: of what is stated at 0.9, nine
 * in ten hold.
 *
 * Each look is given CHANCE_PRIOR odds to hold a real effect, and the evidence of p counts as what
 * -e p ln p allows at most (the Bayes factor bound), so a p of 0.05 is worth little and one of
 * 0.0001 almost all. Looking at more places costs as Bonferroni says beyond CHANCE_LOOKS_FREE,
 * since the prior already speaks of the common case of a few types. Measured over simulated
 * installations, a tenth of them with a change, by tests/unit/analyst_insights_test.c.
 */
#define CHANCE_PRIOR 0.1
#define CHANCE_CONFIDENCE_MAX 0.99 /* nothing is certain: the model of the data may be wrong */
enum { CHANCE_LOOKS_FREE = 10 };
[[nodiscard]] double chance_confidence(double p, size_t looks);
