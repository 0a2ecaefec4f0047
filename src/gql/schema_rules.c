/*
 * The rules that an SDL document obeys before types are made of it. Messages as graphql-js.
 * Source: GraphQL Sep 2025, sections 3 and 5.7; errors of one document are bounded by its size.
 */
#include "gql/diag_priv.h"
#include "gql/schema_priv.h"

struct rules {
    const struct ast_document *doc;
    struct gql_errors *errors;
    struct arena *arena;
    const struct names *prelude_types, *prelude_directives;
    struct names types;      /* ast_definition, this document's */
    struct names directives; /* ast_definition */
    struct names members;    /* "kind:Type.member" → where it was first */
    struct names at_places;  /* directives seen on a type and its extensions */
};

/* Positions as non-NULL pointers into the source, so that a table can hold them. */
static void *place_of(const struct rules *r, uint32_t at)
{
    return (void *)(uintptr_t)(r->doc->source.ptr + at);
}

static uint32_t at_of(const struct rules *r, const void *place)
{
    return (uint32_t)((const char *)place - r->doc->source.ptr);
}

static void report(struct rules *r, struct str message, const uint32_t *at, size_t count)
{
    error_place(r->errors, error_add(r->errors, GQL_CODE_VALIDATION, message), r->doc->source, at,
                count);
}

#define report_at(r, at, ...)                                                                      \
    report((r), arena_printf((r)->arena, __VA_ARGS__), &(uint32_t){ at }, 1)
#define report_two(r, at1, at2, ...)                                                               \
    report((r), arena_printf((r)->arena, __VA_ARGS__), (uint32_t[]){ (at1), (at2) }, 2)

/* ── unique members ── */

static void check_member(struct rules *r, const char *kind, struct str type, struct str name,
                         uint32_t at, const char *fmt_kind)
{
    struct str key = arena_printf(r->arena, "%s:%.*s.%.*s", kind, STR_FMT(type), STR_FMT(name));
    void *before = names_add(r->arena, &r->members, key, place_of(r, at));
    if (before)
        report_two(r, at_of(r, before), at, "%s \"%.*s.%.*s\" can only be defined once.", fmt_kind,
                   STR_FMT(type), STR_FMT(name));
}

/* One error a name, at all of its places. */
static void check_unique_args(struct rules *r, const struct ast_input_def *args, struct str owner)
{
    for (const struct ast_input_def *a = args; a; a = a->next) {
        uint32_t *at = NULL;
        size_t count = 0;
        bool is_first = true;
        for (const struct ast_input_def *b = args; b != a; b = b->next)
            is_first &= !str_eq(a->name, b->name);
        for (const struct ast_input_def *b = a; b && is_first; b = b->next)
            count += str_eq(a->name, b->name);
        if (!is_first || count < 2)
            continue;
        at = arena_new_array(r->arena, count, uint32_t);
        count = 0;
        for (const struct ast_input_def *b = a; b; b = b->next)
            if (str_eq(a->name, b->name))
                at[count++] = b->name_at;
        report(r,
               arena_printf(r->arena, "Argument \"%.*s(%.*s:)\" can only be defined once.",
                            STR_FMT(owner), STR_FMT(a->name)),
               at, count);
    }
}

/* ── names of types ── */

static void check_type_name(struct rules *r, struct str name, uint32_t at)
{
    if (names_get(&r->types, name) || names_get(r->prelude_types, name))
        return;
    struct str *known =
        arena_new_array(r->arena, r->types.count + r->prelude_types->count, struct str);
    size_t count = 0;
    const struct names *tables[] = { &r->types, r->prelude_types };
    for (size_t t = 0; t < countof(tables); t++)
        for (uint32_t i = 0; i < tables[t]->capacity; i++)
            if (tables[t]->slots[i].value)
                known[count++] = tables[t]->slots[i].name;
    count = suggest(r->arena, name, known, count);
    struct str hint = did_you_mean(r->arena, "", known, count);
    report_at(r, at, "Unknown type \"%.*s\".%.*s", STR_FMT(name), STR_FMT(hint));
}

static void check_type(struct rules *r, const struct ast_type *t)
{
    while (t->is_list)
        t = t->inner;
    check_type_name(r, t->name, t->at);
}

/* ── directives: section 5.7 ── */

static struct ast_definition *directive_def_of(struct rules *r, struct str name)
{
    struct ast_definition *d = names_get(&r->directives, name);
    return d ? d : names_get(r->prelude_directives, name);
}

static void check_values_unique(struct rules *r, const struct ast_value *v)
{
    for (const struct ast_value *item = v->items; item; item = item->next)
        check_values_unique(r, item);
    struct names seen = { 0 };
    for (const struct ast_entry *e = v->entries; e; e = e->next) {
        void *before = names_add(r->arena, &seen, e->name, place_of(r, e->at));
        if (before)
            report_two(r, at_of(r, before), e->at,
                       "There can be only one input field named \"%.*s\".", STR_FMT(e->name));
        check_values_unique(r, e->value);
    }
}

