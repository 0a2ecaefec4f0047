/* retry: how long a task that failed waits for its next try. Pure. */
#pragma once
#include "base/base.h"

enum {
    RETRY_FIRST_MS = 1'000,
    RETRY_MAX_MS = 600'000,
    RETRY_JITTER_PERCENT = 20, /* either way, so that what failed together does not return so */
};

/* After the `attempt`-th try, from 1: twice as long each time. `chance` is any random number. */
[[nodiscard]] int64_t retry_delay_ms(unsigned attempt, uint32_t chance);
