#include "worker/deps.h"

#include "base/mem.h"
#include "worker/change.h"
#include "worker/group.h"

enum { WAITERS_FIRST = 4 };

/* Those that wait for one task. Some may have left since, or stand twice: `waiting` knows. */
struct awaited {
    struct uuid on;
    struct uuid *waiters;
    size_t count, capacity;
    struct list failing; /* linked: it has failed, and its waiters shall */
    enum rule_state state;
};

/* What one task still waits for. */
struct waiting {
    struct uuid task;
    struct uuid *on;
    size_t count, capacity;
};

struct deps {
    struct map *awaited, *waiting; /* by id */
    struct list failing;
};

/* ── life ── */

struct deps *deps_create(void)
{
    struct deps *deps = mem_new(struct deps);
    deps->awaited = map_create();
    deps->waiting = map_create();
    list_init(&deps->failing);
    return deps;
}

static void awaited_free(struct awaited *w)
{
    mem_free(w->waiters);
    mem_free(w);
}

static void waiting_free(struct waiting *t)
{
    mem_free(t->on);
    mem_free(t);
}

static void free_all(struct deps *deps)
{
    size_t at = 0;
    struct str key;
    void *value;
    while (map_next(deps->awaited, &at, &key, &value))
        awaited_free(value);
    for (at = 0; map_next(deps->waiting, &at, &key, &value);)
        waiting_free(value);
    map_destroy(deps->awaited);
    map_destroy(deps->waiting);
}

void deps_clear(struct deps *deps)
{
    free_all(deps);
    deps->awaited = map_create();
    deps->waiting = map_create();
    list_init(&deps->failing);
}

void deps_destroy(struct deps *deps)
{
    if (!deps)
        return;
    free_all(deps);
    mem_free(deps);
}

bool deps_is_awaited(const struct deps *deps, struct uuid on)
{
    return map_get(deps->awaited, uuid_bytes(&on)) != NULL;
}

size_t deps_blocked_by(const struct deps *deps, struct uuid task, const struct uuid **ret_ids)
{
    const struct waiting *t = map_get(deps->waiting, uuid_bytes(&task));
    *ret_ids = t ? t->on : NULL;
    return t ? t->count : 0;
}

bool deps_is_failing(const struct deps *deps)
{
    return !list_is_empty(&deps->failing);
}

/* ── adding ── */

void deps_add(struct deps *deps, struct uuid task, struct uuid on)
{
    struct awaited *w = map_get(deps->awaited, uuid_bytes(&on));
    struct waiting *t = map_get(deps->waiting, uuid_bytes(&task));
    if (!w) {
        w = mem_new(struct awaited);
        w->on = on;
        list_init(&w->failing);
        (void)map_put(deps->awaited, uuid_bytes(&on), w);
    }
    if (!t) {
        t = mem_new(struct waiting);
        t->task = task;
        (void)map_put(deps->waiting, uuid_bytes(&task), t);
    }
    w->waiters = mem_grow(w->waiters, w->count, &w->capacity, WAITERS_FIRST, sizeof *w->waiters);
    w->waiters[w->count++] = task;
    t->on = mem_grow(t->on, t->count, &t->capacity, WAITERS_FIRST, sizeof *t->on);
    t->on[t->count++] = on;
}

void deps_load_failed(struct deps *deps, struct uuid on, enum rule_state state)
{
    struct awaited *w = map_get(deps->awaited, uuid_bytes(&on));
    if (!w || !list_is_empty(&w->failing))
        return;
    w->state = state;
    list_push(&deps->failing, &w->failing);
}

/* ── in a batch ──
   Every step has its exact opposite, and they are undone in the opposite order. */

struct pair {
    struct uuid task, on;
    size_t at;
};

static void take_back(struct shard *s, void *data)
{
    const struct pair *pair = data;
    struct awaited *w = map_get(s->deps->awaited, uuid_bytes(&pair->on));
    struct waiting *t = map_get(s->deps->waiting, uuid_bytes(&pair->task));
    assert(w && w->count > 0);
    assert(t && t->count > 0);
    if (--w->count == 0 && list_is_empty(&w->failing)) {
        (void)map_remove(s->deps->awaited, uuid_bytes(&w->on));
        awaited_free(w);
    }
    if (--t->count == 0) {
        (void)map_remove(s->deps->waiting, uuid_bytes(&t->task));
        waiting_free(t);
    }
}

void deps_add_in(struct batch *b, struct uuid task, struct uuid on)
{
    struct pair *pair = arena_new(b->a, struct pair);
    *pair = (struct pair){ .task = task, .on = on };
    deps_add(b->s->deps, task, on);
    batch_on_undo(b, take_back, pair);
}

static void free_waiting(struct shard *s, void *data)
{
    (void)s;
    waiting_free(data);
}

static void wait_on(struct shard *s, void *data)
{
    struct waiting *t = data;
    (void)map_put(s->deps->waiting, uuid_bytes(&t->task), t);
}

void deps_left(struct batch *b, struct uuid task)
{
    struct waiting *t = map_remove(b->s->deps->waiting, uuid_bytes(&task));
    if (!t)
        return;
    batch_on_undo(b, wait_on, t);
    batch_on_commit(b, free_waiting, t);
}

static void free_awaited(struct shard *s, void *data)
{
    (void)s;
    awaited_free(data);
}

static void await_again(struct shard *s, void *data)
{
    struct awaited *w = data;
    (void)map_put(s->deps->awaited, uuid_bytes(&w->on), w);
}

static void fail_again(struct shard *s, void *data)
{
    struct awaited *w = data;
    list_push_front(&s->deps->failing, &w->failing);
}

