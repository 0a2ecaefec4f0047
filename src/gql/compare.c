/* What a schema lacks of another, and where it differs, by schema coordinate.
 * spec: GraphQL Sep 2025, 3.14 (coordinates). */
#include "gql/print_priv.h"
#include "gql/schema_priv.h"
#include "gql/tool.h"

struct comparison {
    struct arena *arena;
    const struct gql_schema *have, *want;
    struct buf *out;
    size_t count;
};

static void put_missing(struct comparison *c, struct str coordinate)
{
    buf_printf(c->out, "missing %.*s\n", STR_FMT(coordinate));
    c->count++;
}

static void put_difference(struct comparison *c, struct str coordinate, struct str is,
                           struct str should_be)
{
    buf_printf(c->out, "differs %.*s: %.*s, not %.*s\n", STR_FMT(coordinate), STR_FMT(is),
               STR_FMT(should_be));
    c->count++;
}

static void compare_types(struct comparison *c, struct str coordinate, const struct type_ref *have,
                          const struct type_ref *want)
{
    struct str is = type_text(c->arena, have), should_be = type_text(c->arena, want);
    if (!str_eq(is, should_be))
        put_difference(c, coordinate, is, should_be);
}

static struct str default_of(struct comparison *c, const struct input_def *d)
{
    return d->default_ast
               ? arena_printf(c->arena, "default %.*s", STR_FMT(default_text(c->arena, d)))
               : STR("no default");
}

static struct str access_of(struct comparison *c, struct str role)
{
    return role.ptr ? arena_printf(c->arena, "@access(role: %.*s)", STR_FMT(role))
                    : STR("no @access");
}

static void compare_texts(struct comparison *c, struct str coordinate, struct str is,
                          struct str should_be)
{
    if (!str_eq(is, should_be))
        put_difference(c, coordinate, is, should_be);
}

static void compare_input(struct comparison *c, struct str coordinate, const struct input_def *have,
                          const struct input_def *want)
{
    compare_types(c, coordinate, have->type, want->type);
    compare_texts(c, coordinate, default_of(c, have), default_of(c, want));
    compare_texts(c, coordinate, access_of(c, have->access), access_of(c, want->access));
}

/* Of an argument, "Query.users(search:)", or an input field, "TaskFilter.ids". */
static struct str input_of(struct comparison *c, bool is_argument, struct str owner,
                           const struct input_def *d)
{
    return arena_printf(c->arena, "%.*s%s%.*s%s", STR_FMT(owner), is_argument ? "(" : ".",
                        STR_FMT(d->name), is_argument ? ":)" : "");
}

static void compare_inputs(struct comparison *c, bool are_arguments, struct str owner,
                           const struct input_def *have, uint32_t have_count,
                           const struct input_def *want, uint32_t want_count)
{
    for (uint32_t i = 0; i < want_count; i++) {
        const struct input_def *found = inputs_find(have, have_count, want[i].name);
        struct str coordinate = input_of(c, are_arguments, owner, &want[i]);
        if (found)
            compare_input(c, coordinate, found, &want[i]);
        else
            put_missing(c, coordinate);
    }
    for (uint32_t i = 0; i < have_count; i++)
        if (!inputs_find(want, want_count, have[i].name) && input_is_required(&have[i]))
            put_difference(c, input_of(c, are_arguments, owner, &have[i]), STR("required"),
                           STR("asked for"));
}

static void compare_field(struct comparison *c, struct str coordinate, const struct field_def *have,
                          const struct field_def *want)
{
    compare_types(c, coordinate, have->type, want->type);
    compare_texts(c, coordinate, access_of(c, have->access), access_of(c, want->access));
    compare_inputs(c, true, coordinate, have->args, have->arg_count, want->args, want->arg_count);
}

static struct str member_of(struct comparison *c, const struct gql_type *t, struct str name)
{
    return arena_printf(c->arena, "%.*s.%.*s", STR_FMT(t->name), STR_FMT(name));
}

