/*
 * lease_door: leases and acknowledgements over HTTP.
 *
 *   POST /v1/leases: acks ──▶ the lease intent claims ──▶ something to tell? read the bodies,
 * answer ▲                          │ no: park └── a task came ◀──────────┘── command, time: answer
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "db/rows.h"
#include "store/queue/read_sql.h"
#include "worker/door.h"
#include "worker/lease.h"
#include "worker/session_door.h"
#include "worker/worker_priv.h"

enum {
    WAIT_MAX_MS = 60'000,
    DELAY_MAX_MS = INT32_MAX, /* 24 days */
    ACKS_MAX = 5'000,
    HELD_MAX = SESSION_SLOTS_MAX,
    ERROR_MAX = 16 * 1024,
};

/* ── a call of a session: acknowledgements, leases, or both ── */

struct claim {
    struct uuid id;
    uint32_t type, timeout_s;
    uint16_t attempt, max_attempts;
    int64_t fence, started_us;
};

/* What the executor says that it runs. */
struct held {
    struct uuid task;
    int64_t fence;
};

struct leasing {
    struct lease_wait wait; /* its intent claims */
    struct worker *w;
    struct http_request *r;
    struct uuid session_id;
    int64_t ttl_ms;
    struct lease_ack *acks;
    size_t ack_count, open;
    bool wants_leases, is_refused;
    struct err refusal;
    size_t max;
    struct claim *claims;
    size_t claim_count;
    bool says_held;
    struct held *held;
    size_t held_count;
    struct db_rows *bodies;
};

/* ── answering ── */

static void put_spawned(struct json_writer *w, const struct spawn *spawn)
{
    json_key_c(w, "spawned");
    json_begin_array(w);
    for (size_t i = 0; i < spawn->count; i++) {
        char id[UUID_TEXT_LEN + 1];
        uuid_format(spawn->views[i].id, id);
        json_write_string(w, str_of_c(id));
    }
    json_end_array(w);
}

static void put_ack(struct json_writer *w, const struct lease_ack *ack)
{
    json_begin_object(w);
    json_put_id(w, "task", ack->task);
    json_key_c(w, "outcome");
    json_write_string(w, lease_answer_name(ack->answer));
    if (ack->answer == LEASE_APPLIED && ack->spawn.count > 0)
        put_spawned(w, &ack->spawn);
    json_end_object(w);
}

static void put_lease(struct leasing *l, struct json_writer *w, const struct claim *c, size_t row)
{
    struct shard *s = &l->w->shard;
    const struct db_rows *rows = l->bodies;
    char fence[SHARD_NUMBER_MAX];
    shard_number_format(s, c->fence, fence);
    json_begin_object(w);
    json_put_id(w, "task", c->id);
    json_key_c(w, "type");
    json_write_string(w, s->types[c->type].name);
    json_key_c(w, "payload");
    json_write_raw(w, db_rows_text(rows, row, 1));
    json_key_c(w, "attempt");
    json_write_i64(w, c->attempt);
    json_key_c(w, "max_attempts");
    json_write_i64(w, c->max_attempts);
    json_key_c(w, "fence");
    json_write_string(w, str_of_c(fence));
    json_key_c(w, "lease_until_us");
    json_write_i64(w, clock_wall_us() + l->ttl_ms * CLOCK_MS);
    json_key_c(w, "deadline_us"); /* by that clock, too: the log's may be far ahead */
    json_write_i64(w, clock_wall_us() + c->started_us - shard_now_us(s) +
                          (int64_t)c->timeout_s * CLOCK_S);
    json_put_time(w, "scheduled_for_us",
                  db_rows_is_null(rows, row, 4) ? 0 : db_rows_time(rows, row, 4));
    json_key_c(w, "idempotency_key");
    if (db_rows_is_null(rows, row, 2))
        json_write_null(w);
    else
        json_write_string(w, db_rows_text(rows, row, 2));
    json_key_c(w, "job_id");
    if (db_rows_is_null(rows, row, 3))
        json_write_null(w);
    else
        json_write_string(w, db_rows_text(rows, row, 3));
    json_key_c(w, "checkpoint");
    if (db_rows_is_null(rows, row, 5))
        json_write_null(w);
    else
        json_write_raw(w, db_rows_text(rows, row, 5));
    json_end_object(w);
}

