#include "gateway/credentials.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "io/timer.h"
#include "store/public/session.h"
#include "store/public/token.h"
#include "store/public/user.h"

enum {
    SEEN_EVERY_US = 60 * CLOCK_S, /* the grain of "last seen" */
    SEEN_FLUSH_MS = 5'000,
    SEEN_MAX = 500, /* ids in one write; further ones wait for their next use */
    SEEN_DEADLINE_US = 10 * CLOCK_S,
};

struct entry {
    uint8_t token_hash[SHA256_LEN]; /* the key */
    struct credentials *owner;
    struct list by_use;             /* in credentials.by_use */
    enum token_kind kind;           /* where to look */
    const struct credential *found; /* NULL: nothing known */
    int64_t checked_us;   /* monotonic: when the lookup that gave `found` began; 0: forgotten */
    int64_t seen_us;      /* wall: the last use that the database was told */
    struct list waiting;  /* struct credential_wait */
    struct arena *lookup; /* of the lookup that runs; NULL: none does */
    int64_t lookup_us;    /* when it began; 0: what it finds may be from before a change */
    struct db_request *request;
};

/* Uses that the database is to be told. */
struct seen {
    struct uuid ids[SEEN_MAX];
    size_t count;
};

struct credentials {
    struct credentials_options options;
    struct map *entries;
    struct list by_use; /* least recently used first */
    struct seen sessions, tokens, users;
    struct io_timer *flush;
    struct arena *flushing; /* of the write that runs; NULL: none does */
    struct db_request *flush_request;
    struct credentials_stats stats;
};

static_assert((int)ROLE_VIEWER == (int)USER_ROLE_VIEWER &&
                  (int)ROLE_OPERATOR == (int)USER_ROLE_OPERATOR &&
                  (int)ROLE_ADMIN == (int)USER_ROLE_ADMIN,
              "the database's roles count as auth's");
static_assert((int)SCOPE_API == (int)TOKEN_SCOPE_BIT(TOKEN_SCOPE_API) &&
                  (int)SCOPE_LEASE == (int)TOKEN_SCOPE_BIT(TOKEN_SCOPE_LEASE),
              "the database's scopes are auth's");

/* ── a credential: refcounted, in an arena of its own ── */

struct box {
    struct credential credential;
    struct arena *arena;
    unsigned refs;
};

static struct box *box_of(const struct credential *c)
{
    const struct box *box = (const struct box *)(const void *)c;
    return (struct box *)(uintptr_t)box;
}

void credential_ref(const struct credential *c)
{
    box_of(c)->refs++;
}

void credential_unref(const struct credential *c)
{
    if (c == NULL)
        return;
    struct box *box = box_of(c);
    assert(box->refs > 0);
    if (--box->refs == 0)
        arena_destroy(box->arena);
}

static struct credential *credential_create(struct arena **ret_arena)
{
    struct arena *a = arena_create(64 * 1024);
    struct box *box = arena_new(a, struct box);
    box->arena = a;
    box->refs = 1;
    *ret_arena = a;
    return &box->credential;
}

static const struct credential *credential_of_session(const struct db_rows *rows)
{
    struct session_found found;
    struct arena *a;
    if (!session_read(rows, &found))
        return NULL;
    struct credential *c = credential_create(&a);
    *c = (struct credential){ .kind = CREDENTIAL_SESSION,
                              .id = found.id,
                              .owner = { found.user_id, arena_copy(a, found.email) },
                              .grant = grant_of_session((enum role)found.role),
                              .expires_at_us = found.expires_at_us,
                              .seen_at_us = found.last_seen_at_us };
    return c;
}

static const struct credential *credential_of_token(const struct db_rows *rows,
                                                    struct arena *lookup)
{
    struct token_found found;
    struct arena *a;
    if (!token_read(rows, lookup, &found))
        return NULL;
    struct credential *c = credential_create(&a);
    struct str *task_types = arena_new_array(a, found.task_type_count, struct str);
    for (size_t i = 0; i < found.task_type_count; i++)
        task_types[i] = arena_copy(a, found.task_types[i]);
    *c = (struct credential){ .kind = CREDENTIAL_TOKEN,
                              .id = found.id,
                              .owner = { found.user_id, arena_copy(a, found.email) },
                              .grant =
                                  grant_now((struct grant){ (enum role)found.role, found.scopes },
                                            (enum role)found.owner_role),
                              .task_types = task_types,
                              .task_type_count = found.task_type_count,
                              .expires_at_us = found.expires_at_us,
                              .seen_at_us = found.last_used_at_us };
    return c;
}

/* ── entries ── */

static struct str key_of(const struct entry *entry)
{
    return str_of((const char *)entry->token_hash, SHA256_LEN);
}

