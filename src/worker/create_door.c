/*
 * create_door: POST /v1/tasks. Each task is an intent of its own, so that one which the database
 * refuses is refused alone; with is_atomic all of them are one.
 *
 *   read ──▶ look up the ids that may be stored ──▶ submit ──▶ (all certain) ──▶
 *        read those that were stored ──▶ view ──▶ answer
 *
 * What a task waits for is looked up as well (standing.h). One that depends on what has failed is
 * stored and fails at once.
 */
#include "base/clock.h"
#include "db/rows.h"
#include "payload/inputs.h"
#include "rules/cycle.h"
#include "store/queue/read_sql.h"
#include "worker/change.h"
#include "worker/create.h"
#include "worker/deps.h"
#include "worker/door.h"
#include "worker/group.h"
#include "worker/session_schemas.h"
#include "worker/settings.h"
#include "worker/standing.h"
#include "worker/worker_priv.h"

enum {
    TASKS_MAX = 10'000,
    TYPE_MAX = 200,
    QUEUE_MAX = 200,
    KEY_MAX = 500,
    ACTOR_MAX = 400,
};

static const int64_t run_at_max_us = INT64_C(253402300799999999); /* the end of the year 9999 */

enum outcome { OUTCOME_NEW, OUTCOME_STORED, OUTCOME_DUPLICATE, OUTCOME_REFUSED, OUTCOME_LOOK };

struct create;

struct item {
    struct intent intent;
    struct create *create;
    struct task_view view;
    uint32_t attempts, timeout_s; /* that it asks for; 0: what its type has */
    bool is_fresh, is_settled;    /* settled: only others of its call must be looked at again */
    enum outcome outcome;
    struct uuid duplicate_of;
    struct err err;
    const struct err *wrong; /* its payload, should it be new; NULL: nothing is */
    size_t row;              /* + 1: of `found` */
};

struct create {
    struct worker *w;
    struct arena *a;
    struct http_request *r; /* NULL: not over HTTP, but: */
    const struct create_hooks *hooks;
    void *owner;
    struct item *items;
    size_t count, open;
    bool is_atomic, must_look;
    bool is_gone;      /* err is of a task that was deleted */
    struct intent all; /* is_atomic */
    struct view moment;
    struct db_rows *found;
    size_t child_count; /* of the groups of this call */
    size_t dep_count;   /* ids that tasks of this call wait for, in all */
    struct standings standings;
    struct err err;
    size_t err_index;
};

static void fail(struct create *c, const struct err *e)
{
    if (c->r)
        door_fail(c->r, e);
    else
        c->hooks->done(c->owner, e, NULL);
}

/* ── reading ── */

static bool read_id(const struct worker *w, const struct json_value *v, const char *at,
                    struct uuid *ret_id, struct err *e)
{
    if (!door_id(v, at, "id", ret_id, e))
        return door_is_bad(e) ? false : door_missing(e, at, "id");
    if (uuid_version(*ret_id) != 7)
        return err_set(e, ERR_INVALID, "%sid: is no UUIDv7", at);
    int64_t now_us = clock_wall_us(), at_us = uuid_time_us(*ret_id);
    if (at_us < now_us - w->shard.options.id_past_us)
        return err_set(e, ERR_INVALID, "%sid: is older than id-past allows", at);
    if (at_us > now_us + w->shard.options.id_future_us)
        return err_set(e, ERR_INVALID, "%sid: is further ahead than id-future allows", at);
    return true;
}

