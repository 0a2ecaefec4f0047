#include "analyst/histogram.h"

#include <math.h>

enum { FIRST_US = 1'000 };

/* Bucket i ends at FIRST_US * 2^(i/2); the last one has no end. */
static double bound_us(size_t bucket)
{
    return FIRST_US * (double)(UINT64_C(1) << bucket / 2) * (bucket % 2 == 0 ? 1 : M_SQRT2);
}

size_t histogram_bucket(int64_t duration_us)
{
    if (duration_us <= FIRST_US)
        return 0;
    double steps = ceil(2 * log2((double)duration_us / FIRST_US) - 1e-9);
    return steps >= HISTOGRAM_BUCKETS - 1 ? HISTOGRAM_BUCKETS - 1 : (size_t)steps;
}

double histogram_bound_s(size_t bucket)
{
    assert(bucket < HISTOGRAM_BUCKETS);
    return bound_us(bucket) / 1e6;
}

void histogram_add(struct histogram *h, const struct histogram *other)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        h->counts[i] += other->counts[i];
}

int64_t histogram_total(const struct histogram *h)
{
    int64_t total = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        total += h->counts[i];
    return total;
}

bool histogram_quantile(const struct histogram *h, double q, double *ret_s)
{
    int64_t total = histogram_total(h), below = 0;
    double rank = q * (double)total;
    size_t i = 0;
    if (total == 0)
        return false;
    while (i < HISTOGRAM_BUCKETS - 1 && (double)(below + h->counts[i]) < rank)
        below += h->counts[i++];
    double low_us = i == 0 ? 0 : bound_us(i - 1);
    double part = h->counts[i] > 0 ? (rank - (double)below) / (double)h->counts[i] : 0;
    *ret_s = (low_us + part * (bound_us(i) - low_us)) / 1e6;
    return true;
}
