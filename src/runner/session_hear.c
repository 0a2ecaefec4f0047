/* session_hear: what the worker says, and how calls end that it does not answer. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "runner/session_priv.h"
#include "runner/task_log.h"

enum {
    PAUSE_MS = 100,    /* after an answer that came early and brought nothing */
    EARLY_US = 50'000, /* such an answer */
};

/* ── the worker is away, and back ── */

static void hold_for(struct session *s, int64_t ms)
{
    if (!io_timer_is_running(s->hold))
        io_timer_start(s->hold, ms);
}

static void went_away(struct session *s, const struct session_reply *reply)
{
    if (!s->is_away)
        log_warn("worker.away", "reason=%s", log_quote(reply->reason));
    s->is_away = true;
    if (!io_timer_is_running(s->hold)) /* one failure, however many calls it ended */
        hold_for(s, backoff_next_ms(&s->backoff));
}

static void came_back(struct session *s)
{
    if (s->is_away) {
        log_info("worker.back", "session=%s", s->id ? s->id : "none");
        io_timer_stop(s->hold);
    }
    s->is_away = false;
    backoff_reset(&s->backoff);
}

static void session_gone(struct session *s)
{
    log_warn("session.gone", "session=%s tasks=%zu acks=%zu", s->id, s->runner->running_count,
             s->runner->acks.count);
    runner_session_go_on(s);
}

static void renewed(struct session *s, int64_t at_us)
{
    int64_t gone_ms = (io_loop_now_us(s->runner->loop) - at_us) / CLOCK_MS;
    io_timer_start(s->lease, max_of(s->ttl_ms - gone_ms, (int64_t)0));
}

/* ── what the worker says ── */

/* How many of the running tasks it was about. */
static size_t hear_commands(struct session *s, const struct wire_answer *answer)
{
    size_t count = 0;
    for (size_t i = 0; i < answer->command_count; i++) {
        const struct wire_command *command = &answer->commands[i];
        struct attempt *t = runner_find_task(s->runner, command->task, command->fence);
        count += t != NULL;
        if (t && command->is_timeout)
            runner_stop_task(t, ACK_FAIL, STR("timed out"));
        else if (t)
            runner_stop_task(t, ACK_CANCELLED, STR(""));
    }
    for (size_t i = 0; i < answer->lost_count; i++) {
        struct attempt *t =
            runner_find_task(s->runner, answer->lost[i].task, answer->lost[i].fence);
        if (t)
            runner_lose_task(t);
        count += t != NULL;
    }
    return count;
}

static void hear_mode(struct session *s, enum wire_mode mode)
{
    s->is_quiet = mode == WIRE_QUIET;
    if (mode == WIRE_STOP && s->leaving == NEXT_NONE) {
        log_info("session.stopped", "session=%s", s->id);
        s->leaving = NEXT_REST;
        runner_session_stop_asking(s);
        runner_stop_all(s->runner, ACK_RELEASE, STR(""));
    }
}

/* The lease ends `ttl_ms` after the answer was written, by the clock of the deadline. What that
 * clock shows may be anything, and may have been set since the last answer. */
static int64_t time_of(const struct session *s, const struct wire_lease *lease)
{
    if (lease->deadline_us <= 0 || lease->lease_until_us <= 0)
        return INT64_MAX;
    int64_t longer_us = lease->deadline_us - lease->lease_until_us;
    return min_of(longer_us, INT64_MAX / 2) + s->ttl_ms * CLOCK_MS;
}

static void start_leases(struct session *s, const struct wire_answer *answer)
{
    for (size_t i = 0; i < answer->lease_count; i++)
        runner_start_task(s->runner, &answer->leases[i], time_of(s, &answer->leases[i]));
}

static void settle(struct session *s, enum ack_carrier carrier, const struct wire_answer *answer)
{
    uint64_t counts[WIRE_VERDICT_COUNT] = { 0 };
    size_t left_out =
        acks_settle(&s->runner->acks, carrier, answer->acks, answer->ack_count, counts);
    tally_verdicts(s->runner->tally, counts);
    if (left_out > 0)
        hold_for(s, PAUSE_MS); /* they are sent again, but not in a circle */
}

static void opened(struct session *s, const struct session_reply *reply)
{
    struct wire_session session;
    struct err e;
    if (!wire_read_session(reply->arena, reply->body, &session, &e)) {
        went_away(s, &(struct session_reply){ .reason = str_of_c(e.message) });
        return;
    }
    came_back(s);
    s->id = mem_cstr(session.id);
    s->secret = mem_cstr(session.secret);
    s->ttl_ms = session.ttl_ms;
    s->heartbeat_ms = session.heartbeat_ms;
    s->state = SESSION_OPEN;
    log_info("session.opened", "session=%s ttl_ms=%lld heartbeat_ms=%lld", s->id,
             (long long)s->ttl_ms, (long long)s->heartbeat_ms);
    io_timer_repeat(s->beat, s->heartbeat_ms);
    renewed(s, s->calls[TALLY_OPEN].sent_us);
}