static void check_directive_args(struct rules *r, const struct ast_directive *d,
                                 const struct ast_definition *def)
{
    struct names given = { 0 };
    for (const struct ast_entry *a = d->args; a; a = a->next) {
        check_values_unique(r, a->value);
        if (names_add(r->arena, &given, a->name, place_of(r, a->at)))
            continue;
        size_t count = 0;
        uint32_t *at = NULL;
        for (const struct ast_entry *b = a; b; b = b->next)
            count += str_eq(a->name, b->name);
        if (count > 1) {
            at = arena_new_array(r->arena, count, uint32_t);
            count = 0;
            for (const struct ast_entry *b = a; b; b = b->next)
                if (str_eq(a->name, b->name))
                    at[count++] = b->at;
            report(r,
                   arena_printf(r->arena, "There can be only one argument named \"%.*s\".",
                                STR_FMT(a->name)),
                   at, count);
        }
    }
    if (!def)
        return;
    for (const struct ast_entry *a = d->args; a; a = a->next) {
        struct str *known = NULL;
        size_t count = 0;
        bool is_known = false;
        for (const struct ast_input_def *i = def->inputs; i; i = i->next) {
            is_known |= str_eq(i->name, a->name);
            count++;
        }
        if (is_known)
            continue;
        known = arena_new_array(r->arena, count, struct str);
        count = 0;
        for (const struct ast_input_def *i = def->inputs; i; i = i->next)
            known[count++] = i->name;
        count = suggest(r->arena, a->name, known, count);
        struct str hint = did_you_mean(r->arena, "", known, count);
        report_at(r, a->at, "Unknown argument \"%.*s\" on directive \"@%.*s\".%.*s",
                  STR_FMT(a->name), STR_FMT(d->name), STR_FMT(hint));
    }
    for (const struct ast_input_def *i = def->inputs; i; i = i->next) {
        if (!i->type->is_non_null || i->default_value || names_get(&given, i->name))
            continue;
        struct str type = ast_type_text(r->arena, i->type);
        report_at(r, d->at,
                  "Directive \"@%.*s\" argument \"%.*s\" of type \"%.*s\" is required, but it was "
                  "not provided.",
                  STR_FMT(d->name), STR_FMT(i->name), STR_FMT(type));
    }
}

/* `type` names the definition whose extensions share its place; empty: a place of its own. */
static void check_directives(struct rules *r, const struct ast_directive *list,
                             const char *location, struct str type)
{
    struct names here = { 0 };
    for (const struct ast_directive *d = list; d; d = d->next) {
        struct ast_definition *def = directive_def_of(r, d->name);
        bool is_allowed = false;
        if (!def) {
            report_at(r, d->at, "Unknown directive \"@%.*s\".", STR_FMT(d->name));
        } else {
            for (const struct ast_named *n = def->interfaces; n; n = n->next)
                is_allowed |= str_eq_c(n->name, location);
            if (!is_allowed)
                report_at(r, d->at, "Directive \"@%.*s\" may not be used on %s.", STR_FMT(d->name),
                          location);
        }
        check_directive_args(r, d, def);
        if (!def || def->is_repeatable)
            continue;
        struct str key = d->name;
        if (type.len)
            key = arena_printf(r->arena, "%.*s@%.*s", STR_FMT(type), STR_FMT(d->name));
        void *before =
            names_add(r->arena, type.len ? &r->at_places : &here, key, place_of(r, d->at));
        if (before)
            report_two(r, at_of(r, before), d->at,
                       "The directive \"@%.*s\" can only be used once at this location.",
                       STR_FMT(d->name));
    }
}

/* ── definitions ── */

static void check_input(struct rules *r, const struct ast_input_def *i, const char *location)
{
    check_type(r, i->type);
    if (i->default_value)
        check_values_unique(r, i->default_value);
    check_directives(r, i->directives, location, STR(""));
}

static void check_fields(struct rules *r, const struct ast_definition *d)
{
    for (const struct ast_field_def *f = d->fields; f; f = f->next) {
        check_member(r, "field", d->name, f->name, f->name_at, "Field");
        check_type(r, f->type);
        check_directives(r, f->directives, "FIELD_DEFINITION", STR(""));
        struct str owner = arena_printf(r->arena, "%.*s.%.*s", STR_FMT(d->name), STR_FMT(f->name));
        check_unique_args(r, f->args, owner);
        for (const struct ast_input_def *a = f->args; a; a = a->next)
            check_input(r, a, "ARGUMENT_DEFINITION");
    }
}

static const struct kind_names {
    const char *location, *extension;
} kind_names[] = {
    [AST_SCHEMA_DEF] = { "SCHEMA", "schema" },
    [AST_SCALAR_DEF] = { "SCALAR", "scalar" },
    [AST_OBJECT_DEF] = { "OBJECT", "object" },
    [AST_INTERFACE_DEF] = { "INTERFACE", "interface" },
    [AST_UNION_DEF] = { "UNION", "union" },
    [AST_ENUM_TYPE_DEF] = { "ENUM", "enum" },
    [AST_INPUT_DEF] = { "INPUT_OBJECT", "input object" },
};

