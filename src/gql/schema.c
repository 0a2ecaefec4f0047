#include "gql/schema_priv.h"

#include "base/mem.h"
#include "gql/coerce_priv.h"
#include "gql/diag_priv.h"

/* ── look-ups ── */

struct gql_type *schema_find(const struct gql_schema *s, struct str name)
{
    struct gql_type *t = names_get(&s->type_names, name);
    return t && t->number != UINT32_MAX ? t : NULL;
}

struct directive_def *schema_directive(const struct gql_schema *s, struct str name)
{
    return names_get(&s->directive_names, name);
}

const struct field_def *schema_field(const struct gql_schema *s, const struct gql_type *t,
                                     struct str name)
{
    return schema_field_hashed(s, t, name, str_hash(name));
}

const struct field_def *schema_field_hashed(const struct gql_schema *s, const struct gql_type *t,
                                            struct str name, uint64_t hash)
{
    if (name.len > 1 && name.ptr[0] == '_' && name.ptr[1] == '_') {
        if (str_eq_c(name, "__typename"))
            return type_is_composite(t) ? &s->typename_field : NULL;
        if (t == s->roots[GQL_QUERY] && str_eq_c(name, "__schema"))
            return &s->schema_field;
        if (t == s->roots[GQL_QUERY] && str_eq_c(name, "__type"))
            return &s->type_field;
    }
    bool has_fields = t->kind == TYPE_OBJECT || t->kind == TYPE_INTERFACE;
    return has_fields ? names_get_hashed(&t->field_names, name, hash) : NULL;
}

const struct input_def *type_input(const struct gql_type *t, struct str name)
{
    return t->kind == TYPE_INPUT ? names_get(&t->field_names, name) : NULL;
}

const struct input_def *inputs_find(const struct input_def *defs, uint32_t count, struct str name)
{
    for (uint32_t i = 0; i < count; i++)
        if (str_eq(defs[i].name, name))
            return &defs[i];
    return NULL;
}

struct ast_directive *find_directive(struct ast_directive *list, const char *name)
{
    while (list && !str_eq_c(list->name, name))
        list = list->next;
    return list;
}

struct ast_value *directive_arg(const struct ast_directive *d, const char *name)
{
    for (const struct ast_entry *a = d->args; a; a = a->next)
        if (str_eq_c(a->name, name))
            return a->value;
    return NULL;
}

/* ── types ── */

struct str type_text(struct arena *arena, const struct type_ref *t)
{
    if (t->wrap == WRAP_NAMED)
        return t->named->name;
    struct str inner = type_text(arena, t->of);
    return t->wrap == WRAP_LIST ? arena_printf(arena, "[%.*s]", STR_FMT(inner))
                                : arena_printf(arena, "%.*s!", STR_FMT(inner));
}

struct str ast_type_text(struct arena *arena, const struct ast_type *t)
{
    const char *bang = t->is_non_null ? "!" : "";
    if (!t->is_list)
        return arena_printf(arena, "%.*s%s", STR_FMT(t->name), bang);
    struct str inner = ast_type_text(arena, t->inner);
    return arena_printf(arena, "[%.*s]%s", STR_FMT(inner), bang);
}

bool type_equal(const struct type_ref *a, const struct type_ref *b)
{
    for (; a->wrap == b->wrap && a->wrap != WRAP_NAMED; a = a->of, b = b->of) {
    }
    return a->wrap == b->wrap && a->named == b->named;
}

static bool implements(const struct gql_type *t, const struct gql_type *iface)
{
    for (uint32_t i = 0; i < t->interface_count; i++)
        if (t->interfaces[i] == iface)
            return true;
    return false;
}

bool type_is_subtype(const struct type_ref *sub, const struct type_ref *super)
{
    for (;;) {
        if (super->wrap == WRAP_NON_NULL) {
            if (sub->wrap != WRAP_NON_NULL)
                return false;
            super = super->of;
            sub = sub->of;
        } else if (sub->wrap == WRAP_NON_NULL) {
            sub = sub->of;
        } else if (super->wrap != sub->wrap) {
            return false;
        } else if (super->wrap == WRAP_LIST) {
            super = super->of;
            sub = sub->of;
        } else {
            break;
        }
    }
    const struct gql_type *a = sub->named;
    const struct gql_type *b = super->named;
    if (a == b)
        return true;
    if (b->kind == TYPE_INTERFACE)
        return (a->kind == TYPE_OBJECT || a->kind == TYPE_INTERFACE) && implements(a, b);
    return b->kind == TYPE_UNION && a->kind == TYPE_OBJECT && type_possible(b, a);
}

bool types_overlap(const struct gql_schema *s, const struct gql_type *a, const struct gql_type *b)
{
    for (uint32_t i = 0; i < s->bit_words; i++)
        if (a->possible_bits[i] & b->possible_bits[i])
            return true;
    return a == b;
}

/* ── making and binding ── */

static void names_of_prelude(struct arena *arena, const struct ast_document *prelude,
                             struct names *types, struct names *directives)
{
    for (struct ast_definition *d = prelude->first; d; d = d->next)
        if (!str_eq_c(d->name, "__Meta"))
            names_add(arena, d->kind == AST_DIRECTIVE_DEF ? directives : types, d->name, d);
}

