/*
 * session_door: sessions over HTTP: they begin and end. What every call of a session needs is here
 * too: who calls, and what it is told besides its answer.
 */
#include "worker/session_door.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "worker/door.h"
#include "worker/session_schemas.h"
#include "worker/worker_priv.h"

enum {
    SECRET_BYTES = 32,
    SECRET_TEXT_MAX = 200,
    TYPE_NAME_MAX = 200,
    BEATS_IN_TTL = 3,
};

/* ── who ── */

/* The API token of an outside worker, for whom the gateway asks; empty: it is a service's own. */
static struct str token_id_of(const struct http_request *r)
{
    return http_header(r, STR("Windlass-Token-Id"));
}

bool session_may_create(const struct http_request *r)
{
    return str_is_empty(token_id_of(r)) ||
           str_eq(http_header(r, STR("Windlass-May-Create")), STR("true"));
}

/* The session that the body names, with its secret; else it is answered and NULL. */
struct session *session_of_body(struct worker *w, struct http_request *r,
                                const struct json_value *body)
{
    struct err e = { 0 };
    struct uuid id;
    struct str secret = STR("");
    if (!door_id(body, "", "session", &id, &e) && !door_is_bad(&e))
        door_missing(&e, "", "session");
    if (!door_is_bad(&e) && !door_text(body, "", "secret", SECRET_TEXT_MAX, &secret, &e) &&
        !door_is_bad(&e))
        door_missing(&e, "", "secret");
    struct session *session = door_is_bad(&e) ? NULL : session_find(w->shard.sessions, id);
    if (!door_is_bad(&e) && (!session || !session_is_secret(session, secret, token_id_of(r))))
        err_set(&e, ERR_NOT_FOUND, "there is no such session");
    if (door_is_bad(&e)) {
        door_fail(r, &e);
        return NULL;
    }
    session_touch(session);
    return session;
}

/* ── what it is told ── */

/* Those of its tasks that shall stop; what has ended is forgotten. */
void session_put_commands(struct json_writer *w, const struct shard *s, struct session *session)
{
    json_key_c(w, "commands");
    json_begin_array(w);
    size_t kept = 0;
    for (size_t i = 0; session && i < session->command_count; i++) {
        const struct live *task = live_find(s->live, session->commands[i]);
        struct live_run run = { 0 };
        if (task && task->state == LIVE_RUNNING && task->flags & (LIVE_CANCEL_ASKED | LIVE_OVERDUE))
            run = live_run_of(s->live, task);
        if (run.fence == 0 || run.session != session->number)
            continue;
        char fence[SHARD_NUMBER_MAX];
        shard_number_format(s, run.fence, fence);
        session->commands[kept++] = task->id;
        json_begin_object(w);
        json_key_c(w, "kind");
        json_write_string(w, STR("cancel"));
        json_put_id(w, "task", task->id);
        json_key_c(w, "fence");
        json_write_string(w, str_of_c(fence));
        json_key_c(w, "reason");
        json_write_string(w, task->flags & LIVE_CANCEL_ASKED ? STR("cancelled") : STR("timeout"));
        json_end_object(w);
    }
    if (session)
        session->command_count = kept;
    json_end_array(w);
}

void session_put_mode(struct json_writer *w, const struct worker *worker)
{
    json_key_c(w, "mode");
    json_write_string(w, worker->is_draining ? STR("quiet") : STR("run"));
}

/* ── a session begins ── */

struct opening {
    struct worker *w;
    struct http_request *r;
    struct intent intent;
    struct session_new wanted;
    char secret[BASE64URL_LEN(SECRET_BYTES) + 1];
};

static void apply_open(struct intent *intent, struct batch *b)
{
    session_open(b, &container_of(intent, struct opening, intent)->wanted);
}

static void open_done(struct intent *intent, const struct err *err)
{
    struct opening *o = container_of(intent, struct opening, intent);
    if (err) {
        door_fail(o->r, err);
        return;
    }
    struct json_writer w = json_writer_to(o->r->out);
    log_info("session.opened", "worker=%s actor=%s", log_quote(o->wanted.worker),
             log_quote(http_header(o->r, STR("Windlass-Actor"))));
    json_begin_object(&w);
    json_put_id(&w, "session", o->wanted.id);
    json_key_c(&w, "secret");
    json_write_string(&w, str_of_c(o->secret));
    json_key_c(&w, "ttl_ms");
    json_write_i64(&w, o->wanted.ttl_ms);
    json_key_c(&w, "heartbeat_ms");
    json_write_i64(&w, o->wanted.ttl_ms / BEATS_IN_TTL);
    json_key_c(&w, "server_time_us");
    json_write_i64(&w, clock_wall_us());
    json_put_number(&w, "epoch", o->w->shard.epoch);
    json_end_object(&w);
    door_answer(o->r);
}