/* The last definition of that name counts, where there is more than one. */
static const struct ast_definition *extended(const struct rules *r, struct str name)
{
    const struct ast_definition *found = NULL;
    for (const struct ast_definition *d = names_get(&r->types, name); d; d = d->next)
        if (!d->is_extension && d->kind >= AST_SCALAR_DEF && d->kind <= AST_INPUT_DEF &&
            str_eq(d->name, name))
            found = d;
    return found;
}

static void check_extension(struct rules *r, const struct ast_definition *d)
{
    const struct ast_definition *def = extended(r, d->name);
    if (!def) {
        struct str *known = arena_new_array(r->arena, r->types.count, struct str);
        size_t count = 0;
        for (uint32_t i = 0; i < r->types.capacity; i++)
            if (r->types.slots[i].value)
                known[count++] = r->types.slots[i].name;
        count = suggest(r->arena, d->name, known, count);
        struct str hint = did_you_mean(r->arena, "", known, count);
        report_at(r, d->name_at, "Cannot extend type \"%.*s\" because it is not defined.%.*s",
                  STR_FMT(d->name), STR_FMT(hint));
    } else if (def->kind != d->kind) {
        report_two(r, def->at, d->at, "Cannot extend non-%s type \"%.*s\".",
                   kind_names[d->kind].extension, STR_FMT(d->name));
    }
}

static void check_roots(struct rules *r, const struct ast_definition *d, struct names *roots)
{
    for (const struct ast_root *root = d->roots; root; root = root->next) {
        void *before = names_add(r->arena, roots, root->operation, place_of(r, root->at));
        if (before)
            report_two(r, at_of(r, before), root->at, "There can be only one %.*s type in schema.",
                       STR_FMT(root->operation));
        check_type_name(r, root->type, root->type_at);
    }
}

static void check_type_definition(struct rules *r, const struct ast_definition *d)
{
    if (d->is_extension)
        check_extension(r, d);
    check_directives(r, d->directives, kind_names[d->kind].location, d->name);
    for (const struct ast_named *n = d->interfaces; n; n = n->next)
        check_type_name(r, n->name, n->at);
    check_fields(r, d);
    for (const struct ast_input_def *i = d->inputs; i; i = i->next) {
        check_member(r, "field", d->name, i->name, i->name_at, "Field");
        check_input(r, i, "INPUT_FIELD_DEFINITION");
    }
    for (const struct ast_enum_def *v = d->values; v; v = v->next) {
        check_member(r, "value", d->name, v->name, v->name_at, "Enum value");
        check_directives(r, v->directives, "ENUM_VALUE", STR(""));
    }
}

static void check_directive_definition(struct rules *r, const struct ast_definition *d)
{
    check_unique_args(r, d->inputs, arena_printf(r->arena, "@%.*s", STR_FMT(d->name)));
    for (const struct ast_input_def *a = d->inputs; a; a = a->next)
        check_input(r, a, "ARGUMENT_DEFINITION");
}

static void collect_names(struct rules *r)
{
    for (struct ast_definition *d = r->doc->first; d; d = d->next) {
        if (d->is_extension || d->kind < AST_SCALAR_DEF)
            continue;
        bool is_directive = d->kind == AST_DIRECTIVE_DEF;
        struct ast_definition *before =
            names_add(r->arena, is_directive ? &r->directives : &r->types, d->name, d);
        if (before && is_directive)
            report_two(r, before->name_at, d->name_at,
                       "There can be only one directive named \"@%.*s\".", STR_FMT(d->name));
        else if (before)
            report_two(r, before->name_at, d->name_at, "There can be only one type named \"%.*s\".",
                       STR_FMT(d->name));
    }
}

void schema_rules_check(const struct ast_document *doc, const struct names *prelude_types,
                        const struct names *prelude_directives, struct gql_errors *errors)
{
    struct rules r = { .doc = doc,
                       .errors = errors,
                       .arena = errors->arena,
                       .prelude_types = prelude_types,
                       .prelude_directives = prelude_directives };
    struct names roots = { 0 };
    bool has_schema = false;
    collect_names(&r);
    for (const struct ast_definition *d = doc->first; d; d = d->next) {
        if (d->kind < AST_SCHEMA_DEF)
            continue;
        if (d->kind == AST_DIRECTIVE_DEF) {
            check_directive_definition(&r, d);
        } else if (d->kind == AST_SCHEMA_DEF) {
            if (has_schema && !d->is_extension)
                report_at(&r, d->at, "Must provide only one schema definition.");
            has_schema |= !d->is_extension;
            check_directives(&r, d->directives, "SCHEMA", STR("schema definition"));
            check_roots(&r, d, &roots);
        } else {
            check_type_definition(&r, d);
        }
    }
}
