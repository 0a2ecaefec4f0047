/* noop: does nothing and succeeds; for benches and for trying out. Any payload is right. */
#include "runner/types_priv.h"

static bool read_payload(struct arena *a, const struct json_value *payload, const void **ret_input,
                         struct err *e)
{
    (void)a, (void)payload, (void)e;
    *ret_input = NULL;
    return true;
}

static void start(struct attempt *t)
{
    attempt_complete(t, STR(""));
}

const struct task_type task_type_noop = { .name = "noop", .read = read_payload, .start = start };
