/*
 * The rules about @defer and @stream, for schemas that have them: unique static labels, streams of
 * lists only, and where they may not stand. Messages and places as graphql-js 17.
 * Source: README.md, "Incremental delivery".
 */
#include "gql/validate_priv.h"

static const char *const operation_words[] = { "query", "mutation", "subscription" };

/* ── labels and lists: DeferStreamDirectiveLabel, StreamDirectiveOnListField ── */

struct delays {
    struct validator *v;
    struct names labels; /* → the directive that has it */
};

static void check_label(struct delays *d, struct ast_directive *directive)
{
    const struct ast_value *label = directive_arg(directive, "label");
    if (!label || label->kind == AST_NULL)
        return;
    if (label->kind != AST_STRING) {
        report_at(d->v, directive->at, "Argument \"@%.*s(label:)\" must be a static string.",
                  STR_FMT(directive->name));
        return;
    }
    struct str key = arena_printf(d->v->arena, "%.*s", STR_FMT(label->text));
    const struct ast_directive *before = names_add(d->v->arena, &d->labels, key, directive);
    if (before)
        report_two(d->v, before->at, directive->at,
                   "Value for arguments \"defer(label:)\" and \"stream(label:)\" must be unique "
                   "across all Defer/Stream directive usages.");
}

/* `field`: the field that the directives are on or in, or NULL; `parent`: where they stand. */
static void check_list(struct delays *d, struct ast_directive *list, const struct field_def *field,
                       const struct gql_type *parent)
{
    for (struct ast_directive *one = list; one && !d->v->has_stopped; one = one->next) {
        bool is_stream = str_eq_c(one->name, "stream");
        if (is_stream || str_eq_c(one->name, "defer"))
            check_label(d, one);
        if (is_stream && field && parent && type_nullable(field->type)->wrap != WRAP_LIST)
            report_at(d->v, one->at,
                      "Directive \"@stream\" cannot be used on non-list field \"%.*s.%.*s\".",
                      STR_FMT(parent->name), STR_FMT(field->name));
    }
}

static void check_set(struct delays *d, const struct ast_selection_set *set,
                      const struct field_def *field, const struct gql_type *parent)
{
    for (const struct ast_selection *s = set->first; s && !d->v->has_stopped; s = s->next) {
        const struct field_def *own = s->kind == AST_FIELD ? s->def : field;
        const struct gql_type *inner = parent;
        check_list(d, s->directives, own, parent);
        if (s->kind == AST_FIELD)
            inner = own ? own->type->named : NULL;
        else if (s->kind == AST_INLINE && s->name.ptr)
            inner = schema_find(d->v->schema, s->name);
        if (s->set)
            check_set(d, s->set, own, inner && type_is_composite(inner) ? inner : NULL);
    }
}

static void check_definition(struct delays *d, const struct ast_definition *def)
{
    const struct gql_type *root = NULL;
    if (def->kind == AST_OPERATION) {
        root = d->v->schema->roots[def->operation];
        for (const struct ast_variable_def *v = def->variables; v; v = v->next)
            check_list(d, v->directives, NULL, NULL);
    } else {
        root = schema_find(d->v->schema, def->condition);
    }
    check_list(d, def->directives, NULL, NULL);
    check_set(d, def->set, NULL, root && type_is_composite(root) ? root : NULL);
}

/* ── operations: DeferStreamDirectiveOnRootField and DeferStreamDirectiveOnValidOperations ── */

struct root_check {
    struct validator *v;
    int operation;
    const struct gql_type *root;
    struct names *checked; /* fragments without fault */
    struct names visited;
};

static bool report_root(const struct root_check *c, const struct ast_directive *d, const char *what)
{
    if (d)
        report_at(c->v, d->at, "%s directive cannot be used on root %s type \"%.*s\".", what,
                  operation_words[c->operation], STR_FMT(c->root->name));
    return d == NULL;
}

/* False: there was one. */
static bool check_root_set(struct root_check *c, const struct ast_selection_set *set)
{
    bool is_right = true;
    for (const struct ast_selection *s = set->first; s && !c->v->has_stopped; s = s->next) {
        const struct ast_selection_set *inner = s->set;
        if (s->kind == AST_FIELD) {
            is_right &= report_root(c, find_directive(s->directives, "stream"), "Stream");
            continue;
        }
        if (s->kind == AST_SPREAD) {
            struct definition_info *info = names_get(&c->v->fragments, s->name);
            if (names_add(c->v->arena, &c->visited, s->name, c) || !info)
                continue;
            inner = names_get(c->checked, s->name) ? NULL : info->def->set;
        }
        is_right &= report_root(c, find_directive(s->directives, "defer"), "Defer");
        if (inner)
            is_right &= check_root_set(c, inner);
    }
    return is_right;
}