static bool read_numbers(const struct json_value *v, const char *at, struct item *item,
                         struct err *e)
{
    struct task_view *t = &item->view;
    int64_t attempts = 0, timeout_s = 0, run_at_us = 0, for_us = 0;
    door_int(v, at, "max_attempts", 1, SETTINGS_ATTEMPTS_MAX, &attempts, e);
    if (!door_is_bad(e))
        door_int(v, at, "timeout_s", 1, SETTINGS_TIMEOUT_MAX_S, &timeout_s, e);
    if (!door_is_bad(e))
        door_int(v, at, "run_at_us", 0, run_at_max_us, &run_at_us, e);
    if (!door_is_bad(e))
        door_int(v, at, "scheduled_for_us", 0, run_at_max_us, &for_us, e);
    item->attempts = (uint32_t)attempts;
    item->timeout_s = (uint32_t)timeout_s;
    t->run_at_us = run_at_us;
    t->scheduled_for_us = for_us;
    return !door_is_bad(e);
}

static bool read_payload(struct arena *a, const struct worker *w, const struct json_value *v,
                         const char *at, struct str *ret_payload, struct err *e)
{
    const struct json_value *payload = json_get_c(v, "payload");
    *ret_payload = !payload || payload->type == JSON_NULL ? STR("{}") : door_json_text(a, payload);
    if (ret_payload->len <= w->shard.options.payload_max)
        return true;
    return err_set(e, ERR_LIMIT, "%spayload: is longer than %zu bytes", at,
                   w->shard.options.payload_max);
}

static bool read_texts(struct worker *w, const struct json_value *v, const char *at,
                       struct task_view *t, uint32_t *ret_type, struct err *e)
{
    struct str priority = STR("normal");
    uint32_t queue;
    t->queue = STR("default");
    if (!door_text(v, at, "type", TYPE_MAX, &t->type, e) && !door_is_bad(e))
        return door_missing(e, at, "type");
    if (!door_is_bad(e))
        door_text(v, at, "queue", QUEUE_MAX, &t->queue, e);
    if (!door_is_bad(e))
        door_text(v, at, "idempotency_key", KEY_MAX, &t->key, e);
    if (!door_is_bad(e))
        door_text(v, at, "actor", ACTOR_MAX, &t->actor, e);
    if (!door_is_bad(e))
        door_text(v, at, "priority", TYPE_MAX, &priority, e);
    if (!door_is_bad(e) && !rule_priority_of(priority, &t->priority))
        err_set(e, ERR_INVALID, "%spriority: is none of low, normal and high", at);
    return !door_is_bad(e) && shard_type_of(&w->shard, t->type, ret_type, e) &&
           shard_queue_of(&w->shard, t->queue, &queue, e);
}

static bool read_depends_on(struct create *c, const struct json_value *list, const char *at,
                            struct task_view *t, struct err *e)
{
    if (!list || list->type == JSON_NULL)
        return true;
    if (list->type != JSON_ARRAY || list->item_count > DEPS_MAX)
        return err_set(e, ERR_INVALID, "%sdepends_on: is no list of at most %d ids", at, DEPS_MAX);
    struct uuid *ids = arena_new_array(c->a, list->item_count, struct uuid);
    for (size_t i = 0; i < list->item_count; i++) {
        if (list->items[i].type != JSON_STRING || !uuid_parse(list->items[i].text, &ids[i]))
            return err_set(e, ERR_INVALID, "%sdepends_on[%zu]: is no UUID", at, i);
        if (uuid_eq(ids[i], t->id))
            return err_set(e, ERR_INVALID, "%sdepends_on[%zu]: is the task itself", at, i);
        for (size_t k = 0; k < i; k++)
            if (uuid_eq(ids[i], ids[k]))
                return err_set(e, ERR_INVALID, "%sdepends_on[%zu]: is named twice", at, i);
    }
    t->depends_on = ids;
    t->depends_on_count = list->item_count;
    c->dep_count += list->item_count;
    return true;
}

/* A repeat of a task that is stored is answered whatever was stored then. */
static void check_payload(struct item *item, uint32_t type, const struct json_value *v,
                          const char *at)
{
    struct create *c = item->create;
    char place[64];
    struct err e;
    snprintf(place, sizeof place, "%spayload", at);
    if (session_set_check_payload(c->w->shard.sessions, type, json_get_c(v, "payload"), place, &e))
        return;
    struct err *kept = arena_new(c->a, struct err);
    *kept = e;
    item->wrong = kept;
}