static void stop_failing(struct batch *b, struct awaited *w)
{
    if (list_is_empty(&w->failing))
        return;
    list_remove(&w->failing);
    batch_on_undo(b, fail_again, w);
}

/* Nobody waits for it any more. */
static void forget(struct batch *b, struct awaited *w)
{
    stop_failing(b, w);
    (void)map_remove(b->s->deps->awaited, uuid_bytes(&w->on));
    batch_on_undo(b, await_again, w);
    batch_on_commit(b, free_awaited, w);
}

static void want_again(struct shard *s, void *data)
{
    const struct pair *pair = data;
    struct waiting *t = map_get(s->deps->waiting, uuid_bytes(&pair->task));
    assert(t && t->count < t->capacity);
    t->on[t->count++] = t->on[pair->at];
    t->on[pair->at] = pair->on;
}

/* Where `on` stands in it; its count where it does not. */
static size_t place_of(const struct waiting *t, struct uuid on)
{
    size_t at = 0;
    while (at < t->count && !uuid_eq(t->on[at], on))
        at++;
    return at;
}

static void want_no_more(struct batch *b, struct waiting *t, size_t at)
{
    struct pair *pair = arena_new(b->a, struct pair);
    *pair = (struct pair){ .task = t->task, .on = t->on[at], .at = at };
    t->on[at] = t->on[--t->count];
    batch_on_undo(b, want_again, pair);
}

static void succeeded(struct batch *b, struct awaited *w)
{
    forget(b, w);
    for (size_t i = 0; i < w->count; i++) {
        struct waiting *t = map_get(b->s->deps->waiting, uuid_bytes(&w->waiters[i]));
        size_t at = t ? place_of(t, w->on) : 0;
        if (!t || at == t->count)
            continue;
        want_no_more(b, t, at);
        if (t->count > 0)
            continue;
        struct live *task = live_find(b->s->live, w->waiters[i]);
        deps_left(b, w->waiters[i]);
        assert(task && task->state == LIVE_BLOCKED);
        if (group_is_live(b->s, task))
            group_ended(b, task->id);
        else
            change_unblock(b, task);
    }
}

static void unfail(struct shard *s, void *data)
{
    struct awaited *w = data;
    (void)s;
    list_remove(&w->failing);
}

void deps_ended(struct batch *b, struct uuid on, enum rule_state state)
{
    struct deps *deps = b->s->deps;
    struct awaited *w =
        map_count(deps->awaited) > 0 ? map_get(deps->awaited, uuid_bytes(&on)) : NULL;
    if (w && state == STATE_SUCCEEDED) {
        succeeded(b, w);
    } else if (w && list_is_empty(&w->failing)) {
        w->state = state;
        list_push(&deps->failing, &w->failing);
        batch_on_undo(b, unfail, w);
    }
}

/* ── failing ── */

static struct str error_of(struct arena *a, struct uuid on, enum rule_state state)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(on, id);
    return arena_printf(a, "the task %s, which this one depends on, %s", id,
                        state == STATE_CANCELLED ? "was cancelled" : "has failed");
}

static struct change_end end_of(const struct uuid *on, const struct str *error)
{
    return (struct change_end){ .outcome = OUTCOME_FAILED,
                                .error = error,
                                .why_code = "DEPENDENCY",
                                .why_text = error->ptr,
                                .blocked_by = on };
}

void deps_reason(struct arena *a, struct uuid on, enum rule_state state, struct str *ret_error,
                 struct str *ret_why)
{
    *ret_error = error_of(a, on, state);
    const struct change_end end = end_of(&on, ret_error);
    *ret_why = change_why(a, &end);
}

void deps_fail(struct batch *b, struct live *task, struct uuid on, enum rule_state state)
{
    struct str error = error_of(b->a, on, state);
    const struct change_end end = end_of(&on, &error);
    change_finish(b, task, STATE_DEAD, &end);
}

struct popped {
    struct awaited *w;
    struct uuid waiter;
};

static void push_back(struct shard *s, void *data)
{
    const struct popped *popped = data;
    (void)s;
    popped->w->waiters[popped->w->count++] = popped->waiter;
}

static void fail_one(struct batch *b, struct awaited *w)
{
    struct popped *popped = arena_new(b->a, struct popped);
    struct uuid waiter = w->waiters[--w->count];
    *popped = (struct popped){ w, waiter };
    batch_on_undo(b, push_back, popped);
    struct waiting *t = map_get(b->s->deps->waiting, uuid_bytes(&waiter));
    size_t at = t ? place_of(t, w->on) : 0;
    if (!t || at == t->count)
        return; /* it has left */
    struct live *task = live_find(b->s->live, waiter);
    assert(task && task->state == LIVE_BLOCKED);
    if (!group_is_live(b->s, task) || !group_has_child(waiter, w->on)) {
        deps_fail(b, task, w->on, w->state);
        return;
    }
    want_no_more(b, t, at); /* how its children end is the group's to judge */
    if (t->count > 0)
        return;
    deps_left(b, waiter);
    group_ended(b, waiter);
}

void deps_settle(struct batch *b)
{
    struct shard *s = b->s;
    struct list *failing = &s->deps->failing;
    for (size_t steps = 0; !list_is_empty(failing) &&
                           (steps < DEPS_SETTLE_LEAST || batch_size(b) < s->options.batch_max);
         steps++) {
        struct awaited *w = container_of(failing->next, struct awaited, failing);
        const struct live *on = live_find(s->live, w->on);
        if (on && on->state != LIVE_GONE)
            stop_failing(b, w); /* it was opened again meanwhile */
        else if (w->count == 0)
            forget(b, w);
        else
            fail_one(b, w);
    }
}
