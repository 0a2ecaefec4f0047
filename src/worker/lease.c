#include "worker/lease.h"

#include "base/clock.h"
#include "rules/retry.h"

static const struct str words[LEASE_WORD_COUNT] = {
    [LEASE_COMPLETE] = STR("complete"), [LEASE_FAIL] = STR("fail"),
    [LEASE_FATAL] = STR("fatal"),       [LEASE_RELEASE] = STR("release"),
    [LEASE_SNOOZE] = STR("snooze"),     [LEASE_CANCELLED] = STR("cancelled"),
};

bool lease_word_of(struct str name, enum lease_word *ret_word)
{
    for (size_t i = 0; i < LEASE_WORD_COUNT; i++) {
        if (!str_eq(name, words[i]))
            continue;
        *ret_word = (enum lease_word)i;
        return true;
    }
    return false;
}

struct str lease_answer_name(enum lease_answer answer)
{
    static const struct str names[] = { [LEASE_APPLIED] = STR("applied"),
                                        [LEASE_DUPLICATE] = STR("duplicate"),
                                        [LEASE_STALE] = STR("stale"),
                                        [LEASE_UNKNOWN] = STR("unknown") };
    return names[answer];
}

static struct str worker_of(const struct batch *b, const struct live *task)
{
    const struct session *session =
        session_by_number(b->s->sessions, live_run_of(b->s->live, task).session);
    return session ? session->worker : STR("");
}

/* It did not succeed: again after a while, or never. */
static void try_again(struct batch *b, struct live *task, int64_t delay_ms, bool may_retry,
                      const struct change_end *end)
{
    if (may_retry && task->attempt < task->max_attempts)
        change_wait(b, task, OP_RETRY, b->at_us + delay_ms * CLOCK_MS, end);
    else
        change_finish(b, task, STATE_DEAD, end);
}

static void cancel(struct batch *b, struct live *task, struct change_end *end)
{
    end->outcome = OUTCOME_CANCELLED;
    change_finish(b, task, STATE_CANCELLED, end);
}

static const struct str timed_out = { "timed out", 9 };

static void untake(struct shard *s, void *data)
{
    const struct live_lane *lane = data;
    live_untake_token(s->live, lane->type, lane->key);
}

/* Nobody was told of it: it stands where it stood, and has not used up its rate. */
static void take_back(struct batch *b, struct live *task, int64_t ready_us,
                      const struct change_end *end)
{
    struct live_lane *lane = arena_new(b->a, struct live_lane);
    *lane = live_lane_of(b->s->live, task);
    batch_on_commit(b, untake, lane);
    change_wait(b, task, OP_RELEASE, ready_us, end);
}

static void apply_word(const struct lease_ack *ack, struct batch *b, struct live *task)
{
    struct change_end end = { .worker = worker_of(b, task),
                              .error = ack->has_error ? &ack->error : NULL,
                              .logs = &ack->logs };
    int64_t delay_ms = ack->has_delay ? ack->delay_ms : retry_delay_ms(task->attempt, ack->chance);
    bool is_unwanted = task->flags & LIVE_CANCEL_ASKED;
    session_give_back(b, task);
    if (ack->word == LEASE_COMPLETE) {
        end.outcome = OUTCOME_SUCCEEDED;
        end.error = NULL;
        end.result = ack->has_result ? &ack->result : NULL;
        change_finish(b, task, STATE_SUCCEEDED, &end);
        spawn_add(b, &ack->spawn);
    } else if (is_unwanted) {
        cancel(b, task, &end);
    } else if (ack->ready_us > 0) {
        take_back(b, task, ack->ready_us, &end);
    } else if (ack->word == LEASE_RELEASE || ack->word == LEASE_SNOOZE) {
        delay_ms = ack->word == LEASE_SNOOZE && ack->has_delay ? ack->delay_ms : 0;
        change_wait(b, task, OP_RELEASE, b->at_us + delay_ms * CLOCK_MS, &end);
    } else if (task->flags & LIVE_OVERDUE) {
        end.outcome = OUTCOME_TIMED_OUT;
        end.error = end.error ? end.error : &timed_out;
        try_again(b, task, delay_ms, ack->word != LEASE_FATAL, &end);
    } else if (ack->word == LEASE_CANCELLED) {
        cancel(b, task, &end);
    } else {
        end.outcome = OUTCOME_FAILED;
        try_again(b, task, delay_ms, ack->word == LEASE_FAIL, &end);
    }
}

void lease_apply_ack(struct intent *intent, struct batch *b)
{
    struct lease_ack *ack = container_of(intent, struct lease_ack, intent);
    struct live *task = live_find(b->s->live, ack->task);
    ack->answer = LEASE_STALE;
    if (!task || task->state != LIVE_RUNNING)
        return;
    struct live_run run = live_run_of(b->s->live, task);
    if (run.fence != ack->fence || run.session != ack->session)
        return;
    apply_word(ack, b, task);
    ack->answer = LEASE_APPLIED;
}

/* What crashed may have been a neighbour; alone it has no excuse. */
void lease_lost(struct batch *b, struct live *task)
{
    static const struct str lost = { "the lease was lost", 18 };
    struct change_end end = { .outcome = OUTCOME_LEASE_LOST,
                              .worker = worker_of(b, task),
                              .error = &lost };
    session_give_back(b, task);
    if (task->flags & LIVE_CANCEL_ASKED) {
        cancel(b, task, &end);
    } else if (task->crashes + 1 >= RULE_CRASHES_MAX) {
        end.why_code = "QUARANTINED";
        end.why_text = "its executor was lost three times while it ran alone";
        change_finish(b, task, STATE_DEAD, &end);
    } else if (task->attempt >= task->max_attempts) {
        change_finish(b, task, STATE_DEAD, &end);
    } else {
        change_wait(b, task, OP_LOST, b->at_us, &end);
    }
}

void lease_return(struct batch *b, struct live *task)
{
    struct change_end end = { .worker = worker_of(b, task) };
    session_give_back(b, task);
    if (task->flags & LIVE_CANCEL_ASKED)
        cancel(b, task, &end);
    else
        change_wait(b, task, OP_RELEASE, b->at_us, &end);
}

void lease_timed_out(struct batch *b, struct live *task)
{
    struct change_end end = { .outcome = OUTCOME_TIMED_OUT,
                              .worker = worker_of(b, task),
                              .error = &timed_out };
    session_give_back(b, task);
    if (task->flags & LIVE_CANCEL_ASKED)
        cancel(b, task, &end);
    else
        try_again(b, task, retry_delay_ms(task->attempt, 0), true, &end);
}
