#include "rules/retry.h"

int64_t retry_delay_ms(unsigned attempt, uint32_t chance)
{
    int64_t delay_ms = RETRY_FIRST_MS;
    for (unsigned i = 1; i < attempt && delay_ms < RETRY_MAX_MS; i++)
        delay_ms *= 2;
    delay_ms = min_of(delay_ms, (int64_t)RETRY_MAX_MS);
    int64_t span_ms = delay_ms * RETRY_JITTER_PERCENT / 100;
    return delay_ms - span_ms + (int64_t)chance % (2 * span_ms + 1);
}
