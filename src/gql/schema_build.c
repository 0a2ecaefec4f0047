/* From checked SDL to types: names first, then what refers to them, then what is derived. */
#include "gql/coerce_priv.h"
#include "gql/diag_priv.h"
#include "gql/schema_priv.h"

struct builder {
    struct gql_schema *s;
    struct gql_errors *errors;
    struct arena *arena;
    uint32_t type_capacity;
};

static struct str value_text(const struct ast_value *v)
{
    return v ? v->text : (struct str){ 0 };
}

/* ── names ── */

static const enum type_kind kind_of[] = {
    [AST_SCALAR_DEF] = TYPE_SCALAR,       [AST_OBJECT_DEF] = TYPE_OBJECT,
    [AST_INTERFACE_DEF] = TYPE_INTERFACE, [AST_UNION_DEF] = TYPE_UNION,
    [AST_ENUM_TYPE_DEF] = TYPE_ENUM,      [AST_INPUT_DEF] = TYPE_INPUT,
};

static bool is_type_def(const struct ast_definition *d)
{
    return d->kind >= AST_SCALAR_DEF && d->kind <= AST_INPUT_DEF;
}

static bool has_type(const struct ast_document *doc, struct str name)
{
    for (const struct ast_definition *d = doc->first; d; d = d->next)
        if (is_type_def(d) && str_eq(d->name, name))
            return true;
    return false;
}

static enum builtin builtin_of(struct str name)
{
    static const char *const names[] = { [BUILTIN_INT] = "Int",
                                         [BUILTIN_FLOAT] = "Float",
                                         [BUILTIN_STRING] = "String",
                                         [BUILTIN_BOOLEAN] = "Boolean",
                                         [BUILTIN_ID] = "ID" };
    for (size_t i = BUILTIN_INT; i < countof(names); i++)
        if (str_eq_c(name, names[i]))
            return (enum builtin)i;
    return BUILTIN_NONE;
}

static void add_type(struct builder *b, struct ast_definition *d, bool is_prelude)
{
    if (names_get(&b->s->type_names, d->name))
        return;
    struct gql_type *t = arena_new(b->arena, struct gql_type);
    *t = (struct gql_type){ .kind = kind_of[d->kind],
                            .is_prelude = is_prelude,
                            .name = d->name,
                            .number = b->s->type_count,
                            .description = value_text(d->description) };
    t->is_introspection = str_starts_with(d->name, STR("__"));
    t->builtin = is_prelude && d->kind == AST_SCALAR_DEF ? builtin_of(d->name) : BUILTIN_NONE;
    t->self = (struct type_ref){ .wrap = WRAP_NAMED, .named = t };
    if (t->kind == TYPE_OBJECT)
        t->object_number = b->s->object_count++;
    names_add(b->arena, &b->s->type_names, t->name, t);
    b->s->types[b->s->type_count++] = t;
}

/* The definition and its extensions, in the order of the document. */
static void collect_nodes(struct builder *b, struct gql_type *t, const struct ast_document *doc)
{
    for (struct ast_definition *d = doc->first; d; d = d->next)
        t->node_count += is_type_def(d) && str_eq(d->name, t->name);
    t->nodes = arena_new_array(b->arena, t->node_count, struct ast_definition *);
    t->node_count = 0;
    for (int pass = 0; pass < 2; pass++)
        for (struct ast_definition *d = doc->first; d; d = d->next)
            if (is_type_def(d) && str_eq(d->name, t->name) && d->is_extension == (pass == 1))
                t->nodes[t->node_count++] = d;
}

/* ── references ── */

static const struct type_ref *wrap_type(struct arena *arena, const struct type_ref *of,
                                        enum wrap wrap)
{
    struct type_ref *t = arena_new(arena, struct type_ref);
    *t = (struct type_ref){ .wrap = wrap, .of = of, .named = of->named };
    return t;
}

const struct type_ref *type_from_ast(struct arena *arena, const struct gql_schema *s,
                                     const struct ast_type *ast)
{
    const struct type_ref *t = NULL;
    if (ast->is_list) {
        t = type_from_ast(arena, s, ast->inner);
        t = t ? wrap_type(arena, t, WRAP_LIST) : NULL;
    } else {
        struct gql_type *named = schema_find(s, ast->name);
        t = named ? &named->self : NULL;
    }
    return t && ast->is_non_null ? wrap_type(arena, t, WRAP_NON_NULL) : t;
}

