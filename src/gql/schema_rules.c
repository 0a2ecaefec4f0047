/*
 * The rules that an SDL document obeys before types are made of it. Messages as graphql-js.
 * Source: GraphQL Sep 2025, sections 3 and 5.7; errors of one document are bounded by its size.
 */
#include "gql/rules_priv.h"

struct sdl {
    struct rules rules;
    struct gql_errors *errors;
};

static void report(void *owner, struct str message, const uint32_t *at, size_t count)
{
    struct sdl *s = owner;
    error_place(s->errors, error_add(s->errors, GQL_CODE_VALIDATION, message), s->rules.doc->source,
                at, count);
}

static void check_values_unique(void *owner, const struct ast_directive *d,
                                const struct ast_entry *arg, struct ast_value *v)
{
    struct sdl *s = owner;
    struct rules *r = &s->rules;
    struct names seen = { 0 };
    for (struct ast_value *item = v->items; item; item = item->next)
        check_values_unique(owner, d, arg, item);
    for (const struct ast_entry *e = v->entries; e; e = e->next) {
        void *before = names_add(r->arena, &seen, e->name, rules_place(r, e->at));
        if (before)
            rules_report_two(r, rules_at(r, before), e->at,
                             "There can be only one input field named \"%.*s\".", STR_FMT(e->name));
        check_values_unique(owner, d, arg, e->value);
    }
}

/* ── unique members ── */

static void check_member(struct rules *r, const char *kind, struct str type, struct str name,
                         uint32_t at, const char *fmt_kind)
{
    struct str key = arena_printf(r->arena, "%s:%.*s.%.*s", kind, STR_FMT(type), STR_FMT(name));
    void *before = names_add(r->arena, &r->members, key, rules_place(r, at));
    if (before)
        rules_report_two(r, rules_at(r, before), at, "%s \"%.*s.%.*s\" can only be defined once.",
                         fmt_kind, STR_FMT(type), STR_FMT(name));
}

/* One error a name, at all of its places. */
static void check_unique_args(struct rules *r, const struct ast_input_def *args, struct str owner)
{
    struct names seen = { 0 };
    for (const struct ast_input_def *a = args; a; a = a->next) {
        if (names_add(r->arena, &seen, a->name, r))
            continue;
        size_t count = 0;
        for (const struct ast_input_def *b = a; b; b = b->next)
            count += str_eq(a->name, b->name);
        if (count < 2)
            continue;
        uint32_t *at = arena_new_array(r->arena, count, uint32_t);
        count = 0;
        for (const struct ast_input_def *b = a; b; b = b->next)
            if (str_eq(a->name, b->name))
                at[count++] = b->name_at;
        report(r->owner,
               arena_printf(r->arena, "Argument \"%.*s(%.*s:)\" can only be defined once.",
                            STR_FMT(owner), STR_FMT(a->name)),
               at, count);
    }
}

static void check_members(struct rules *r, const struct ast_definition *d)
{
    bool is_directive = d->kind == AST_DIRECTIVE_DEF;
    if (is_directive)
        check_unique_args(r, d->inputs, arena_printf(r->arena, "@%.*s", STR_FMT(d->name)));
    for (const struct ast_field_def *f = d->fields; f; f = f->next) {
        check_member(r, "field", d->name, f->name, f->name_at, "Field");
        struct str owner = arena_printf(r->arena, "%.*s.%.*s", STR_FMT(d->name), STR_FMT(f->name));
        check_unique_args(r, f->args, owner);
    }
    for (const struct ast_input_def *i = is_directive ? NULL : d->inputs; i; i = i->next)
        check_member(r, "field", d->name, i->name, i->name_at, "Field");
    for (const struct ast_enum_def *v = d->values; v; v = v->next)
        check_member(r, "value", d->name, v->name, v->name_at, "Enum value");
}

/* ── extensions ── */

static const char *const kind_words[] = {
    [AST_SCALAR_DEF] = "scalar", [AST_OBJECT_DEF] = "object",  [AST_INTERFACE_DEF] = "interface",
    [AST_UNION_DEF] = "union",   [AST_ENUM_TYPE_DEF] = "enum", [AST_INPUT_DEF] = "input object",
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
        rules_report_at(r, d->name_at, "Cannot extend type \"%.*s\" because it is not defined.%.*s",
                        STR_FMT(d->name), STR_FMT(hint));
    } else if (def->kind != d->kind) {
        rules_report_two(r, def->at, d->at, "Cannot extend non-%s type \"%.*s\".",
                         kind_words[d->kind], STR_FMT(d->name));
    }
}

static void check_roots(struct rules *r, const struct ast_definition *d, struct names *roots)
{
    for (const struct ast_root *root = d->roots; root; root = root->next) {
        void *before = names_add(r->arena, roots, root->operation, rules_place(r, root->at));
        if (before)
            rules_report_two(r, rules_at(r, before), root->at,
                             "There can be only one %.*s type in schema.",
                             STR_FMT(root->operation));
    }
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
            rules_report_two(r, before->name_at, d->name_at,
                             "There can be only one directive named \"@%.*s\".", STR_FMT(d->name));
        else if (before)
            rules_report_two(r, before->name_at, d->name_at,
                             "There can be only one type named \"%.*s\".", STR_FMT(d->name));
    }
}

void schema_rules_check(const struct ast_document *doc, const struct names *prelude_types,
                        const struct names *prelude_directives, struct gql_errors *errors)
{
    static const struct names none = { 0 };
    struct sdl s = { .errors = errors };
    struct rules *r = &s.rules;
    struct names roots = { 0 };
    bool has_schema = false;
    *r = (struct rules){ .doc = doc,
                         .arena = errors->arena,
                         .known_types = &none,
                         .standard_types = prelude_types,
                         .known_directives = prelude_directives,
                         .report = report,
                         .check_value = check_values_unique,
                         .owner = &s };
    collect_names(r);
    for (const struct ast_definition *d = doc->first; d; d = d->next) {
        if (d->kind < AST_SCHEMA_DEF) {
            rules_executable(r, d);
            continue;
        }
        if (d->kind == AST_SCHEMA_DEF) {
            if (has_schema && !d->is_extension)
                rules_report_at(r, d->at, "Must provide only one schema definition.");
            has_schema |= !d->is_extension;
            check_roots(r, d, &roots);
        } else if (d->is_extension) {
            check_extension(r, d);
        }
        check_members(r, d);
        rules_type_system(r, d);
    }
}