/* A group brings its children along. What does not fit into a page of the inbox comes with a later.
 */
static bool count_children(struct create *c, uint32_t type, const struct json_value *v,
                           size_t index, struct err *e)
{
    size_t wanted = group_children_wanted(&c->w->shard, type, json_get_c(v, "payload"));
    if (wanted > PAYLOAD_GROUP_CHILDREN_MAX)
        return true; /* that its payload is wrong is told elsewhere */
    if (c->count + c->child_count + wanted > TASKS_MAX)
        return err_set(e, c->r ? ERR_LIMIT : ERR_UNAVAILABLE,
                       "tasks[%zu]: with the children of groups these are more than %d", index,
                       TASKS_MAX);
    c->child_count += wanted;
    return true;
}

static bool read_item(struct create *c, const struct json_value *v, size_t index, struct item *item)
{
    static const char *const members[] = {
        "id",           "type",      "payload",          "priority",   "queue",      "run_at_us",
        "max_attempts", "timeout_s", "idempotency_key",  "depends_on", "created_by", "actor",
        "is_fresh",     "job_id",    "scheduled_for_us", NULL
    };
    char at[40];
    struct err *e = &item->err;
    struct task_view *t = &item->view;
    uint32_t type;
    at[0] = '\0';
    if (c->r)
        snprintf(at, sizeof at, "tasks[%zu].", index);
    if (v->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "tasks[%zu]: is no object", index);
    if (!door_only(v, at, members, e) || !read_id(c->w, v, at, &t->id, e) ||
        !read_texts(c->w, v, at, t, &type, e) || !read_numbers(v, at, item, e) ||
        !read_payload(c->a, c->w, v, at, &t->payload, e))
        return false;
    check_payload(item, type, v, at);
    if (!count_children(c, type, v, index, e))
        return false;
    t->arena = c->a;
    t->has_creator = door_id(v, at, "created_by", &t->created_by, e);
    if (!door_is_bad(e))
        t->has_job = door_id(v, at, "job_id", &t->job_id, e);
    if (!door_is_bad(e))
        door_flag(v, at, "is_fresh", &item->is_fresh, e);
    return !door_is_bad(e) && read_depends_on(c, json_get_c(v, "depends_on"), at, t, e);
}

/* ── in a batch ── */

/* In an all-or-none call it may stand before: then it will be there. */
static bool stands_before(const struct item *item, struct uuid on)
{
    const struct create *c = item->create;
    for (const struct item *other = c->items; c->is_atomic && other < item; other++)
        if (uuid_eq(other->view.id, on))
            return other->outcome == OUTCOME_NEW; /* else the tables tell how it stands */
    return false;
}

/* OUTCOME_NEW: it is known what it waits for. */
static enum outcome judge_deps(struct item *item, const struct shard *s)
{
    const struct task_view *t = &item->view;
    for (size_t i = 0; i < t->depends_on_count; i++) {
        enum rule_state state;
        if (standing_of(&item->create->standings, s, t->depends_on[i], &state) !=
                STANDING_UNKNOWN ||
            stands_before(item, t->depends_on[i]))
            continue;
        if (item->create->standings.looks < STANDING_LOOKS_MAX)
            return OUTCOME_LOOK;
        err_set(&item->err, ERR_INVALID, "depends_on[%zu]: there is no such task", i);
        return OUTCOME_REFUSED;
    }
    return OUTCOME_NEW;
}