/* The text of a directive's argument; ptr NULL without the directive or with null. */
static struct str directive_text(struct builder *b, struct ast_directive *list, const char *name)
{
    struct ast_directive *d = find_directive(list, name);
    const struct directive_def *def = d ? schema_directive(b->s, d->name) : NULL;
    struct gql_value values[4] = { 0 };
    if (!def || def->arg_count == 0 || def->arg_count > countof(values) || b->errors->count)
        return (struct str){ 0 };
    if (!coerce_arguments(b->arena, def->args, def->arg_count, d->args, d->at, NULL, b->s->source,
                          b->errors, values) ||
        values[0].kind != GQL_TEXT)
        return (struct str){ 0 };
    return values[0].text.ptr ? values[0].text : STR("");
}

static struct str access_of(struct ast_directive *list)
{
    struct ast_directive *d = find_directive(list, "access");
    return d ? value_text(directive_arg(d, "role")) : (struct str){ 0 };
}

static struct input_def *build_inputs(struct builder *b, struct ast_input_def *ast,
                                      struct input_def *dst)
{
    for (; ast; ast = ast->next, dst++)
        *dst = (struct input_def){ .name = ast->name,
                                   .description = value_text(ast->description),
                                   .type = type_from_ast(b->arena, b->s, ast->type),
                                   .default_ast = ast->default_value,
                                   .deprecated = directive_text(b, ast->directives, "deprecated"),
                                   .access = access_of(ast->directives),
                                   .ast = ast };
    return dst;
}

static uint32_t count_inputs(const struct ast_input_def *ast)
{
    uint32_t count = 0;
    for (; ast; ast = ast->next)
        count++;
    return count;
}

static int32_t arg_index(const struct field_def *f, struct str name)
{
    for (uint32_t i = 0; i < f->arg_count; i++)
        if (str_eq(f->args[i].name, name))
            return (int32_t)i;
    return -1;
}

/* @cost(weight:, listSize:); without it 1, and `first` and `last` tell a list's size. */
static void build_cost(struct field_def *f)
{
    struct ast_directive *d = find_directive(f->ast->directives, "cost");
    const struct ast_value *weight = d ? directive_arg(d, "weight") : NULL;
    const struct ast_value *size = d ? directive_arg(d, "listSize") : NULL;
    uint64_t value = 1;
    if (weight && weight->kind == AST_INT && str_to_u64(weight->text, &value))
        value = min_of(value, (uint64_t)UINT32_MAX);
    f->cost = (uint32_t)value;
    f->size_arg = arg_index(f, size ? size->text : STR("first"));
    f->size_arg_last = arg_index(f, STR("last"));
}

static void build_field(struct builder *b, struct gql_type *t, struct ast_field_def *ast,
                        struct field_def *f)
{
    *f = (struct field_def){ .name = ast->name,
                             .description = value_text(ast->description),
                             .parent = t,
                             .type = type_from_ast(b->arena, b->s, ast->type),
                             .deprecated = directive_text(b, ast->directives, "deprecated"),
                             .access = access_of(ast->directives),
                             .arg_count = count_inputs(ast->args),
                             .ast = ast };
    f->args = arena_new_array(b->arena, f->arg_count, struct input_def);
    build_inputs(b, ast->args, f->args);
    build_cost(f);
}

static void build_fields(struct builder *b, struct gql_type *t)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->node_count; i++)
        for (struct ast_field_def *f = t->nodes[i]->fields; f; f = f->next)
            count++;
    t->fields = arena_new_array(b->arena, count, struct field_def);
    for (uint32_t i = 0; i < t->node_count; i++)
        for (struct ast_field_def *f = t->nodes[i]->fields; f; f = f->next) {
            struct field_def *dst = &t->fields[t->field_count++];
            build_field(b, t, f, dst);
            names_add(b->arena, &t->field_names, f->name, dst);
        }
}

