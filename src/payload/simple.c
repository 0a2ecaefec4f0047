/* simple: the schemas of noop, sleep and fail. */
#include "payload/inputs.h"
#include "payload/payload.h"
#include "payload/read.h"

enum { SECONDS_MAX = 86'400, MESSAGE_BYTES_MAX = 1000, TIMES_MAX = 1'000'000 };

static bool read_noop(struct arena *a, const struct json_value *payload, const void **ret_input,
                      struct err *e)
{
    (void)a, (void)payload, (void)e;
    *ret_input = NULL;
    return true;
}

static bool read_sleep(struct arena *a, const struct json_value *payload, const void **ret_input,
                       struct err *e)
{
    static const char *const known[] = { "seconds" };
    struct payload_sleep_input *input = arena_new(a, struct payload_sleep_input);
    *ret_input = input;
    return payload_check(payload, known, countof(known), e) &&
           payload_needs(payload, "seconds", "number of seconds", e) &&
           payload_number(payload, "seconds", 0, SECONDS_MAX, &input->seconds, e);
}

static bool read_fail(struct arena *a, const struct json_value *payload, const void **ret_input,
                      struct err *e)
{
    static const char *const known[] = { "message", "fatal", "times" };
    struct payload_fail_input *input = arena_new(a, struct payload_fail_input);
    *input = (struct payload_fail_input){ .message = STR("failed as asked"), .times = INT64_MAX };
    *ret_input = input;
    return payload_check(payload, known, countof(known), e) &&
           payload_text(a, payload, "message", MESSAGE_BYTES_MAX, &input->message, e) &&
           payload_bool(payload, "fatal", &input->is_fatal, e) &&
           payload_integer(payload, "times", 0, TIMES_MAX, &input->times, e);
}

const struct payload_schema payload_noop = { "noop", read_noop };
const struct payload_schema payload_sleep = { "sleep", read_sleep };
const struct payload_schema payload_fail = { "fail", read_fail };
