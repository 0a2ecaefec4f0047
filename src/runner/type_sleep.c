/* sleep: waits. {"seconds": 0 to 86400} --> {"slept_seconds": as given} */
#include "runner/runner_priv.h"

#include "runner/payload.h"
#include "runner/types_priv.h"

enum { SECONDS_MAX = 86'400 };

struct input {
    double seconds;
};

static bool read_payload(struct arena *a, const struct json_value *payload, const void **ret_input,
                         struct err *e)
{
    static const char *const known[] = { "seconds" };
    struct input *input = arena_new(a, struct input);
    *ret_input = input;
    return payload_check(payload, known, countof(known), e) &&
           payload_needs(payload, "seconds", "number of seconds", e) &&
           payload_number(payload, "seconds", 0, SECONDS_MAX, &input->seconds, e);
}

static void over(void *owner)
{
    struct attempt *t = owner;
    const struct input *input = t->input;
    struct buf result;
    buf_init(&result, 0);
    struct json_writer w = json_writer_to(&result);
    json_begin_object(&w);
    json_key_c(&w, "slept_seconds");
    json_write_double(&w, input->seconds);
    json_end_object(&w);
    attempt_complete(t, buf_str(&result));
    buf_clear(&result);
}

static void start(struct attempt *t)
{
    const struct input *input = t->input;
    struct io_timer *timer = io_timer_create(t->runner->loop, over, t);
    t->state = timer;
    io_timer_start(timer, (int64_t)(input->seconds * 1000 + 0.5));
}

static void stop(struct attempt *t)
{
    io_timer_destroy(t->state);
}

const struct task_type task_type_sleep = {
    .name = "sleep",
    .read = read_payload,
    .start = start,
    .stop = stop,
};
