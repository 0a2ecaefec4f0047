/* How sessions begin and end: rows of a batch. */
#include "base/hex.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/queue/batch_sql.h"
#include "worker/batch_priv.h"
#include "worker/session_priv.h"
#include "worker/session_schemas.h"

struct session_rows {
    struct session **opened;
    const struct session_new **wanted;
    size_t opened_count, opened_capacity;
    int64_t *ended;
    size_t ended_count, ended_capacity;
};

static struct str hex_of(struct arena *a, const uint8_t *bytes, size_t len)
{
    char *text = arena_alloc(a, len * 2);
    hex_write(bytes, len, text);
    return str_of(text, len * 2);
}

static void session_steps(struct batch *b, void *data)
{
    const struct session_rows *rows = data;
    struct arena *a = b->a;
    size_t n = rows->opened_count;
    if (rows->ended_count > 0)
        batch_step(b, &batch_sessions_ended,
                   batch_sessions_ended_args(a, rows->ended, rows->ended_count));
    if (n == 0)
        return;
    int64_t *numbers = arena_new_array(a, n, int64_t), *ttls = arena_new_array(a, n, int64_t);
    struct uuid *ids = arena_new_array(a, n, struct uuid);
    struct str *texts = arena_new_array(a, n * 5, struct str);
    for (size_t i = 0; i < n; i++) {
        const struct session_new *w = rows->wanted[i];
        numbers[i] = rows->opened[i]->number;
        ids[i] = w->id;
        ttls[i] = w->ttl_ms;
        texts[i] = hex_of(a, w->secret_hash, SHA256_LEN);
        texts[n + i] = w->worker;
        texts[2 * n + i] = w->host;
        texts[3 * n + i] = w->version;
        texts[4 * n + i] = w->types_json;
    }
    batch_step(b, &batch_sessions,
               batch_sessions_args(a, numbers, n, ids, n, texts, n, texts + n, n, texts + 2 * n, n,
                                   texts + 3 * n, n, texts + 4 * n, n, ttls, n, b->at_us));
}

static const struct batch_section_kind session_section = { "sessions", sizeof(struct session_rows),
                                                           session_steps };

static void *grow(struct arena *a, const void *items, size_t count, size_t *capacity, size_t size)
{
    *capacity = *capacity ? *capacity * 2 : 8;
    void *grown = arena_array(a, *capacity, size);
    if (count > 0)
        memcpy(grown, items, count * size);
    return grown;
}

static void unopen(struct shard *s, void *data)
{
    session_drop(s->sessions, data);
}

static void opened(struct shard *s, void *data)
{
    session_touch(data);
    session_set_clock(s->sessions);
}

void session_open(struct batch *b, const struct session_new *wanted)
{
    struct session_set *set = b->s->sessions;
    struct session_rows *rows = batch_section(b, &session_section);
    struct session *session = session_add(set, set->last_number + 1, wanted->id, wanted->worker,
                                          wanted->host, wanted->type_count);
    memcpy(session->secret_hash, wanted->secret_hash, SHA256_LEN);
    memcpy(session->types, wanted->types, wanted->type_count * sizeof *wanted->types);
    session_schemas_add(set->schemas, session->types, session->type_count);
    session->ttl_ms = wanted->ttl_ms;
    session->began_us = b->at_us;
    session->seen_us = b->at_us;
    session->expires_us = INT64_MAX; /* not before it is certain that there is one */
    batch_on_undo(b, unopen, session);
    batch_on_commit(b, opened, session);
    if (rows->opened_count == rows->opened_capacity) {
        size_t capacity = rows->opened_capacity;
        rows->wanted =
            grow(b->a, rows->wanted, rows->opened_count, &capacity, sizeof(struct session_new *));
        rows->opened = grow(b->a, rows->opened, rows->opened_count, &rows->opened_capacity,
                            sizeof(struct session *));
    }
    rows->wanted[rows->opened_count] = wanted;
    rows->opened[rows->opened_count++] = session;
    change_none(b);
}

struct ending {
    struct intent intent;
    struct session_set *set;
    struct session *session;
    bool is_release;
};

static void gone(struct shard *s, void *data)
{
    session_drop(s->sessions, data);
}

static void apply_end(struct intent *intent, struct batch *b)
{
    const struct ending *ending = container_of(intent, struct ending, intent);
    struct shard *s = b->s;
    struct session *session = ending->session;
    struct session_rows *rows = batch_section(b, &session_section);
    if (rows->ended_count == rows->ended_capacity)
        rows->ended =
            grow(b->a, rows->ended, rows->ended_count, &rows->ended_capacity, sizeof(int64_t));
    rows->ended[rows->ended_count++] = session->number;
    size_t n = 0;
    struct live **tasks = arena_new_array(b->a, session->leases, struct live *);
    for (size_t i = 0; i < live_running_count(s->live) && n < session->leases; i++)
        if (live_run_of(s->live, live_running_at(s->live, i)).session == session->number)
            tasks[n++] = live_running_at(s->live, i);
    for (size_t i = 0; i < n; i++) {
        if (ending->is_release)
            lease_return(b, tasks[i]);
        else
            lease_lost(b, tasks[i]);
    }
    change_none(b); /* it may have held nothing */
    batch_on_commit(b, gone, session);
}

static void end_done(struct intent *intent, const struct err *err)
{
    struct ending *ending = container_of(intent, struct ending, intent);
    if (err && err->code != ERR_UNAVAILABLE)
        log_error("session.not_ended", "error=%s", log_quote(str_of_c(err_text(err))));
    if (err && ending->set->s->role == SHARD_LEADING)
        ending->session->is_ending = false; /* the clock will try again */
    mem_free(ending);
}

void session_end(struct session_set *set, struct session *session, bool is_release)
{
    struct err e;
    if (session->is_ending)
        return;
    struct ending *ending = mem_new(struct ending);
    *ending = (struct ending){ .intent = { .apply = apply_end, .done = end_done },
                               .set = set,
                               .session = session,
                               .is_release = is_release };
    session->is_ending = true;
    if (shard_submit(set->s, &ending->intent, &e))
        return;
    session->is_ending = false;
    mem_free(ending);
}
