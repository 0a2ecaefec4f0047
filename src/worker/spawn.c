#include "worker/spawn.h"

#include "worker/change.h"
#include "worker/door.h"
#include "worker/group.h"
#include "worker/session_schemas.h"
#include "worker/settings.h"
#include "worker/worker_priv.h"

enum { NAME_MAX = 200 };
static const int64_t run_at_max_us = INT64_C(253402300799999999); /* the end of the year 9999 */

static bool read_texts(struct worker *w, const struct json_value *v, const char *at,
                       struct task_view *t, uint32_t *ret_type, struct err *e)
{
    struct str priority = STR("normal");
    t->queue = STR("default");
    if (!door_text(v, at, "type", NAME_MAX, &t->type, e) && !door_is_bad(e))
        return door_missing(e, at, "type");
    if (!door_is_bad(e))
        door_text(v, at, "queue", NAME_MAX, &t->queue, e);
    if (!door_is_bad(e))
        door_text(v, at, "priority", NAME_MAX, &priority, e);
    if (!door_is_bad(e) && !rule_priority_of(priority, &t->priority))
        err_set(e, ERR_INVALID, "%spriority: is none of low, normal and high", at);
    return !door_is_bad(e) && shard_type_of(&w->shard, t->type, ret_type, e);
}

static bool read_numbers(const struct shard *s, const struct json_value *v, const char *at,
                         uint32_t type, struct task_view *t, struct err *e)
{
    int64_t attempts = settings_or(s, type, SETTING_MAX_ATTEMPTS, SHARD_ATTEMPTS_DEFAULT);
    int64_t timeout_s = settings_or(s, type, SETTING_TIMEOUT_S, SHARD_TIMEOUT_DEFAULT_S);
    door_int(v, at, "max_attempts", 1, SETTINGS_ATTEMPTS_MAX, &attempts, e);
    if (!door_is_bad(e))
        door_int(v, at, "timeout_s", 1, SETTINGS_TIMEOUT_MAX_S, &timeout_s, e);
    if (!door_is_bad(e))
        door_int(v, at, "run_at_us", 0, run_at_max_us, &t->run_at_us, e);
    t->max_attempts = (uint32_t)attempts;
    t->timeout_s = (uint32_t)timeout_s;
    return !door_is_bad(e);
}

static bool read_payload(struct worker *w, struct arena *a, const struct json_value *v,
                         const char *at, uint32_t type, struct task_view *t, struct err *e)
{
    const struct json_value *payload = json_get_c(v, "payload");
    char place[64];
    snprintf(place, sizeof place, "%spayload", at);
    t->payload = !payload || payload->type == JSON_NULL ? STR("{}") : door_json_text(a, payload);
    if (t->payload.len > w->shard.options.payload_max)
        return err_set(e, ERR_LIMIT, "%s: is longer than %zu bytes", place,
                       w->shard.options.payload_max);
    return session_set_check_payload(w->shard.sessions, type, payload, place, e);
}

bool spawn_read(struct worker *w, struct http_request *r, const struct json_value *list,
                const char *at, struct uuid parent, struct spawn *ret_spawn, struct err *e)
{
    static const char *const members[] = { "type",      "payload",      "priority",  "queue",
                                           "run_at_us", "max_attempts", "timeout_s", NULL };
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
        if (!door_only(v, place, members, e) || !read_texts(w, v, place, t, &spawn.types[i], e) ||
            !read_numbers(&w->shard, v, place, spawn.types[i], t, e) ||
            !read_payload(w, r->arena, v, place, spawn.types[i], t, e))
            return false;
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
