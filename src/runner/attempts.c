#include "base/clock.h"
#include "base/log.h"
#include "runner/runner_priv.h"
#include "runner/task_log.h"

enum {
    ARENA_BYTES = 32 << 20, /* of a payload, read; the worker bounds those */
    DEADLINE_MS_MAX = 1'000'000'000,
};

/* The attempt is over: its type lets go, its memory goes. */
static void end_task(struct attempt *t, int outcome)
{
    struct runner *r = t->runner;
    struct arena *arena = t->arena;
    log_debug("task.ended", "task=%.*s type=%s attempt=%lld outcome=%s", STR_FMT(t->id),
              t->type->schema->name, (long long)t->attempt,
              outcome == TALLY_LOST ? "lost" : ack_outcome_name((enum ack_outcome)outcome));
    tally_task(r->tally, t->type_index, outcome, io_loop_now_us(r->loop) - t->started_us);
    if (t->is_started && t->type->stop)
        t->type->stop(t);
    task_log_destroy(t->log);
    io_timer_destroy(t->deadline);
    list_remove(&t->node);
    (void)map_remove(r->by_id, t->id);
    r->running_count--;
    arena_destroy(arena);
    runner_session_wake(r->session);
}

static void acknowledge(struct attempt *t, const struct ack *outcome)
{
    struct ack ack = *outcome;
    ack.task = t->id;
    ack.fence = t->fence;
    if (t->log) {
        ack.logs_out = task_log_out(t->log);
        ack.logs = task_log_rest(t->log);
    }
    acks_add(&t->runner->acks, &ack);
    end_task(t, (int)outcome->outcome);
}

void attempt_log(struct attempt *t, struct str stream, struct str text)
{
    if (!t->log)
        t->log = task_log_create();
    task_log_add(t->log, stream, text, clock_wall_us());
    runner_session_has_logs(t->runner->session);
}

void attempt_complete(struct attempt *t, struct str result)
{
    acknowledge(t, &(struct ack){ .outcome = ACK_COMPLETE, .result = result });
}

void attempt_fail(struct attempt *t, struct str error, int64_t retry_in_ms)
{
    acknowledge(t,
                &(struct ack){ .outcome = ACK_FAIL, .error = error, .retry_in_ms = retry_in_ms });
}

void attempt_release(struct attempt *t)
{
    acknowledge(t, &(struct ack){ .outcome = ACK_RELEASE });
}

void attempt_snooze(struct attempt *t, int64_t for_ms)
{
    acknowledge(t, &(struct ack){ .outcome = ACK_SNOOZE, .retry_in_ms = for_ms });
}

void attempt_fail_for_good(struct attempt *t, struct str error)
{
    acknowledge(t, &(struct ack){ .outcome = ACK_FATAL, .error = error });
}

void runner_stop_task(struct attempt *t, enum ack_outcome outcome, struct str error)
{
    acknowledge(t, &(struct ack){ .outcome = outcome, .error = error });
}

void runner_lose_task(struct attempt *t)
{
    end_task(t, TALLY_LOST);
}

void runner_stop_all(struct runner *r, enum ack_outcome outcome, struct str error)
{
    while (!list_is_empty(&r->running))
        runner_stop_task(container_of(r->running.next, struct attempt, node), outcome, error);
}

void runner_lose_all(struct runner *r)
{
    while (!list_is_empty(&r->running))
        runner_lose_task(container_of(r->running.next, struct attempt, node));
}

static void deadline_passed(void *owner)
{
    struct attempt *t = owner;
    runner_stop_task(t, ACK_FAIL, STR("timed out"));
}

struct attempt *runner_find_task(const struct runner *r, struct str id, struct str fence)
{
    struct attempt *t = map_get(r->by_id, id);
    return t && str_eq(t->fence, fence) ? t : NULL;
}

/* Of those that this runner offers: it may lack what another one needs. */
static bool find_type(const struct runner *r, struct str name, size_t *ret_index)
{
    for (size_t i = 0; i < TASK_TYPE_COUNT; i++) {
        if (!str_eq_c(name, task_types[i]->schema->name))
            continue;
        *ret_index = i;
        return task_types[i]->is_offered == NULL || task_types[i]->is_offered(r);
    }
    return false;
}

static void refuse(struct runner *r, const struct wire_lease *lease, enum ack_outcome outcome,
                   struct str error)
{
    acks_add(&r->acks,
             &(struct ack){
                 .task = lease->task, .fence = lease->fence, .outcome = outcome, .error = error });
    runner_session_wake(r->session);
}

static struct attempt *make_task(struct runner *r, const struct wire_lease *lease,
                                 size_t type_index)
{
    struct arena *a = arena_create(ARENA_BYTES);
    struct attempt *t = arena_new(a, struct attempt);
    *t = (struct attempt){ .runner = r,
                           .arena = a,
                           .type = task_types[type_index],
                           .type_index = type_index,
                           .id = arena_copy(a, lease->task),
                           .fence = arena_copy(a, lease->fence),
                           .attempt = lease->attempt,
                           .started_us = io_loop_now_us(r->loop) };
    list_push(&r->running, &t->node);
    (void)map_put(r->by_id, t->id, t);
    r->running_count++;
    return t;
}

void runner_start_task(struct runner *r, const struct wire_lease *lease, int64_t deadline_in_us)
{
    size_t type_index = 0;
    struct err e;
    struct attempt *former = map_get(r->by_id, lease->task);
    if (former) /* it has been given out anew, so that one is over, told or not */
        runner_lose_task(former);
    if (!find_type(r, lease->type, &type_index)) {
        refuse(r, lease, ACK_FAIL, STR("this runner does not know the task's type"));
        return;
    }
    if (r->running_count >= r->slots) {
        refuse(r, lease, ACK_RELEASE, STR(""));
        return;
    }
    struct attempt *t = make_task(r, lease, type_index);
    if (!t->type->schema->read(t->arena, lease->payload, &t->input, &e)) {
        runner_stop_task(t, ACK_FATAL, str_of_c(e.message));
        return;
    }
    if (deadline_in_us < INT64_MAX) {
        int64_t in_ms = max_of(deadline_in_us / CLOCK_MS, (int64_t)0);
        t->deadline = io_timer_create(r->loop, deadline_passed, t);
        io_timer_start(t->deadline, min_of(in_ms, (int64_t)DEADLINE_MS_MAX));
    }
    t->is_started = true;
    t->type->start(t);
}
