/*
 * Type-system validation: what a schema must be beyond its rules of writing. Messages as
 * graphql-js. Source: GraphQL Sep 2025, sections 3.3 and 3.6 to 3.13, "Type Validation".
 */
#include "gql/diag_priv.h"
#include "gql/schema_priv.h"

struct check {
    const struct gql_schema *s;
    struct gql_errors *errors;
    struct arena *arena;
};

enum { PLACES_MAX = 64 };

/* Where an error is; places beyond the bound are dropped. */
struct places {
    uint32_t at[PLACES_MAX];
    size_t count;
};

static void place(struct places *p, uint32_t at)
{
    if (p->count < PLACES_MAX)
        p->at[p->count++] = at;
}

static void place_nodes(struct places *p, const struct gql_type *t)
{
    for (uint32_t i = 0; i < t->node_count; i++)
        place(p, t->nodes[i]->at);
}

/* `implements` entries of an interface, or union members, by that name. */
static void place_named(struct places *p, const struct gql_type *t, struct str name)
{
    for (uint32_t i = 0; i < t->node_count; i++)
        for (const struct ast_named *n = t->nodes[i]->interfaces; n; n = n->next)
            if (str_eq(n->name, name))
                place(p, n->at);
}

static void report(struct check *c, const struct places *p, struct str message)
{
    struct gql_error *e = error_add(c->errors, GQL_CODE_VALIDATION, message);
    if (p->count)
        error_place(c->errors, e, c->s->source, p->at, p->count);
}

#define report_at(c, position, ...)                                                                \
    report((c), &(struct places){ .at = { position }, .count = 1 },                                \
           arena_printf((c)->arena, __VA_ARGS__))

static void check_name(struct check *c, struct str name, uint32_t at)
{
    if (str_starts_with(name, STR("__")))
        report_at(c, at,
                  "Name \"%.*s\" must not begin with \"__\", which is reserved by GraphQL "
                  "introspection.",
                  STR_FMT(name));
}

/* ── roots ── */

static bool root_place(const struct gql_schema *s, const char *operation, uint32_t *ret_at)
{
    for (const struct ast_definition *d = s->doc->first; d; d = d->next)
        for (const struct ast_root *r = d->kind == AST_SCHEMA_DEF ? d->roots : NULL; r; r = r->next)
            if (str_eq_c(r->operation, operation)) {
                *ret_at = r->type_at;
                return true;
            }
    return false;
}

static void check_roots(struct check *c)
{
    static const char *const operations[] = { "query", "mutation", "subscription" };
    static const char *const titles[] = { "Query", "Mutation", "Subscription" };
    if (!c->s->roots[GQL_QUERY]) {
        struct places p = { 0 };
        if (c->s->ast)
            place(&p, c->s->ast->at);
        report(c, &p, STR("Query root type must be provided."));
    }
    for (size_t i = 0; i < countof(titles); i++) {
        const struct gql_type *root = c->s->roots[i];
        if (!root || root->kind == TYPE_OBJECT)
            continue;
        struct places p = { 0 };
        uint32_t at = 0;
        if (root_place(c->s, operations[i], &at))
            place(&p, at);
        else
            place(&p, root->nodes[0]->at);
        report(c, &p,
               arena_printf(c->arena, "%s root type must be Object type%s, it cannot be %.*s.",
                            titles[i], i == 0 ? "" : " if provided", STR_FMT(root->name)));
    }
}

/* ── arguments and fields ── */

static struct str text_of(struct check *c, const struct type_ref *t)
{
    return type_text(c->arena, t);
}

static void check_not_deprecated(struct check *c, const struct input_def *i, const char *what,
                                 struct str coordinate)
{
    if (!input_is_required(i) || !i->deprecated.ptr)
        return;
    struct places p = { 0 };
    place(&p, find_directive(i->ast->directives, "deprecated")->at);
    place(&p, i->ast->type->at);
    report(c, &p,
           arena_printf(c->arena, "Required %s %.*s cannot be deprecated.", what,
                        STR_FMT(coordinate)));
}

static void check_args(struct check *c, const struct input_def *args, uint32_t count,
                       struct str owner, bool is_directive)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct input_def *a = &args[i];
        check_name(c, a->name, a->ast->at);
        struct str coordinate =
            arena_printf(c->arena, "%.*s(%.*s:)", STR_FMT(owner), STR_FMT(a->name));
        if (!type_is_input(a->type->named)) {
            struct str type = text_of(c, a->type);
            report_at(c, is_directive ? a->ast->at : a->ast->type->at,
                      "The type of %.*s must be Input Type but got: %.*s.", STR_FMT(coordinate),
                      STR_FMT(type));
        }
        check_not_deprecated(c, a, "argument", coordinate);
    }
}

