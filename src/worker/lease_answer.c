/* lease_answer: what a call of a session is told: its leases with their bodies, what came of its
 * acknowledgements, and what shall stop. */
#include "base/clock.h"
#include "base/mem.h"
#include "db/rows.h"
#include "store/queue/read_sql.h"
#include "worker/door.h"
#include "worker/lease_priv.h"
#include "worker/session_door.h"
#include "worker/worker_priv.h"

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

static void put_lease(struct leasing *l, struct json_writer *w, const struct lease_claim *c)
{
    struct shard *s = &l->w->shard;
    int64_t now_us = clock_wall_us();
    char fence[SHARD_NUMBER_MAX];
    shard_number_format(s, c->fence, fence);
    json_begin_object(w);
    json_put_id(w, "task", c->id);
    json_put_text(w, "type", c->type);
    json_key_c(w, "payload");
    json_write_raw(w, c->body.payload);
    json_key_c(w, "attempt");
    json_write_i64(w, c->attempt);
    json_key_c(w, "max_attempts");
    json_write_i64(w, c->max_attempts);
    json_key_c(w, "fence");
    json_write_string(w, str_of_c(fence));
    json_key_c(w, "lease_until_us");
    json_write_i64(w, now_us + l->ttl_ms * CLOCK_MS);
    json_key_c(w, "deadline_us"); /* by that clock, too: the log's may be far ahead */
    json_write_i64(w, now_us + c->started_us - shard_now_us(s) + (int64_t)c->timeout_s * CLOCK_S);
    json_put_time(w, "scheduled_for_us", c->body.scheduled_for_us);
    json_put_maybe_text(w, "idempotency_key", c->body.key.len > 0, c->body.key);
    json_put_maybe_id(w, "job_id", c->body.has_job, c->body.job_id);
    json_put_maybe_raw(w, "checkpoint", c->body.checkpoint.len > 0, c->body.checkpoint);
    json_end_object(w);
}

static void put_leases(struct leasing *l, struct json_writer *w)
{
    json_key_c(w, "leases");
    json_begin_array(w);
    for (size_t i = 0; i < l->claim_count; i++)
        if (l->claims[i].has_body && !l->claims[i].is_too_much)
            put_lease(l, w, &l->claims[i]);
    json_end_array(w);
}

/* What is not told returns to where it was. */
static void give_back(struct leasing *l);

/* Nobody is there to take the leases. */
static void give_all_back(struct leasing *l)
{
    for (size_t i = 0; i < l->claim_count; i++)
        l->claims[i].is_too_much = true;
    give_back(l);
}

/* How many the session's next call claims. It is more again where twice as many would fit. */
static void learn(const struct leasing *l, size_t told, size_t bytes)
{
    struct session *session = session_find(l->w->shard.sessions, l->session_id);
    if (!session)
        return;
    if (told < l->claim_count)
        session->fitting = (uint32_t)max_of(told, (size_t)1);
    else if (told >= session->fitting && 2 * bytes <= LEASE_ANSWER_BYTES_MAX)
        session->fitting = session->fitting < SESSION_LEASES_MAX ? 2 * session->fitting : 0;
}

/* The first one, and those that fit beside it. */
static void fit(struct leasing *l)
{
    size_t bytes = 0, told = 0;
    for (size_t i = 0; i < l->claim_count; i++) {
        struct lease_claim *claim = &l->claims[i];
        size_t more = claim->body.payload.len + claim->body.checkpoint.len;
        if (!claim->has_body)
            continue;
        claim->is_too_much = bytes > 0 && bytes + more > LEASE_ANSWER_BYTES_MAX;
        bytes += claim->is_too_much ? 0 : more;
        told += !claim->is_too_much;
    }
    learn(l, told, bytes);
}

void leasing_fail(struct leasing *l, const struct err *err)
{
    leasing_forget_bodies(l);
    give_all_back(l);
    door_fail(l->r, err);
}

