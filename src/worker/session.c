#include "worker/session_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/rows.h"
#include "json/json.h"
#include "worker/logrow.h"
#include "worker/session_schemas.h"

enum { TYPES_BYTES = 1 << 20 };

static struct str number_key(const uint32_t *number)
{
    return str_of((const char *)number, sizeof *number);
}

/* ── the set ── */

static void session_free(struct session *session)
{
    list_remove(&session->node);
    mem_free((void *)(uintptr_t)session->worker.ptr);
    mem_free((void *)(uintptr_t)session->host.ptr);
    mem_free(session->types);
    mem_free(session->commands);
    mem_free(session);
}

struct session *session_add(struct session_set *set, uint32_t number, struct uuid id,
                            struct str worker, struct str host, size_t type_count)
{
    struct session *session = mem_new(struct session);
    session->number = number;
    session->id = id;
    session->worker = str_of(mem_cstr(worker), worker.len);
    session->host = str_of(mem_cstr(host), host.len);
    session->types = mem_zalloc(max_of(type_count, (size_t)1), sizeof *session->types);
    session->type_count = type_count;
    list_push(&set->all, &session->node);
    (void)map_put(set->by_id, uuid_bytes(&session->id), session);
    (void)map_put(set->by_number, number_key(&session->number), session);
    set->count++;
    set->last_number = max_of(set->last_number, number);
    return session;
}

void session_drop(struct session_set *set, struct session *session)
{
    list_each (node, &set->parked) {
        struct lease_wait *wait = container_of(node, struct lease_wait, node);
        if (wait->session != session)
            continue;
        session_unpark(wait);
        wait->session = NULL;
        wait->wake(wait);
    }
    session_schemas_remove(set->schemas, session->types, session->type_count);
    (void)map_remove(set->by_id, uuid_bytes(&session->id));
    (void)map_remove(set->by_number, number_key(&session->number));
    set->count--;
    session_free(session);
}

struct session *session_find(const struct session_set *set, struct uuid id)
{
    struct session *session = map_get(set->by_id, uuid_bytes(&id));
    return session && !session->is_ending ? session : NULL;
}

struct session *session_by_number(const struct session_set *set, uint32_t number)
{
    return map_get(set->by_number, number_key(&number));
}

void session_hash(struct str secret, struct str token_id, uint8_t ret_hash[SHA256_LEN])
{
    struct buf both;
    buf_init(&both, 0);
    buf_put_str(&both, secret);
    if (token_id.len > 0)
        buf_put_char(&both, ' '); /* no secret holds one */
    buf_put_str(&both, token_id);
    sha256(buf_str(&both), ret_hash);
    buf_clear(&both);
}

bool session_is_secret(const struct session *session, struct str secret, struct str token_id)
{
    uint8_t hash[SHA256_LEN];
    session_hash(secret, token_id, hash);
    return str_eq_secret(str_of((const char *)hash, SHA256_LEN),
                         str_of((const char *)session->secret_hash, SHA256_LEN));
}

void session_extend(struct session *session)
{
    session->expires_us = clock_mono_us() + session->ttl_ms * CLOCK_MS;
}

void session_touch(struct session *session)
{
    session->seen_us = clock_wall_us();
    session_extend(session);
}

size_t session_set_count(const struct session_set *set)
{
    return set->count;
}

const struct session *session_next(const struct session_set *set, const struct session *session)
{
    struct list *node = session != NULL ? session->node.next : set->all.next;
    for (; node != &set->all; node = node->next) {
        const struct session *next = container_of(node, struct session, node);
        if (!next->is_ending)
            return next;
    }
    return NULL;
}

size_t session_set_waiting(const struct session_set *set)
{
    return set->parked_count;
}

struct session_type *session_slot_of(struct session *session, uint32_t type)
{
    for (size_t i = 0; i < session->type_count; i++)
        if (session->types[i].type == type)
            return &session->types[i];
    return NULL;
}

