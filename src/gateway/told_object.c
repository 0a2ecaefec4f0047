/* Task types and queues as the worker tells them, as objects of the API. */
#include "gateway/audited.h"
#include "gateway/told.h"
#include "gateway/users.h"

static bool is_as_it_should_be(const struct json_value *v, const struct told_member *member)
{
    struct uuid id;
    int64_t whole;
    if (v == NULL || v->type == JSON_NULL)
        return member->is_nullable;
    switch (member->kind) {
    case TOLD_TEXT:
        return v->type == JSON_STRING;
    case TOLD_BOOL:
        return v->type == JSON_BOOL;
    case TOLD_WHOLE:
        return v->type == JSON_NUMBER && json_to_i64(v, &whole);
    case TOLD_NUMBER:
        return v->type == JSON_NUMBER;
    case TOLD_USER:
        return v->type == JSON_STRING && uuid_parse(v->text, &id);
    }
    return false;
}

struct told_object *told_object_read(struct arena *a, const struct json_value *json,
                                     const struct told_member *members, bool is_fresh)
{
    struct told_object *object = arena_new(a, struct told_object);
    *object = (struct told_object){ json, members, is_fresh };
    for (const struct told_member *m = members; m->name != NULL; m++)
        if (!is_as_it_should_be(json_get(json, str_of_c(m->name)), m))
            return NULL;
    return object;
}

bool told_objects_read(struct arena *a, const struct json_value *body, const char *list,
                       const struct told_member *members, struct str only, bool is_fresh,
                       struct gql_value *ret_list)
{
    const struct json_value *told = json_get(body, str_of_c(list));
    size_t count = 0;
    if (told == NULL || told->type != JSON_ARRAY)
        return false;
    void **objects = arena_new_array(a, told->item_count, void *);
    for (size_t i = 0; i < told->item_count; i++) {
        objects[count] = told_object_read(a, &told->items[i], members, is_fresh);
        if (objects[count] == NULL)
            return false;
        struct str name = json_get(&told->items[i], str_of_c(members->name))->text;
        count += only.ptr == NULL || str_eq(name, only);
    }
    *ret_list = gql_objects(objects, count);
    return true;
}

/* ── getters ── */

/* NULL: null. */
static const struct json_value *member_of(const struct gql_field *f, const void *parent)
{
    const struct told_object *object = parent;
    const char *name = object->members[binding_number(f)].name;
    const struct json_value *v = json_get(object->json, str_of_c(name));
    return v != NULL && v->type != JSON_NULL ? v : NULL;
}

void told_get_text(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret_value)
{
    const struct json_value *v = member_of(f, parent);
    (void)ctx;
    if (v != NULL)
        *ret_value = gql_text(v->text);
}

void told_get_bool(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret_value)
{
    const struct json_value *v = member_of(f, parent);
    (void)ctx;
    if (v != NULL)
        *ret_value = gql_bool(v->boolean);
}

void told_get_whole(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret_value)
{
    const struct json_value *v = member_of(f, parent);
    int64_t whole;
    (void)ctx;
    if (v != NULL && json_to_i64(v, &whole))
        *ret_value = gql_int(whole);
}

void told_get_number(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct json_value *v = member_of(f, parent);
    double number;
    (void)ctx;
    if (v != NULL && json_to_double(v, &number))
        *ret_value = gql_float(number);
}

struct gql_value told_source(bool is_fresh)
{
    return gql_enum(is_fresh ? STR("LIVE") : STR("CACHE"));
}

void told_get_source(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct told_object *object = parent;
    (void)f, (void)ctx;
    *ret_value = told_source(object->is_fresh);
}

enum gql_next told_resolve_user(struct gql_step *step)
{
    struct uuid *ids = arena_new_array(step->arena, step->count, struct uuid);
    for (size_t i = 0; i < step->count; i++) {
        const struct json_value *v = member_of(step->field, step->parents[i]);
        if (v != NULL)
            (void)uuid_parse(v->text, &ids[i]);
    }
    return users_resolve_each(step, ids);
}

/* ── changes ── */

void told_write_actor(struct json_writer *w, const struct gql_step *step)
{
    const struct actor *actor = &await_request(step)->credential->owner;
    char id[UUID_TEXT_LEN + 1];
    uuid_format(actor->user_id, id);
    json_key_c(w, "actor");
    json_write_string(w, actor->label);
    json_key_c(w, "user");
    json_write_string(w, str_of(id, UUID_TEXT_LEN));
}
