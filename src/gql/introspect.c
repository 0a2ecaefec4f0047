/*
 * Introspection, by resolvers over the schema itself, bound like a host's. A __Type is a type_ref,
 * so that wrapped types need no objects of their own. Source: GraphQL Sep 2025, section 4.2.
 */
#include "gql/print_priv.h"
#include "gql/schema_priv.h"

/* What a request's hooks get is the host's; the schema travels in the binding's data. */
static const struct gql_schema *schema_of(const struct gql_field *f)
{
    return f->data;
}

static void *as_object(const void *p)
{
    return (void *)(uintptr_t)p;
}

static struct gql_value text_or_null(struct str s)
{
    return s.ptr ? gql_text(s) : gql_null();
}

static struct gql_value type_value(const struct type_ref *t)
{
    return gql_object(as_object(t));
}

/* ── __Schema ── */

static void schema_get(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret)
{
    const struct gql_schema *s = schema_of(f);
    (void)ctx;
    (void)parent;
    static const char *const roots[] = { "queryType", "mutationType", "subscriptionType" };
    if (str_eq_c(f->name, "description"))
        *ret = text_or_null(s->description);
    for (size_t i = 0; i < countof(roots); i++)
        if (str_eq_c(f->name, roots[i]) && s->roots[i])
            *ret = type_value(&s->roots[i]->self);
}

static enum gql_next schema_root(struct gql_step *step)
{
    step->results[0] = gql_object(as_object(schema_of(step->field)));
    return GQL_DONE;
}

static enum gql_next schema_types(struct gql_step *step)
{
    const struct gql_schema *s = schema_of(step->field);
    void **types = arena_new_array(step->arena, s->type_count, void *);
    for (uint32_t i = 0; i < s->type_count; i++)
        types[i] = as_object(&s->types[i]->self);
    for (size_t i = 0; i < step->count; i++)
        step->results[i] = gql_objects(types, s->type_count);
    return GQL_DONE;
}

static enum gql_next schema_directives(struct gql_step *step)
{
    const struct gql_schema *s = schema_of(step->field);
    void **directives = arena_new_array(step->arena, s->directive_count, void *);
    for (uint32_t i = 0; i < s->directive_count; i++)
        directives[i] = as_object(&s->directives[i]);
    for (size_t i = 0; i < step->count; i++)
        step->results[i] = gql_objects(directives, s->directive_count);
    return GQL_DONE;
}

static enum gql_next type_by_name(struct gql_step *step)
{
    const struct gql_type *t = schema_find(schema_of(step->field), gql_arg(step, "name")->text);
    if (t)
        step->results[0] = type_value(&t->self);
    return GQL_DONE;
}

/* ── __Type ── */

static const char *kind_name(const struct type_ref *t)
{
    static const char *const names[] = { "SCALAR", "OBJECT", "INTERFACE",
                                         "UNION",  "ENUM",   "INPUT_OBJECT" };
    if (t->wrap != WRAP_NAMED)
        return t->wrap == WRAP_LIST ? "LIST" : "NON_NULL";
    return names[t->named->kind];
}

static void type_get(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret)
{
    const struct type_ref *t = parent;
    const struct gql_type *named = t->named;
    (void)ctx;
    if (str_eq_c(f->name, "kind"))
        *ret = gql_enum(str_of_c(kind_name(t)));
    else if (str_eq_c(f->name, "ofType"))
        *ret = t->wrap == WRAP_NAMED ? gql_null() : type_value(t->of);
    else if (t->wrap != WRAP_NAMED)
        return;
    else if (str_eq_c(f->name, "name"))
        *ret = gql_text(named->name);
    else if (str_eq_c(f->name, "description"))
        *ret = text_or_null(named->description);
    else if (str_eq_c(f->name, "specifiedByURL"))
        *ret = text_or_null(named->specified_by);
    else if (str_eq_c(f->name, "isOneOf") && named->kind == TYPE_INPUT)
        *ret = gql_bool(named->is_one_of);
}

static struct gql_value named_list(struct arena *arena, struct gql_type *const *types,
                                   uint32_t count)
{
    void **list = arena_new_array(arena, count, void *);
    for (uint32_t i = 0; i < count; i++)
        list[i] = as_object(&types[i]->self);
    return gql_objects(list, count);
}

