#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "obs/version.h"
#include "runner/session_priv.h"
#include "runner/task_log.h"

enum {
    ANSWER_ARENA_BYTES = 1 << 30, /* beside the client's own bound of an answer */
    LEASES_WAIT_MS = 20'000,
    LEASES_ONE_CALL_MAX = 500,
    DEADLINE_MS = 10'000,  /* of a call that need not wait */
    DEADLINE_MIN_MS = 500, /* of a heartbeat, however short the session's time is */
    END_DEADLINE_MS = 2'000,
    END_HURRIED_MS = 400, /* when the drain's time is over */
    HEARTBEAT_TASKS_MAX = 500,
    NAME_BYTES = 128,
    LOGS_BYTES_MAX = 4 << 20, /* of one heartbeat; more waits for the next */
};

static void classify(const struct http_reply *reply, const struct err *e,
                     struct session_reply *ret_reply)
{
    *ret_reply = (struct session_reply){ .arena = ret_reply->arena };
    if (reply == NULL) {
        ret_reply->result = TALLY_AWAY;
        ret_reply->is_in_doubt = true;
        ret_reply->is_too_large = e->code == ERR_LIMIT;
        ret_reply->reason = str_of_c(e->message);
    } else if (reply->status >= 200 && reply->status < 300) {
        ret_reply->result = TALLY_OK;
        ret_reply->body = reply->body;
    } else {
        bool is_busy = reply->status == 503 || reply->status == 429;
        struct str told = wire_read_error(ret_reply->arena, reply->body);
        ret_reply->result = reply->status == 404              ? TALLY_GONE
                            : is_busy || reply->status >= 500 ? TALLY_AWAY
                                                              : TALLY_REFUSED;
        ret_reply->is_in_doubt = reply->status >= 500 && !is_busy;
        ret_reply->is_about_content =
            reply->status == 400 || reply->status == 413 || reply->status == 422;
        ret_reply->reason = arena_printf(ret_reply->arena, "status %d%s%.*s", reply->status,
                                         told.len ? ": " : "", STR_FMT(str_first(told, 500)));
    }
}

/* Whom the next calls go to. Leases stand still only when nobody leads. */
static void tell_leader(const struct session_call *call, const struct http_reply *http_reply,
                        struct session_reply *reply)
{
    struct http_leader *workers = call->session->workers;
    bool has_said_no = http_leader_has_said_no(http_reply);
    if (http_reply == NULL || has_said_no)
        http_leader_pass(workers, call->address, has_said_no);
    else
        http_leader_found(workers);
    reply->is_frozen = has_said_no && http_leader_is_none(workers);
}

static void replied(void *owner, const struct http_reply *http_reply, const struct err *e)
{
    struct session_call *call = owner;
    scoped(arena_destroyp) struct arena *a = arena_create(ANSWER_ARENA_BYTES);
    struct session_reply reply = { .arena = a };
    call->running = NULL;
    classify(http_reply, e, &reply);
    tell_leader(call, http_reply, &reply);
    runner_session_replied(call->session, call->kind, &reply);
}

static void start_call(struct session *s, enum tally_call kind, const char *method,
                       const char *path, struct str body, int64_t deadline_ms)
{
    struct session_call *call = &s->calls[kind];
    scoped(arena_destroyp) struct arena *a = arena_create(0);
    const char *headers[3] = { "Content-Type: application/json" };
    size_t count = 1;
    struct err e = { 0 };
    if (s->authorization)
        headers[count++] = s->authorization;
    if (kind == TALLY_END)
        headers[count++] = arena_printf(a, "Windlass-Session-Secret: %s", s->secret).ptr;
    const struct http_call_options options = {
        .method = method,
        .headers = headers,
        .header_count = count,
        .body = body,
        .deadline_ms = deadline_ms,
        .is_sent_once = kind == TALLY_LEASES ||
                        kind == TALLY_MORE, /* a repeat would hide that leases were lost */
        .fn = replied,
        .owner = call,
    };
    assert(call->running == NULL);
    call->session = s;
    call->kind = kind;
    call->sent_us = io_loop_now_us(s->runner->loop);
    if (http_leader_call(s->workers, path, &options, &call->address, &call->running, &e))
        return;
    call->running = NULL;
    const struct session_reply reply = { .result = TALLY_AWAY,
                                         .reason = str_of_c(e.message),
                                         .arena = a };
    runner_session_replied(s, kind, &reply);
}

/* The members of every body of an open session; the object stays open. */
static struct json_writer begin_body(struct session *s, struct buf *body)
{
    buf_init(body, 0);
    struct json_writer w = json_writer_to(body);
    json_begin_object(&w);
    json_key_c(&w, "session");
    json_write_string(&w, str_of_c(s->id));
    json_key_c(&w, "secret");
    json_write_string(&w, str_of_c(s->secret));
    return w;
}

static void send_body(struct session *s, enum tally_call kind, const char *path,
                      struct json_writer *w, int64_t deadline_ms)
{
    json_end_object(w);
    start_call(s, kind, "POST", path, buf_str(w->out), deadline_ms);
    buf_clear(w->out);
}

