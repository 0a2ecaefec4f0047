/*
 * lease_door: leases and acknowledgements over HTTP.
 *
 *   POST /v1/leases: acks ──▶ the lease intent claims ──▶ something to tell? read the bodies,
 * answer ▲                          │ no: park └── a task came ◀──────────┘── command, time: answer
 */
#include "base/clock.h"
#include "worker/door.h"
#include "worker/lease_priv.h"
#include "worker/notes.h"
#include "worker/session_door.h"
#include "worker/worker_priv.h"

enum { WAIT_MAX_MS = 60'000 };

/* ── claiming ── */

static bool is_held(const struct leasing *l, const struct live *task, int64_t fence)
{
    for (size_t i = 0; i < l->held_count; i++)
        if (uuid_eq(l->held[i].task, task->id))
            return l->held[i].fence == fence;
    return false;
}

/* Leases that an answer held which was lost: the executor does not know of them, and would renew
 * them for ever. */
static void return_unheld(struct leasing *l, struct batch *b)
{
    struct shard *s = b->s;
    size_t n = 0;
    struct live **lost = arena_new_array(b->a, l->wait.session->leases, struct live *);
    for (size_t i = 0; i < live_running_count(s->live) && n < l->wait.session->leases; i++) {
        struct live *task = live_running_at(s->live, i);
        struct live_run run = live_run_of(s->live, task);
        if (run.session == l->wait.session->number && run.fence < b->first &&
            !is_held(l, task, run.fence))
            lost[n++] = task;
    }
    for (size_t i = 0; i < n; i++)
        lease_return(b, lost[i]);
}

/* A task that the same batch adds has no checkpoint. */
static void keep_body(struct lease_claim *claim, struct arena *a, const struct task_view *added)
{
    claim->has_body = true;
    claim->body = (struct lease_body){ .payload = arena_copy(a, added->payload),
                                       .key = arena_copy(a, added->key),
                                       .has_job = added->has_job,
                                       .job_id = added->job_id,
                                       .scheduled_for_us = added->scheduled_for_us };
}

/* The batch is on its way: the bodies are read meanwhile. */
static void batch_sent(struct shard *s, void *data)
{
    (void)s;
    leasing_read_bodies(data);
}

static bool may_have_checkpoint(const struct shard *s, struct uuid task)
{
    const struct note *note = notes_find(s->notes, task);
    return note && note->has_checkpoint;
}

/* Few are claimed as long as few of them fit an answer. */
static size_t leases_most(const struct leasing *l)
{
    const struct session *session = l->wait.session;
    return !session ? 0 : session->fitting > 0 ? min_of(l->max, (size_t)session->fitting) : l->max;
}

static void apply_claim(struct intent *intent, struct batch *b)
{
    struct leasing *l = container_of(intent, struct leasing, wait.intent);
    bool has_checkpoints = false;
    l->claim_count = 0;
    leasing_forget_bodies(l);                                      /* of a batch that was undone */
    l->wait.session = session_find(b->s->sessions, l->session_id); /* it may have ended */
    if (http_is_cancelled(l->r))
        return; /* nobody would hear of what is done for him */
    if (l->wait.session)
        leasing_tell_quiet(l, l->wait.session);
    if (l->wait.session && l->says_held && l->wait.session->leases > 0)
        return_unheld(l, b);
    for (size_t most = leases_most(l); l->claim_count < most;) {
        struct session_claimed claimed;
        const struct live *task = session_claim(b, l->wait.session, &claimed);
        if (!task)
            break;
        struct lease_claim *claim = &l->claims[l->claim_count++];
        struct str type = b->s->types[live_type_of(b->s->live, task)].name;
        *claim = (struct lease_claim){ .id = task->id,
                                       .type = arena_copy(l->r->arena, type),
                                       .timeout_s = task->timeout_s,
                                       .attempt = task->attempt,
                                       .max_attempts = task->max_attempts,
                                       .fence = live_run_of(b->s->live, task).fence,
                                       .started_us = task->at_us,
                                       .ready_us = claimed.ready_us };
        has_checkpoints |= may_have_checkpoint(b->s, task->id);
        if (claimed.added)
            keep_body(claim, l->r->arena, claimed.added);
    }
    if (l->claim_count > 0 && !has_checkpoints)
        batch_on_send(b, batch_sent, l);
}

/* ── the course of a call ── */

static void end_one(struct leasing *l, const struct err *err)
{
    if (err && !l->is_refused) {
        l->is_refused = true;
        l->refusal = *err;
    }
    if (--l->open > 0)
        return;
    if (l->is_refused)
        leasing_fail(l, &l->refusal);
    else
        leasing_tell(l);
}

static bool has_command(const struct leasing *l)
{
    return l->wait.session && l->wait.session->command_count > 0;
}

static void claim_done(struct intent *intent, const struct err *err)
{
    struct leasing *l = container_of(intent, struct leasing, wait.intent);
    l->wait.session = session_find(l->w->shard.sessions, l->session_id);
    l->says_held = false; /* it was true when it was said */
    bool may_wait = !err && l->claim_count == 0 && l->ack_count == 0 && l->wait.session &&
                    !has_command(l) && !http_is_cancelled(l->r) &&
                    l->wait.until_us > clock_mono_us() && !l->w->is_draining;
    if (err) {
        l->claim_count = 0;
        leasing_forget_bodies(l);
    }
    if (may_wait)
        session_park(l->w->shard.sessions, &l->wait);
    else
        end_one(l, err);
}

/* Unparked: its time is over, it has a command, or its session has ended. */
static void woken(struct lease_wait *wait)
{
    struct leasing *l = container_of(wait, struct leasing, wait);
    if (!wait->session) {
        struct err e = { 0 };
        if (l->w->shard.role == SHARD_LEADING && !l->w->shard.is_leaving)
            err_set(&e, ERR_NOT_FOUND, "the session has ended");
        else
            shard_refuse(&e);
        end_one(l, &e);
        return;
    }
    end_one(l, NULL);
}

static void client_gone(void *owner)
{
    struct leasing *l = owner;
    if (!l->wait.is_parked)
        return; /* leasing_tell sees it */
    session_unpark(&l->wait);
    end_one(l, NULL);
}

/* The database will not take it another time either. */
static bool is_for_good(const struct err *err)
{
    return err->code != ERR_UNAVAILABLE && err->code != ERR_TIMEOUT && err->code != ERR_CANCELLED;
}

/* Whatever was wrong with it, it is its content: an executor that heard of a conflict or a bug
 * would repeat it as it is, for ever, or end. */
static void ack_done(struct intent *intent, const struct err *err)
{
    struct lease_ack *ack = container_of(intent, struct lease_ack, intent);
    struct leasing *l = ack->owner;
    struct err told;
    if (err && is_for_good(err)) {
        err_set(&told, ERR_INVALID, "acks[%zu]: %s", (size_t)(ack - l->acks),
                err->code == ERR_INTERNAL ? "the database refused it" : err->message);
        err = &told;
    }
    end_one(l, err);
}

/* Its bodies are in memory all at once. */
static size_t leases_max(const struct worker *w, int64_t wanted)
{
    size_t fitting = LEASE_READ_BYTES_MAX / (2 * w->shard.options.payload_max);
    size_t most = max_of(fitting, (size_t)1);
    return w->is_draining ? 0 : min_of((size_t)wanted, most);
}

static struct leasing *leasing_create(struct worker *w, struct http_request *r,
                                      struct session *session)
{
    struct leasing *l = arena_new(r->arena, struct leasing);
    *l = (struct leasing){ .w = w,
                           .r = r,
                           .session_id = session->id,
                           .ttl_ms = session->ttl_ms,
                           .wait = { .session = session,
                                     .set = w->shard.sessions,
                                     .wake = woken,
                                     .intent = { .apply = apply_claim, .done = claim_done } } };
    list_init(&l->wait.node);
    return l;
}

/* The acknowledgements, then the claim: what they free can be claimed at once. */
static void submit(struct leasing *l)
{
    struct err e;
    l->open = 1;
    for (size_t i = 0; i < l->ack_count; i++) {
        l->open++;
        l->acks[i].intent = (struct intent){ .apply = lease_apply_ack, .done = ack_done };
        l->acks[i].owner = l;
        if (!shard_submit(&l->w->shard, &l->acks[i].intent, &e))
            end_one(l, &e);
    }
    if (l->wants_leases) {
        l->open++;
        if (!shard_submit(&l->w->shard, &l->wait.intent, &e))
            end_one(l, &e);
    }
    end_one(l, NULL);
}

void lease_door(void *owner, struct http_request *r)
{
    static const char *const members[] = { "session", "secret", "max",   "wait_ms",
                                           "acks",    "held",   "quiet", NULL };
    struct worker *w = owner;
    const struct json_value *body;
    struct session *session;
    struct err e = { 0 };
    int64_t max = 1, wait_ms = 0;
    if (!door_open(w, r, DOOR_RUNNER | DOOR_GATEWAY) || !(body = door_body(r)) ||
        !(session = session_of_body(w, r, body)))
        return;
    struct leasing *l = leasing_create(w, r, session);
    if (json_only(body, "", members, &e))
        door_int(body, "", "max", 0, SESSION_LEASES_MAX, &max, &e);
    if (!door_is_bad(&e))
        door_int(body, "", "wait_ms", 0, WAIT_MAX_MS, &wait_ms, &e);
    if (door_is_bad(&e) || !leasing_read_acks(l, json_get_c(body, "acks"), &e) ||
        !leasing_read_held(l, json_get_c(body, "held"), &e) ||
        !leasing_read_quiet(l, json_get_c(body, "quiet"), &e)) {
        door_fail(r, &e);
        return;
    }
    l->wants_leases = true;
    l->max = leases_max(w, max);
    l->claims = arena_new_array(r->arena, l->max, struct lease_claim);
    l->wait.until_us = clock_mono_us() + wait_ms * CLOCK_MS;
    http_on_cancel(r, client_gone, l);
    http_end_with_client(r);
    submit(l);
}

void ack_door(void *owner, struct http_request *r)
{
    static const char *const members[] = { "session", "secret", "results", NULL };
    struct worker *w = owner;
    const struct json_value *body;
    struct session *session;
    struct err e = { 0 };
    if (!door_open(w, r, DOOR_RUNNER | DOOR_GATEWAY) || !(body = door_body(r)) ||
        !(session = session_of_body(w, r, body)))
        return;
    struct leasing *l = leasing_create(w, r, session);
    if (!json_only(body, "", members, &e) ||
        !leasing_read_acks(l, json_get_c(body, "results"), &e)) {
        door_fail(r, &e);
        return;
    }
    submit(l);
}
