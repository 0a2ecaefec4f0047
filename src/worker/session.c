#include "worker/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/rows.h"
#include "json/json.h"
#include "store/queue/batch_sql.h"
#include "worker/batch_priv.h"
#include "worker/logrow.h"

enum { CLOCK_MAX_MS = 1'000, COMMANDS_FIRST = 8, TYPES_BYTES = 1 << 20 };

struct session_set {
    struct shard *s;
    struct list all, parked;
    struct map *by_id, *by_number; /* keys: the bytes of either */
    size_t count, parked_count;
    uint32_t last_number;
    struct io_timer *clock;
    int64_t clock_us; /* monotonic: when it rings, while it runs */
};

static struct str key_of(const struct uuid *id)
{
    return str_of((const char *)id->bytes, sizeof id->bytes);
}

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

static struct session *add(struct session_set *set, uint32_t number, struct uuid id,
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
    (void)map_put(set->by_id, key_of(&session->id), session);
    (void)map_put(set->by_number, number_key(&session->number), session);
    set->count++;
    set->last_number = max_of(set->last_number, number);
    return session;
}

static void drop(struct session_set *set, struct session *session)
{
    list_each (node, &set->parked) {
        struct lease_wait *wait = container_of(node, struct lease_wait, node);
        if (wait->session != session)
            continue;
        session_unpark(wait);
        wait->session = NULL;
        wait->wake(wait);
    }
    (void)map_remove(set->by_id, key_of(&session->id));
    (void)map_remove(set->by_number, number_key(&session->number));
    set->count--;
    session_free(session);
}

struct session *session_find(const struct session_set *set, struct uuid id)
{
    struct session *session = map_get(set->by_id, key_of(&id));
    return session && !session->is_ending ? session : NULL;
}

struct session *session_by_number(const struct session_set *set, uint32_t number)
{
    return map_get(set->by_number, number_key(&number));
}

bool session_is_secret(const struct session *session, struct str secret)
{
    uint8_t hash[SHA256_LEN];
    sha256(secret, hash);
    return str_eq_secret(str_of((const char *)hash, SHA256_LEN),
                         str_of((const char *)session->secret_hash, SHA256_LEN));
}

static void extend(struct session *session)
{
    session->expires_us = clock_mono_us() + session->ttl_ms * CLOCK_MS;
}

void session_touch(struct session_set *set, struct session *session)
{
    (void)set;
    session->seen_us = clock_wall_us();
    extend(session);
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

static struct session_type *slot_of(struct session *session, uint32_t type)
{
    for (size_t i = 0; i < session->type_count; i++)
        if (session->types[i].type == type)
            return &session->types[i];
    return NULL;
}

/* ── opening and ending ── */

struct session_rows {
    struct session **opened;
    const struct session_new **wanted;
    size_t opened_count, opened_capacity;
    int64_t *ended;
    size_t ended_count, ended_capacity;
};

static struct str hex_of(struct arena *a, const uint8_t *bytes, size_t len)
{
    char *text = arena_alloc(a, len * 2 + 1);
    for (size_t i = 0; i < len; i++)
        snprintf(text + i * 2, 3, "%02x", bytes[i]);
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
    drop(s->sessions, data);
}

void session_open(struct batch *b, const struct session_new *wanted)
{
    struct session_set *set = b->s->sessions;
    struct session_rows *rows = batch_section(b, &session_section);
    struct session *session = add(set, set->last_number + 1, wanted->id, wanted->worker,
                                  wanted->host, wanted->type_count);
    memcpy(session->secret_hash, wanted->secret_hash, SHA256_LEN);
    memcpy(session->types, wanted->types, wanted->type_count * sizeof *wanted->types);
    session->ttl_ms = wanted->ttl_ms;
    session->began_us = b->at_us;
    session_touch(set, session);
    batch_on_undo(b, unopen, session);
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
    drop(s->sessions, data);
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
        if (live_running_at(s->live, i)->session == session->number)
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

/* ── what may run where ── */

static bool has_slot(const struct session_type *t)
{
    return t->used < t->slots;
}

/* The first of those that crashed, and of the others, over the session's types. */
static struct live *best_of(const struct shard *s, const struct session *session, bool crashed)
{
    struct live *best = NULL;
    for (size_t i = 0; i < session->type_count; i++) {
        struct live *task = has_slot(&session->types[i])
                                ? live_first_ready(s->live, session->types[i].type, crashed)
                                : NULL;
        if (task && (!best || live_is_before(task, best)))
            best = task;
    }
    return best;
}

/*
 * One that crashed runs alone: in an empty session, or in one that is held back until it is empty
 * when it has waited for long enough.
 */
static struct live *pick(const struct shard *s, const struct session *session, int64_t now_us)
{
    if (session->is_alone || session->is_ending)
        return NULL;
    struct live *task = best_of(s, session, false), *crashed = best_of(s, session, true);
    if (!crashed)
        return task;
    bool is_first = !task || live_is_before(crashed, task);
    if (session->leases == 0)
        return is_first || crashed->at_us + SESSION_ALONE_PATIENCE_US <= now_us ? crashed : task;
    return crashed->at_us + SESSION_ALONE_PATIENCE_US <= now_us ? NULL : task;
}

struct moved {
    struct session *session;
    uint32_t type;
    bool was_alone;
};

static void untake(struct shard *s, void *data)
{
    const struct moved *m = data;
    (void)s;
    struct session_type *slot = slot_of(m->session, m->type);
    m->session->leases--;
    m->session->is_alone = m->was_alone;
    if (slot)
        slot->used--;
}

static void unreturn(struct shard *s, void *data)
{
    const struct moved *m = data;
    (void)s;
    struct session_type *slot = slot_of(m->session, m->type);
    m->session->leases++;
    m->session->is_alone = m->was_alone;
    if (slot)
        slot->used++;
}

static struct moved *remember(struct batch *b, struct session *session, uint32_t type)
{
    struct moved *m = arena_new(b->a, struct moved);
    *m = (struct moved){ .session = session, .type = type, .was_alone = session->is_alone };
    return m;
}

struct live *session_claim(struct batch *b, struct session *session)
{
    struct live *task = pick(b->s, session, b->at_us);
    if (!task)
        return NULL;
    batch_on_undo(b, untake, remember(b, session, task->type));
    session->leases++;
    session->is_alone = task->crashes > 0;
    struct session_type *slot = slot_of(session, task->type);
    assert(slot); /* it was picked for its type */
    slot->used++;
    change_start(b, task, session->number);
    return task;
}

void session_give_back(struct batch *b, const struct live *task)
{
    struct session *session = session_by_number(b->s->sessions, task->session);
    if (!session)
        return;
    struct session_type *slot = slot_of(session, task->type);
    batch_on_undo(b, unreturn, remember(b, session, task->type));
    session->leases--;
    session->is_alone = false;
    if (slot)
        slot->used--;
}

/* ── waiting ── */

void session_park(struct session_set *set, struct lease_wait *wait)
{
    assert(!wait->is_parked);
    wait->is_parked = true;
    wait->set = set;
    list_push(&set->parked, &wait->node);
    set->parked_count++;
    session_set_clock(set);
}

void session_unpark(struct lease_wait *wait)
{
    if (!wait->is_parked)
        return;
    wait->is_parked = false;
    list_remove(&wait->node);
    wait->set->parked_count--;
}

bool session_set_can_claim(const struct session_set *set)
{
    if (live_ready_count(set->s->live) == 0)
        return false;
    int64_t now_us = clock_wall_us();
    list_each (node, &set->parked) {
        const struct lease_wait *wait = container_of(node, struct lease_wait, node);
        if (pick(set->s, wait->session, now_us))
            return true;
    }
    return false;
}

void session_set_claim(struct session_set *set, struct batch *b)
{
    list_each (node, &set->parked) {
        struct lease_wait *wait = container_of(node, struct lease_wait, node);
        if (live_ready_count(set->s->live) == 0 || batch_size(b) >= set->s->options.batch_max)
            break;
        if (!pick(set->s, wait->session, b->at_us))
            continue;
        session_unpark(wait);
        wait->intent.tries = 0;
        batch_apply(b, &wait->intent);
    }
}

void session_command(struct session_set *set, const struct live *task)
{
    struct session *session = session_by_number(set, task->session);
    if (!session)
        return;
    if (session->command_count == session->command_capacity) {
        session->command_capacity =
            session->command_capacity ? session->command_capacity * 2 : COMMANDS_FIRST;
        session->commands =
            mem_resize(session->commands, session->command_capacity, sizeof *session->commands);
    }
    session->commands[session->command_count++] = task->id;
    list_each (node, &set->parked) {
        struct lease_wait *wait = container_of(node, struct lease_wait, node);
        if (wait->session != session)
            continue;
        session_unpark(wait);
        wait->wake(wait);
        break;
    }
}

/* ── the clock ── */

struct timing_out {
    struct intent intent;
    struct shard *s;
    struct uuid task;
    int64_t fence;
};

static void apply_time_out(struct intent *intent, struct batch *b)
{
    const struct timing_out *t = container_of(intent, struct timing_out, intent);
    struct live *task = live_find(b->s->live, t->task);
    if (task && task->state == LIVE_RUNNING && task->fence == t->fence)
        lease_timed_out(b, task);
}

/* Refused: the clock shall see it again. */
static void time_out_done(struct intent *intent, const struct err *err)
{
    struct timing_out *t = container_of(intent, struct timing_out, intent);
    struct live *task = err ? live_find(t->s->live, t->task) : NULL;
    if (task && task->state == LIVE_RUNNING && task->fence == t->fence) {
        live_lift(t->s->live, task);
        task->flags &= (uint8_t)~LIVE_ENDING;
        live_place(t->s->live, task, clock_wall_us());
    }
    mem_free(t);
}

static void time_out(struct shard *s, struct live *task)
{
    struct err e;
    struct timing_out *t = mem_new(struct timing_out);
    *t = (struct timing_out){ .intent = { .apply = apply_time_out, .done = time_out_done },
                              .s = s,
                              .task = task->id,
                              .fence = task->fence };
    if (!shard_submit(s, &t->intent, &e))
        time_out_done(&t->intent, &e);
}

/* One that is past its deadline is told to stop, and ended a while later. */
static void look_at_deadlines(struct session_set *set)
{
    enum { AT_ONCE_MAX = 1'000 };
    struct shard *s = set->s;
    int64_t now_us = clock_wall_us();
    for (size_t i = 0; i < AT_ONCE_MAX; i++) {
        struct live *task = live_first_deadline(s->live);
        if (!task || live_deadline_us(task) > now_us)
            return;
        bool is_told = task->flags & LIVE_OVERDUE;
        live_lift(s->live, task);
        task->flags |= is_told ? LIVE_ENDING : LIVE_OVERDUE;
        live_place(s->live, task, now_us);
        if (is_told)
            time_out(s, task);
        else
            session_command(set, task);
    }
}

static void expire(struct session_set *set)
{
    int64_t now_us = clock_mono_us();
    list_each (node, &set->all) {
        struct session *session = container_of(node, struct session, node);
        if (session->expires_us > now_us || session->is_ending)
            continue;
        log_warn("session.expired", "worker=%s leases=%u", log_quote(session->worker),
                 session->leases);
        session_end(set, session, false);
    }
}

static void wake_late(struct session_set *set)
{
    int64_t now_us = clock_mono_us();
    list_each (node, &set->parked) {
        struct lease_wait *wait = container_of(node, struct lease_wait, node);
        if (wait->until_us > now_us)
            continue;
        session_unpark(wait);
        wait->wake(wait);
    }
}

void session_set_wake_all(struct session_set *set)
{
    list_each (node, &set->parked) {
        struct lease_wait *wait = container_of(node, struct lease_wait, node);
        session_unpark(wait);
        wait->wake(wait);
    }
}

static int64_t sooner(int64_t a_us, int64_t b_us)
{
    return min_of(a_us, b_us);
}

/* How long until something is due, at most CLOCK_MAX_MS. */
static int64_t next_ms(const struct session_set *set)
{
    const struct shard *s = set->s;
    int64_t wall_us = clock_wall_us(), mono_us = clock_mono_us();
    int64_t left_us = CLOCK_MAX_MS * CLOCK_MS;
    const struct live *due = live_first_due(s->live), *end = live_first_deadline(s->live);
    if (due && set->parked_count > 0)
        left_us = sooner(left_us, due->at_us - wall_us);
    if (end)
        left_us = sooner(left_us, live_deadline_us(end) - wall_us);
    list_each (node, &set->parked)
        left_us = sooner(left_us, container_of(node, struct lease_wait, node)->until_us - mono_us);
    return max_of((left_us + CLOCK_MS - 1) / CLOCK_MS, (int64_t)1);
}

void session_set_clock(struct session_set *set)
{
    int64_t delay_ms = next_ms(set);
    int64_t at_us = clock_mono_us() + delay_ms * CLOCK_MS;
    if (io_timer_is_running(set->clock) && set->clock_us <= at_us)
        return;
    set->clock_us = at_us;
    io_timer_start(set->clock, delay_ms);
}

static void on_clock(void *owner)
{
    struct session_set *set = owner;
    struct shard *s = set->s;
    wake_late(set);
    if (shard_is_leading(s)) {
        live_ripen(s->live, clock_wall_us());
        look_at_deadlines(set);
        expire(set);
        shard_wake(s);
    }
    session_set_clock(set);
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
    set->clock = io_timer_create(s->loop, on_clock, set);
    return set;
}

void session_set_clear(struct session_set *set)
{
    while (!list_is_empty(&set->all))
        drop(set, container_of(set->all.next, struct session, node));
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
    mem_free(set);
}

static size_t read_types(const struct shard *s, const struct json_value *types,
                         struct session_type *ret_types)
{
    size_t count = 0;
    for (size_t i = 0; types->type == JSON_OBJECT && i < types->member_count; i++) {
        int64_t slots = 0;
        uint32_t type;
        const struct json_value *value = json_get_c(&types->members[i].value, "slots");
        if (!value || !json_to_i64(value, &slots) ||
            !shard_find_type(s, types->members[i].key, &type))
            continue;
        ret_types[count++] = (struct session_type){ .type = type, .slots = (uint32_t)slots };
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
        add(set, (uint32_t)db_rows_i64(rows, row, 0), db_rows_uuid(rows, row, 1),
            db_rows_text(rows, row, 3), db_rows_text(rows, row, 6), room);
    struct str hash = bytes_of_hex(a, db_rows_text(rows, row, 2));
    memcpy(session->secret_hash, hash.ptr, min_of(hash.len, (size_t)SHA256_LEN));
    session->ttl_ms = db_rows_i64(rows, row, 5);
    session->began_us = session->seen_us = db_rows_time(rows, row, 7);
    session->type_count = read_types(set->s, types, session->types);
}

/* The session of its lease is not known any more: it returns. */
static void apply_orphan(struct intent *intent, struct batch *b)
{
    const struct timing_out *t = container_of(intent, struct timing_out, intent);
    struct live *task = live_find(b->s->live, t->task);
    if (task && task->state == LIVE_RUNNING && task->fence == t->fence)
        lease_lost(b, task);
}

static void return_orphan(struct shard *s, const struct live *task)
{
    struct err e;
    struct timing_out *t = mem_new(struct timing_out);
    *t = (struct timing_out){ .intent = { .apply = apply_orphan, .done = time_out_done },
                              .s = s,
                              .task = task->id,
                              .fence = task->fence };
    if (!shard_submit(s, &t->intent, &e))
        time_out_done(&t->intent, &e);
}

void session_set_start(struct session_set *set)
{
    struct shard *s = set->s;
    for (size_t i = 0; i < live_running_count(s->live); i++) {
        const struct live *task = live_running_at(s->live, i);
        struct session *session = session_by_number(set, task->session);
        if (!session) {
            return_orphan(s, task);
            continue;
        }
        struct session_type *slot = slot_of(session, task->type);
        session->leases++;
        session->is_alone = session->is_alone || task->crashes > 0;
        if (slot)
            slot->used++;
        if (task->flags & LIVE_CANCEL_ASKED)
            session_command(set, task);
    }
    list_each (node, &set->all)
        extend(container_of(node, struct session, node));
    session_set_clock(set);
}