static enum gql_next type_interfaces(struct gql_step *step)
{
    for (size_t i = 0; i < step->count; i++) {
        const struct type_ref *t = step->parents[i];
        if (t->wrap == WRAP_NAMED &&
            (t->named->kind == TYPE_OBJECT || t->named->kind == TYPE_INTERFACE))
            step->results[i] =
                named_list(step->arena, t->named->interfaces, t->named->interface_count);
    }
    return GQL_DONE;
}

static enum gql_next type_possible_types(struct gql_step *step)
{
    for (size_t i = 0; i < step->count; i++) {
        const struct type_ref *t = step->parents[i];
        if (t->wrap == WRAP_NAMED && type_is_abstract(t->named))
            step->results[i] =
                named_list(step->arena, t->named->possible, t->named->possible_count);
    }
    return GQL_DONE;
}

static bool wants_deprecated(const struct gql_step *step)
{
    const struct gql_value *v = gql_arg(step, "includeDeprecated");
    return v->kind == GQL_BOOL && v->boolean;
}

static enum gql_next type_fields(struct gql_step *step)
{
    bool all = wants_deprecated(step);
    for (size_t i = 0; i < step->count; i++) {
        const struct type_ref *t = step->parents[i];
        const struct gql_type *named = t->named;
        if (t->wrap != WRAP_NAMED || (named->kind != TYPE_OBJECT && named->kind != TYPE_INTERFACE))
            continue;
        void **list = arena_new_array(step->arena, named->field_count, void *);
        size_t count = 0;
        for (uint32_t j = 0; j < named->field_count; j++)
            if (all || !named->fields[j].deprecated.ptr)
                list[count++] = as_object(&named->fields[j]);
        step->results[i] = gql_objects(list, count);
    }
    return GQL_DONE;
}

static enum gql_next type_enum_values(struct gql_step *step)
{
    bool all = wants_deprecated(step);
    for (size_t i = 0; i < step->count; i++) {
        const struct type_ref *t = step->parents[i];
        if (t->wrap != WRAP_NAMED || t->named->kind != TYPE_ENUM)
            continue;
        void **list = arena_new_array(step->arena, t->named->value_count, void *);
        size_t count = 0;
        for (uint32_t j = 0; j < t->named->value_count; j++)
            if (all || !t->named->values[j].deprecated.ptr)
                list[count++] = as_object(&t->named->values[j]);
        step->results[i] = gql_objects(list, count);
    }
    return GQL_DONE;
}

static struct gql_value input_list(const struct gql_step *step, const struct input_def *defs,
                                   uint32_t def_count)
{
    bool all = wants_deprecated(step);
    void **list = arena_new_array(step->arena, def_count, void *);
    size_t count = 0;
    for (uint32_t j = 0; j < def_count; j++)
        if (all || !defs[j].deprecated.ptr)
            list[count++] = as_object(&defs[j]);
    return gql_objects(list, count);
}

static enum gql_next type_input_fields(struct gql_step *step)
{
    for (size_t i = 0; i < step->count; i++) {
        const struct type_ref *t = step->parents[i];
        if (t->wrap == WRAP_NAMED && t->named->kind == TYPE_INPUT)
            step->results[i] = input_list(step, t->named->inputs, t->named->input_count);
    }
    return GQL_DONE;
}

/* ── __Field, __InputValue, __EnumValue, __Directive ── */

static void common_get(const struct gql_field *f, struct str name, struct str description,
                       const struct type_ref *type, struct str deprecated, struct gql_value *ret)
{
    if (str_eq_c(f->name, "name"))
        *ret = gql_text(name);
    else if (str_eq_c(f->name, "description"))
        *ret = text_or_null(description);
    else if (str_eq_c(f->name, "type"))
        *ret = type_value(type);
    else if (str_eq_c(f->name, "isDeprecated"))
        *ret = gql_bool(deprecated.ptr != NULL);
    else if (str_eq_c(f->name, "deprecationReason"))
        *ret = text_or_null(deprecated);
}

static void field_get(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret)
{
    const struct field_def *d = parent;
    (void)ctx;
    common_get(f, d->name, d->description, d->type, d->deprecated, ret);
}