static void put_leases(struct leasing *l, struct json_writer *w)
{
    json_key_c(w, "leases");
    json_begin_array(w);
    for (size_t i = 0; i < l->claim_count; i++)
        for (size_t row = 0; row < db_rows_count(l->bodies); row++)
            if (uuid_eq(db_rows_uuid(l->bodies, row, 0), l->claims[i].id)) {
                put_lease(l, w, &l->claims[i], row);
                break;
            }
    json_end_array(w);
}

/* Nobody is there to take the leases: they return, without an attempt. */
static void give_back(struct leasing *l);

static void answer(struct leasing *l)
{
    struct shard *s = &l->w->shard;
    if (l->claim_count > 0 && http_is_cancelled(l->r))
        give_back(l);
    struct json_writer w = json_writer_to(l->r->out);
    json_begin_object(&w);
    if (l->wants_leases)
        put_leases(l, &w);
    json_key_c(&w, "acks");
    json_begin_array(&w);
    for (size_t i = 0; i < l->ack_count; i++)
        put_ack(&w, &l->acks[i]);
    json_end_array(&w);
    session_put_commands(&w, s, session_find(s->sessions, l->session_id));
    session_put_mode(&w, l->w);
    json_end_object(&w);
    door_answer(l->r);
}

static void bodies_read(void *owner, const struct db_reply *reply)
{
    struct leasing *l = owner;
    if (reply->err) {
        give_back(l);
        door_fail(l->r, reply->err);
        return;
    }
    db_rows_keep(reply->rows[0], l->r->arena);
    l->bodies = reply->rows[0];
    answer(l);
}

static void answer_claims(struct leasing *l)
{
    if (l->claim_count == 0) {
        answer(l);
        return;
    }
    struct uuid *ids = arena_new_array(l->r->arena, l->claim_count, struct uuid);
    for (size_t i = 0; i < l->claim_count; i++)
        ids[i] = l->claims[i].id;
    door_read(l->w, &read_bodies, read_bodies_args(l->r->arena, ids, l->claim_count), bodies_read,
              l);
}

static void acks_read(void *owner, const struct db_reply *reply)
{
    struct leasing *l = owner;
    size_t n = reply->err ? 0 : db_rows_count(reply->rows[0]);
    for (size_t i = 0; i < n; i++) {
        const struct db_rows *rows = reply->rows[0];
        struct lease_ack *ack = &l->acks[db_rows_i64(rows, i, 0)];
        if (ack->answer != LEASE_STALE)
            continue;
        if (!db_rows_bool(rows, i, 1))
            ack->answer = LEASE_UNKNOWN;
        else if (db_rows_bool(rows, i, 2))
            ack->answer = LEASE_DUPLICATE;
    }
    answer_claims(l);
}

/* What changed nothing may have been said before: the tables tell. */
static void tell(struct leasing *l)
{
    bool has_doubt = false;
    for (size_t i = 0; i < l->ack_count; i++)
        has_doubt |= l->acks[i].answer == LEASE_STALE;
    if (!has_doubt) {
        answer_claims(l);
        return;
    }
    struct uuid *ids = arena_new_array(l->r->arena, l->ack_count, struct uuid);
    int64_t *fences = arena_new_array(l->r->arena, l->ack_count, int64_t);
    for (size_t i = 0; i < l->ack_count; i++) {
        ids[i] = l->acks[i].task;
        fences[i] = l->acks[i].fence;
    }
    door_read(l->w, &read_acks,
              read_acks_args(l->r->arena, ids, l->ack_count, fences, l->ack_count), acks_read, l);
}

struct returning {
    struct lease_ack ack;
};

static void returned(struct intent *intent, const struct err *err)
{
    (void)err; /* then the deadline will do it */
    mem_free(container_of(intent, struct returning, ack.intent));
}

static void give_back(struct leasing *l)
{
    struct session *session = session_find(l->w->shard.sessions, l->session_id);
    struct err e;
    for (size_t i = 0; session && i < l->claim_count; i++) {
        struct returning *r = mem_new(struct returning);
        r->ack = (struct lease_ack){ .intent = { .apply = lease_apply_ack, .done = returned },
                                     .task = l->claims[i].id,
                                     .fence = l->claims[i].fence,
                                     .session = session->number,
                                     .word = LEASE_RELEASE };
        if (!shard_submit(&l->w->shard, &r->ack.intent, &e))
            mem_free(r);
    }
}

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

