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
    s->must_tell_held = s->asks_for_one = s->has_found_many = s->is_quiet = false;
}

void runner_session_go_on(struct session *s)
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

static void stop_asking_by(struct session *s, enum tally_call kind)
{
    if (!s->calls[kind].running)
        return;
    runner_session_cancel_call(s, kind);
    acks_give_back(&s->runner->acks, runner_session_carrier(kind));
    s->must_tell_held = true;
}

void runner_session_stop_asking(struct session *s)
{
    stop_asking_by(s, TALLY_MORE);
    stop_asking_by(s, TALLY_LEASES);
}

void runner_session_ask_anew(struct session *s)
{
    runner_session_stop_asking(s);
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
    runner_session_stop_asking(s);
    runner_session_wake(s);
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

/* ── the driver ── */

static size_t asked_by(const struct session *s, enum tally_call kind)
{
    return s->calls[kind].running ? s->calls[kind].asked : 0;
}

/* How many more tasks to ask for. */
static size_t wanted(const struct session *s)
{
    const struct runner *r = s->runner;
    size_t taken = r->running_count + asked_by(s, TALLY_LEASES) + asked_by(s, TALLY_MORE);
    if (s->is_quiet || s->leaving || taken >= r->slots ||
        r->acks.count >= 2 * r->slots + ACKS_ONE_CALL_MAX)
        return 0;
    return r->slots - taken;
}

/* One call at a time waits for tasks. Where the last one found as many as it wanted, a second one
 * asks meanwhile, without waiting, so that worker and runner need not wait for each other. What is
 * held can be told only while no answer is on its way. */
static void ask(struct session *s)
{
    bool is_asking = s->calls[TALLY_LEASES].running, is_asking_more = s->calls[TALLY_MORE].running;
    size_t most = wanted(s);
    if (s->must_tell_held && is_asking_more)
        return;
    if (!is_asking && (most > 0 || s->must_tell_held))
        runner_session_call_leases(s, TALLY_LEASES, most);
    else if (is_asking && !is_asking_more && most > 0 && s->has_found_many && !s->must_tell_held &&
             !s->asks_for_one)
        runner_session_call_leases(s, TALLY_MORE, most);
    else
        return;
    runner_session_wake(s);
}

static void run_open(struct session *s)
{
    struct runner *r = s->runner;
    if (s->leaving && r->running_count == 0 && (r->acks.count == 0 || s->is_hurried)) {
        runner_session_cancel_call(s, TALLY_LEASES);
        runner_session_cancel_call(s, TALLY_MORE);
        runner_session_cancel_call(s, TALLY_HEARTBEATS);
        io_timer_stop(s->beat);
        io_timer_stop(s->lease);
        s->state = SESSION_ENDING;
        runner_session_wake(s);
        return;
    }
    ask(s);
    if (!s->calls[TALLY_ACKS].running && r->acks.waiting_count > 0)
        runner_session_call_acks(s);
}

static void run(void *owner)
{
    struct session *s = owner;
    if (s->on_drained && s->state != SESSION_OPEN && s->state != SESSION_ENDING) {
        io_fn *done = take(s->on_drained);
        runner_session_go_on(s);
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
    runner_session_stop_asking(s);
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