static void build_input_object(struct builder *b, struct gql_type *t)
{
    for (uint32_t i = 0; i < t->node_count; i++) {
        t->input_count += count_inputs(t->nodes[i]->inputs);
        t->is_one_of |= find_directive(t->nodes[i]->directives, "oneOf") != NULL;
    }
    t->inputs = arena_new_array(b->arena, t->input_count, struct input_def);
    struct input_def *at = t->inputs;
    for (uint32_t i = 0; i < t->node_count; i++)
        at = build_inputs(b, t->nodes[i]->inputs, at);
    for (uint32_t i = 0; i < t->input_count; i++)
        names_add(b->arena, &t->field_names, t->inputs[i].name, &t->inputs[i]);
}

static void build_enum(struct builder *b, struct gql_type *t)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->node_count; i++)
        for (struct ast_enum_def *v = t->nodes[i]->values; v; v = v->next)
            count++;
    t->values = arena_new_array(b->arena, count, struct enum_value);
    for (uint32_t i = 0; i < t->node_count; i++)
        for (struct ast_enum_def *v = t->nodes[i]->values; v; v = v->next) {
            struct enum_value *dst = &t->values[t->value_count++];
            *dst =
                (struct enum_value){ .name = v->name,
                                     .description = value_text(v->description),
                                     .deprecated = directive_text(b, v->directives, "deprecated"),
                                     .ast = v };
            names_add(b->arena, &t->value_names, v->name, dst);
        }
}

/* Interfaces of a type or members of a union: both are lists of names. */
static struct gql_type **build_named(struct builder *b, const struct gql_type *t,
                                     uint32_t *ret_count)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->node_count; i++)
        for (struct ast_named *n = t->nodes[i]->interfaces; n; n = n->next)
            count++;
    struct gql_type **list = arena_new_array(b->arena, count, struct gql_type *);
    count = 0;
    for (uint32_t i = 0; i < t->node_count; i++)
        for (struct ast_named *n = t->nodes[i]->interfaces; n; n = n->next)
            list[count++] = schema_find(b->s, n->name);
    *ret_count = count;
    return list;
}

static void build_scalar(struct builder *b, struct gql_type *t)
{
    for (uint32_t i = 0; i < t->node_count; i++) {
        struct str url = directive_text(b, t->nodes[i]->directives, "specifiedBy");
        t->specified_by = url.ptr ? url : t->specified_by;
    }
}

static void build_type(struct builder *b, struct gql_type *t)
{
    switch (t->kind) {
    case TYPE_OBJECT:
    case TYPE_INTERFACE:
        build_fields(b, t);
        t->interfaces = build_named(b, t, &t->interface_count);
        break;
    case TYPE_UNION:
        t->possible = build_named(b, t, &t->possible_count);
        break;
    case TYPE_ENUM:
        build_enum(b, t);
        break;
    case TYPE_INPUT:
        build_input_object(b, t);
        break;
    case TYPE_SCALAR:
        build_scalar(b, t);
        break;
    }
}

/* ── what follows from it ── */

static void count_implementation(struct gql_type *iface, struct gql_type *t, bool is_counting)
{
    uint32_t *count =
        t->kind == TYPE_OBJECT ? &iface->possible_count : &iface->implementation_count;
    if (iface->kind != TYPE_INTERFACE)
        return;
    if (!is_counting)
        (t->kind == TYPE_OBJECT ? iface->possible : iface->implementations)[*count] = t;
    (*count)++;
}

static void link_interfaces(struct builder *b)
{
    struct gql_schema *s = b->s;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < s->type_count; i++)
            for (uint32_t j = 0; j < s->types[i]->interface_count; j++)
                count_implementation(s->types[i]->interfaces[j], s->types[i], pass == 0);
        for (uint32_t i = 0; i < s->type_count && pass == 0; i++) {
            struct gql_type *t = s->types[i];
            if (t->kind != TYPE_INTERFACE)
                continue;
            t->possible = arena_new_array(b->arena, t->possible_count, struct gql_type *);
            t->implementations =
                arena_new_array(b->arena, t->implementation_count, struct gql_type *);
            t->possible_count = t->implementation_count = 0;
        }
    }
    s->bit_words = s->object_count / 64 + 1;
    for (uint32_t i = 0; i < s->type_count; i++) {
        struct gql_type *t = s->types[i];
        if (!type_is_composite(t))
            continue;
        t->possible_bits = arena_new_array(b->arena, s->bit_words, uint64_t);
        if (t->kind == TYPE_OBJECT) {
            t->possible_bits[t->object_number / 64] |= (uint64_t)1 << t->object_number % 64;
            continue;
        }
        for (uint32_t j = 0; j < t->possible_count; j++)
            if (t->possible[j]->kind == TYPE_OBJECT)
                t->possible_bits[t->possible[j]->object_number / 64] |=
                    (uint64_t)1 << t->possible[j]->object_number % 64;
    }
}

