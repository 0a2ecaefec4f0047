#include "worker/spawn.h"

#include "worker/change.h"
#include "worker/door.h"
#include "worker/group.h"
#include "worker/task_read.h"
#include "worker/worker_priv.h"

/* A queue that is named is this shard's or refused. Else it is "default", or where that is another
 * shard's, the parent's: children stay on its shard. */
static bool settle_queue(const struct shard *s, const struct json_value *v, const char *at,
                         struct uuid parent, struct task_view *t, struct err *e)
{
    const struct json_value *queue = json_get_c(v, "queue");
    const struct live *task = live_find(s->live, parent);
    struct err foreign;
    if (queue && queue->type != JSON_NULL)
        return shard_owns(s, at, t->queue, e);
    if (task && !shard_owns(s, at, t->queue, &foreign))
        t->queue = s->queues[live_lane_of(s->live, task).queue].name;
    return true; /* without the parent nothing is made */
}

static bool read_one(struct shard *s, const struct json_value *v, const char *at,
                     struct uuid parent, struct task_view *t, uint32_t *ret_type, struct err *e)
{
    static const char *const members[] = { "type",      "payload",      "priority",  "queue",
                                           "run_at_us", "max_attempts", "timeout_s", NULL };
    struct task_limits limits;
    if (!json_only(v, at, members, e) || !task_read_texts(s, v, at, t, ret_type, e) ||
        !task_read_numbers(v, at, t, &limits, e) ||
        !task_read_payload(t->arena, s, v, at, &t->payload, e))
        return false;
    task_put_limits(t, &limits, s, *ret_type);
    return settle_queue(s, v, at, parent, t, e) && task_check_payload(s, *ret_type, v, at, e);
}

bool spawn_read(struct worker *w, struct http_request *r, const struct json_value *list,
                const char *at, struct uuid parent, struct spawn *ret_spawn, struct err *e)
{
    struct spawn spawn = { 0 };
    size_t child_count = 0;
    char id[UUID_TEXT_LEN + 1];
    *ret_spawn = spawn;
    if (!list || list->type == JSON_NULL)
        return true;
    if (list->type != JSON_ARRAY || list->item_count > SPAWN_MAX)
        return err_set(e, ERR_INVALID, "%sspawn: is no list of at most %d tasks", at, SPAWN_MAX);
    if (live_count(w->shard.live) + list->item_count > w->shard.options.tasks_max)
        return err_set(e, ERR_UNAVAILABLE, "too many tasks wait (limit %zu)",
                       w->shard.options.tasks_max);
    uuid_format(parent, id);
    spawn.views = arena_new_array(r->arena, list->item_count, struct task_view);
    spawn.types = arena_new_array(r->arena, list->item_count, uint32_t);
    for (size_t i = 0; i < list->item_count; i++) {
        const struct json_value *v = &list->items[i];
        struct task_view *t = &spawn.views[i];
        char place[56];
        snprintf(place, sizeof place, "%sspawn[%zu].", at, i);
        if (v->type != JSON_OBJECT)
            return err_set(e, ERR_INVALID, "%sspawn[%zu]: is no object", at, i);
        *t = (struct task_view){ .id = uuid_v7(),
                                 .actor = arena_printf(r->arena, "task %s", id),
                                 .arena = r->arena };
        if (!read_one(&w->shard, v, place, parent, t, &spawn.types[i], e)) {
            if (e->code == ERR_MISDIRECTED)
                e->code = ERR_INVALID; /* not the call: on a 421 fetch() itself sends it anew */
            return false;
        }
        child_count += group_children_wanted(&w->shard, spawn.types[i], json_get_c(v, "payload"));
        if (list->item_count + child_count > SPAWN_WITH_CHILDREN_MAX)
            return err_set(e, ERR_LIMIT,
                           "%sspawn: with the children of groups these are more than %d", at,
                           SPAWN_WITH_CHILDREN_MAX);
    }
    spawn.count = list->item_count;
    *ret_spawn = spawn;
    return true;
}

void spawn_add(struct batch *b, const struct spawn *spawn)
{
    for (size_t i = 0; i < spawn->count; i++) {
        struct task_view *t = &spawn->views[i];
        if (t->run_at_us == 0)
            t->run_at_us = b->at_us;
        (void)change_add(b, t, spawn->types[i]);
    }
}
