/*
 * create_door: POST /v1/tasks. Each task is an intent of its own, so that one which the database
 * refuses is refused alone; with is_atomic all of them are one.
 *
 *   read ──▶ look up the ids that may be stored ──▶ submit ──▶ (all certain) ──▶
 *        read those that were stored ──▶ view ──▶ answer
 *
 * What a task waits for is looked up as well (standing.h).
 */
#include "db/rows.h"
#include "store/queue/read_sql.h"
#include "worker/create_priv.h"
#include "worker/door.h"
#include "worker/worker_priv.h"

static void fail(struct create *c, const struct err *e)
{
    if (c->r)
        door_fail(c->r, e);
    else
        c->hooks->done(c->owner, e, NULL);
}

/* ── answering ── */

/* Of a new task that waits, to who knows what he asked for: what was decided here. */
static void put_created(struct json_writer *w, const struct task_view *t)
{
    json_key_c(w, "created");
    json_begin_object(w);
    json_put_number(w, "version", t->version);
    json_put_text(w, "state", rule_state_name(t->state));
    json_put_i64(w, "max_attempts", t->max_attempts);
    json_put_i64(w, "timeout_s", t->timeout_s);
    json_put_i64(w, "run_at_us", t->run_at_us);
    json_put_i64(w, "created_at_us", t->created_at_us);
    json_end_object(w);
}

/* Nothing of it was made here but what put_created tells: a group waits for its children. */
static bool is_as_asked(const struct create *c, const struct create_item *item)
{
    return item->outcome == ITEM_NEW && item->view.state != STATE_DEAD && c->child_count == 0;
}