/* Input types whose fields need a role, directly or further down; to a fixed point. */
static void link_access(struct gql_schema *s)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < s->type_count; i++) {
            struct gql_type *t = s->types[i];
            bool has = t->has_access;
            for (uint32_t j = 0; j < t->input_count; j++)
                has |= t->inputs[j].access.ptr || t->inputs[j].type->named->has_access;
            changed |= has != t->has_access;
            t->has_access = has;
        }
    }
    for (uint32_t i = 0; i < s->type_count; i++)
        for (uint32_t j = 0; j < s->types[i]->field_count; j++) {
            struct field_def *f = &s->types[i]->fields[j];
            for (uint32_t k = 0; k < f->arg_count; k++)
                f->args_have_access |= f->args[k].type->named->has_access;
        }
}

static void build_directives(struct builder *b, const struct ast_document *doc, bool is_prelude)
{
    for (struct ast_definition *d = doc->first; d; d = d->next) {
        struct directive_def *def = &b->s->directives[b->s->directive_count];
        if (d->kind != AST_DIRECTIVE_DEF || names_get(&b->s->directive_names, d->name))
            continue;
        *def = (struct directive_def){ .name = d->name,
                                       .description = value_text(d->description),
                                       .locations = d->interfaces,
                                       .is_repeatable = d->is_repeatable,
                                       .is_prelude = is_prelude,
                                       .arg_count = count_inputs(d->inputs),
                                       .ast = d };
        def->args = arena_new_array(b->arena, def->arg_count, struct input_def);
        build_inputs(b, d->inputs, def->args);
        names_add(b->arena, &b->s->directive_names, d->name, def);
        b->s->directive_count++;
    }
}

static void build_roots(struct builder *b, const struct gql_schema_options *options)
{
    static const char *const words[] = { "query", "mutation", "subscription" };
    static const char *const names[] = { "Query", "Mutation", "Subscription" };
    struct gql_schema *s = b->s;
    for (struct ast_definition *d = s->doc->first; d; d = d->next) {
        if (d->kind != AST_SCHEMA_DEF)
            continue;
        if (!d->is_extension) {
            s->ast = d;
            s->description = value_text(d->description);
        }
        for (size_t i = 0; i < countof(words); i++)
            for (struct ast_root *r = d->roots; r; r = r->next)
                if (str_eq_c(r->operation, words[i]))
                    s->roots[i] = schema_find(s, r->type);
    }
    for (size_t i = 0; !s->ast && i < countof(names); i++) {
        struct gql_type *usual = schema_find(s, str_of_c(names[i]));
        s->roots[i] = usual ? usual : s->roots[i]; /* which an extension may have given */
    }
    for (size_t i = 0; options && options->default_access && i < countof(names); i++)
        for (uint32_t j = 0; s->roots[i] && j < s->roots[i]->field_count; j++)
            if (!s->roots[i]->fields[j].access.ptr)
                s->roots[i]->fields[j].access =
                    arena_copy(b->arena, str_of_c(options->default_access));
}

/* ── the order of types ── */

static void list_type(struct gql_schema *s, struct gql_type *t)
{
    if (t->is_listed)
        return;
    t->is_listed = true;
    t->number = s->type_count;
    s->types[s->type_count++] = t;
}

/* A built-in scalar stands after the first type that refers to it. */
static void list_scalar(struct gql_schema *s, const struct type_ref *t)
{
    if (t->named->builtin)
        list_type(s, t->named);
}

