#include "worker/session_schemas.h"

#include "base/mem.h"
#include "worker/group.h"
#include "worker/session_priv.h"

enum {
    READ_BYTES = 64 << 20, /* of a payload's tree; payload-limit bounds its text */
    SHOWN_BYTES = 150,     /* of what is wrong */
    TYPE_SHOWN_BYTES = 60,
    STATED_BYTES_MAX = 100,
};

struct binding {
    const struct payload_schema *schema; /* the one that was stated last */
    uint32_t stating, silent;            /* sessions that take the type */
    bool was_silent;                     /* the last session that ended */
};

struct session_schemas {
    struct binding *items; /* by the type's number */
    size_t count;
};

struct session_schemas *session_schemas_create(void)
{
    return mem_new(struct session_schemas);
}

void session_schemas_clear(struct session_schemas *schemas)
{
    mem_free(schemas->items);
    *schemas = (struct session_schemas){ 0 };
}

void session_schemas_destroy(struct session_schemas *schemas)
{
    if (!schemas)
        return;
    session_schemas_clear(schemas);
    mem_free(schemas);
}

static struct binding *binding_of(struct session_schemas *schemas, uint32_t type)
{
    if (type >= schemas->count) {
        size_t count = max_of((size_t)type + 1, schemas->count * 2);
        schemas->items = mem_resize(schemas->items, count, sizeof *schemas->items);
        memset(&schemas->items[schemas->count], 0,
               (count - schemas->count) * sizeof *schemas->items);
        schemas->count = count;
    }
    return &schemas->items[type];
}

void session_schemas_add(struct session_schemas *schemas, const struct session_type *types,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct binding *b = binding_of(schemas, types[i].type);
        if (types[i].schema) {
            b->schema = types[i].schema;
            b->stating++;
        } else {
            b->silent++;
        }
    }
}

void session_schemas_remove(struct session_schemas *schemas, const struct session_type *types,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct binding *b = binding_of(schemas, types[i].type);
        b->was_silent = types[i].schema == NULL;
        if (b->was_silent)
            b->silent--;
        else
            b->stating--;
    }
}

static const struct payload_schema *bound_to(const struct session_schemas *schemas, uint32_t type)
{
    const struct binding *b = type < schemas->count ? &schemas->items[type] : NULL;
    if (!b || b->silent > 0 || (b->stating == 0 && b->was_silent))
        return NULL;
    return b->schema;
}

bool session_schema_read(const struct json_value *description, struct str type,
                         const struct payload_schema **ret_schema, struct err *e)
{
    const struct json_value *stated = json_get_c(description, "schema");
    *ret_schema = NULL;
    if (!stated || stated->type == JSON_NULL)
        return true;
    if (stated->type != JSON_STRING || stated->text.len > STATED_BYTES_MAX ||
        !str_starts_with(stated->text, STR(PAYLOAD_SCHEMA_PREFIX)))
        return err_set(e, ERR_INVALID,
                       "types.%.*s.schema: is no text \"" PAYLOAD_SCHEMA_PREFIX "NAME\"",
                       STR_FMT(str_first(type, TYPE_SHOWN_BYTES)));
    *ret_schema = payload_schema_find(stated->text);
    return true;
}

static bool check(const struct payload_schema *schema, struct arena *a,
                  const struct json_value *payload, const char *place, struct err *e)
{
    const void *input;
    struct err wrong = { 0 };
    return schema->read(a, payload, &input, &wrong) ||
           err_set(e, ERR_INVALID, "%s: %.*s", place,
                   STR_FMT(str_first(str_of_c(wrong.message), SHOWN_BYTES)));
}

bool session_set_check_payload(const struct session_set *set, uint32_t type,
                               const struct json_value *payload, const char *place, struct err *e)
{
    static const struct json_value none = { .type = JSON_NULL };
    const struct payload_schema *schema = bound_to(set->schemas, type);
    if (group_is(set->s, type))
        return group_check(set->s, payload ? payload : &none, place, e);
    if (!schema)
        return true;
    scoped(arena_destroyp) struct arena *a = arena_create(READ_BYTES);
    return check(schema, a, payload ? payload : &none, place, e);
}

bool session_set_check_payload_text(const struct session_set *set, uint32_t type,
                                    struct str payload, const char *place, struct err *e)
{
    const struct payload_schema *schema = bound_to(set->schemas, type);
    const struct json_value *value;
    if (!schema && !group_is(set->s, type))
        return true;
    scoped(arena_destroyp) struct arena *a = arena_create(READ_BYTES);
    if (!json_parse(a, payload, &value, e))
        return false;
    return schema && !group_is(set->s, type) ? check(schema, a, value, place, e)
                                             : group_check(set->s, value, place, e);
}
