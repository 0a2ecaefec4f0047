/* create_read: the tasks of a call, each by itself, and whether they wait in a circle. */
#include "base/clock.h"
#include "payload/inputs.h"
#include "rules/cycle.h"
#include "worker/create_priv.h"
#include "worker/deps.h"
#include "worker/door.h"
#include "worker/group.h"
#include "worker/worker_priv.h"

/* ── one task ── */

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

static bool read_texts(struct worker *w, const struct json_value *v, const char *at,
                       struct task_view *t, uint32_t *ret_type, struct err *e)
{
    uint32_t queue;
    return task_read_texts(&w->shard, v, at, t, ret_type, e) &&
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

/* A repeat of a task that is stored is answered whatever was stored then, also when its queue was
 * given to another shard meanwhile. */
static void check_new(struct create_item *item, uint32_t type, const struct json_value *v,
                      const char *at)
{
    struct create *c = item->create;
    struct err e;
    if (shard_owns(&c->w->shard, at, item->view.queue, &e) &&
        task_check_payload(&c->w->shard, type, v, at, &e))
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
    if (c->count + c->child_count + wanted > CREATE_TASKS_MAX)
        return err_set(e, c->r ? ERR_LIMIT : ERR_UNAVAILABLE,
                       "tasks[%zu]: with the children of groups these are more than %d", index,
                       CREATE_TASKS_MAX);
    c->child_count += wanted;
    return true;
}

static bool read_item(struct create *c, const struct json_value *v, size_t index,
                      struct create_item *item)
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
    if (!json_only(v, at, members, e) || !read_id(c->w, v, at, &t->id, e) ||
        !read_texts(c->w, v, at, t, &type, e) || !task_read_numbers(v, at, t, &item->limits, e) ||
        !task_read_payload(c->a, &c->w->shard, v, at, &t->payload, e))
        return false;
    check_new(item, type, v, at);
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

/* ── all of them ── */

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
        struct create_item *item = &c->items[numbers[i]];
        item->outcome = ITEM_REFUSED;
        err_set(&item->err, ERR_INVALID, "depends_on: is a cycle: %s", text);
    }
    if (c->is_atomic) {
        c->err = c->items[numbers[0]].err;
        c->err_index = numbers[0];
    }
}

static void free_map(void *map)
{
    map_destroy(map);
}

/* In an all-or-none call a task is judged before those that it waits for are there. */
static void know_by_id(struct create *c)
{
    c->by_id = map_create();
    arena_defer(c->a, free_map, c->by_id);
    for (size_t i = c->count; i-- > 0;)
        (void)map_put(c->by_id, uuid_bytes(&c->items[i].view.id), &c->items[i]);
}

void create_read_items(struct create *c, const struct json_value *tasks)
{
    c->items = arena_new_array(c->a, c->count, struct create_item);
    for (size_t i = 0; i < c->count; i++) {
        struct create_item *item = &c->items[i];
        item->create = c;
        if (read_item(c, &tasks[i], i, item))
            continue;
        item->outcome = ITEM_REFUSED;
        if (!c->is_atomic)
            continue;
        c->err = item->err;
        c->err_index = i;
        return;
    }
    if (c->dep_count == 0)
        return;
    refuse_cycle(c);
    if (c->is_atomic)
        know_by_id(c);
}