size_t session_set_slots(const struct session_set *set, uint32_t type, uint32_t *ret_slots,
                         uint32_t *ret_used)
{
    size_t count = 0;
    *ret_slots = *ret_used = 0;
    list_each (node, &set->all) {
        struct session *session = container_of(node, struct session, node);
        const struct session_type *slot =
            session->is_ending ? NULL : session_slot_of(session, type);
        if (!slot || slot->is_quiet)
            continue;
        count++;
        *ret_slots += slot->slots;
        *ret_used += slot->used;
    }
    return count;
}

/* ── life ── */

struct session_set *session_set_create(struct shard *s)
{
    struct session_set *set = mem_new(struct session_set);
    set->s = s;
    list_init(&set->all);
    list_init(&set->parked);
    set->by_id = map_create();
    set->by_number = map_create();
    set->schemas = session_schemas_create();
    set->clock = io_timer_create(s->loop, session_on_clock, set);
    return set;
}

void session_set_clear(struct session_set *set)
{
    while (!list_is_empty(&set->all))
        session_drop(set, container_of(set->all.next, struct session, node));
    session_schemas_clear(set->schemas);
    set->last_number = 0;
}

void session_set_destroy(struct session_set *set)
{
    if (!set)
        return;
    session_set_clear(set);
    io_timer_destroy(set->clock);
    map_destroy(set->by_id);
    map_destroy(set->by_number);
    session_schemas_destroy(set->schemas);
    mem_free(set);
}

static size_t read_types(const struct shard *s, const struct json_value *types,
                         struct session_type *ret_types)
{
    size_t count = 0;
    for (size_t i = 0; types->type == JSON_OBJECT && i < types->member_count; i++) {
        int64_t slots = 0;
        uint32_t type;
        struct err ignored; /* it was read before it was stored */
        const struct json_value *value = json_get_c(&types->members[i].value, "slots");
        if (!value || !json_to_i64(value, &slots) ||
            !shard_find_type(s, types->members[i].key, &type))
            continue;
        ret_types[count] = (struct session_type){ .type = type, .slots = (uint32_t)slots };
        (void)session_schema_read(&types->members[i].value, types->members[i].key,
                                  &ret_types[count++].schema, &ignored);
    }
    return count;
}

void session_set_load(struct session_set *set, const struct db_rows *rows, size_t row)
{
    scoped(arena_destroyp) struct arena *a = arena_create(TYPES_BYTES);
    const struct json_value *types;
    struct err e;
    if (!json_parse(a, db_rows_text(rows, row, 4), &types, &e)) {
        log_error("session.unreadable", "error=%s", log_quote(str_of_c(err_text(&e))));
        return;
    }
    size_t room = types->type == JSON_OBJECT ? types->member_count : 0;
    struct session *session =
        session_add(set, (uint32_t)db_rows_i64(rows, row, 0), db_rows_uuid(rows, row, 1),
                    db_rows_text(rows, row, 3), db_rows_text(rows, row, 6), room);
    struct str hash = bytes_of_hex(a, db_rows_text(rows, row, 2));
    memcpy(session->secret_hash, hash.ptr, min_of(hash.len, (size_t)SHA256_LEN));
    session->ttl_ms = db_rows_i64(rows, row, 5);
    session->began_us = session->seen_us = db_rows_time(rows, row, 7);
    session->type_count = read_types(set->s, types, session->types);
    session_schemas_add(set->schemas, session->types, session->type_count);
}

void session_set_start(struct session_set *set)
{
    struct shard *s = set->s;
    for (size_t i = 0; i < live_running_count(s->live); i++) {
        const struct live *task = live_running_at(s->live, i);
        struct session *session = session_by_number(set, live_run_of(s->live, task).session);
        if (!session) {
            session_return_orphan(s, task);
            continue;
        }
        struct session_type *slot = session_slot_of(session, live_type_of(s->live, task));
        session->leases++;
        session->is_alone = session->is_alone || task->crashes > 0;
        if (slot)
            slot->used++;
        if (task->flags & LIVE_CANCEL_ASKED)
            session_command(set, task);
    }
    list_each (node, &set->all)
        session_extend(container_of(node, struct session, node));
    session_set_clock(set);
}
