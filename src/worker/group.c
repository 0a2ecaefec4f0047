/* group: how a group and its children are made, and given up. group_gather.c finishes it. */
#include "worker/group.h"

#include "base/mem.h"
#include "base/sha256.h"
#include "payload/inputs.h"
#include "payload/payload.h"
#include "worker/change.h"
#include "worker/deps.h"
#include "worker/session_schemas.h"
#include "worker/settings.h"

enum {
    TIME_BYTES = 6, /* of a UUIDv7 */
    HASH_AT = 8,
    READ_BYTES = 64 << 20, /* of a payload's tree; payload-limit bounds its text */
    WRONG_BYTES = 150,
};

bool group_is(const struct shard *s, uint32_t type)
{
    return type < s->type_count && str_eq_c(s->types[type].name, PAYLOAD_GROUP_TYPE);
}

bool group_is_live(const struct shard *s, const struct live *task)
{
    return group_is(s, live_type_of(s->live, task));
}

/* ── ids ── */

static struct uuid base_of(struct uuid group)
{
    uint8_t hash[SHA256_LEN];
    struct uuid id = group;
    sha256(uuid_bytes(&group), hash);
    memcpy(id.bytes + HASH_AT, hash, sizeof id.bytes - HASH_AT);
    id.bytes[HASH_AT] = (uint8_t)((id.bytes[HASH_AT] & 0x3f) | 0x80); /* RFC 9562's variant */
    return id;
}

static struct uuid numbered(struct uuid base, size_t index)
{
    base.bytes[TIME_BYTES] = (uint8_t)(0x70 | (index >> 8)); /* version 7 */
    base.bytes[TIME_BYTES + 1] = (uint8_t)index;
    return base;
}
static_assert(PAYLOAD_GROUP_CHILDREN_MAX <= 1 << 12, "what a UUIDv7 has between its version and "
                                                     "its variant");

struct uuid group_child_id(struct uuid group, size_t index)
{
    return numbered(base_of(group), index);
}

bool group_has_child(struct uuid group, struct uuid id)
{
    size_t index = ((size_t)(id.bytes[TIME_BYTES] & 0x0f) << 8) | id.bytes[TIME_BYTES + 1];
    return memcmp(group.bytes, id.bytes, TIME_BYTES) == 0 &&
           uuid_eq(group_child_id(group, index), id);
}

/* ── payloads ── */

/* A group lies in one shard with its children: another one would not take it either. */
static bool check_queue(const struct shard *s, struct str queue, size_t child, const char *place,
                        struct err *e)
{
    char at[96];
    snprintf(at, sizeof at, "%s: $.tasks[%zu].", place, child);
    if (shard_owns(s, at, queue, e))
        return true;
    e->code = ERR_INVALID;
    return false;
}

static bool check_children(const struct shard *s, const struct payload_group_input *input,
                           const char *place, struct err *e)
{
    for (size_t i = 0; i < input->child_count; i++) {
        const struct payload_group_child *child = &input->children[i];
        char at[96];
        uint32_t type;
        snprintf(at, sizeof at, "%s: $.tasks[%zu].payload", place, i);
        if (child->queue.ptr != NULL && !check_queue(s, child->queue, i, place, e))
            return false;
        if (shard_find_type(s, child->type, &type) &&
            !session_set_check_payload(s->sessions, type, child->payload_value, at, e))
            return false;
    }
    return true;
}

bool group_check(const struct shard *s, const struct json_value *payload, const char *place,
                 struct err *e)
{
    scoped(arena_destroyp) struct arena *a = arena_create(READ_BYTES);
    const void *input;
    struct err wrong = { 0 };
    if (!payload_task_group.read(a, payload, &input, &wrong))
        return err_set(e, ERR_INVALID, "%s: %.150s", place, wrong.message);
    return check_children(s, input, place, e);
}

size_t group_children_wanted(const struct shard *s, uint32_t type, const struct json_value *payload)
{
    const struct json_value *list = json_get_c(payload, "tasks");
    return group_is(s, type) && list && list->type == JSON_ARRAY ? list->item_count : 0;
}

/* ── making ── */

/* What the group was waiting for before its children. */
struct given {
    struct task_view *view;
    const struct uuid *depends_on;
    size_t count;
};

static void take_back(struct shard *s, void *data)
{
    const struct given *given = data;
    (void)s;
    given->view->depends_on = given->depends_on;
    given->view->depends_on_count = given->count;
}