static void entry_drop(struct entry *entry)
{
    assert(list_is_empty(&entry->waiting) && entry->lookup == NULL);
    map_remove(entry->owner->entries, key_of(entry));
    list_remove(&entry->by_use);
    credential_unref(entry->found);
    mem_free(entry);
}

/* Room for one more: the entry used longest ago that nobody waits for goes. */
static void make_room(struct credentials *cs)
{
    if (map_count(cs->entries) < cs->options.entries_max)
        return;
    list_each (node, &cs->by_use) {
        struct entry *entry = container_of(node, struct entry, by_use);
        if (entry->lookup != NULL)
            continue;
        entry_drop(entry);
        return;
    }
}

static struct entry *entry_of(struct credentials *cs, enum token_kind kind,
                              const uint8_t token_hash[SHA256_LEN])
{
    struct entry *entry = map_get(cs->entries, str_of((const char *)token_hash, SHA256_LEN));
    if (entry == NULL) {
        make_room(cs);
        entry = mem_new(struct entry);
        memcpy(entry->token_hash, token_hash, SHA256_LEN);
        entry->owner = cs;
        entry->kind = kind;
        list_init(&entry->by_use);
        list_init(&entry->waiting);
        map_put(cs->entries, key_of(entry), entry);
    }
    list_remove(&entry->by_use);
    list_push(&cs->by_use, &entry->by_use);
    return entry;
}

/* ── last seen ── */

static void seen_add(struct seen *seen, struct uuid id)
{
    if (seen->count < SEEN_MAX)
        seen->ids[seen->count++] = id;
}

static void note_use(struct entry *entry)
{
    struct credentials *cs = entry->owner;
    const struct credential *c = entry->found;
    int64_t now_us = clock_wall_us();
    if (now_us - entry->seen_us < SEEN_EVERY_US)
        return;
    entry->seen_us = now_us;
    seen_add(c->kind == CREDENTIAL_SESSION ? &cs->sessions : &cs->tokens, c->id);
    seen_add(&cs->users, c->owner.user_id);
}

static void flushed(void *owner, const struct db_reply *reply)
{
    struct credentials *cs = owner;
    if (reply->err != NULL) /* the next use tells it again, a minute later */
        log_debug("credentials.seen", "error=%s", log_quote(str_of_c(reply->err->message)));
    cs->flush_request = NULL;
    arena_destroy(take(cs->flushing));
}

static void flush_seen(void *owner)
{
    struct credentials *cs = owner;
    struct db_step steps[3];
    size_t count = 0;
    struct err e;
    if (cs->flushing != NULL || cs->users.count == 0)
        return;
    struct arena *a = cs->flushing = arena_create(1 << 20);
    if (cs->sessions.count > 0)
        steps[count++] =
            session_seen_step(a, cs->sessions.ids, cs->sessions.count, cs->options.slide_s);
    if (cs->tokens.count > 0)
        steps[count++] = token_used_step(a, cs->tokens.ids, cs->tokens.count);
    steps[count++] = user_seen_step(a, cs->users.ids, cs->users.count);
    cs->sessions.count = cs->tokens.count = cs->users.count = 0;
    const struct db_call call = { .lane = DB_LANE_WRITE,
                                  .steps = steps,
                                  .step_count = count,
                                  .deadline_us = clock_mono_us() + SEEN_DEADLINE_US,
                                  .is_idempotent = true,
                                  .fn = flushed,
                                  .owner = cs };
    if (!db_pool_call(cs->options.pool, &call, &cs->flush_request, &e)) {
        log_debug("credentials.seen", "error=%s", log_quote(str_of_c(e.message)));
        arena_destroy(take(cs->flushing));
    }
}

/* ── asking ── */

static bool is_fresh(const struct entry *entry)
{
    return entry->found != NULL && entry->checked_us > 0 &&
           io_loop_now_us(entry->owner->options.loop) - entry->checked_us <=
               entry->owner->options.ttl_us;
}

static const struct credential *unless_expired(const struct credential *c)
{
    return c != NULL && c->expires_at_us > clock_wall_us() ? c : NULL;
}

/* Each waiter may ask again or free itself within its call. */
static void answer_all(struct entry *entry, const struct err *e)
{
    struct list answered;
    const struct credential *c = e == NULL ? unless_expired(entry->found) : NULL;
    struct list *node;
    if (c != NULL) {
        note_use(entry);
        credential_ref(c);
    }
    list_init(&answered);
    while ((node = list_pop(&entry->waiting)) != NULL)
        list_push(&answered, node);
    if (entry->found == NULL)
        entry_drop(
            entry); /* what is no token is not remembered: a flood of guesses takes no room */
    while ((node = list_pop(&answered)) != NULL) {
        struct credential_wait *wait = container_of(node, struct credential_wait, waiting);
        wait->fn(wait->owner, c, e);
    }
    credential_unref(c);
}

static void lookup(struct entry *entry);