static bool read_types(struct opening *o, const struct json_value *types, struct err *e)
{
    static const char *const members[] = { "slots", "schema", NULL };
    if (!types || types->type != JSON_OBJECT || types->member_count == 0)
        return err_set(e, ERR_INVALID, "types: names no task type");
    if (types->member_count > SESSION_TYPES_MAX)
        return err_set(e, ERR_LIMIT, "types: are more than %d", SESSION_TYPES_MAX);
    o->wanted.types = arena_new_array(o->r->arena, types->member_count, struct session_type);
    for (size_t i = 0; i < types->member_count; i++) {
        const struct json_member *m = &types->members[i];
        char at[80];
        snprintf(at, sizeof at, "types.%.*s.", STR_FMT(str_first(m->key, 64)));
        struct session_type *type = &o->wanted.types[i];
        int64_t slots = 1;
        if (m->key.len == 0 || m->key.len > TYPE_NAME_MAX)
            return err_set(e, ERR_INVALID, "types: a name is empty or longer than %d bytes",
                           TYPE_NAME_MAX);
        if (m->value.type != JSON_OBJECT && m->value.type != JSON_NULL)
            return err_set(e, ERR_INVALID, "types.%.*s: is no object",
                           STR_FMT(str_first(m->key, 64)));
        if (!json_only(&m->value, at, members, e))
            return false;
        door_int(&m->value, at, "slots", 1, SESSION_SLOTS_MAX, &slots, e);
        if (door_is_bad(e) || !session_schema_read(&m->value, m->key, &type->schema, e) ||
            !shard_type_of(&o->w->shard, m->key, &type->type, e))
            return false;
        type->slots = (uint32_t)slots;
    }
    o->wanted.type_count = types->member_count;
    o->wanted.types_json = door_json_text(o->r->arena, types);
    return true;
}

static bool read_session(struct opening *o, const struct json_value *body, struct err *e)
{
    static const char *const members[] = { "worker", "host", "version", "types", "ttl_ms", NULL };
    struct session_new *s = &o->wanted;
    s->ttl_ms = o->w->shard.options.session_ttl_us / CLOCK_MS;
    s->worker = s->host = s->version = STR("");
    if (!json_only(body, "", members, e))
        return false;
    door_text(body, "", "worker", SESSION_TEXT_MAX, &s->worker, e);
    if (!door_is_bad(e))
        door_text(body, "", "host", SESSION_TEXT_MAX, &s->host, e);
    if (!door_is_bad(e))
        door_text(body, "", "version", SESSION_TEXT_MAX, &s->version, e);
    if (!door_is_bad(e))
        door_int(body, "", "ttl_ms", SESSION_TTL_MIN_MS, SESSION_TTL_MAX_MS, &s->ttl_ms, e);
    return !door_is_bad(e) && read_types(o, json_get_c(body, "types"), e);
}

void session_door(void *owner, struct http_request *r)
{
    struct worker *w = owner;
    const struct json_value *body;
    struct err e = { 0 };
    uint8_t secret[SECRET_BYTES];
    if (!door_open(w, r, DOOR_RUNNER | DOOR_GATEWAY) || !(body = door_body(r)))
        return;
    struct opening *o = arena_new(r->arena, struct opening);
    *o = (struct opening){ .w = w,
                           .r = r,
                           .intent = { .apply = apply_open, .done = open_done },
                           .wanted = { .id = uuid_v7() } };
    random_bytes(secret, sizeof secret);
    base64url_encode(str_of((const char *)secret, sizeof secret), o->secret);
    session_hash(str_of_c(o->secret), token_id_of(r), o->wanted.secret_hash);
    if (!read_session(o, body, &e) || !shard_submit(&w->shard, &o->intent, &e))
        door_fail(r, &e);
}

void session_delete_door(void *owner, struct http_request *r)
{
    struct worker *w = owner;
    struct uuid id;
    struct str verb, release;
    struct err e = { 0 };
    if (!door_open(w, r, DOOR_RUNNER | DOOR_GATEWAY) || !door_path_id(r, &id, &verb))
        return;
    struct session *session = session_find(w->shard.sessions, id);
    struct str secret = http_header(r, STR("Windlass-Session-Secret"));
    if (!session || !session_is_secret(session, secret, token_id_of(r))) {
        err_set(&e, ERR_NOT_FOUND, "there is no such session");
        door_fail(r, &e);
        return;
    }
    bool is_release = http_query(r, STR("release"), &release) && str_eq_c(release, "true");
    session_end(w->shard.sessions, session, is_release);
    buf_put_c(r->out, "{}");
    door_answer(r);
}
