/*
 * Definitions of types in a document that is to be executed: an error each, but the reference goes
 * on and holds them, and what refers to them, to the rules that all documents share.
 * Source: GraphQL Sep 2025, section 5.1.1; graphql-js for the rest.
 */
#include "gql/coerce_priv.h"
#include "gql/rules_priv.h"
#include "gql/validate_priv.h"

/* The schema's word on a directive counts for values, even if the document defines it anew. */
static void check_value(void *owner, const struct ast_directive *d, const struct ast_entry *arg,
                        struct ast_value *value)
{
    struct validator *v = owner;
    const struct directive_def *def = d ? schema_directive(v->schema, d->name) : NULL;
    const struct input_def *input =
        def && arg ? inputs_find(def->args, def->arg_count, arg->name) : NULL;
    validate_value(v, input ? input->type : NULL, input && input->default_ast, value);
}

static struct names *known_types(struct validator *v, bool only_standard)
{
    struct names *types = arena_new(v->arena, struct names);
    for (uint32_t i = 0; i < v->schema->type_count; i++)
        if (!only_standard || v->schema->types[i]->is_introspection)
            names_add(v->arena, types, v->schema->types[i]->name, v);
    return types;
}

static struct names *known_directives(struct validator *v)
{
    struct names *directives = arena_new(v->arena, struct names);
    for (uint32_t i = 0; i < v->schema->directive_count; i++)
        names_add(v->arena, directives, v->schema->directives[i].name,
                  v->schema->directives[i].ast);
    return directives;
}

void validate_foreign_prepare(struct validator *v)
{
    static const char *const scalars[] = { "Int", "Float", "String", "Boolean", "ID" };
    struct names *standard = known_types(v, true);
    for (size_t i = 0; i < countof(scalars); i++)
        names_add(v->arena, standard, str_of_c(scalars[i]), v);
    struct rules *r = arena_new(v->arena, struct rules);
    *r = (struct rules){ .doc = v->doc,
                         .arena = v->arena,
                         .known_types = known_types(v, false),
                         .standard_types = standard,
                         .known_directives = known_directives(v),
                         .no_hints = !v->options->with_suggestions,
                         .report = validator_report_to,
                         .check_value = check_value,
                         .owner = v };
    for (struct ast_definition *d = v->doc->first; d; d = d->next)
        if (d->kind >= AST_SCALAR_DEF && !d->is_extension)
            names_add(v->arena, d->kind == AST_DIRECTIVE_DEF ? &r->directives : &r->types, d->name,
                      d);
    v->rules = r;
}

void validate_foreign(struct validator *v, const struct ast_definition *d)
{
    if (d->kind == AST_SCHEMA_DEF)
        report_at(v, d->at, "The schema definition is not executable.");
    else
        report_at(v, d->at, "The \"%.*s\" definition is not executable.", STR_FMT(d->name));
    rules_type_system(v->rules, d);
}