static void put_item(struct create *c, struct json_writer *w, struct create_item *item)
{
    struct shard *s = &c->w->shard;
    json_begin_object(w);
    if (item->outcome == ITEM_REFUSED) {
        door_put_error(w, &item->err);
    } else if (item->outcome == ITEM_DUPLICATE) {
        json_put_id(w, "duplicate_of", item->duplicate_of);
    } else if (c->is_brief && is_as_asked(c, item)) {
        put_created(w, &item->view);
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
    door_put_cursor(&w, "cursor", &c->w->shard, c->w->shard.committed);
    json_end_object(&w);
    door_answer(c->r);
}

/* Which items the rows are of. */
static void match(struct create *c, struct db_rows *rows)
{
    scoped(map_destroyp) struct map *numbers = db_rows_by_id(rows);
    c->found = rows;
    db_rows_keep(rows, c->a);
    for (size_t i = 0; i < c->count; i++) {
        struct create_item *item = &c->items[i];
        if (item->outcome == ITEM_STORED || (item->outcome != ITEM_REFUSED && !item->is_fresh))
            item->row = (size_t)(uintptr_t)map_get(numbers, uuid_bytes(&item->view.id));
    }
}

static void stored_read(void *owner, const struct db_reply *reply)
{
    struct create *c = owner;
    if (reply->err) {
        fail(c, reply->err);
        return;
    }
    match(c, reply->rows[0]);
    c->moment.fn = answer;
    shard_view(&c->w->shard, &c->moment);
}

static void look_at_deps(struct create *c);

static void tell(struct create *c)
{
    static const enum create_outcome outcomes[] = { [ITEM_NEW] = CREATE_MADE,
                                                    [ITEM_STORED] = CREATE_STORED,
                                                    [ITEM_DUPLICATE] = CREATE_DUPLICATE,
                                                    [ITEM_REFUSED] = CREATE_REFUSED,
                                                    [ITEM_LOOK] = CREATE_REFUSED };
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
        const struct create_item *item = &c->items[i];
        away += item->outcome == ITEM_REFUSED && item->err.code == ERR_UNAVAILABLE;
        if (item->outcome != ITEM_STORED)
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
    struct create_item *item = container_of(intent, struct create_item, intent);
    struct create *c = item->create;
    if (err) {
        item->outcome = ITEM_REFUSED;
        item->err = *err;
    }
    c->must_look = c->must_look || item->outcome == ITEM_LOOK;
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
        struct create_item *item = &c->items[i];
        item->intent = (struct intent){ .apply = create_apply_item, .done = item_done };
        if (item->outcome == ITEM_REFUSED || item->row > 0 || item->is_settled)
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
        struct create_item *item = &c->items[i];
        item->is_settled = c->must_look && item->outcome != ITEM_LOOK;
        if (item->row > 0)
            item->outcome = ITEM_STORED;
    }
    c->must_look = false;
    if (!c->is_atomic) {
        submit_items(c);
        return;
    }
    c->all = (struct intent){ .apply = create_apply_all, .done = all_done };
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
    scoped(map_destroyp) struct map *gone = db_rows_by_id(rows);
    for (size_t i = 0; i < c->count && map_count(gone) > 0; i++) {
        struct create_item *item = &c->items[i];
        if (!map_get(gone, uuid_bytes(&item->view.id)))
            continue;
        item->outcome = ITEM_REFUSED;
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
        match(c, reply->rows[0]);
    looked(c, reply->err);
}

static void gone_read(void *owner, const struct db_reply *reply)
{
    struct create *c = owner;
    if (!reply->err)
        refuse_gone(c, reply->rows[0]);
    looked(c, reply->err);
}

static void begin(struct create *c)
{
    size_t count = 0;
    struct uuid *ids = arena_new_array(c->a, c->count, struct uuid);
    for (size_t i = 0; i < c->count; i++)
        if (c->items[i].outcome != ITEM_REFUSED && !c->items[i].is_fresh)
            ids[count++] = c->items[i].view.id;
    if (count == 0) {
        go_on(c);
        return;
    }
    c->open = 2;
    door_read(c->w, &read_tasks, read_tasks_args(c->a, ids, count), found, c);
    door_read(c->w, &read_gone, read_gone_args(c->a, ids, count), gone_read, c);
}

void create_many(struct worker *w, struct arena *a, const struct json_value *tasks, size_t count,
                 const struct create_hooks *hooks, void *owner)
{
    struct create *c = arena_new(a, struct create);
    *c = (struct create){ .w = w, .a = a, .hooks = hooks, .owner = owner, .count = count };
    create_read_items(c, tasks);
    begin(c);
}

/* RFC 7240. A wish, and no member of the body: a worker of an older version, which knows no such
 * wish, answers in full. */
static bool prefers_brief(const struct http_request *r)
{
    struct str field, wish;
    for (size_t at = 0; http_header_next(r, STR("Prefer"), &at, &field);)
        for (bool is_more = true; is_more;) {
            is_more = str_cut(field, ',', &wish, &field);
            if (str_eq_nocase(str_trim(wish), STR("return=minimal")))
                return true;
        }
    return false;
}

void create_door(void *owner, struct http_request *r)
{
    static const char *const members[] = { "tasks", "is_atomic", NULL };
    struct worker *w = owner;
    const struct json_value *body, *tasks;
    struct err e = { 0 };
    if (!door_open(w, r, DOOR_GATEWAY))
        return;
    shard_expect(&w->shard);
    if (!(body = door_body(r)))
        return;
    struct create *c = arena_new(r->arena, struct create);
    *c = (struct create){ .w = w, .a = r->arena, .r = r, .is_brief = prefers_brief(r) };
    if (json_only(body, "", members, &e))
        door_flag(body, "", "is_atomic", &c->is_atomic, &e);
    tasks = json_get_c(body, "tasks");
    if (!tasks || tasks->type != JSON_ARRAY)
        err_set(&e, ERR_INVALID, "tasks: is no list");
    else if (tasks->item_count > CREATE_TASKS_MAX)
        err_set(&e, ERR_LIMIT, "tasks: are more than %d", CREATE_TASKS_MAX);
    if (door_is_bad(&e)) {
        door_fail(r, &e);
        return;
    }
    c->count = tasks->item_count;
    create_read_items(c, tasks->items);
    if (door_is_bad(&c->err))
        door_fail_at(r, &c->err, c->err_index);
    else
        begin(c);
}
