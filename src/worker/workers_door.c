/*
 * workers_door: who of the executors is connected, and what they can run together.
 * Source: docs/protocol.md "Leases".
 */
#include <stdlib.h>

#include "worker/door.h"
#include "worker/session.h"
#include "worker/worker_priv.h"

enum { LIMIT_DEFAULT = 1'000, LIMIT_MAX = 1'000, LISTED_BYTES_MAX = 1 << 20 };

static void put_session(struct json_writer *w, const struct shard *s, const struct session *session)
{
    int64_t slots = 0;
    json_begin_object(w);
    json_put_id(w, "session", session->id);
    json_key_c(w, "worker");
    json_write_string(w, session->worker);
    json_key_c(w, "host");
    json_write_string(w, session->host);
    json_key_c(w, "types");
    json_begin_array(w);
    for (size_t i = 0; i < session->type_count; i++) {
        json_write_string(w, s->types[session->types[i].type].name);
        slots += session->types[i].slots;
    }
    json_end_array(w);
    json_key_c(w, "running");
    json_write_i64(w, session->leases);
    json_key_c(w, "slots");
    json_write_i64(w, slots);
    json_key_c(w, "began_at_us");
    json_write_i64(w, session->began_us);
    json_key_c(w, "seen_at_us");
    json_write_i64(w, session->seen_us);
    json_end_object(w);
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Those that some session runs. */
static void put_types(struct json_writer *w, struct arena *a, const struct shard *s,
                      const bool *is_run)
{
    struct str *names = arena_new_array(a, s->type_count, struct str);
    size_t count = 0;
    for (size_t i = 0; i < s->type_count; i++)
        if (is_run[i])
            names[count++] = s->types[i].name;
    qsort(names, count, sizeof *names, by_name);
    json_key_c(w, "task_types");
    json_begin_array(w);
    for (size_t i = 0; i < count; i++)
        json_write_string(w, names[i]);
    json_end_array(w);
}

static void answer(const struct shard *s, struct http_request *r, int64_t limit)
{
    struct json_writer w = json_writer_to(r->out);
    bool *is_run = arena_new_array(r->arena, s->type_count, bool);
    int64_t count = 0;
    json_begin_object(&w);
    json_key_c(&w, "workers");
    json_begin_array(&w);
    for (const struct session *session = session_next(s->sessions, NULL); session != NULL;
         session = session_next(s->sessions, session)) {
        if (count++ < limit && buf_str(r->out).len < LISTED_BYTES_MAX)
            put_session(&w, s, session);
        for (size_t i = 0; i < session->type_count; i++)
            is_run[session->types[i].type] = true;
    }
    json_end_array(&w);
    json_key_c(&w, "count");
    json_write_i64(&w, count);
    put_types(&w, r->arena, s, is_run);
    json_end_object(&w);
    door_answer(r);
}

void workers_door(void *owner, struct http_request *r)
{
    struct worker *w = owner;
    struct str text;
    int64_t limit = LIMIT_DEFAULT;
    struct err e;
    if (!door_open(w, r, DOOR_GATEWAY))
        return;
    if (http_query(r, STR("limit"), &text) &&
        (!str_to_i64(text, &limit) || limit < 1 || limit > LIMIT_MAX)) {
        err_set(&e, ERR_INVALID, "limit: is not within 1 and %d", LIMIT_MAX);
        door_fail(r, &e);
        return;
    }
    answer(&w->shard, r, limit);
}