static void looked_up(void *owner, const struct db_reply *reply)
{
    struct entry *entry = owner;
    struct arena *a = take(entry->lookup);
    entry->request = NULL;
    if (reply->err != NULL) {
        struct err e = *reply->err;
        err_in(&e, "look up a credential");
        arena_destroy(a);
        answer_all(entry, &e);
        return;
    }
    credential_unref(entry->found);
    entry->found = entry->kind == TOKEN_SESSION ? credential_of_session(reply->rows[0])
                                                : credential_of_token(reply->rows[0], a);
    entry->checked_us = entry->lookup_us;
    if (entry->found != NULL)
        entry->seen_us = max_of(entry->seen_us, entry->found->seen_at_us);
    arena_destroy(a);
    if (entry->checked_us == 0 && !list_is_empty(&entry->waiting))
        lookup(entry);
    else
        answer_all(entry, NULL);
}

static void lookup(struct entry *entry)
{
    struct credentials *cs = entry->owner;
    struct arena *a = entry->lookup = arena_create(64 * 1024);
    struct db_step step = entry->kind == TOKEN_SESSION ? session_by_token_step(a, entry->token_hash)
                                                       : token_by_hash_step(a, entry->token_hash);
    int64_t deadline_us = 0;
    struct err e;
    list_each (node, &entry->waiting)
        deadline_us =
            max_of(deadline_us, container_of(node, struct credential_wait, waiting)->deadline_us);
    entry->lookup_us = io_loop_now_us(cs->options.loop);
    const struct db_call call = { .lane = DB_LANE_READ,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = deadline_us,
                                  .fn = looked_up,
                                  .owner = entry };
    cs->stats.lookups++;
    if (!db_pool_call(cs->options.pool, &call, &entry->request, &e)) {
        arena_destroy(take(entry->lookup));
        answer_all(entry, &e);
    }
}

void credentials_ask_digest(struct credentials *cs, enum token_kind kind,
                            const uint8_t token_hash[SHA256_LEN], struct credential_wait *wait)
{
    list_init(&wait->waiting);
    if (kind != TOKEN_SESSION && kind != TOKEN_API) {
        wait->fn(wait->owner, NULL, NULL);
        return;
    }
    struct entry *entry = entry_of(cs, kind, token_hash);
    if (is_fresh(entry)) {
        cs->stats.hits++;
        if (unless_expired(entry->found) != NULL)
            note_use(entry);
        wait->fn(wait->owner, unless_expired(entry->found), NULL);
        return;
    }
    list_push(&entry->waiting, &wait->waiting);
    if (entry->lookup == NULL)
        lookup(entry);
}

void credentials_ask(struct credentials *cs, struct str token, struct credential_wait *wait)
{
    enum token_kind kind;
    uint8_t token_hash[SHA256_LEN];
    if (!token_parse(token, &kind, token_hash))
        kind = TOKEN_KIND_COUNT;
    credentials_ask_digest(cs, kind, token_hash, wait);
}

void credential_wait_cancel(struct credential_wait *wait)
{
    list_remove(&wait->waiting);
}

static bool is_of(const struct credential *c, struct uuid user_id, struct uuid credential_id)
{
    return uuid_eq(c->owner.user_id, user_id) || uuid_eq(c->id, credential_id);
}

void credentials_forget(struct credentials *cs, struct uuid user_id, struct uuid credential_id)
{
    list_each (node, &cs->by_use) {
        struct entry *entry = container_of(node, struct entry, by_use);
        entry->lookup_us = 0; /* whose a running lookup is, it does not know yet */
        if (entry->found != NULL && is_of(entry->found, user_id, credential_id))
            entry->checked_us = 0;
    }
}

struct credentials_stats credentials_stats(const struct credentials *cs)
{
    struct credentials_stats stats = cs->stats;
    stats.entries = map_count(cs->entries);
    return stats;
}

struct credentials *credentials_create(const struct credentials_options *options)
{
    struct credentials *cs = mem_new(struct credentials);
    assert(options->entries_max > 0);
    cs->options = *options;
    cs->entries = map_create();
    list_init(&cs->by_use);
    cs->flush = io_timer_create(options->loop, flush_seen, cs);
    io_timer_repeat(cs->flush, SEEN_FLUSH_MS);
    io_timer_unref(cs->flush);
    return cs;
}

void credentials_destroy(struct credentials *cs)
{
    if (cs == NULL)
        return;
    io_timer_destroy(cs->flush);
    if (cs->flushing != NULL) {
        db_request_forget(cs->flush_request);
        arena_destroy(cs->flushing);
    }
    list_each (node, &cs->by_use) {
        struct entry *entry = container_of(node, struct entry, by_use);
        if (entry->lookup != NULL) {
            db_request_forget(entry->request);
            arena_destroy(take(entry->lookup));
        }
        entry_drop(entry);
    }
    map_destroy(cs->entries);
    mem_free(cs);
}
