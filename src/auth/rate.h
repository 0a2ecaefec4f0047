/*
 * rate: how often one key (an account, an address) may do something, within bounded memory. Each
 * key has a burst of `count`, refilled evenly over `window_us`: the generic cell rate algorithm,
 * which needs one number a key. Time is passed in.
 * Thread: one at a time.
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

struct rate;

/* Beyond `keys_max` keys the one that was quiet the longest is forgotten. */
[[nodiscard]] struct rate *rate_create(uint32_t count, int64_t window_us, size_t keys_max);
void rate_destroy(struct rate *r); /* accepts NULL */
DEFINE_SCOPED(rate);

/* Takes one; false when none is left, and then `*ret_retry_us` says when one will be. */
[[nodiscard]] bool rate_take(struct rate *r, struct str key, int64_t now_us, int64_t *ret_retry_us);
/* Gives back what was taken, for an attempt that turned out not to count. */
void rate_give_back(struct rate *r, struct str key);
/* As if the key had never been seen. */
void rate_forget(struct rate *r, struct str key);

[[nodiscard]] size_t rate_key_count(const struct rate *r);
