/*
 * Default values of arguments and input fields: coerced in the order in which they need each other,
 * and the check that none needs itself. Source: GraphQL Sep 2025, section 3.10, "Input Coercion"
 * and InputObjectDefaultValueHasCycle.
 */
#include "gql/coerce_priv.h"
#include "gql/diag_priv.h"
#include "gql/schema_priv.h"

/* A bound on what one schema text may make of the stack. */
enum { CHAIN_MAX = 2000 };

struct settling {
    struct gql_schema *s;
    struct gql_errors *errors; /* while building: a default of a type that takes none */
    struct err *e;             /* while sealing: a default that the host's scalars refuse */
    uint8_t pass;
    uint32_t depth;
    bool has_failed;
};

static const struct ast_value *entry_value(const struct ast_value *object, struct str name)
{
    for (const struct ast_entry *e = object->entries; e; e = e->next)
        if (str_eq(e->name, name))
            return e->value;
    return NULL;
}

/* True when a default of this type comes down to a value of its named type. */
static bool needs_named(const struct type_ref *t, const struct ast_value *v)
{
    t = type_nullable(t);
    if (v->kind == AST_NULL || t->wrap == WRAP_NAMED)
        return v->kind != AST_NULL;
    bool needs = v->kind != AST_LIST && needs_named(t->of, v);
    for (const struct ast_value *item = v->kind == AST_LIST ? v->items : NULL; item;
         item = item->next)
        needs |= needs_named(t->of, item);
    return needs;
}

static void fail(struct settling *w, const struct input_def *d, struct str owner, struct str why)
{
    if (!w->has_failed)
        w->has_failed =
            !err_set(w->e, ERR_INVALID, "the default of %.*s.%.*s is no value of its type%s%.*s",
                     STR_FMT(owner), STR_FMT(d->name), why.len ? ": " : "", STR_FMT(why));
}

static void coerce_default(struct settling *w, struct input_def *d, struct str owner)
{
    struct coercion c = { .arena = w->s->arena };
    struct gql_value value;
    if (!type_is_input(d->type->named)) {
        if (w->errors && w->errors->count == 0 && needs_named(d->type, d->default_ast))
            error_addf(w->errors, GQL_CODE_VALIDATION, "Unexpected input type: %.*s",
                       STR_FMT(d->type->named->name));
    } else if (coerce_literal(&c, d->type, d->default_ast, &value)) {
        d->default_value = value;
    } else if (!w->e) {
        d->default_ast = NULL; /* as the reference has it; sealing refuses it */
        w->s->has_wrong_default = true;
    } else {
        fail(w, d, owner, c.why);
    }
}

static void settle(struct settling *w, struct input_def *d, struct str owner);

/* The defaults that a literal of the input type `t` takes for what it leaves out. */
static void settle_literal(struct settling *w, const struct gql_type *t, const struct ast_value *v)
{
    if (t->kind != TYPE_INPUT)
        return;
    for (const struct ast_value *item = v->items; item; item = item->next)
        settle_literal(w, t, item);
    for (uint32_t i = 0; i < t->input_count && v->kind == AST_OBJECT; i++) {
        const struct ast_value *given = entry_value(v, t->inputs[i].name);
        if (!given)
            settle(w, &t->inputs[i], t->name);
        else if (t->inputs[i].type)
            settle_literal(w, t->inputs[i].type->named, given);
    }
}

static void settle(struct settling *w, struct input_def *d, struct str owner)
{
    /* Hosts hear of what building dropped; a tool goes on as the reference does. */
    if (w->e && !d->default_ast && d->ast->default_value && !w->s->roots_may_fall_back)
        fail(w, d, owner, (struct str){ 0 });
    if (!d->default_ast || !d->type || d->settled_in == w->pass || w->depth == CHAIN_MAX)
        return;
    d->settled_in = w->pass;
    w->depth++;
    settle_literal(w, d->type->named, d->default_ast);
    coerce_default(w, d, owner);
    w->depth--;
}

static void settle_all(struct settling *w)
{
    struct gql_schema *s = w->s;
    for (uint32_t i = 0; i < s->type_count; i++)
        for (uint32_t j = 0; j < s->types[i]->input_count; j++)
            settle(w, &s->types[i]->inputs[j], s->types[i]->name);
    for (uint32_t i = 0; i < s->type_count; i++)
        for (uint32_t j = 0; j < s->types[i]->field_count; j++)
            for (uint32_t k = 0; k < s->types[i]->fields[j].arg_count; k++)
                settle(w, &s->types[i]->fields[j].args[k], s->types[i]->fields[j].name);
    for (uint32_t i = 0; i < s->directive_count; i++)
        for (uint32_t k = 0; k < s->directives[i].arg_count; k++)
            settle(w, &s->directives[i].args[k], s->directives[i].name);
}

