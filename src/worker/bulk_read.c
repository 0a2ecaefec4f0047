#include "worker/bulk_priv.h"

#include "worker/door.h"

enum { TASKS_MAX = 10'000, ACTION_MAX = 20 };

static const struct {
    const char *name;
    enum act_kind kind;
} actions[] = { { "cancel", ACT_CANCEL }, { "delete", ACT_DELETE }, { "retry", ACT_RETRY } };

const char *bulk_action_name(enum act_kind kind)
{
    size_t i = 0;
    while (actions[i].kind != kind)
        i++;
    return actions[i].name;
}

static bool read_version(const struct json_value *v, const char *at, int64_t *ret_version,
                         struct err *e)
{
    const struct json_value *version = json_get_c(v, "version");
    if (!version || version->type == JSON_NULL)
        return true;
    return (version->type == JSON_STRING && str_to_i64(version->text, ret_version) &&
            *ret_version > 0) ||
           err_set(e, ERR_INVALID, "%sversion: is no number in a string", at);
}

static bool read_item(struct bulk *q, const struct json_value *v, size_t index, struct map *seen,
                      struct err *e)
{
    static const char *const members[] = { "id", "version", NULL };
    struct bulk_item *item = &q->items[index];
    char at[40];
    snprintf(at, sizeof at, "tasks[%zu].", index);
    *item = (struct bulk_item){ .bulk = q };
    item->act = (struct act){ .kind = q->kind, .by = q->actor, .standings = &q->standings };
    if (v->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "tasks[%zu]: is no object", index);
    if (!json_only(v, at, members, e))
        return false;
    if (!door_id(v, at, "id", &item->act.id, e))
        return door_is_bad(e) ? false : door_missing(e, at, "id");
    struct str key = uuid_bytes(&item->act.id);
    if (map_put(seen, key, item))
        return err_set(e, ERR_INVALID, "%sid: is named twice", at);
    return read_version(v, at, &item->act.version, e);
}

static bool read_action(const struct json_value *body, enum act_kind *ret_kind, struct err *e)
{
    struct str name;
    if (!door_text(body, "", "action", ACTION_MAX, &name, e))
        return door_is_bad(e) ? false : door_missing(e, "", "action");
    for (size_t i = 0; i < countof(actions); i++)
        if (str_eq_c(name, actions[i].name)) {
            *ret_kind = actions[i].kind;
            return true;
        }
    return err_set(e, ERR_INVALID, "action: is none of retry, cancel and delete");
}

bool bulk_read(struct bulk *q, const struct json_value *body, struct err *e)
{
    scoped(map_destroyp) struct map *seen = map_create();
    static const char *const members[] = { "action", "tasks", "actor", "dry_run", "record", NULL };
    const struct json_value *tasks = json_get_c(body, "tasks");
    q->actor = STR("");
    if (!json_only(body, "", members, e) || !read_action(body, &q->kind, e))
        return false;
    door_text(body, "", "actor", DOOR_ACTOR_MAX, &q->actor, e);
    if (!door_is_bad(e))
        door_flag(body, "", "dry_run", &q->is_dry, e);
    if (door_is_bad(e) || !record_read(body, q->r->arena, &q->record, e))
        return false;
    if (!tasks || tasks->type != JSON_ARRAY)
        return err_set(e, ERR_INVALID, "tasks: is no list");
    if (tasks->item_count > TASKS_MAX)
        return err_set(e, ERR_LIMIT, "tasks: are more than %d", TASKS_MAX);
    q->count = tasks->item_count;
    q->items = arena_new_array(q->r->arena, q->count, struct bulk_item);
    for (size_t i = 0; i < q->count; i++)
        if (!read_item(q, &tasks->items[i], i, seen, e))
            return false;
    return true;
}
