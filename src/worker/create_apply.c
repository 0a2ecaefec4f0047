/*
 * create_apply: what comes of the tasks of a call in a batch: each is new, or stored already, or
 * refused. One that depends on what has failed is stored and fails at once.
 */
#include "worker/change.h"
#include "worker/create_priv.h"
#include "worker/deps.h"

/* ── judging ── */

/* In an all-or-none call it may stand before: then it will be there. */
static bool stands_before(const struct create_item *item, struct uuid on)
{
    const struct map *by_id = item->create->by_id;
    const struct create_item *other = by_id ? map_get(by_id, uuid_bytes(&on)) : NULL;
    /* one that is not new: the tables tell how it stands */
    return other && other < item && other->outcome == ITEM_NEW;
}

/* ITEM_NEW: it is known what it waits for. */
static enum item_outcome judge_deps(struct create_item *item, const struct shard *s)
{
    const struct task_view *t = &item->view;
    for (size_t i = 0; i < t->depends_on_count; i++) {
        enum rule_state state;
        if (standing_of(&item->create->standings, s, t->depends_on[i], &state) !=
                STANDING_UNKNOWN ||
            stands_before(item, t->depends_on[i]))
            continue;
        if (item->create->standings.looks < STANDING_LOOKS_MAX)
            return ITEM_LOOK;
        err_set(&item->err, ERR_INVALID, "depends_on[%zu]: there is no such task", i);
        return ITEM_REFUSED;
    }
    return ITEM_NEW;
}

/* What it can be without being new; ITEM_NEW: nothing. */
static enum item_outcome judge(struct create_item *item, struct batch *b)
{
    const struct live *same = live_find(b->s->live, item->view.id);
    item->err = (struct err){ 0 };
    if (same && item->is_fresh) {
        err_set(&item->err, ERR_CONFLICT, "the id is said to be fresh and is stored already");
        return ITEM_REFUSED;
    }
    if (same)
        return ITEM_STORED;
    if (item->view.key.len > 0) {
        const struct live *holder = live_by_key(b->s->live, live_key_of(item->view.key));
        if (holder) {
            item->duplicate_of = holder->id;
            return ITEM_DUPLICATE;
        }
    }
    if (item->wrong) {
        item->err = *item->wrong;
        return ITEM_REFUSED;
    }
    if (live_count(b->s->live) < b->s->options.tasks_max)
        return judge_deps(item, b->s);
    err_set(&item->err, ERR_UNAVAILABLE, "too many tasks wait (limit %zu)",
            b->s->options.tasks_max);
    return ITEM_REFUSED;
}

/* ── adding ── */

/* `ret_how` and `ret_failed` are set where it has failed. One that stands before in the call, and
 * has finished in this very batch, failed as it was stored. */
static enum standing dep_standing(const struct create_item *item, const struct shard *s,
                                  struct uuid on, enum rule_state *ret_how, struct uuid *ret_failed)
{
    enum rule_state state = STATE_DEAD;
    enum standing standing = standing_of(&item->create->standings, s, on, &state);
    const struct live *task = live_find(s->live, on);
    if (standing == STANDING_UNKNOWN && task && task->state == LIVE_GONE)
        standing = STANDING_FAILED;
    if (standing == STANDING_FAILED) {
        *ret_how = state;
        *ret_failed = on;
    }
    return standing;
}

/* It waits for others; or fails at once, `how` telling the state of the one that has failed. */
static void add_blocked(struct create_item *item, struct batch *b, uint32_t type,
                        enum rule_state how, struct uuid failed)
{
    struct task_view *t = &item->view;
    struct live *task = change_add_blocked(b, t, type);
    if (how == STATE_COUNT)
        return;
    deps_fail(b, task, failed, how);
    t->version = task->version;
    t->state = STATE_DEAD;
    t->finished_at_us = b->at_us;
    t->has_error = true;
    deps_reason(item->create->a, failed, how, &t->error, &t->why);
}

static void add(struct create_item *item, struct batch *b)
{
    struct task_view *t = &item->view;
    uint32_t type;
    if (!shard_type_of(b->s, t->type, &type, &item->err)) {
        item->outcome = ITEM_REFUSED;
        return;
    }
    if (t->run_at_us == 0)
        t->run_at_us = b->at_us;
    task_put_limits(t, &item->limits, b->s, type);
    t->has_error = false; /* of a batch that was undone */
    t->why = STR("");
    t->finished_at_us = 0;
    size_t open = 0;
    struct uuid failed = { 0 };
    enum rule_state how = STATE_COUNT;
    for (size_t i = 0; i < t->depends_on_count; i++) {
        enum standing standing = dep_standing(item, b->s, t->depends_on[i], &how, &failed);
        if (standing != STANDING_OPEN)
            continue;
        deps_add_in(b, t->id, t->depends_on[i]);
        open++;
    }
    if (how == STATE_COUNT && open == 0)
        change_add(b, t, type);
    else
        add_blocked(item, b, type, how, failed);
    struct create *c = item->create;
    if (c->hooks)
        c->hooks->made(c->owner, b, (size_t)(item - c->items));
}

/* ── intents ── */

void create_apply_item(struct intent *intent, struct batch *b)
{
    struct create_item *item = container_of(intent, struct create_item, intent);
    item->outcome = judge(item, b);
    if (item->outcome == ITEM_NEW)
        add(item, b);
}

void create_apply_all(struct intent *intent, struct batch *b)
{
    struct create *c = container_of(intent, struct create, all);
    c->err = (struct err){ 0 };
    c->must_look = false;
    for (size_t i = 0; i < c->count; i++) {
        struct create_item *item = &c->items[i];
        if (item->row > 0)
            continue;
        item->outcome = judge(item, b);
        c->must_look = c->must_look || item->outcome == ITEM_LOOK;
        if (item->outcome != ITEM_REFUSED)
            continue;
        c->err = item->err;
        c->err_index = i;
        return;
    }
    for (size_t i = 0; i < c->count && !c->must_look; i++) {
        struct create_item *item = &c->items[i];
        if (item->row > 0)
            continue;
        item->outcome = judge(item, b); /* another of the same call may be the same task */
        if (item->outcome == ITEM_NEW)
            add(item, b);
    }
}