/* What it can be without being new; OUTCOME_NEW: nothing. */
static enum outcome judge(struct item *item, struct batch *b)
{
    const struct live *same = live_find(b->s->live, item->view.id);
    item->err = (struct err){ 0 };
    if (same && item->is_fresh) {
        err_set(&item->err, ERR_CONFLICT, "the id is said to be fresh and is stored already");
        return OUTCOME_REFUSED;
    }
    if (same)
        return OUTCOME_STORED;
    if (item->view.key.len > 0) {
        const struct live *holder = live_by_key(b->s->live, live_key_of(item->view.key));
        if (holder) {
            item->duplicate_of = holder->id;
            return OUTCOME_DUPLICATE;
        }
    }
    if (item->wrong) {
        item->err = *item->wrong;
        return OUTCOME_REFUSED;
    }
    if (live_count(b->s->live) < b->s->options.tasks_max)
        return judge_deps(item, b->s);
    err_set(&item->err, ERR_UNAVAILABLE, "too many tasks wait (limit %zu)",
            b->s->options.tasks_max);
    return OUTCOME_REFUSED;
}

/* `ret_how` and `ret_failed` are set where it has failed. One that stands before in the call, and
 * has finished in this very batch, failed as it was stored. */
static enum standing dep_standing(const struct item *item, const struct shard *s, struct uuid on,
                                  enum rule_state *ret_how, struct uuid *ret_failed)
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
static void add_blocked(struct item *item, struct batch *b, uint32_t type, enum rule_state how,
                        struct uuid failed)
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