static void apply_claim(struct intent *intent, struct batch *b)
{
    struct leasing *l = container_of(intent, struct leasing, wait.intent);
    l->claim_count = 0;
    l->wait.session = session_find(b->s->sessions, l->session_id); /* it may have ended */
    if (http_is_cancelled(l->r))
        return; /* nobody would hear of what is done for him */
    if (l->wait.session && l->says_held && l->wait.session->leases > 0)
        return_unheld(l, b);
    while (l->wait.session && l->claim_count < l->max) {
        const struct live *task = session_claim(b, l->wait.session);
        if (!task)
            break;
        l->claims[l->claim_count++] = (struct claim){ .id = task->id,
                                                      .type = live_type_of(b->s->live, task),
                                                      .timeout_s = task->timeout_s,
                                                      .attempt = task->attempt,
                                                      .max_attempts = task->max_attempts,
                                                      .fence = live_run_of(b->s->live, task).fence,
                                                      .started_us = task->at_us };
    }
}

static void end_one(struct leasing *l, const struct err *err)
{
    if (err && !l->is_refused) {
        l->is_refused = true;
        l->refusal = *err;
    }
    if (--l->open > 0)
        return;
    /* Acknowledgements that were taken all the same are told as duplicates when they come again. */
    if (l->is_refused && l->claim_count == 0)
        door_fail(l->r, &l->refusal);
    else
        tell(l);
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
    if (err)
        l->claim_count = 0;
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
        return; /* answer() sees it */
    session_unpark(&l->wait);
    end_one(l, NULL);
}

/* ── reading ── */

static bool read_ack(struct leasing *l, const struct json_value *v, size_t i, struct err *e)
{
    static const char *const members[] = { "task",        "fence", "outcome", "result", "error",
                                           "retry_in_ms", "logs",  "spawn",   NULL };
    struct lease_ack *ack = &l->acks[i];
    struct str fence, word;
    char at[40];
    snprintf(at, sizeof at, "acks[%zu].", i);
    if (v->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "acks[%zu]: is no object", i);
    if (!door_only(v, at, members, e))
        return false;
    if (!door_id(v, at, "task", &ack->task, e))
        return door_is_bad(e) ? false : door_missing(e, at, "task");
    if (!door_text(v, at, "fence", SHARD_NUMBER_MAX, &fence, e))
        return door_is_bad(e) ? false : door_missing(e, at, "fence");
    if (!shard_number_parse(&l->w->shard, fence, &ack->fence))
        return err_set(e, ERR_INVALID, "%sfence: is none", at);
    if (!door_text(v, at, "outcome", SHARD_NUMBER_MAX, &word, e))
        return door_is_bad(e) ? false : door_missing(e, at, "outcome");
    if (!lease_word_of(word, &ack->word))
        return err_set(e, ERR_INVALID, "%soutcome: is none", at);
    ack->has_delay = door_int(v, at, "retry_in_ms", 0, DELAY_MAX_MS, &ack->delay_ms, e);
    const struct json_value *error = json_get_c(v, "error"), *result = json_get_c(v, "result");
    if (door_is_bad(e))
        return false;
    if (error && error->type != JSON_STRING && error->type != JSON_NULL)
        return err_set(e, ERR_INVALID, "%serror: is no string", at);
    if (error && error->type == JSON_STRING) {
        ack->has_error = true;
        ack->error = str_first(error->text, ERROR_MAX);
        while (!str_is_utf8(ack->error))
            ack->error.len--; /* the cut was within a character */
    }
    ack->has_result = result && result->type != JSON_NULL;
    if (ack->has_result)
        ack->result = door_json_text(l->r->arena, result);
    if (ack->result.len > l->w->shard.options.payload_max)
        return err_set(e, ERR_LIMIT, "%sresult: is longer than %zu bytes", at,
                       l->w->shard.options.payload_max);
    random_ids(&ack->chance, sizeof ack->chance);
    if (!logs_read(l->r->arena, json_get_c(v, "logs"), at, &ack->logs, e) ||
        !spawn_read(l->w, l->r, json_get_c(v, "spawn"), at, ack->task, &ack->spawn, e))
        return false;
    if (ack->spawn.count > 0 && ack->word != LEASE_COMPLETE)
        return err_set(e, ERR_INVALID, "%sspawn: comes with the outcome complete alone", at);
    return ack->spawn.count == 0 || session_may_create(l->r) ||
           err_set(e, ERR_INVALID, "%sspawn: a token that makes tasks has the scope API, too", at);
}

