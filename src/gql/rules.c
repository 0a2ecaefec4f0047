#include "gql/rules_priv.h"

/* ── names of types ── */

static size_t list_unless(const struct names *from, const struct names *unless, struct str *list)
{
    size_t count = 0;
    for (uint32_t i = 0; i < from->capacity; i++)
        if (from->slots[i].value && !names_get(unless, from->slots[i].name))
            list[count++] = from->slots[i].name;
    return count;
}

static struct str hint(const struct rules *r, struct str wrong, struct str *known, size_t count)
{
    if (r->no_hints)
        return (struct str){ 0 };
    return did_you_mean(r->arena, "", known, suggest(r->arena, wrong, known, count));
}

void rules_type_name(struct rules *r, struct str name, uint32_t at, bool is_sdl)
{
    static const struct names none = { 0 };
    const struct names *standard = is_sdl ? r->standard_types : &none;
    if (names_get(&r->types, name) || names_get(r->known_types, name) || names_get(standard, name))
        return;
    struct str *known = arena_new_array(
        r->arena, r->types.count + r->known_types->count + standard->count, struct str);
    struct names seen = { 0 }; /* a standard type may be in the schema's as well */
    size_t count = list_unless(&r->types, &none, known);
    count += list_unless(r->known_types, &r->types, known + count);
    for (size_t i = 0; i < count; i++)
        names_add(r->arena, &seen, known[i], r);
    count += list_unless(standard, &seen, known + count);
    struct str guess = hint(r, name, known, count);
    rules_report_at(r, at, "Unknown type \"%.*s\".%.*s", STR_FMT(name), STR_FMT(guess));
}

static void check_type(struct rules *r, const struct ast_type *t, bool is_sdl)
{
    while (t->is_list)
        t = t->inner;
    rules_type_name(r, t->name, t->at, is_sdl);
}

/* ── directives: section 5.7 ── */

static const struct ast_definition *directive_def_of(const struct rules *r, struct str name)
{
    const struct ast_definition *d = names_get(&r->directives, name);
    return d ? d : names_get(r->known_directives, name);
}

void rules_unique_arguments(struct arena *arena, const struct ast_entry *args,
                            rules_report_fn *report, void *owner)
{
    struct names given = { 0 };
    for (const struct ast_entry *a = args; a; a = a->next) {
        if (names_add(arena, &given, a->name, &given))
            continue;
        size_t count = 0;
        for (const struct ast_entry *b = a; b; b = b->next)
            count += str_eq(a->name, b->name);
        if (count < 2)
            continue;
        uint32_t *at = arena_new_array(arena, count, uint32_t);
        count = 0;
        for (const struct ast_entry *b = a; b; b = b->next)
            if (str_eq(a->name, b->name))
                at[count++] = b->at;
        report(
            owner,
            arena_printf(arena, "There can be only one argument named \"%.*s\".", STR_FMT(a->name)),
            at, count);
    }
}

static const struct ast_input_def *input_named(const struct ast_definition *def, struct str name)
{
    const struct ast_input_def *i = def->inputs;
    while (i && !str_eq(i->name, name))
        i = i->next;
    return i;
}

static bool has_argument(const struct ast_directive *d, struct str name)
{
    const struct ast_entry *a = d->args;
    while (a && !str_eq(a->name, name))
        a = a->next;
    return a != NULL;
}

static void check_argument_names(struct rules *r, const struct ast_directive *d,
                                 const struct ast_definition *def)
{
    size_t count = 0;
    for (const struct ast_input_def *i = def->inputs; i; i = i->next)
        count++;
    for (const struct ast_entry *a = d->args; a; a = a->next) {
        if (input_named(def, a->name))
            continue;
        struct str *known = arena_new_array(r->arena, count, struct str);
        size_t at = 0;
        for (const struct ast_input_def *i = def->inputs; i; i = i->next)
            known[at++] = i->name;
        struct str guess = hint(r, a->name, known, count);
        rules_report_at(r, a->at, "Unknown argument \"%.*s\" on directive \"@%.*s\".%.*s",
                        STR_FMT(a->name), STR_FMT(d->name), STR_FMT(guess));
    }
    for (const struct ast_input_def *i = def->inputs; i; i = i->next) {
        if (!i->type->is_non_null || i->default_value || has_argument(d, i->name))
            continue;
        struct str type = ast_type_text(r->arena, i->type);
        rules_report_at(r, d->at,
                        "Directive \"@%.*s\" argument \"%.*s\" of type \"%.*s\" is required, but "
                        "it was not provided.",
                        STR_FMT(d->name), STR_FMT(i->name), STR_FMT(type));
    }
}

static void check_location(struct rules *r, const struct ast_directive *d,
                           const struct ast_definition *def, const char *location)
{
    bool is_allowed = false;
    for (const struct ast_named *n = def->interfaces; n; n = n->next)
        is_allowed |= str_eq_c(n->name, location);
    if (!is_allowed)
        rules_report_at(r, d->at, "Directive \"@%.*s\" may not be used on %s.", STR_FMT(d->name),
                        location);
}