static void check_fields(struct check *c, const struct gql_type *t)
{
    if (t->field_count == 0) {
        struct places p = { 0 };
        place_nodes(&p, t);
        report(
            c, &p,
            arena_printf(c->arena, "Type %.*s must define one or more fields.", STR_FMT(t->name)));
    }
    for (uint32_t i = 0; i < t->field_count; i++) {
        const struct field_def *f = &t->fields[i];
        struct str owner = arena_printf(c->arena, "%.*s.%.*s", STR_FMT(t->name), STR_FMT(f->name));
        check_name(c, f->name, f->ast->at);
        if (f->type->named->kind == TYPE_INPUT) {
            struct str type = text_of(c, f->type);
            report_at(c, f->ast->type->at, "The type of %.*s must be Output Type but got: %.*s.",
                      STR_FMT(owner), STR_FMT(type));
        }
        check_args(c, f->args, f->arg_count, owner, false);
    }
}

/* ── interfaces: section 3.6.1, IsValidImplementation ── */

static struct field_def *own_field(const struct gql_type *t, struct str name)
{
    return names_get(&t->field_names, name);
}

static void check_implemented_args(struct check *c, const struct gql_type *t,
                                   const struct gql_type *iface, const struct field_def *want,
                                   const struct field_def *have)
{
    for (uint32_t i = 0; i < want->arg_count; i++) {
        const struct input_def *a = &want->args[i];
        const struct input_def *b = inputs_find(have->args, have->arg_count, a->name);
        struct places p = { 0 };
        if (!b) {
            place(&p, a->ast->at);
            place(&p, have->ast->at);
            report(c, &p,
                   arena_printf(c->arena,
                                "Interface field argument %.*s.%.*s(%.*s:) expected but %.*s.%.*s "
                                "does not provide it.",
                                STR_FMT(iface->name), STR_FMT(want->name), STR_FMT(a->name),
                                STR_FMT(t->name), STR_FMT(want->name)));
        } else if (!type_equal(a->type, b->type)) {
            struct str wanted = text_of(c, a->type);
            struct str found = text_of(c, b->type);
            place(&p, a->ast->type->at);
            place(&p, b->ast->type->at);
            report(c, &p,
                   arena_printf(c->arena,
                                "Interface field argument %.*s.%.*s(%.*s:) expects type %.*s but "
                                "%.*s.%.*s(%.*s:) is type %.*s.",
                                STR_FMT(iface->name), STR_FMT(want->name), STR_FMT(a->name),
                                STR_FMT(wanted), STR_FMT(t->name), STR_FMT(want->name),
                                STR_FMT(a->name), STR_FMT(found)));
        }
    }
    for (uint32_t i = 0; i < have->arg_count; i++) {
        const struct input_def *b = &have->args[i];
        if (inputs_find(want->args, want->arg_count, b->name) || !input_is_required(b))
            continue;
        struct places p = { 0 };
        place(&p, b->ast->at);
        place(&p, want->ast->at);
        report(c, &p,
               arena_printf(c->arena,
                            "Object field %.*s.%.*s includes required argument %.*s that is "
                            "missing from the Interface field %.*s.%.*s.",
                            STR_FMT(t->name), STR_FMT(want->name), STR_FMT(b->name),
                            STR_FMT(iface->name), STR_FMT(want->name)));
    }
}

static void check_implements(struct check *c, const struct gql_type *t,
                             const struct gql_type *iface)
{
    for (uint32_t i = 0; i < iface->field_count; i++) {
        const struct field_def *want = &iface->fields[i];
        const struct field_def *have = own_field(t, want->name);
        struct places p = { 0 };
        if (!have) {
            place(&p, want->ast->at);
            place_nodes(&p, t);
            report(c, &p,
                   arena_printf(c->arena,
                                "Interface field %.*s.%.*s expected but %.*s does not provide it.",
                                STR_FMT(iface->name), STR_FMT(want->name), STR_FMT(t->name)));
            continue;
        }
        if (!type_is_subtype(have->type, want->type)) {
            struct str wanted = text_of(c, want->type);
            struct str found = text_of(c, have->type);
            place(&p, want->ast->type->at);
            place(&p, have->ast->type->at);
            report(c, &p,
                   arena_printf(c->arena,
                                "Interface field %.*s.%.*s expects type %.*s but %.*s.%.*s is "
                                "type %.*s.",
                                STR_FMT(iface->name), STR_FMT(want->name), STR_FMT(wanted),
                                STR_FMT(t->name), STR_FMT(want->name), STR_FMT(found)));
        }
        check_implemented_args(c, t, iface, want, have);
    }
}

static bool has_interface(const struct gql_type *t, const struct gql_type *iface)
{
    for (uint32_t i = 0; i < t->interface_count; i++)
        if (t->interfaces[i] == iface)
            return true;
    return false;
}