void runner_session_call_open(struct session *s)
{
    char host[NAME_BYTES] = "unknown", name[2 * NAME_BYTES];
    struct buf body;
    scoped(arena_destroyp) struct arena *a = arena_create(0);
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(name, sizeof name, "runner-%s-%d", host, (int)getpid());
    buf_init(&body, 0);
    struct json_writer w = json_writer_to(&body);
    json_begin_object(&w);
    json_key_c(&w, "worker");
    json_write_string(&w, str_of_c(name));
    json_key_c(&w, "host");
    json_write_string(&w, str_of_c(host));
    json_key_c(&w, "version");
    json_write_string(&w, str_of_c(version_text()));
    json_key_c(&w, "types");
    json_begin_object(&w);
    for (size_t i = 0; i < TASK_TYPE_COUNT; i++) {
        const struct task_type *type = task_types[i];
        if (type->is_offered && !type->is_offered(s->runner))
            continue;
        json_key(&w, str_of_c(type->schema->name));
        json_begin_object(&w);
        json_key_c(&w, "schema");
        json_write_string(&w, arena_printf(a, PAYLOAD_SCHEMA_PREFIX "%s", type->schema->name));
        json_key_c(&w, "slots");
        json_write_u64(&w, s->runner->slots);
        json_end_object(&w);
    }
    json_end_object(&w);
    send_body(s, TALLY_OPEN, "/v1/sessions", &w, DEADLINE_MS);
}

static void write_held(struct session *s, struct json_writer *w)
{
    json_key_c(w, "held");
    json_begin_array(w);
    list_each (node, &s->runner->running) {
        const struct attempt *t = container_of(node, struct attempt, node);
        json_begin_object(w);
        json_key_c(w, "task");
        json_write_string(w, t->id);
        json_key_c(w, "fence");
        json_write_string(w, t->fence);
        json_end_object(w);
    }
    acks_write_tasks(&s->runner->acks, w);
    json_end_array(w);
}

/* Types of which none are wanted for now. */
static void write_quiet(const struct session *s, struct json_writer *w)
{
    bool is_any = false;
    for (size_t i = 0; i < TASK_TYPE_COUNT; i++) {
        const struct task_type *type = task_types[i];
        if (!type->is_quiet || !type->is_quiet(s->runner))
            continue;
        if (!is_any) {
            json_key_c(w, "quiet");
            json_begin_array(w);
        }
        is_any = true;
        json_write_string(w, str_of_c(type->schema->name));
    }
    if (is_any)
        json_end_array(w);
}

enum ack_carrier runner_session_carrier(enum tally_call kind)
{
    return kind == TALLY_LEASES ? ACK_ON_LEASES : kind == TALLY_MORE ? ACK_ON_MORE : ACK_ON_ACKS;
}

void runner_session_call_leases(struct session *s, enum tally_call kind, size_t most)
{
    struct buf body;
    struct json_writer w = begin_body(s, &body);
    int64_t wait_ms = most > 0 && kind == TALLY_LEASES ? LEASES_WAIT_MS : 0;
    most = min_of(most, s->asks_for_one ? (size_t)1 : (size_t)LEASES_ONE_CALL_MAX);
    s->calls[kind].asked = most;
    json_key_c(&w, "max");
    json_write_u64(&w, most);
    json_key_c(&w, "wait_ms");
    json_write_i64(&w, wait_ms);
    write_quiet(s, &w);
    s->is_telling_held = s->must_tell_held;
    if (s->is_telling_held)
        write_held(s, &w);
    if (s->runner->acks.waiting_count > 0 && !s->calls[TALLY_ACKS].running) {
        json_key_c(&w, "acks");
        acks_take(&s->runner->acks, runner_session_carrier(kind), &w);
    }
    send_body(s, kind, "/v1/leases", &w, wait_ms + DEADLINE_MS);
}

void runner_session_call_acks(struct session *s)
{
    struct buf body;
    struct json_writer w = begin_body(s, &body);
    json_key_c(&w, "results");
    acks_take(&s->runner->acks, ACK_ON_ACKS, &w);
    send_body(s, TALLY_ACKS, "/v1/acks", &w, s->is_hurried ? END_HURRIED_MS : DEADLINE_MS);
}

/* So many of the running tasks, beginning where the last one ended: it asks which are lost. */
static void write_tasks(struct session *s, struct json_writer *w)
{
    size_t count = s->runner->running_count, i = 0;
    size_t from = s->beat_from < count ? s->beat_from : 0;
    size_t end = min_of(from + HEARTBEAT_TASKS_MAX, count);
    json_key_c(w, "tasks");
    json_begin_array(w);
    list_each (node, &s->runner->running) {
        struct attempt *t = container_of(node, struct attempt, node);
        if (i >= end)
            break;
        if (i++ < from)
            continue;
        json_begin_object(w);
        json_key_c(w, "task");
        json_write_string(w, t->id);
        json_key_c(w, "fence");
        json_write_string(w, t->fence);
        if (!task_log_is_empty(t->log) && w->out->len < LOGS_BYTES_MAX) {
            json_key_c(w, "logs");
            task_log_write(t->log, w);
        }
        json_end_object(w);
    }
    json_end_array(w);
    s->beat_from = end;
}

void runner_session_call_heartbeat(struct session *s)
{
    struct buf body;
    struct json_writer w = begin_body(s, &body);
    write_tasks(s, &w);
    send_body(s, TALLY_HEARTBEATS, "/v1/heartbeats", &w,
              max_of(s->heartbeat_ms, (int64_t)DEADLINE_MIN_MS));
}

void runner_session_call_end(struct session *s)
{
    scoped(arena_destroyp) struct arena *a = arena_create(0);
    struct str path = arena_printf(a, "/v1/sessions/%s?release=true", s->id);
    start_call(s, TALLY_END, "DELETE", path.ptr, STR(""),
               s->is_hurried ? END_HURRIED_MS : END_DEADLINE_MS);
}

void runner_session_cancel_call(struct session *s, enum tally_call kind)
{
    struct session_call *call = &s->calls[kind];
    if (call->running)
        http_call_cancel(call->running);
    call->running = NULL;
}
