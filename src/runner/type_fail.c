/*
 * fail: fails, for trying out retries and alerts.
 * {"message"?, "fatal"?: false, "times"?: n} --> with `times`, {"attempt": …} after n failures
 */
#include "payload/inputs.h"
#include "runner/types_priv.h"

static void start(struct attempt *t)
{
    const struct payload_fail_input *input = t->input;
    if (t->attempt > input->times)
        attempt_complete(t, arena_printf(t->arena, "{\"attempt\":%lld}", (long long)t->attempt));
    else if (input->is_fatal)
        attempt_fail_for_good(t, input->message);
    else
        attempt_fail(t, input->message, 0);
}

const struct task_type task_type_fail = { .schema = &payload_fail, .start = start };
