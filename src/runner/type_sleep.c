/* sleep: waits. {"seconds": 0 to 86400} --> {"slept_seconds": as given} */
#include "runner/runner_priv.h"

#include "payload/inputs.h"
#include "runner/types_priv.h"

static void over(void *owner)
{
    struct attempt *t = owner;
    const struct payload_sleep_input *input = t->input;
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
    const struct payload_sleep_input *input = t->input;
    struct io_timer *timer = io_timer_create(t->runner->loop, over, t);
    t->state = timer;
    io_timer_start(timer, (int64_t)(input->seconds * 1000 + 0.5));
}

static void stop(struct attempt *t)
{
    io_timer_destroy(t->state);
}

const struct task_type task_type_sleep = {
    .schema = &payload_sleep,
    .start = start,
    .stop = stop,
};
