#include "runner/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "runner/session_priv.h"
#include "runner/task_log.h"

enum {
    BACKOFF_MIN_MS = 100,
    LOGS_MS = 500, /* from a line to its heartbeat */
    BACKOFF_MAX_MS = 5'000,
    PAUSE_MS = 100,      /* after an answer that came early and brought nothing */
    EARLY_US = 50'000,   /* such an answer */
    REST_MS = 30'000,    /* after the worker has said stop */
    LAST_WORDS_MS = 400, /* for acknowledgements, when the drain's time is over */
    ANSWER_BYTES_MAX = 256 << 20,
    CONNECT_TIMEOUT_MS = 5'000,
};

static void run(void *owner);

void runner_session_wake(struct session *s)
{
    io_turn_arm(s->turn);
}

static void woken(void *owner)
{
    runner_session_wake(owner);
}

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

/* ── states ── */

static void forget_session(struct session *s)
{
    for (int i = 0; i < TALLY_CALL_COUNT; i++)
        runner_session_cancel_call(s, (enum tally_call)i);
    io_timer_stop(s->beat);
    io_timer_stop(s->lease);
    runner_lose_all(s->runner);
    acks_clear(&s->runner->acks);
    mem_free(take(s->id));
    mem_free(take(s->secret));
    s->must_tell_held = s->asks_for_one = s->is_quiet = false;
}

/* The session is over, as it wished or not. */
static void go_on(struct session *s)
{
    enum session_next next = s->leaving;
    forget_session(s);
    s->leaving = NEXT_NONE;
    s->state = next == NEXT_OVER   ? SESSION_OVER
               : next == NEXT_REST ? SESSION_RESTING
                                   : SESSION_OPENING;
    if (s->state == SESSION_RESTING) {
        io_timer_stop(s->hold);
        io_timer_start(s->hold, REST_MS);
    }
    runner_session_wake(s);
}

static void session_gone(struct session *s)
{
    log_warn("session.gone", "session=%s tasks=%zu acks=%zu", s->id, s->runner->running_count,
             s->runner->acks.count);
    go_on(s);
}

/* The poll that is open may be on its way with leases: the next request asks for them back. */
static void stop_asking(struct session *s)
{
    if (!s->calls[TALLY_LEASES].running)
        return;
    runner_session_cancel_call(s, TALLY_LEASES);
    acks_give_back(&s->runner->acks, ACK_ON_LEASES);
    s->must_tell_held = true;
}

void runner_session_ask_anew(struct session *s)
{
    stop_asking(s);
    runner_session_wake(s);
}

/* No answer for so long that the worker may have given the tasks to others. */
static void leases_ended(void *owner)
{
    struct session *s = owner;
    log_warn("session.silent", "session=%s tasks=%zu ttl_ms=%lld", s->id, s->runner->running_count,
             (long long)s->ttl_ms);
    runner_lose_all(s->runner);
    if (s->leaving == NEXT_NONE)
        s->leaving = NEXT_ANEW;
    stop_asking(s);
    runner_session_wake(s);
}

static void renewed(struct session *s, int64_t at_us)
{
    int64_t gone_ms = (io_loop_now_us(s->runner->loop) - at_us) / CLOCK_MS;
    io_timer_start(s->lease, max_of(s->ttl_ms - gone_ms, (int64_t)0));
}

void runner_session_has_logs(struct session *s)
{
    if (!io_timer_is_running(s->logs))
        io_timer_start(s->logs, min_of(s->heartbeat_ms, (int64_t)LOGS_MS));
}

static void beat(void *owner)
{
    struct session *s = owner;
    if (!s->calls[TALLY_HEARTBEATS].running)
        runner_session_call_heartbeat(s);
}