/* A request for leases that was carried out twice, as whatever lies between may do, leased tasks
 * that nobody here knows of; the heartbeats would renew them for ever. */
static bool holds_more(const struct session *s, int64_t held)
{
    return held > (int64_t)(s->runner->running_count + s->runner->acks.count);
}

/* Of what rode on a heartbeat: the lines of those that run, and of those that have ended since. */
static void settle_logs(struct session *s, bool have_arrived)
{
    list_each (node, &s->runner->running) {
        struct attempt *t = container_of(node, struct attempt, node);
        if (t->log && have_arrived)
            task_log_arrived(t->log);
        else if (t->log)
            task_log_came_back(t->log);
    }
    acks_heartbeat_ended(&s->runner->acks, have_arrived);
}

/* The answer to leases, acks or a heartbeat. False when it was none. */
static bool hear(struct session *s, enum tally_call kind, const struct session_reply *reply)
{
    struct wire_answer answer;
    struct err e;
    if (!wire_read_answer(reply->arena, reply->body, &answer, &e)) {
        went_away(s, &(struct session_reply){ .reason = str_of_c(e.message) });
        return false;
    }
    came_back(s);
    if (kind == TALLY_LEASES || kind == TALLY_MORE) {
        s->must_tell_held &= !(s->is_telling_held && kind == TALLY_LEASES);
        s->asks_for_one = false;
        s->has_found_many = answer.lease_count > 0 && answer.lease_count == s->calls[kind].asked;
        settle(s, runner_session_carrier(kind), &answer);
        start_leases(s, &answer);
    } else if (kind == TALLY_ACKS) {
        settle(s, ACK_ON_ACKS, &answer);
    } else {
        renewed(s, s->calls[kind].sent_us);
        s->must_tell_held |= holds_more(s, answer.held);
        settle_logs(s, true);
    }
    size_t heard = hear_commands(s, &answer) + answer.lease_count + answer.ack_count;
    int64_t took_us = io_loop_now_us(s->runner->loop) - s->calls[kind].sent_us;
    if (kind == TALLY_LEASES && heard == 0 && took_us < EARLY_US)
        hold_for(s, PAUSE_MS); /* never in a circle */
    hear_mode(s, answer.mode);
    return true;
}

/* ── how calls end ── */

/* Gives back what the call carried. False when the worker refuses that, and not the session. */
static bool give_back(struct session *s, enum ack_carrier carrier,
                      const struct session_reply *reply)
{
    struct acks *acks = &s->runner->acks;
    if (!reply->is_about_content || list_is_empty(&acks->riding[carrier])) {
        acks_give_back(acks, carrier);
        return true;
    }
    log_warn("acks.refused", "reason=%s", log_quote(reply->reason));
    if (!acks_refuse(acks, carrier, reply->reason))
        tally_ack_dropped(s->runner->tally);
    hold_for(s, PAUSE_MS);
    return false;
}

static void not_heard(struct session *s, enum tally_call kind, const struct session_reply *reply)
{
    bool is_away = true;
    if (kind == TALLY_LEASES || kind == TALLY_MORE) {
        s->must_tell_held |= reply->is_in_doubt;
        s->asks_for_one |= reply->is_too_large;
        s->has_found_many = false;
        if (reply->is_in_doubt && kind == TALLY_MORE && !s->is_telling_held)
            runner_session_stop_asking(s); /* the one that waits cannot tell what is held */
        is_away = give_back(s, runner_session_carrier(kind), reply);
    } else if (kind == TALLY_ACKS) {
        is_away = give_back(s, ACK_ON_ACKS, reply);
    } else if (kind == TALLY_HEARTBEATS) {
        settle_logs(s, false);
    }
    if (reply->is_frozen && s->state == SESSION_OPEN)
        renewed(s, io_loop_now_us(s->runner->loop));
    if (is_away)
        went_away(s, reply);
}

void runner_session_replied(struct session *s, enum tally_call kind,
                            const struct session_reply *reply)
{
    tally_called(s->runner->tally, kind, reply->result);
    if (kind == TALLY_END && (reply->result != TALLY_AWAY || s->leaving == NEXT_OVER))
        runner_session_go_on(s);
    else if (reply->result == TALLY_GONE && kind != TALLY_OPEN)
        session_gone(s);
    else if (reply->result != TALLY_OK)
        not_heard(s, kind, reply);
    else if (kind == TALLY_OPEN)
        opened(s, reply);
    else if (!hear(s, kind, reply)) /* it was carried out; what it said is unknown */
        not_heard(s, kind, &(struct session_reply){ .result = TALLY_AWAY, .is_in_doubt = true });
    runner_session_wake(s);
}