static void list_with_scalars(struct gql_schema *s, struct gql_type *t)
{
    list_type(s, t);
    for (uint32_t i = 0; i < t->possible_count && t->kind == TYPE_UNION; i++)
        list_scalar(s, &t->possible[i]->self); /* wrong there, and yet to be told so */
    for (uint32_t i = 0; i < t->interface_count; i++)
        list_scalar(s, &t->interfaces[i]->self);
    for (uint32_t i = 0; i < t->input_count; i++)
        list_scalar(s, t->inputs[i].type);
    for (uint32_t i = 0; i < t->field_count; i++) {
        list_scalar(s, t->fields[i].type);
        for (uint32_t k = 0; k < t->fields[i].arg_count; k++)
            list_scalar(s, t->fields[i].args[k].type);
    }
}

/*
 * Types as the reference lists them: those of the SDL in its order, built-in scalars where they are
 * first asked for, introspection last. Scalars that nothing refers to are no part of the schema:
 * section 3.5.
 */
static void order_types(struct gql_schema *s)
{
    struct gql_type **all = s->types;
    uint32_t count = s->type_count;
    s->types = arena_new_array(s->arena, count, struct gql_type *);
    s->type_count = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!all[i]->is_prelude)
            list_with_scalars(s, all[i]);
    for (uint32_t i = 0; i < s->directive_count; i++)
        for (uint32_t k = 0; k < s->directives[i].arg_count; k++)
            list_scalar(s, s->directives[i].args[k].type);
    for (uint32_t i = 0; i < count; i++)
        if (all[i]->is_introspection)
            list_with_scalars(s, all[i]);
        else if (!all[i]->is_listed)
            all[i]->number = UINT32_MAX;
}

/* __typename, __schema and __type are written in the prelude as fields of a type of their own. */
static void build_meta_fields(struct gql_schema *s)
{
    struct gql_type *meta = schema_find(s, STR("__Meta"));
    s->typename_field = meta->fields[0];
    s->typename_field.is_typename = true;
    s->schema_field = meta->fields[1];
    s->type_field = meta->fields[2];
    struct field_def *fields[] = { &s->typename_field, &s->schema_field, &s->type_field };
    for (size_t i = 0; i < countof(fields); i++)
        fields[i]->cost = 1;
    s->type_count--; /* the last one: nobody sees it */
    meta->number = UINT32_MAX;
}

void schema_build(struct gql_schema *s, const struct ast_document *prelude,
                  const struct gql_schema_options *options, struct gql_errors *errors)
{
    struct builder b = { .s = s, .errors = errors, .arena = s->arena };
    const struct ast_document *docs[] = { s->doc, prelude };
    uint32_t types = 0, directives = 0;
    for (size_t i = 0; i < countof(docs); i++)
        for (const struct ast_definition *d = docs[i]->first; d; d = d->next) {
            types += is_type_def(d);
            directives += d->kind == AST_DIRECTIVE_DEF;
        }
    s->types = arena_new_array(s->arena, types, struct gql_type *);
    s->directives = arena_new_array(s->arena, directives, struct directive_def);
    for (struct ast_definition *d = s->doc->first; d; d = d->next)
        if (is_type_def(d) && !d->is_extension && !has_type(prelude, d->name))
            add_type(&b, d, false);
    for (struct ast_definition *d = prelude->first; d; d = d->next)
        if (is_type_def(d))
            add_type(&b, d, true);
    for (uint32_t i = 0; i < s->type_count; i++)
        collect_nodes(&b, s->types[i], s->types[i]->is_prelude ? prelude : s->doc);
    build_directives(&b, s->doc, false);
    build_directives(&b, prelude, true);
    for (uint32_t i = 0; i < s->directive_count; i++)
        for (uint32_t k = 0; k < s->directives[i].arg_count; k++)
            if (s->directives[i].is_prelude)
                schema_default_build(s, &s->directives[i].args[k], errors); /* wanted right below */
    for (uint32_t i = 0; i < s->directive_count; i++)
        for (uint32_t k = 0; k < s->directives[i].arg_count; k++) {
            struct input_def *arg = &s->directives[i].args[k];
            arg->deprecated = directive_text(&b, arg->ast->directives, "deprecated");
        }
    for (uint32_t i = 0; i < s->type_count; i++)
        build_type(&b, s->types[i]);
    link_interfaces(&b);
    build_roots(&b, options);
    schema_defaults_build(s, errors);
    build_meta_fields(s);
    order_types(s);
    link_access(s);
}