static void answer(struct leasing *l)
{
    struct shard *s = &l->w->shard;
    fit(l);
    if (http_is_cancelled(l->r))
        give_all_back(l);
    else
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

static void take_body(struct lease_claim *claim, const struct db_rows *rows, size_t row)
{
    claim->has_body = true;
    claim->body = (struct lease_body){
        .payload = db_rows_text(rows, row, 1),
        .key = db_rows_text(rows, row, 2),
        .has_job = !db_rows_is_null(rows, row, 3),
        .scheduled_for_us = db_rows_is_null(rows, row, 4) ? 0 : db_rows_time(rows, row, 4),
        .checkpoint = db_rows_text(rows, row, 5),
    };
    if (claim->body.has_job)
        claim->body.job_id = db_rows_uuid(rows, row, 3);
}

/* Rows come in the order of their claims as a rule: the next one is where to look first. */
static void take_bodies(struct leasing *l, const struct db_rows *rows)
{
    size_t from = 0;
    for (size_t row = 0; row < db_rows_count(rows); row++) {
        struct uuid id = db_rows_uuid(rows, row, 0);
        for (size_t i = 0; i < l->claim_count; i++) {
            size_t at = (from + i) % l->claim_count;
            if (!uuid_eq(id, l->claims[at].id))
                continue;
            take_body(&l->claims[at], rows, row);
            from = at + 1;
            break;
        }
    }
}

static void bodies_read(void *owner, const struct db_reply *reply)
{
    struct leasing *l = owner;
    l->reading = NULL;
    if (!reply->err) {
        db_rows_keep(reply->rows[0], l->r->arena);
        take_bodies(l, reply->rows[0]);
    }
    if (!l->is_telling)
        return;        /* what is missing is read when it is to be told */
    if (l->is_early) { /* it may not have seen what the claim's own batch added */
        l->is_early = false;
        leasing_read_bodies(l);
        return;
    }
    if (reply->err)
        leasing_fail(l, reply->err);
    else
        answer(l);
}

void leasing_read_bodies(struct leasing *l)
{
    struct arena *a = l->r->arena;
    struct uuid *ids = arena_new_array(a, l->claim_count, struct uuid);
    size_t count = 0;
    struct err e;
    for (size_t i = 0; i < l->claim_count; i++)
        if (!l->claims[i].has_body)
            ids[count++] = l->claims[i].id;
    if (count == 0) {
        if (l->is_telling)
            answer(l);
    } else if (!door_read_begin(l->w, &read_bodies, read_bodies_args(a, ids, count), bodies_read, l,
                                &l->reading, &e)) {
        db_reply_fail(bodies_read, l, &e);
    }
}

void leasing_forget_bodies(struct leasing *l)
{
    if (l->reading)
        db_request_forget(take(l->reading));
}

static void answer_claims(struct leasing *l)
{
    l->is_telling = true;
    l->is_early = l->reading != NULL;
    if (!l->is_early)
        leasing_read_bodies(l);
}

static void acks_read(void *owner, const struct db_reply *reply)
{
    struct leasing *l = owner;
    if (reply->err) { /* one that seems stale may have been applied before */
        leasing_fail(l, reply->err);
        return;
    }
    for (size_t i = 0; i < db_rows_count(reply->rows[0]); i++) {
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

void leasing_tell(struct leasing *l)
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
        if (!l->claims[i].is_too_much)
            continue;
        struct returning *r = mem_new(struct returning);
        r->ack = (struct lease_ack){ .intent = { .apply = lease_apply_ack, .done = returned },
                                     .task = l->claims[i].id,
                                     .fence = l->claims[i].fence,
                                     .session = session->number,
                                     .word = LEASE_RELEASE,
                                     .ready_us = l->claims[i].ready_us };
        if (!shard_submit(&l->w->shard, &r->ack.intent, &e))
            mem_free(r);
    }
}