static struct task_view *child_view(struct batch *b, const struct task_view *group, struct uuid id,
                                    uint32_t type, const struct payload_group_child *child)
{
    struct task_view *view = arena_new(b->a, struct task_view);
    *view = (struct task_view){
        .id = id,
        .queue = child->queue.ptr != NULL ? child->queue : group->queue,
        .payload = child->payload,
        .actor = group->actor,
        .priority = child->priority >= 0 ? (enum rule_priority)child->priority : group->priority,
        .max_attempts = child->max_attempts > 0
                            ? (uint32_t)child->max_attempts
                            : settings_or(b->s, type, SETTING_MAX_ATTEMPTS, SHARD_ATTEMPTS_DEFAULT),
        .timeout_s = child->timeout_s > 0
                         ? (uint32_t)child->timeout_s
                         : settings_or(b->s, type, SETTING_TIMEOUT_S, SHARD_TIMEOUT_DEFAULT_S),
        .run_at_us = group->run_at_us,
        .has_creator = group->has_creator,
        .created_by = group->created_by,
        .depends_on = group->depends_on,
        .depends_on_count = group->depends_on_count,
    };
    return view;
}

static bool add_child(struct batch *b, struct task_view *view, uint32_t type,
                      const struct uuid *open, size_t open_count)
{
    for (size_t i = 0; i < open_count; i++)
        deps_add_in(b, view->id, open[i]);
    return (open_count > 0 ? change_add_blocked(b, view, type) : change_add(b, view, type)) != NULL;
}

static bool read_input(struct batch *b, const struct task_view *view,
                       const struct payload_group_input **ret_input, struct str *ret_error)
{
    const struct json_value *payload;
    const void *input;
    struct err e = { 0 };
    arena_raise_budget(b->a, arena_used(b->a) + READ_BYTES); /* the batch's others have used some */
    if (json_parse(b->a, view->payload, &payload, &e) &&
        payload_task_group.read(b->a, payload, &input, &e)) {
        *ret_input = input;
        return true;
    }
    *ret_error = arena_printf(b->a, "payload: %s", e.message);
    return false;
}

/* The numbers of the children's types; false: there are too many types. */
static bool read_types(struct batch *b, const struct payload_group_input *input,
                       uint32_t **ret_types, struct str *ret_error)
{
    uint32_t *types = arena_new_array(b->a, input->child_count, uint32_t);
    struct err e = { 0 };
    for (size_t i = 0; i < input->child_count; i++)
        if (!shard_type_of(b->s, input->children[i].type, &types[i], &e)) {
            *ret_error = arena_printf(b->a, "payload: $.tasks[%zu].type: %s", i, e.message);
            return false;
        }
    *ret_types = types;
    return true;
}

/* Who makes a task chooses its id, and can know what a group's children will be called. */
static bool are_ids_free(struct batch *b, struct uuid base, size_t count, struct str *ret_error)
{
    for (size_t i = 0; i < count; i++)
        if (live_find(b->s->live, numbered(base, i))) {
            *ret_error = arena_printf(b->a, "payload: $.tasks[%zu]: another task has its id", i);
            return false;
        }
    return true;
}

bool group_expand(struct batch *b, struct task_view *view, struct str *ret_error)
{
    const struct payload_group_input *input;
    struct uuid base = base_of(view->id);
    uint32_t *types;
    const struct uuid *waiting;
    if (!read_input(b, view, &input, ret_error) || !read_types(b, input, &types, ret_error) ||
        !are_ids_free(b, base, input->child_count, ret_error))
        return false;
    size_t given = view->depends_on_count;
    struct uuid *all =
        arena_new_array(view->arena ? view->arena : b->a, given + input->child_count, struct uuid);
    struct given *before = arena_new(b->a, struct given);
    *before = (struct given){ view, view->depends_on, given };
    if (given > 0)
        memcpy(all, view->depends_on, given * sizeof *all);
    size_t open_count = deps_blocked_by(b->s->deps, view->id, &waiting);
    struct uuid *open = arena_new_array(b->a, open_count, struct uuid);
    if (open_count > 0)
        memcpy(open, waiting, open_count * sizeof *open); /* it changes with what is added */
    for (size_t i = 0; i < input->child_count; i++) {
        struct uuid id = all[given + i] = numbered(base, i);
        (void)add_child(b, child_view(b, view, id, types[i], &input->children[i]), types[i], open,
                        open_count);
        deps_add_in(b, view->id, id);
    }
    view->depends_on = all;
    view->depends_on_count = given + input->child_count;
    batch_on_undo(b, take_back, before);
    return true;
}

/* ── giving up ── */

size_t group_open_children(struct batch *b, struct uuid group, const struct uuid **ret_children)
{
    const struct uuid *waiting;
    size_t count = 0, waited = deps_blocked_by(b->s->deps, group, &waiting);
    struct uuid *children = arena_new_array(b->a, waited, struct uuid);
    for (size_t i = 0; i < waited; i++)
        if (group_has_child(group, waiting[i]))
            children[count++] = waiting[i];
    *ret_children = children;
    return count;
}

void group_give_up(struct batch *b, const struct uuid *children, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct live *child = live_find(b->s->live, children[i]);
        if (!child || child->state == LIVE_GONE || child->flags & LIVE_CANCEL_ASKED)
            continue;
        if (child->state != LIVE_RUNNING)
            change_finish(b, child, STATE_CANCELLED,
                          &(struct change_end){ .outcome = OUTCOME_CANCELLED });
        else
            change_ask_cancel(b, child, STR(""));
    }
}