enum { PASS_BUILD = 1, PASS_SEAL };

void schema_default_build(struct gql_schema *s, struct input_def *d, struct gql_errors *errors)
{
    settle(&(struct settling){ .s = s, .errors = errors, .pass = PASS_BUILD }, d, STR(""));
}

void schema_defaults_build(struct gql_schema *s, struct gql_errors *errors)
{
    settle_all(&(struct settling){ .s = s, .errors = errors, .pass = PASS_BUILD });
}

bool schema_defaults_seal(struct gql_schema *s, struct err *e)
{
    struct settling w = { .s = s, .e = e, .pass = PASS_SEAL };
    settle_all(&w);
    return !w.has_failed;
}

/* ── defaults that need themselves ── */

struct default_step {
    const struct default_step *above;
    const struct gql_type *type;
    const struct input_def *field;
};

struct default_walk {
    const struct gql_schema *s;
    struct gql_errors *errors;
    struct names visited; /* "Type.field" */
    uint32_t depth;
};

static void report_cycle(struct default_walk *w, const struct default_step *leaf,
                         const struct input_def *start)
{
    struct arena *arena = w->errors->arena;
    const struct default_step *first = leaf;
    struct str via = { 0 };
    size_t count = 1;
    for (; first->field != start; first = first->above, count++)
        via = arena_printf(arena, "%.*s.%.*s%s%.*s", STR_FMT(first->type->name),
                           STR_FMT(first->field->name), via.len ? ", " : "", STR_FMT(via));
    uint32_t *at = arena_new_array(arena, count, uint32_t);
    size_t left = count;
    for (const struct default_step *s = leaf; left; s = s->above)
        at[--left] = s->field->default_ast->at;
    struct str message =
        arena_printf(arena,
                     "Invalid circular reference. The default value of Input Object field "
                     "%.*s.%.*s references itself%s%.*s.",
                     STR_FMT(first->type->name), STR_FMT(start->name),
                     via.len ? " via the default values of: " : "", STR_FMT(via));
    error_place(w->errors, error_add(w->errors, GQL_CODE_VALIDATION, message), w->s->source, at,
                count);
}

static void find_in_field(struct default_walk *w, const struct default_step *above,
                          const struct gql_type *t, struct input_def *d);

/* `v` NULL: an empty object, which leaves all to the defaults. */
static void find_in_literal(struct default_walk *w, const struct default_step *above,
                            const struct gql_type *t, const struct ast_value *v)
{
    for (const struct ast_value *item = v ? v->items : NULL; item; item = item->next)
        find_in_literal(w, above, t, item);
    if (v && v->kind != AST_OBJECT)
        return;
    for (uint32_t i = 0; i < t->input_count; i++) {
        struct input_def *d = &t->inputs[i];
        const struct ast_value *given = v ? entry_value(v, d->name) : NULL;
        if (d->type->named->kind != TYPE_INPUT)
            continue;
        if (given)
            find_in_literal(w, above, d->type->named, given);
        else if (d->default_ast)
            find_in_field(w, above, t, d);
    }
}

static void find_in_field(struct default_walk *w, const struct default_step *above,
                          const struct gql_type *t, struct input_def *d)
{
    struct arena *arena = w->errors->arena;
    const struct default_step *open = above;
    while (open && open->field != d)
        open = open->above;
    if (open) {
        report_cycle(w, above, d);
        return;
    }
    struct str coordinate = arena_printf(arena, "%.*s.%.*s", STR_FMT(t->name), STR_FMT(d->name));
    if (w->depth == CHAIN_MAX || names_add(arena, &w->visited, coordinate, d))
        return;
    struct default_step here = { above, t, d };
    w->depth++;
    find_in_literal(w, &here, d->type->named, d->default_ast);
    w->depth--;
}

void schema_defaults_check(const struct gql_schema *s, struct gql_errors *errors)
{
    struct default_walk w = { .s = s, .errors = errors };
    for (uint32_t i = 0; i < s->type_count; i++)
        if (s->types[i]->kind == TYPE_INPUT)
            find_in_literal(&w, NULL, s->types[i], NULL);
}