static void check_root(struct validator *v, const struct ast_definition *def, struct names *checked)
{
    struct root_check c = { .v = v,
                            .operation = def->operation,
                            .root = v->schema->roots[def->operation] };
    c.checked = checked;
    if (def->operation == GQL_QUERY || !c.root || !check_root_set(&c, def->set))
        return;
    for (uint32_t i = 0; i < c.visited.capacity; i++)
        if (c.visited.slots[i].value)
            names_add(v->arena, checked, c.visited.slots[i].name, v);
}

struct spread_place {
    const struct spread_place *above;
    uint32_t at;
};

struct subscription_check {
    struct validator *v;
    struct names *checked;
    struct names visited;
};

/* An `if` that may come out false. */
static bool may_be_false(const struct ast_directive *d)
{
    const struct ast_value *v = directive_arg(d, "if");
    return v && (v->kind == AST_VARIABLE || (v->kind == AST_BOOLEAN && !str_eq_c(v->text, "true")));
}

/* A selection that @skip or @include may leave out. */
static bool may_be_left_out(const struct ast_selection *s)
{
    const struct ast_directive *skip = find_directive(s->directives, "skip");
    const struct ast_directive *include = find_directive(s->directives, "include");
    const struct ast_value *skip_if = skip ? directive_arg(skip, "if") : NULL;
    const struct ast_value *include_if = include ? directive_arg(include, "if") : NULL;
    return (skip &&
            !(skip_if && skip_if->kind == AST_BOOLEAN && !str_eq_c(skip_if->text, "true"))) ||
           (include_if && (include_if->kind != AST_BOOLEAN || !str_eq_c(include_if->text, "true")));
}

static bool report_in_subscription(struct validator *v, const struct ast_directive *d,
                                   const struct spread_place *spreads)
{
    bool is_defer = str_eq_c(d->name, "defer");
    size_t count = 1;
    if ((!is_defer && !str_eq_c(d->name, "stream")) || may_be_false(d))
        return false;
    for (const struct spread_place *p = spreads; p; p = p->above)
        count++;
    uint32_t *at = arena_new_array(v->arena, count, uint32_t);
    at[0] = d->at;
    count = 1;
    for (const struct spread_place *p = spreads; p; p = p->above)
        at[count++] = p->at;
    validator_report(v,
                     arena_printf(v->arena,
                                  "%s directive not supported on subscription operations. Disable "
                                  "`@%.*s` by setting the `if` argument to `false`.",
                                  is_defer ? "Defer" : "Stream", STR_FMT(d->name)),
                     at, count);
    return true;
}

/* False: there was one. */
static bool check_subscription_set(struct subscription_check *c,
                                   const struct ast_selection_set *set,
                                   const struct spread_place *spreads)
{
    bool is_right = true;
    for (const struct ast_selection *s = set->first; s && !c->v->has_stopped; s = s->next) {
        if (may_be_left_out(s))
            continue;
        for (const struct ast_directive *d = s->directives; d; d = d->next)
            is_right &= !report_in_subscription(c->v, d, spreads);
        if (s->kind == AST_SPREAD) {
            struct definition_info *info = names_get(&c->v->fragments, s->name);
            struct spread_place here = { spreads, s->at };
            if (names_get(c->checked, s->name) || names_add(c->v->arena, &c->visited, s->name, c) ||
                !info)
                continue;
            is_right &= check_subscription_set(c, info->def->set, &here);
        } else if (s->set) {
            is_right &= check_subscription_set(c, s->set, spreads);
        }
    }
    return is_right;
}

static void check_subscription(struct validator *v, const struct ast_definition *def,
                               struct names *checked)
{
    struct subscription_check c = { .v = v, .checked = checked };
    if (def->operation != GQL_SUBSCRIPTION || !check_subscription_set(&c, def->set, NULL))
        return;
    for (uint32_t i = 0; i < c.visited.capacity; i++)
        if (c.visited.slots[i].value)
            names_add(v->arena, checked, c.visited.slots[i].name, v);
}

/* ── the document ── */

void validate_delays(struct validator *v)
{
    struct delays d = { .v = v };
    struct names root_checked = { 0 }, subscription_checked = { 0 };
    if (!v->schema->has_incremental || !v->doc->directive_count)
        return;
    for (uint32_t i = 0; i < v->info_count && !v->has_stopped; i++) {
        const struct ast_definition *def = v->infos[i].def;
        if (def->kind != AST_OPERATION && def->kind != AST_FRAGMENT)
            continue;
        check_definition(&d, def);
        if (def->kind != AST_OPERATION)
            continue;
        check_root(v, def, &root_checked);
        check_subscription(v, def, &subscription_checked);
    }
}