static void ack_done(struct intent *intent, const struct err *err)
{
    struct lease_ack *ack = container_of(intent, struct lease_ack, intent);
    if (err)
        ack->answer = LEASE_STALE; /* what it did in a batch that was undone counts for nothing */
    end_one(ack->owner, err);
}

static bool read_acks_of(struct leasing *l, const struct json_value *list, struct err *e)
{
    if (!list || list->type == JSON_NULL)
        return true;
    if (list->type != JSON_ARRAY || list->item_count > ACKS_MAX)
        return err_set(e, ERR_INVALID, "acks: are no list of at most %d", ACKS_MAX);
    l->acks = arena_new_array(l->r->arena, list->item_count, struct lease_ack);
    for (size_t i = 0; i < list->item_count; i++) {
        l->acks[i].intent = (struct intent){ .apply = lease_apply_ack, .done = ack_done };
        l->acks[i].owner = l;
        l->acks[i].session = l->wait.session->number;
        l->acks[i].answer = LEASE_STALE;
        if (!read_ack(l, &list->items[i], i, e))
            return false;
    }
    l->ack_count = list->item_count;
    return true;
}

static bool read_held(struct leasing *l, const struct json_value *list, struct err *e)
{
    static const char *const members[] = { "task", "fence", NULL };
    if (!list || list->type == JSON_NULL)
        return true;
    if (list->type != JSON_ARRAY || list->item_count > HELD_MAX)
        return err_set(e, ERR_INVALID, "held: is no list of at most %d", HELD_MAX);
    l->says_held = true;
    l->held = arena_new_array(l->r->arena, list->item_count, struct held);
    for (size_t i = 0; i < list->item_count; i++) {
        struct held *held = &l->held[l->held_count++];
        struct str fence;
        char at[40];
        snprintf(at, sizeof at, "held[%zu].", i);
        if (!door_only(&list->items[i], at, members, e))
            return false;
        if (!door_id(&list->items[i], at, "task", &held->task, e))
            return door_is_bad(e) ? false : door_missing(e, at, "task");
        if (!door_text(&list->items[i], at, "fence", SHARD_NUMBER_MAX, &fence, e))
            return door_is_bad(e) ? false : door_missing(e, at, "fence");
        if (!shard_number_parse(&l->w->shard, fence, &held->fence))
            return err_set(e, ERR_INVALID, "%sfence: is none", at);
    }
    return true;
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

/* Of which of its types the session wants none for now. */
static bool read_quiet(struct leasing *l, const struct json_value *list, struct err *e)
{
    const struct shard *s = &l->w->shard;
    struct session *session = l->wait.session;
    for (size_t i = 0; i < session->type_count; i++)
        session->types[i].is_quiet = false;
    if (!list || list->type == JSON_NULL)
        return true;
    if (list->type != JSON_ARRAY)
        return err_set(e, ERR_INVALID, "quiet: is no list");
    for (size_t i = 0; i < list->item_count; i++) {
        struct session_type *quiet = NULL;
        for (size_t k = 0; k < session->type_count && list->items[i].type == JSON_STRING; k++)
            if (str_eq(s->types[session->types[k].type].name, list->items[i].text))
                quiet = &session->types[k];
        if (!quiet)
            return err_set(e, ERR_INVALID, "quiet[%zu]: is no type of this session", i);
        quiet->is_quiet = true;
    }
    return true;
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
    if (door_only(body, "", members, &e))
        door_int(body, "", "max", 0, SESSION_LEASES_MAX, &max, &e);
    if (!door_is_bad(&e))
        door_int(body, "", "wait_ms", 0, WAIT_MAX_MS, &wait_ms, &e);
    if (door_is_bad(&e) || !read_acks_of(l, json_get_c(body, "acks"), &e) ||
        !read_held(l, json_get_c(body, "held"), &e) ||
        !read_quiet(l, json_get_c(body, "quiet"), &e)) {
        door_fail(r, &e);
        return;
    }
    l->wants_leases = true;
    l->max = w->is_draining ? 0 : (size_t)max;
    l->claims = arena_new_array(r->arena, l->max, struct claim);
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
    if (!door_only(body, "", members, &e) || !read_acks_of(l, json_get_c(body, "results"), &e)) {
        door_fail(r, &e);
        return;
    }
    submit(l);
}