static void add(struct item *item, struct batch *b)
{
    struct task_view *t = &item->view;
    uint32_t type;
    if (!shard_type_of(b->s, t->type, &type, &item->err)) {
        item->outcome = OUTCOME_REFUSED;
        return;
    }
    if (t->run_at_us == 0)
        t->run_at_us = b->at_us;
    t->max_attempts = item->attempts > 0
                          ? item->attempts
                          : settings_or(b->s, type, SETTING_MAX_ATTEMPTS, SHARD_ATTEMPTS_DEFAULT);
    t->timeout_s = item->timeout_s > 0
                       ? item->timeout_s
                       : settings_or(b->s, type, SETTING_TIMEOUT_S, SHARD_TIMEOUT_DEFAULT_S);
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

static void apply_item(struct intent *intent, struct batch *b)
{
    struct item *item = container_of(intent, struct item, intent);
    item->outcome = judge(item, b);
    if (item->outcome == OUTCOME_NEW)
        add(item, b);
}

static void apply_all(struct intent *intent, struct batch *b)
{
    struct create *c = container_of(intent, struct create, all);
    c->err = (struct err){ 0 };
    c->must_look = false;
    for (size_t i = 0; i < c->count; i++) {
        struct item *item = &c->items[i];
        if (item->row > 0)
            continue;
        item->outcome = judge(item, b);
        c->must_look = c->must_look || item->outcome == OUTCOME_LOOK;
        if (item->outcome != OUTCOME_REFUSED)
            continue;
        c->err = item->err;
        c->err_index = i;
        return;
    }
    for (size_t i = 0; i < c->count && !c->must_look; i++) {
        struct item *item = &c->items[i];
        if (item->row > 0)
            continue;
        item->outcome = judge(item, b); /* another of the same call may be the same task */
        if (item->outcome == OUTCOME_NEW)
            add(item, b);
    }
}

/* ── answering ── */

static void put_item(struct create *c, struct json_writer *w, struct item *item)
{
    struct shard *s = &c->w->shard;
    json_begin_object(w);
    if (item->outcome == OUTCOME_REFUSED) {
        door_put_error(w, &item->err);
    } else if (item->outcome == OUTCOME_DUPLICATE) {
        json_put_id(w, "duplicate_of", item->duplicate_of);
    } else {
        struct task_view view = item->view;
        if (item->row > 0) {
            (void)read_task(c->a, s, c->found, item->row - 1, &view);
            read_overlay(s, live_find(s->live, view.id), &view);
        }
        view.payload = STR("");
        json_key_c(w, "task");
        task_view_put(w, &view);
    }
    json_end_object(w);
}

static void answer(struct view *moment)
{
    struct create *c = container_of(moment, struct create, moment);
    struct json_writer w = json_writer_to(c->r->out);
    json_begin_object(&w);
    json_key_c(&w, "results");
    json_begin_array(&w);
    for (size_t i = 0; i < c->count; i++)
        put_item(c, &w, &c->items[i]);
    json_end_array(&w);
    door_put_cursor(&w, "cursor", c->w->shard.committed);
    json_end_object(&w);
    door_answer(c->r);
}

/* Which items the rows are of. */
static void match(struct create *c, const struct db_reply *reply)
{
    scoped(map_destroyp) struct map *rows = map_create();
    c->found = reply->rows[0];
    db_rows_keep(reply->rows[0], c->a);
    for (size_t i = 0; i < db_rows_count(c->found); i++) {
        struct uuid id = db_rows_uuid(c->found, i, 0);
        (void)map_put(rows, str_of((const char *)id.bytes, sizeof id.bytes), (void *)(i + 1));
    }
    for (size_t i = 0; i < c->count; i++) {
        struct item *item = &c->items[i];
        if (item->outcome == OUTCOME_STORED ||
            (item->outcome != OUTCOME_REFUSED && !item->is_fresh))
            item->row = (size_t)(uintptr_t)map_get(
                rows, str_of((const char *)item->view.id.bytes, sizeof item->view.id.bytes));
    }
}

static void stored_read(void *owner, const struct db_reply *reply)
{
    struct create *c = owner;
    if (reply->err) {
        fail(c, reply->err);
        return;
    }
    match(c, reply);
    c->moment.fn = answer;
    shard_view(&c->w->shard, &c->moment);
}

static void look_at_deps(struct create *c);

static void tell(struct create *c)
{
    static const enum create_outcome outcomes[] = { [OUTCOME_NEW] = CREATE_MADE,
                                                    [OUTCOME_STORED] = CREATE_STORED,
                                                    [OUTCOME_DUPLICATE] = CREATE_DUPLICATE,
                                                    [OUTCOME_REFUSED] = CREATE_REFUSED,
                                                    [OUTCOME_LOOK] = CREATE_REFUSED };
    struct create_result *results = arena_new_array(c->a, c->count, struct create_result);
    for (size_t i = 0; i < c->count; i++)
        results[i] = (struct create_result){ outcomes[c->items[i].outcome], c->items[i].err };
    c->hooks->done(c->owner, NULL, results);
}

static void finish(struct create *c)
{
    if (c->err.code != ERR_NONE) {
        door_fail_at(c->r, &c->err, c->err_index);
        return;
    }
    if (c->must_look) {
        look_at_deps(c);
        return;
    }
    if (!c->r) {
        tell(c);
        return;
    }
    size_t stored = 0, unread = 0, away = 0;
    struct uuid *ids = arena_new_array(c->a, c->count, struct uuid);
    for (size_t i = 0; i < c->count; i++) {
        const struct item *item = &c->items[i];
        away += item->outcome == OUTCOME_REFUSED && item->err.code == ERR_UNAVAILABLE;
        if (item->outcome != OUTCOME_STORED)
            continue;
        ids[stored++] = item->view.id;
        unread += item->row == 0;
    }
    if (away > 0 && away == c->count) {
        fail(c, &c->items[0].err); /* nothing was done */
    } else if (unread > 0) {
        door_read(c->w, &read_tasks, read_tasks_args(c->a, ids, stored), stored_read, c);
    } else {
        c->moment.fn = answer;
        shard_view(&c->w->shard, &c->moment);
    }
}

static void item_done(struct intent *intent, const struct err *err)
{
    struct item *item = container_of(intent, struct item, intent);
    struct create *c = item->create;
    if (err) {
        item->outcome = OUTCOME_REFUSED;
        item->err = *err;
    }
    c->must_look = c->must_look || item->outcome == OUTCOME_LOOK;
    if (--c->open == 0)
        finish(c);
}

static void all_done(struct intent *intent, const struct err *err)
{
    struct create *c = container_of(intent, struct create, all);
    if (err)
        c->err = *err;
    finish(c);
}

/* ── submitting ── */

static void submit_items(struct create *c)
{
    struct err e;
    c->open = 1; /* so that it does not end before all are in */
    for (size_t i = 0; i < c->count; i++) {
        struct item *item = &c->items[i];
        item->intent = (struct intent){ .apply = apply_item, .done = item_done };
        if (item->outcome == OUTCOME_REFUSED || item->row > 0 || item->is_settled)
            continue;
        item->is_settled = false;
        c->open++;
        if (!shard_submit(&c->w->shard, &item->intent, &e))
            item_done(&item->intent, &e);
    }
    if (--c->open == 0)
        finish(c);
}

static void submit(struct create *c)
{
    struct err e;
    for (size_t i = 0; i < c->count; i++) {
        struct item *item = &c->items[i];
        item->is_settled = c->must_look && item->outcome != OUTCOME_LOOK;
        if (item->row > 0)
            item->outcome = OUTCOME_STORED;
    }
    c->must_look = false;
    if (!c->is_atomic) {
        submit_items(c);
        return;
    }
    c->all = (struct intent){ .apply = apply_all, .done = all_done };
    if (!shard_submit(&c->w->shard, &c->all, &e))
        door_fail(c->r, &e);
}

static void deps_read(void *owner, const struct db_reply *reply)
{
    struct create *c = owner;
    if (reply->err) {
        fail(c, reply->err);
        return;
    }
    standings_read(&c->standings, reply->rows[0]);
    submit(c);
}

static void look_at_deps(struct create *c)
{
    struct uuid *ids = arena_new_array(c->a, c->dep_count, struct uuid);
    size_t count = 0;
    for (size_t i = 0; i < c->count; i++)
        for (size_t k = 0; k < c->items[i].view.depends_on_count; k++)
            ids[count++] = c->items[i].view.depends_on[k];
    standings_ask(&c->standings, c->w, c->a, ids, count, deps_read, c);
}

static void go_on(struct create *c)
{
    if (c->dep_count > 0)
        look_at_deps(c);
    else
        submit(c);
}

/* A deleted task does not come again. */
static void refuse_gone(struct create *c, const struct db_rows *rows)
{
    scoped(map_destroyp) struct map *gone = map_create();
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct uuid id = db_rows_uuid(rows, i, 0);
        (void)map_put(gone, str_of((const char *)id.bytes, sizeof id.bytes), c);
    }
    for (size_t i = 0; i < c->count && map_count(gone) > 0; i++) {
        struct item *item = &c->items[i];
        if (!map_get(gone, str_of((const char *)item->view.id.bytes, sizeof item->view.id.bytes)))
            continue;
        item->outcome = OUTCOME_REFUSED;
        err_set(&item->err, ERR_CONFLICT, "the task with this id was deleted");
        if (!c->is_atomic || door_is_bad(&c->err))
            continue;
        c->err = item->err;
        c->err_index = i;
        c->is_gone = true;
    }
}