static void compare_fields(struct comparison *c, const struct gql_type *have,
                           const struct gql_type *want)
{
    for (uint32_t i = 0; i < want->field_count; i++) {
        const struct field_def *found = schema_field(c->have, have, want->fields[i].name);
        struct str coordinate = member_of(c, want, want->fields[i].name);
        if (found)
            compare_field(c, coordinate, found, &want->fields[i]);
        else
            put_missing(c, coordinate);
    }
}

static bool has_value(const struct gql_type *t, struct str name)
{
    uint32_t i = 0;
    while (i < t->value_count && !str_eq(t->values[i].name, name))
        i++;
    return i < t->value_count;
}

static bool has_type(struct gql_type *const *types, uint32_t count, struct str name)
{
    uint32_t i = 0;
    while (i < count && !str_eq(types[i]->name, name))
        i++;
    return i < count;
}

/* Values of enums, members of unions, interfaces. */
static void compare_members(struct comparison *c, const struct gql_type *have,
                            const struct gql_type *want)
{
    for (uint32_t i = 0; i < want->value_count; i++)
        if (!has_value(have, want->values[i].name))
            put_missing(c, member_of(c, want, want->values[i].name));
    for (uint32_t i = 0; want->kind == TYPE_UNION && i < want->possible_count; i++)
        if (!has_type(have->possible, have->possible_count, want->possible[i]->name))
            put_missing(c, arena_printf(c->arena, "%.*s = %.*s", STR_FMT(want->name),
                                        STR_FMT(want->possible[i]->name)));
    for (uint32_t i = 0; i < want->interface_count; i++)
        if (!has_type(have->interfaces, have->interface_count, want->interfaces[i]->name))
            put_missing(c, arena_printf(c->arena, "%.*s implements %.*s", STR_FMT(want->name),
                                        STR_FMT(want->interfaces[i]->name)));
}

static void compare_type(struct comparison *c, const struct gql_type *want)
{
    static const struct str kinds[] = {
        [TYPE_SCALAR] = { "scalar", 6 },       [TYPE_OBJECT] = { "type", 4 },
        [TYPE_INTERFACE] = { "interface", 9 }, [TYPE_UNION] = { "union", 5 },
        [TYPE_ENUM] = { "enum", 4 },           [TYPE_INPUT] = { "input", 5 },
    };
    const struct gql_type *have = schema_find(c->have, want->name);
    if (!have) {
        put_missing(c, want->name);
        return;
    }
    if (have->kind != want->kind) {
        put_difference(c, want->name, kinds[have->kind], kinds[want->kind]);
        return;
    }
    if (have->is_one_of != want->is_one_of)
        put_difference(c, want->name, have->is_one_of ? STR("@oneOf") : STR("no @oneOf"),
                       want->is_one_of ? STR("@oneOf") : STR("no @oneOf"));
    compare_fields(c, have, want);
    compare_members(c, have, want);
    compare_inputs(c, false, want->name, have->inputs, have->input_count, want->inputs,
                   want->input_count);
}

static void compare_directive(struct comparison *c, const struct directive_def *want)
{
    const struct directive_def *have = schema_directive(c->have, want->name);
    struct str coordinate = arena_printf(c->arena, "@%.*s", STR_FMT(want->name));
    if (have)
        compare_inputs(c, true, coordinate, have->args, have->arg_count, want->args,
                       want->arg_count);
    else
        put_missing(c, coordinate);
}

size_t gql_schema_compare(const struct gql_schema *have, const struct gql_schema *want,
                          struct buf *out)
{
    scoped(arena_destroyp) struct arena *a = arena_create(SIZE_MAX);
    struct comparison c = { .arena = a, .have = have, .want = want, .out = out };
    for (uint32_t i = 0; i < want->type_count; i++)
        if (!want->types[i]->is_prelude)
            compare_type(&c, want->types[i]);
    for (uint32_t i = 0; i < want->directive_count; i++)
        if (!want->directives[i].is_prelude)
            compare_directive(&c, &want->directives[i]);
    return c.count;
}
