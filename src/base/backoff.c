#include "base/backoff.h"

#include "base/random.h"

int64_t backoff_next_ms(struct backoff *b)
{
    int64_t wait_ms = b->min_ms;
    for (unsigned i = 0; i < b->failures && wait_ms < b->max_ms; i++)
        wait_ms = wait_ms > b->max_ms / 2 ? b->max_ms : wait_ms * 2;
    b->failures++;
    uint32_t dice;
    random_bytes(&dice, sizeof dice);
    int64_t spread_ms = wait_ms / 5;
    return wait_ms - spread_ms + (int64_t)(dice % (uint64_t)(2 * spread_ms + 1));
}

void backoff_reset(struct backoff *b)
{
    b->failures = 0;
}
