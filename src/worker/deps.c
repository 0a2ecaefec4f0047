#include "worker/deps.h"

#include "base/mem.h"
#include "worker/change.h"

enum { WAITERS_FIRST = 4 };

/* Those that wait for one task. */
struct awaited {
    struct uuid on;
    struct uuid *waiters;
    size_t count, capacity;
};

struct deps {
    struct map *awaited; /* by id */
    struct map *open;    /* by id of who waits: for how many, as a pointer */
};

static struct str key_of(const struct uuid *id)
{
    return str_of((const char *)id->bytes, sizeof id->bytes);
}

struct deps *deps_create(void)
{
    struct deps *deps = mem_new(struct deps);
    deps->awaited = map_create();
    deps->open = map_create();
    return deps;
}

static void awaited_free(struct awaited *w)
{
    mem_free(w->waiters);
    mem_free(w);
}

void deps_clear(struct deps *deps)
{
    size_t at = 0;
    struct str key;
    void *w;
    while (map_next(deps->awaited, &at, &key, &w))
        awaited_free(w);
    map_destroy(deps->awaited);
    map_destroy(deps->open);
    deps->awaited = map_create();
    deps->open = map_create();
}

void deps_destroy(struct deps *deps)
{
    if (!deps)
        return;
    deps_clear(deps);
    map_destroy(deps->awaited);
    map_destroy(deps->open);
    mem_free(deps);
}

size_t deps_count(const struct deps *deps)
{
    return map_count(deps->awaited);
}

static size_t open_of(const struct deps *deps, struct uuid task)
{
    return (size_t)(uintptr_t)map_get(deps->open, key_of(&task));
}

static void set_open(struct deps *deps, struct uuid task, size_t count)
{
    if (count > 0)
        (void)map_put(deps->open, key_of(&task), (void *)count);
    else
        (void)map_remove(deps->open, key_of(&task));
}

void deps_add(struct deps *deps, struct uuid task, struct uuid on)
{
    struct awaited *w = map_get(deps->awaited, key_of(&on));
    if (!w) {
        w = mem_new(struct awaited);
        w->on = on;
        (void)map_put(deps->awaited, key_of(&on), w);
    }
    if (w->count == w->capacity) {
        w->capacity = w->capacity ? w->capacity * 2 : WAITERS_FIRST;
        w->waiters = mem_resize(w->waiters, w->capacity, sizeof *w->waiters);
    }
    w->waiters[w->count++] = task;
    set_open(deps, task, open_of(deps, task) + 1);
}

struct pair {
    struct uuid task, on;
};

static void take_back(struct shard *s, void *data)
{
    const struct pair *pair = data;
    struct awaited *w = map_get(s->deps->awaited, key_of(&pair->on));
    assert(w && w->count > 0); /* undone in the opposite order: it is the last */
    w->count--;
    set_open(s->deps, pair->task, open_of(s->deps, pair->task) - 1);
    if (w->count > 0)
        return;
    (void)map_remove(s->deps->awaited, key_of(&w->on));
    awaited_free(w);
}

void deps_add_in(struct batch *b, struct uuid task, struct uuid on)
{
    struct pair *pair = arena_new(b->a, struct pair);
    *pair = (struct pair){ task, on };
    deps_add(b->s->deps, task, on);
    batch_on_undo(b, take_back, pair);
}

/* The undo of deps_succeeded: all of them wait again. */
static void wait_again(struct shard *s, void *data)
{
    struct awaited *w = data;
    (void)map_put(s->deps->awaited, key_of(&w->on), w);
    for (size_t i = 0; i < w->count; i++)
        set_open(s->deps, w->waiters[i], open_of(s->deps, w->waiters[i]) + 1);
}

static void forget(struct shard *s, void *data)
{
    (void)s;
    awaited_free(data);
}

void deps_succeeded(struct batch *b, struct uuid on)
{
    struct deps *deps = b->s->deps;
    struct awaited *w =
        map_count(deps->awaited) > 0 ? map_remove(deps->awaited, key_of(&on)) : NULL;
    if (!w)
        return;
    batch_on_undo(b, wait_again, w);
    batch_on_commit(b, forget, w);
    for (size_t i = 0; i < w->count; i++) {
        size_t left = open_of(deps, w->waiters[i]) - 1;
        set_open(deps, w->waiters[i], left);
        struct live *task = left == 0 ? live_find(b->s->live, w->waiters[i]) : NULL;
        if (task && task->state == LIVE_BLOCKED)
            change_unblock(b, task);
    }
}