static void check_ancestors(struct check *c, const struct gql_type *t, const struct gql_type *iface)
{
    for (uint32_t i = 0; i < iface->interface_count; i++) {
        const struct gql_type *above = iface->interfaces[i];
        if (has_interface(t, above))
            continue;
        struct places p = { 0 };
        place_named(&p, iface, above->name);
        place_named(&p, t, iface->name);
        struct str message =
            above == t
                ? arena_printf(c->arena,
                               "Type %.*s cannot implement %.*s because it would create a circular "
                               "reference.",
                               STR_FMT(t->name), STR_FMT(iface->name))
                : arena_printf(c->arena,
                               "Type %.*s must implement %.*s because it is implemented by %.*s.",
                               STR_FMT(t->name), STR_FMT(above->name), STR_FMT(iface->name));
        report(c, &p, message);
    }
}

static void check_interfaces(struct check *c, const struct gql_type *t)
{
    for (uint32_t i = 0; i < t->interface_count; i++) {
        const struct gql_type *iface = t->interfaces[i];
        struct places p = { 0 };
        bool is_repeated = false;
        for (uint32_t j = 0; j < i; j++)
            is_repeated |= t->interfaces[j] == iface;
        place_named(&p, t, iface->name);
        if (iface->kind != TYPE_INTERFACE) {
            report(c, &p,
                   arena_printf(c->arena,
                                "Type %.*s must only implement Interface types, it cannot "
                                "implement %.*s.",
                                STR_FMT(t->name), STR_FMT(iface->name)));
        } else if (t == iface) {
            report(c, &p,
                   arena_printf(c->arena,
                                "Type %.*s cannot implement itself because it would create a "
                                "circular reference.",
                                STR_FMT(t->name)));
        } else if (is_repeated) {
            report(c, &p,
                   arena_printf(c->arena, "Type %.*s can only implement %.*s once.",
                                STR_FMT(t->name), STR_FMT(iface->name)));
        } else {
            check_ancestors(c, t, iface);
            check_implements(c, t, iface);
        }
    }
}

/* ── unions, enums, input objects ── */

static void check_members(struct check *c, const struct gql_type *t)
{
    struct names seen = { 0 };
    struct places p = { 0 };
    place_nodes(&p, t);
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->node_count; i++)
        for (const struct ast_named *n = t->nodes[i]->interfaces; n; n = n->next, count++) {
            struct gql_type *member = schema_find(c->s, n->name);
            struct places at = { 0 };
            place_named(&at, t, n->name);
            if (names_add(c->arena, &seen, n->name, member)) {
                report(c, &at,
                       arena_printf(c->arena, "Union type %.*s can only include type %.*s once.",
                                    STR_FMT(t->name), STR_FMT(n->name)));
            } else if (member->kind != TYPE_OBJECT) {
                report(c, &at,
                       arena_printf(c->arena,
                                    "Union type %.*s can only include Object types, it cannot "
                                    "include %.*s.",
                                    STR_FMT(t->name), STR_FMT(n->name)));
            }
        }
    if (count == 0)
        report(c, &p,
               arena_printf(c->arena, "Union type %.*s must define one or more member types.",
                            STR_FMT(t->name)));
}

static void check_values(struct check *c, const struct gql_type *t)
{
    if (t->value_count == 0) {
        struct places p = { 0 };
        place_nodes(&p, t);
        report(c, &p,
               arena_printf(c->arena, "Enum type %.*s must define one or more values.",
                            STR_FMT(t->name)));
    }
    for (uint32_t i = 0; i < t->value_count; i++)
        check_name(c, t->values[i].name, t->values[i].ast->at);
}

static void check_inputs(struct check *c, const struct gql_type *t)
{
    if (t->input_count == 0) {
        struct places p = { 0 };
        place_nodes(&p, t);
        report(c, &p,
               arena_printf(c->arena, "Input Object type %.*s must define one or more fields.",
                            STR_FMT(t->name)));
    }
    for (uint32_t i = 0; i < t->input_count; i++) {
        const struct input_def *f = &t->inputs[i];
        struct str coordinate =
            arena_printf(c->arena, "%.*s.%.*s", STR_FMT(t->name), STR_FMT(f->name));
        check_name(c, f->name, f->ast->at);
        if (!type_is_input(f->type->named)) {
            struct str type = text_of(c, f->type);
            report_at(c, f->ast->type->at, "The type of %.*s must be Input Type but got: %.*s.",
                      STR_FMT(coordinate), STR_FMT(type));
        }
        check_not_deprecated(c, f, "input field", coordinate);
        if (t->is_one_of && f->type->wrap == WRAP_NON_NULL)
            report_at(c, f->ast->type->at, "OneOf input field %.*s must be nullable.",
                      STR_FMT(coordinate));
        if (t->is_one_of && f->default_ast)
            report_at(c, f->ast->at, "OneOf input field %.*s cannot have a default value.",
                      STR_FMT(coordinate));
    }
}

