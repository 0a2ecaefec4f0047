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

/* Another's transaction, in which that has been done and which stays open. Owned by the caller. */
static inline struct db_conn *hold(const char *url, const char *sql)
{
    struct db_conn *holder = NULL;
    struct err e = { 0 };
    if (!db_conn_open(&(struct db_conn_options){ .url = str_of_c(url) }, &holder, &e) ||
        !db_conn_begin(holder, &e) || !db_conn_exec(holder, "hold", str_of_c(sql), &e))
        fail_msg("%s", err_text(&e));
    return holder;
}

static inline void assert_value(const struct rig_call *call, const char *value)
{
    if (call->code != ERR_NONE)
        fail_msg("%s", call->message);
    assert_string_equal(call->value, value);
}