static void input_get(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret)
{
    const struct input_def *d = parent;
    (void)ctx;
    common_get(f, d->name, d->description, d->type, d->deprecated, ret);
}

static void enum_value_get(const struct gql_field *f, void *ctx, void *parent,
                           struct gql_value *ret)
{
    const struct enum_value *v = parent;
    (void)ctx;
    common_get(f, v->name, v->description, NULL, v->deprecated, ret);
}

static void directive_get(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret)
{
    const struct directive_def *d = parent;
    (void)ctx;
    if (str_eq_c(f->name, "isRepeatable"))
        *ret = gql_bool(d->is_repeatable);
    else
        common_get(f, d->name, d->description, NULL, (struct str){ 0 }, ret);
}

static enum gql_next field_args(struct gql_step *step)
{
    for (size_t i = 0; i < step->count; i++) {
        const struct field_def *d = step->parents[i];
        step->results[i] = input_list(step, d->args, d->arg_count);
    }
    return GQL_DONE;
}

static enum gql_next directive_args(struct gql_step *step)
{
    for (size_t i = 0; i < step->count; i++) {
        const struct directive_def *d = step->parents[i];
        step->results[i] = input_list(step, d->args, d->arg_count);
    }
    return GQL_DONE;
}

static enum gql_next directive_locations(struct gql_step *step)
{
    for (size_t i = 0; i < step->count; i++) {
        const struct directive_def *d = step->parents[i];
        uint32_t count = 0;
        for (const struct ast_named *n = d->locations; n; n = n->next)
            count++;
        struct gql_value *list = arena_new_array(step->arena, count, struct gql_value);
        count = 0;
        for (const struct ast_named *n = d->locations; n; n = n->next)
            list[count++] = gql_enum(n->name);
        step->results[i] = gql_list(list, count);
    }
    return GQL_DONE;
}

static enum gql_next input_default(struct gql_step *step)
{
    for (size_t i = 0; i < step->count; i++) {
        const struct input_def *d = step->parents[i];
        if (d->default_ast)
            step->results[i] = gql_text(default_text(step->arena, d));
    }
    return GQL_DONE;
}

/* ── binding ── */

static void bind_all(struct gql_type *t, const struct gql_schema *s, gql_get_fn *get)
{
    for (uint32_t i = 0; i < t->field_count; i++) {
        t->fields[i].binding = (struct gql_binding){ .get = get, .data = as_object(s) };
        t->fields[i].is_bound = true;
    }
}

static void bind_step(struct gql_type *t, const char *field, gql_resolve_fn *resolve)
{
    struct field_def *f = names_get(&t->field_names, str_of_c(field));
    f->binding = (struct gql_binding){ .resolve = resolve, .data = f->binding.data };
}

void introspection_bind(struct gql_schema *s)
{
    struct gql_type *schema = schema_find(s, STR("__Schema"));
    struct gql_type *type = schema_find(s, STR("__Type"));
    struct gql_type *field = schema_find(s, STR("__Field"));
    struct gql_type *input = schema_find(s, STR("__InputValue"));
    struct gql_type *directive = schema_find(s, STR("__Directive"));
    bind_all(schema, s, schema_get);
    bind_step(schema, "types", schema_types);
    bind_step(schema, "directives", schema_directives);
    bind_all(type, s, type_get);
    bind_step(type, "fields", type_fields);
    bind_step(type, "interfaces", type_interfaces);
    bind_step(type, "possibleTypes", type_possible_types);
    bind_step(type, "enumValues", type_enum_values);
    bind_step(type, "inputFields", type_input_fields);
    bind_all(field, s, field_get);
    bind_step(field, "args", field_args);
    bind_all(input, s, input_get);
    bind_step(input, "defaultValue", input_default);
    bind_all(schema_find(s, STR("__EnumValue")), s, enum_value_get);
    bind_all(directive, s, directive_get);
    bind_step(directive, "args", directive_args);
    bind_step(directive, "locations", directive_locations);
    s->schema_field.binding = (struct gql_binding){ .resolve = schema_root, .data = s };
    s->type_field.binding = (struct gql_binding){ .resolve = type_by_name, .data = s };
}