/* One of the two reads has ended; both leave in the same turn, with one Sync. */
static void looked(struct create *c, const struct err *err)
{
    if (err && !door_is_bad(&c->err))
        c->err = *err;
    if (--c->open > 0)
        return;
    if (door_is_bad(&c->err) && !c->is_gone)
        fail(c, &c->err);
    else if (door_is_bad(&c->err))
        door_fail_at(c->r, &c->err, c->err_index);
    else
        go_on(c);
}

static void found(void *owner, const struct db_reply *reply)
{
    struct create *c = owner;
    if (!reply->err)
        match(c, reply);
    looked(c, reply->err);
}

static void gone_read(void *owner, const struct db_reply *reply)
{
    struct create *c = owner;
    if (!reply->err)
        refuse_gone(c, reply->rows[0]);
    looked(c, reply->err);
}

/* Those that wait for one another in a circle. */
static void refuse_cycle(struct create *c)
{
    struct rule_node *nodes = arena_new_array(c->a, c->count, struct rule_node);
    uint32_t *numbers = arena_new_array(c->a, c->count, uint32_t);
    char text[RULE_CYCLE_TEXT_MAX];
    for (size_t i = 0; i < c->count; i++)
        nodes[i] = (struct rule_node){ c->items[i].view.id, c->items[i].view.depends_on,
                                       c->items[i].view.depends_on_count };
    size_t found = rule_cycle_find(nodes, c->count, numbers);
    if (found == 0)
        return;
    rule_cycle_write("tasks", numbers, found, text);
    for (size_t i = 0; i < found; i++) {
        struct item *item = &c->items[numbers[i]];
        item->outcome = OUTCOME_REFUSED;
        err_set(&item->err, ERR_INVALID, "depends_on: is a cycle: %s", text);
    }
    if (c->is_atomic) {
        c->err = c->items[numbers[0]].err;
        c->err_index = numbers[0];
    }
}