/* What is written meanwhile starts the next one. */
static void tell_logs(void *owner)
{
    struct session *s = owner;
    if (s->calls[TALLY_HEARTBEATS].running)
        io_timer_start(s->logs, LOGS_MS);
    else if (s->state == SESSION_OPEN)
        runner_session_call_heartbeat(s);
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
        stop_asking(s);
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
    if (kind == TALLY_LEASES) {
        s->must_tell_held &= !s->is_telling_held;
        s->asks_for_one = false;
        settle(s, ACK_ON_LEASES, &answer);
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
    if (kind == TALLY_LEASES) {
        s->must_tell_held |= reply->is_in_doubt;
        s->asks_for_one |= reply->is_too_large;
        is_away = give_back(s, ACK_ON_LEASES, reply);
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
        go_on(s);
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

/* ── the driver ── */

/* How many more tasks to ask for. */
static size_t wanted(const struct session *s)
{
    const struct runner *r = s->runner;
    if (s->is_quiet || s->leaving || r->running_count >= r->slots ||
        r->acks.count >= 2 * r->slots + ACKS_ONE_CALL_MAX)
        return 0;
    return r->slots - r->running_count;
}

static void run_open(struct session *s)
{
    struct runner *r = s->runner;
    size_t most = wanted(s);
    if (s->leaving && r->running_count == 0 && (r->acks.count == 0 || s->is_hurried)) {
        runner_session_cancel_call(s, TALLY_LEASES);
        runner_session_cancel_call(s, TALLY_HEARTBEATS);
        io_timer_stop(s->beat);
        io_timer_stop(s->lease);
        s->state = SESSION_ENDING;
        runner_session_wake(s);
        return;
    }
    if (!s->calls[TALLY_LEASES].running && (most > 0 || s->must_tell_held))
        runner_session_call_leases(s, most);
    if (!s->calls[TALLY_ACKS].running && r->acks.waiting_count > 0)
        runner_session_call_acks(s);
}

static void run(void *owner)
{
    struct session *s = owner;
    if (s->on_drained && s->state != SESSION_OPEN && s->state != SESSION_ENDING) {
        io_fn *done = take(s->on_drained);
        go_on(s);
        s->state = SESSION_OVER;
        io_timer_stop(s->hold);
        io_timer_stop(s->drain);
        done(s->drain_owner);
        return;
    }
    if (s->state == SESSION_OVER || (io_timer_is_running(s->hold) && !s->is_hurried))
        return;
    switch (s->state) {
    case SESSION_RESTING:
        s->state = SESSION_OPENING;
        [[fallthrough]];
    case SESSION_OPENING:
        if (!s->calls[TALLY_OPEN].running)
            runner_session_call_open(s);
        break;
    case SESSION_OPEN:
        run_open(s);
        break;
    case SESSION_ENDING:
        if (!s->calls[TALLY_END].running)
            runner_session_call_end(s);
        break;
    case SESSION_OVER:
        break;
    }
}

/* ── the drain ── */

static void last_words_over(void *owner)
{
    struct session *s = owner;
    if (s->runner->acks.count > 0)
        log_warn("acks.given_up", "acks=%zu", s->runner->acks.count);
    s->is_hurried = true;
    acks_clear(&s->runner->acks);
    runner_session_cancel_call(s, TALLY_ACKS);
    runner_session_wake(s);
}

static void drain_over(void *owner)
{
    struct session *s = owner;
    log_info("drain.over", "given_back=%zu", s->runner->running_count);
    runner_stop_all(s->runner, ACK_RELEASE, STR(""));
    acks_heartbeat_ended(&s->runner->acks, false); /* lines may come twice; the time is over */
    io_timer_stop(s->hold);
    io_timer_destroy(s->drain);
    s->drain = io_timer_create(s->runner->loop, last_words_over, s);
    io_timer_start(s->drain, LAST_WORDS_MS);
    runner_session_wake(s);
}

void runner_session_drain(struct session *s, io_fn *done, void *owner)
{
    s->on_drained = done;
    s->drain_owner = owner;
    s->leaving = NEXT_OVER;
    stop_asking(s);
    io_timer_start(s->drain, s->drain_ms);
    runner_session_wake(s);
}

/* ── making it ── */

const char *runner_session_not_ready(const struct session *s)
{
    static const char *const reasons[] = {
        [SESSION_RESTING] = "the worker has said stop",
        [SESSION_OPENING] = "no session with the worker",
        [SESSION_OPEN] = NULL,
        [SESSION_ENDING] = "no session with the worker",
        [SESSION_OVER] = "draining",
    };
    return reasons[s->state];
}

static bool read_settings(struct session *s, const struct conf *conf, struct err *e)
{
    struct str url = conf_str(conf, CONF_WORKER_URL), token = conf_str(conf, CONF_RUNNER_TOKEN);
    if (str_is_empty(url))
        return err_set(e, ERR_INVALID,
                       "worker-url must say where the worker is: http://HOST:PORT or unix:/path");
    for (size_t i = 0; i < token.len; i++)
        if (token.ptr[i] <= ' ' || token.ptr[i] >= 0x7f)
            return err_set(e, ERR_INVALID, "runner-token: byte %zu is no plain character", i);
    if (!str_is_empty(token))
        s->authorization = arena_printf(s->arena, "Authorization: Bearer %.*s", STR_FMT(token)).ptr;
    s->drain_ms = conf_duration_us(conf, CONF_DRAIN_TIMEOUT) / CLOCK_MS;
    struct http_client_options options = HTTP_CLIENT_DEFAULT;
    options.running_max = TALLY_CALL_COUNT; /* one of each */
    options.response_bytes_max = ANSWER_BYTES_MAX;
    options.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    options.breaker.failures_max = 0; /* the session keeps its own time */
    options.origin = ERR_ORIGIN_WORKER;
    options.user_agent = "windlass-runner";
    return http_leader_create(s->runner->loop, "worker-url", url, &options, &s->workers, e);
}

bool runner_session_create(struct runner *r, const struct conf *conf, struct session **ret_session,
                           struct err *e)
{
    struct session *s = mem_new(struct session);
    *s = (struct session){ .runner = r, .arena = arena_create(0), .state = SESSION_OPENING };
    s->backoff = (struct backoff){ .min_ms = BACKOFF_MIN_MS, .max_ms = BACKOFF_MAX_MS };
    if (!read_settings(s, conf, e)) {
        runner_session_destroy(s);
        return false;
    }
    s->turn = io_turn_create(r->loop, run, s);
    s->hold = io_timer_create(r->loop, woken, s);
    s->beat = io_timer_create(r->loop, beat, s);
    s->logs = io_timer_create(r->loop, tell_logs, s);
    s->lease = io_timer_create(r->loop, leases_ended, s);
    s->drain = io_timer_create(r->loop, drain_over, s);
    runner_session_wake(s);
    *ret_session = s;
    return true;
}

void runner_session_destroy(struct session *s)
{
    if (!s)
        return;
    http_leader_destroy(s->workers);
    io_timer_destroy(s->hold);
    io_timer_destroy(s->beat);
    io_timer_destroy(s->logs);
    io_timer_destroy(s->lease);
    io_timer_destroy(s->drain);
    io_turn_destroy(s->turn);
    mem_free(s->id);
    mem_free(s->secret);
    arena_destroy(s->arena);
    mem_free(s);
}
