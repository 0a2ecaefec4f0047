/* rig_test: what tests with a rig say again and again. */
#pragma once
#include "support/rig.h"
#include "test.h"

/* The defaults, with one connection in each lane. */
static inline struct db_pool_options one_of_each(void)
{
    struct db_pool_options options = db_pool_defaults();
    for (size_t i = 0; i < DB_LANE_COUNT; i++)
        options.lanes[i].connections = 1;
    return options;
}

static inline void assert_value(const struct rig_call *call, const char *value)
{
    if (call->code != ERR_NONE)
        fail_msg("%s", call->message);
    assert_string_equal(call->value, value);
}
