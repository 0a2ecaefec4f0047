/*
 * fail: fails, for trying out retries and alerts.
 * {"message"?, "fatal"?: false, "times"?: n} --> with `times`, {"attempt": …} after n failures
 */
#include "runner/payload.h"
#include "runner/types_priv.h"

enum { MESSAGE_BYTES_MAX = 1000, TIMES_MAX = 1'000'000 };

struct input {
    struct str message;
    bool is_fatal;
    int64_t times;
};

static bool read_payload(struct arena *a, const struct json_value *payload, const void **ret_input,
                         struct err *e)
{
    static const char *const known[] = { "message", "fatal", "times" };
    struct input *input = arena_new(a, struct input);
    *input = (struct input){ .message = STR("failed as asked"), .times = INT64_MAX };
    *ret_input = input;
    return payload_check(payload, known, countof(known), e) &&
           payload_text(a, payload, "message", MESSAGE_BYTES_MAX, &input->message, e) &&
           payload_bool(payload, "fatal", &input->is_fatal, e) &&
           payload_integer(payload, "times", 0, TIMES_MAX, &input->times, e);
}

static void start(struct attempt *t)
{
    const struct input *input = t->input;
    if (t->attempt > input->times)
        attempt_complete(t, arena_printf(t->arena, "{\"attempt\":%lld}", (long long)t->attempt));
    else if (input->is_fatal)
        attempt_fail_for_good(t, input->message);
    else
        attempt_fail(t, input->message, 0);
}

const struct task_type task_type_fail = { .name = "fail", .read = read_payload, .start = start };