/* ── input objects that need themselves: section 3.10, "Circular References" ── */

struct cycle_step {
    const struct cycle_step *above;
    const struct gql_type *type;
    const struct input_def *field; /* the one that leads on */
};

static void report_cycle(struct check *c, const struct cycle_step *leaf, const struct gql_type *t)
{
    struct places reversed = { 0 }, p = { 0 };
    struct str path = { 0 };
    for (const struct cycle_step *s = leaf;; s = s->above) {
        place(&reversed, s->field->ast->at);
        path = arena_printf(c->arena, "%.*s%s%.*s", STR_FMT(s->field->name), path.len ? "." : "",
                            STR_FMT(path));
        if (s->type == t)
            break;
    }
    while (reversed.count)
        place(&p, reversed.at[--reversed.count]);
    report(c, &p,
           arena_printf(c->arena,
                        "Cannot reference Input Object \"%.*s\" within itself through a series of "
                        "non-null fields: \"%.*s\".",
                        STR_FMT(t->name), STR_FMT(path)));
}

/* A bound on what one schema text may make of the stack. */
enum { CYCLE_DEPTH_MAX = 2000 };

static void find_cycles(struct check *c, bool *visited, const struct cycle_step *above,
                        const struct gql_type *t, uint32_t depth)
{
    if (visited[t->number] || depth > CYCLE_DEPTH_MAX)
        return;
    visited[t->number] = true;
    for (uint32_t i = 0; i < t->input_count; i++) {
        const struct input_def *f = &t->inputs[i];
        if (f->type->wrap != WRAP_NON_NULL || f->type->of->wrap != WRAP_NAMED ||
            f->type->named->kind != TYPE_INPUT)
            continue;
        struct cycle_step step = { above, t, f };
        const struct cycle_step *s = &step;
        while (s && s->type != f->type->named)
            s = s->above;
        if (s)
            report_cycle(c, &step, f->type->named);
        else
            find_cycles(c, visited, &step, f->type->named, depth + 1);
    }
}

/*
 * What an interface does not deprecate, none of its types may: section 3.6, IsValidImplementation.
 * Younger than the reference's release 16, so it is told only of schemas without other errors.
 */
static void check_deprecations(struct check *c, const struct gql_type *t,
                               const struct gql_type *iface)
{
    for (uint32_t i = 0; i < iface->field_count; i++) {
        const struct field_def *want = &iface->fields[i];
        const struct field_def *have = own_field(t, want->name);
        if (!have->deprecated.ptr || want->deprecated.ptr)
            continue;
        struct places p = { 0 };
        place(&p, find_directive(have->ast->directives, "deprecated")->at);
        place(&p, have->ast->type->at);
        report(c, &p,
               arena_printf(c->arena,
                            "Interface field %.*s.%.*s is not deprecated, so implementation field "
                            "%.*s.%.*s must not be deprecated.",
                            STR_FMT(iface->name), STR_FMT(want->name), STR_FMT(t->name),
                            STR_FMT(have->name)));
    }
}

void schema_check(const struct gql_schema *s, struct gql_errors *errors)
{
    struct check c = { .s = s, .errors = errors, .arena = errors->arena };
    size_t errors_before = errors->count;
    bool *visited = arena_new_array(c.arena, s->type_count, bool);
    check_roots(&c);
    for (uint32_t i = 0; i < s->directive_count; i++) {
        const struct directive_def *d = &s->directives[i];
        if (d->is_prelude)
            continue;
        check_name(&c, d->name, d->ast->at);
        check_args(&c, d->args, d->arg_count, arena_printf(c.arena, "@%.*s", STR_FMT(d->name)),
                   true);
    }
    for (uint32_t i = 0; i < s->type_count; i++) {
        const struct gql_type *t = s->types[i];
        if (t->is_prelude)
            continue;
        check_name(&c, t->name, t->nodes[0]->at);
        switch (t->kind) {
        case TYPE_OBJECT:
        case TYPE_INTERFACE:
            check_fields(&c, t);
            check_interfaces(&c, t);
            break;
        case TYPE_UNION:
            check_members(&c, t);
            break;
        case TYPE_ENUM:
            check_values(&c, t);
            break;
        case TYPE_INPUT:
            check_inputs(&c, t);
            find_cycles(&c, visited, NULL, t, 0);
            break;
        case TYPE_SCALAR:
            break;
        }
    }
    schema_defaults_check(s, errors);
    bool is_right = errors->count == errors_before && !s->has_wrong_default;
    for (uint32_t i = 0; i < s->type_count && is_right; i++)
        for (uint32_t j = 0; j < s->types[i]->interface_count; j++)
            check_deprecations(&c, s->types[i], s->types[i]->interfaces[j]);
}