struct gql_schema *gql_schema_create(struct str sdl, const struct gql_schema_options *options,
                                     struct gql_errors *errors)
{
    static const struct parse_options parsing = { .nesting_max = 1000 };
    scoped(arena_destroyp) struct arena *arena = arena_create(SIZE_MAX);
    struct gql_schema *s = arena_new(arena, struct gql_schema);
    struct names types = { 0 }, directives = { 0 };
    size_t errors_before = errors->count;
    s->arena = arena;
    s->source = arena_copy(arena, sdl);
    s->roots_may_fall_back = options && options->roots_may_fall_back;
    s->has_incremental = options && options->has_incremental;
    struct str own =
        arena_printf(arena, "%s%s", schema_prelude, s->has_incremental ? schema_incremental : "");
    struct ast_document *prelude = ast_parse(arena, own, &parsing, errors);
    assert(prelude);
    s->doc = ast_parse(arena, s->source, &parsing, errors);
    if (!s->doc)
        return NULL;
    names_of_prelude(arena, prelude, &types, &directives);
    schema_rules_check(s->doc, &types, &directives, errors);
    if (errors->count == errors_before)
        schema_build(s, prelude, options, errors);
    s->is_unchecked = options && options->is_unchecked;
    if (errors->count == errors_before && !s->is_unchecked)
        schema_check(s, errors);
    if (errors->count > errors_before)
        return NULL;
    introspection_bind(s);
    arena = NULL;
    return s;
}

void gql_schema_destroy(struct gql_schema *s)
{
    if (s)
        arena_destroy(s->arena);
}

const struct gql_type *gql_schema_type(const struct gql_schema *s, struct str name)
{
    return schema_find(s, name);
}

struct str gql_type_name(const struct gql_type *t)
{
    return t->name;
}

bool gql_type_is_object(const struct gql_type *t)
{
    return t->kind == TYPE_OBJECT;
}

bool gql_type_is_abstract(const struct gql_type *t)
{
    return type_is_abstract(t);
}

bool gql_schema_bind(struct gql_schema *s, const char *coordinate,
                     const struct gql_binding *binding, struct err *e)
{
    struct str type_name, field_name;
    assert(!s->is_sealed);
    assert(!binding->resolve != !binding->get);
    bool has_dot = str_cut(str_of_c(coordinate), '.', &type_name, &field_name);
    struct gql_type *t = has_dot ? schema_find(s, type_name) : NULL;
    struct field_def *f =
        t && t->kind == TYPE_OBJECT ? names_get(&t->field_names, field_name) : NULL;
    if (!f)
        return err_set(e, ERR_NOT_FOUND, "the schema has no field %s", coordinate);
    if (f->is_bound)
        return err_set(e, ERR_CONFLICT, "field %s is bound already", coordinate);
    f->binding = *binding;
    f->is_bound = true;
    return true;
}

bool gql_schema_bind_scalar(struct gql_schema *s, const char *name, const struct gql_scalar *scalar,
                            struct err *e)
{
    struct gql_type *t = schema_find(s, str_of_c(name));
    assert(!s->is_sealed);
    if (!t || t->kind != TYPE_SCALAR || t->builtin)
        return err_set(e, ERR_NOT_FOUND, "the schema has no custom scalar %s", name);
    t->scalar = *scalar;
    return true;
}

bool gql_schema_bind_type(struct gql_schema *s, const char *name, gql_type_fn *resolve_type,
                          struct err *e)
{
    struct gql_type *t = schema_find(s, str_of_c(name));
    assert(!s->is_sealed);
    if (!t || !type_is_abstract(t))
        return err_set(e, ERR_NOT_FOUND, "the schema has no interface or union %s", name);
    t->resolve_type = resolve_type;
    return true;
}

static bool is_root(const struct gql_schema *s, const struct gql_type *t)
{
    return t == s->roots[GQL_QUERY] || t == s->roots[GQL_MUTATION] ||
           t == s->roots[GQL_SUBSCRIPTION];
}

bool gql_schema_seal(struct gql_schema *s, const struct gql_binding *fallback, struct err *e)
{
    const struct field_def *first = NULL;
    unsigned unbound = 0;
    assert(!s->is_sealed && !s->is_unchecked);
    for (uint32_t i = 0; i < s->type_count; i++) {
        struct gql_type *t = s->types[i];
        for (uint32_t j = 0; t->kind == TYPE_OBJECT && j < t->field_count; j++) {
            struct field_def *f = &t->fields[j];
            bool needs_source = t == s->roots[GQL_SUBSCRIPTION] && !f->binding.subscribe;
            if (f->is_bound && !needs_source)
                continue;
            if (fallback && (s->roots_may_fall_back || !is_root(s, t))) {
                f->binding = *fallback;
                continue;
            }
            first = first ? first : f;
            unbound++;
        }
    }
    if (first)
        return err_set(e, ERR_INVALID, "field %.*s.%.*s has no resolver (%u in all)",
                       STR_FMT(first->parent->name), STR_FMT(first->name), unbound);
    /* Defaults were coerced before the host's scalars were bound: once more, with their hooks. */
    if (!schema_defaults_seal(s, e))
        return false;
    s->is_sealed = true;
    return true;
}

/* ── values as hosts read them ── */

static const struct gql_value absent = { .kind = GQL_ABSENT };

const struct gql_value *gql_input(const struct gql_value *input, const char *name)
{
    if (input->kind != GQL_INPUT)
        return &absent;
    const struct gql_type *t = input->input_type;
    struct str wanted = str_of_c(name);
    for (uint32_t i = 0; i < t->input_count; i++)
        if (str_eq(t->inputs[i].name, wanted))
            return &input->fields[i];
    return &absent;
}