static void begin(struct create *c)
{
    size_t count = 0;
    struct uuid *ids = arena_new_array(c->a, c->count, struct uuid);
    for (size_t i = 0; i < c->count; i++)
        if (c->items[i].outcome != OUTCOME_REFUSED && !c->items[i].is_fresh)
            ids[count++] = c->items[i].view.id;
    if (count == 0) {
        go_on(c);
        return;
    }
    c->open = 2;
    door_read(c->w, &read_tasks, read_tasks_args(c->a, ids, count), found, c);
    door_read(c->w, &read_gone, read_gone_args(c->a, ids, count), gone_read, c);
}

/* One that is wrong is refused, or with is_atomic all of them are. */
static void read_items(struct create *c, const struct json_value *tasks)
{
    c->items = arena_new_array(c->a, c->count, struct item);
    for (size_t i = 0; i < c->count; i++) {
        struct item *item = &c->items[i];
        item->create = c;
        if (read_item(c, &tasks[i], i, item))
            continue;
        item->outcome = OUTCOME_REFUSED;
        if (!c->is_atomic)
            continue;
        c->err = item->err;
        c->err_index = i;
        return;
    }
    if (c->dep_count > 0)
        refuse_cycle(c);
}

void create_many(struct worker *w, struct arena *a, const struct json_value *tasks, size_t count,
                 const struct create_hooks *hooks, void *owner)
{
    struct create *c = arena_new(a, struct create);
    *c = (struct create){ .w = w, .a = a, .hooks = hooks, .owner = owner, .count = count };
    read_items(c, tasks);
    begin(c);
}

void create_door(void *owner, struct http_request *r)
{
    static const char *const members[] = { "tasks", "is_atomic", NULL };
    struct worker *w = owner;
    const struct json_value *body, *tasks;
    struct err e = { 0 };
    if (!door_open(w, r, DOOR_GATEWAY) || !(body = door_body(r)))
        return;
    struct create *c = arena_new(r->arena, struct create);
    *c = (struct create){ .w = w, .a = r->arena, .r = r };
    if (door_only(body, "", members, &e))
        door_flag(body, "", "is_atomic", &c->is_atomic, &e);
    tasks = json_get_c(body, "tasks");
    if (!tasks || tasks->type != JSON_ARRAY)
        err_set(&e, ERR_INVALID, "tasks: is no list");
    else if (tasks->item_count > TASKS_MAX)
        err_set(&e, ERR_LIMIT, "tasks: are more than %d", TASKS_MAX);
    if (door_is_bad(&e)) {
        door_fail(r, &e);
        return;
    }
    c->count = tasks->item_count;
    read_items(c, tasks->items);
    if (door_is_bad(&c->err))
        door_fail_at(r, &c->err, c->err_index);
    else
        begin(c);
}
