/*
 * histogram: durations counted in buckets that grow by the square root of two, from a millisecond
 * to weeks, so that any quantile is known within 20 % from numbers that simply add up.
 */
#pragma once
#include "base/base.h"

enum { HISTOGRAM_BUCKETS = 64 };

struct histogram {
    int64_t counts[HISTOGRAM_BUCKETS];
};

/* Of a duration; a negative one counts as none. */
[[nodiscard]] size_t histogram_bucket(int64_t duration_us);
/* The bucket's upper bound, in seconds. */
[[nodiscard]] double histogram_bound_s(size_t bucket);
void histogram_add(struct histogram *h, const struct histogram *other);
[[nodiscard]] int64_t histogram_total(const struct histogram *h);
/* The duration that `q` (0 to 1) of them do not exceed, in seconds, interpolated within its bucket;
 * false where nothing was counted. */
[[nodiscard]] bool histogram_quantile(const struct histogram *h, double q, double *ret_s);