void rules_directives(struct rules *r, const struct ast_directive *list, const char *location,
                      struct str type)
{
    struct names here = { 0 };
    for (const struct ast_directive *d = list; d; d = d->next) {
        const struct ast_definition *def = directive_def_of(r, d->name);
        if (def)
            check_location(r, d, def, location);
        else
            rules_report_at(r, d->at, "Unknown directive \"@%.*s\".", STR_FMT(d->name));
        rules_unique_arguments(r->arena, d->args, r->report, r->owner);
        for (const struct ast_entry *a = d->args; a; a = a->next)
            r->check_value(r->owner, d, a, a->value);
        if (!def)
            continue;
        check_argument_names(r, d, def);
        if (def->is_repeatable)
            continue;
        struct str key = d->name;
        if (type.len)
            key = arena_printf(r->arena, "%.*s@%.*s", STR_FMT(type), STR_FMT(d->name));
        void *before =
            names_add(r->arena, type.len ? &r->at_places : &here, key, rules_place(r, d->at));
        if (before)
            rules_report_two(r, rules_at(r, before), d->at,
                             "The directive \"@%.*s\" can only be used once at this location.",
                             STR_FMT(d->name));
    }
}

/* ── definitions of a type system ── */

static void check_input(struct rules *r, const struct ast_input_def *i, const char *location)
{
    check_type(r, i->type, true);
    if (i->default_value)
        r->check_value(r->owner, NULL, NULL, i->default_value);
    rules_directives(r, i->directives, location, STR(""));
}

void rules_type_system(struct rules *r, const struct ast_definition *d)
{
    static const char *const locations[] = {
        [AST_SCHEMA_DEF] = "SCHEMA",      [AST_SCALAR_DEF] = "SCALAR",
        [AST_OBJECT_DEF] = "OBJECT",      [AST_INTERFACE_DEF] = "INTERFACE",
        [AST_UNION_DEF] = "UNION",        [AST_ENUM_TYPE_DEF] = "ENUM",
        [AST_INPUT_DEF] = "INPUT_OBJECT",
    };
    bool is_directive = d->kind == AST_DIRECTIVE_DEF;
    if (!is_directive)
        rules_directives(r, d->directives, locations[d->kind],
                         d->kind == AST_SCHEMA_DEF ? STR("schema definition") : d->name);
    for (const struct ast_root *root = d->roots; root; root = root->next)
        rules_type_name(r, root->type, root->type_at, true);
    for (const struct ast_named *n = is_directive ? NULL : d->interfaces; n; n = n->next)
        rules_type_name(r, n->name, n->at, true);
    for (const struct ast_field_def *f = d->fields; f; f = f->next) {
        check_type(r, f->type, true);
        rules_directives(r, f->directives, "FIELD_DEFINITION", STR(""));
        for (const struct ast_input_def *a = f->args; a; a = a->next)
            check_input(r, a, "ARGUMENT_DEFINITION");
    }
    for (const struct ast_input_def *i = d->inputs; i; i = i->next)
        check_input(r, i, is_directive ? "ARGUMENT_DEFINITION" : "INPUT_FIELD_DEFINITION");
    for (const struct ast_enum_def *v = d->values; v; v = v->next)
        rules_directives(r, v->directives, "ENUM_VALUE", STR(""));
}

/* ── operations and fragments ── */

static void check_set(struct rules *r, const struct ast_selection_set *set)
{
    static const char *const locations[] = {
        [AST_FIELD] = "FIELD", [AST_SPREAD] = "FRAGMENT_SPREAD", [AST_INLINE] = "INLINE_FRAGMENT"
    };
    for (const struct ast_selection *s = set ? set->first : NULL; s; s = s->next) {
        if (s->kind == AST_INLINE && s->name.ptr)
            rules_type_name(r, s->name, s->name_at, false);
        rules_unique_arguments(r->arena, s->args, r->report, r->owner);
        for (const struct ast_entry *a = s->args; a; a = a->next)
            r->check_value(r->owner, NULL, a, a->value);
        rules_directives(r, s->directives, locations[s->kind], STR(""));
        check_set(r, s->set);
    }
}

void rules_executable(struct rules *r, const struct ast_definition *d)
{
    static const char *const locations[] = { "QUERY", "MUTATION", "SUBSCRIPTION" };
    for (const struct ast_variable_def *v = d->variables; v; v = v->next) {
        check_type(r, v->type, false);
        if (v->default_value)
            r->check_value(r->owner, NULL, NULL, v->default_value);
        rules_directives(r, v->directives, "VARIABLE_DEFINITION", STR(""));
    }
    if (d->kind == AST_FRAGMENT)
        rules_type_name(r, d->condition, d->condition_at, false);
    rules_directives(r, d->directives,
                     d->kind == AST_FRAGMENT ? "FRAGMENT_DEFINITION" : locations[d->operation],
                     STR(""));
    check_set(r, d->set);
}
