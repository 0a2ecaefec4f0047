/*
 * Rules over what each operation reaches: fragments known, used and free of cycles, variables
 * defined, used and of fitting types, subscriptions with one root field. Source: GraphQL Sep 2025,
 * sections 5.2.4, 5.5 and 5.8.
 */
#include "gql/validate_priv.h"

/*
 * The fragments that a definition spreads, in the reference's order, which decides what part of a
 * cycle is its beginning: those of a set, then those of its inner sets, the last one first.
 */
static void list_spreads(struct validator *v, struct definition_info *info,
                         const struct ast_selection_set *set)
{
    size_t count = 0;
    if (!set->has_spread)
        return;
    for (struct ast_selection *s = set->first; s; s = s->next) {
        count += s->set && s->set->has_spread;
        if (s->kind != AST_SPREAD)
            continue;
        struct spread_use *use = arena_new(v->arena, struct spread_use);
        use->spread = s;
        *info->spread_tail = use;
        info->spread_tail = &use->next;
    }
    if (!count)
        return;
    const struct ast_selection_set **inner =
        arena_new_array(v->arena, count, const struct ast_selection_set *);
    size_t at = 0;
    for (const struct ast_selection *s = set->first; s; s = s->next)
        if (s->set && s->set->has_spread)
            inner[at++] = s->set;
    while (at)
        list_spreads(v, info, inner[--at]);
}

/* ── cycles: section 5.5.2.2 ── */

/* The spreads that lead from the first fragment of the search to the present one. */
struct spread_path {
    const struct spread_path *above;
    const struct definition_info *info; /* where the spread stands */
    const struct ast_selection *spread;
};

static void report_cycle(struct validator *v, const struct spread_path *leaf,
                         const struct definition_info *start)
{
    size_t count = 0;
    struct str via = { 0 };
    for (const struct spread_path *p = leaf;; p = p->above) {
        assert(p); /* the start stands in the path */
        count++;
        if (p != leaf)
            via = arena_printf(v->arena, "\"%.*s\"%s%.*s", STR_FMT(p->spread->name),
                               via.len ? ", " : "", STR_FMT(via));
        if (p->info == start)
            break;
    }
    uint32_t *at = arena_new_array(v->arena, count, uint32_t);
    size_t left = count;
    for (const struct spread_path *p = leaf; left; p = p->above)
        at[--left] = p->spread->at;
    validator_report(v,
                     arena_printf(v->arena, "Cannot spread fragment \"%.*s\" within itself%s%.*s.",
                                  STR_FMT(leaf->spread->name), via.len ? " via " : "",
                                  STR_FMT(via)),
                     at, count);
}

static void find_cycles(struct validator *v, struct definition_info *info,
                        const struct spread_path *above)
{
    if (info->was_checked)
        return;
    info->was_checked = true;
    for (struct spread_use *use = info->spreads; use && !v->has_stopped; use = use->next) {
        struct definition_info *next = names_get(&v->fragments, use->spread->name);
        struct spread_path here = { above, info, use->spread };
        const struct spread_path *p = &here;
        while (p && p->info != next)
            p = p->above;
        if (next && p)
            report_cycle(v, &here, next);
        else if (next)
            find_cycles(v, next, &here);
    }
}

/* ── what an operation reaches ── */

/* Lists the fragments that `info` reaches, each once; `operation` counts from 1. */
static void reach(struct validator *v, const struct definition_info *info, uint32_t operation,
                  struct definition_info **list, size_t *count)
{
    for (struct spread_use *use = info->spreads; use; use = use->next) {
        struct definition_info *next = names_get(&v->fragments, use->spread->name);
        if (!next || next->seen_by == operation)
            continue;
        next->seen_by = operation;
        next->is_used = true;
        list[(*count)++] = next;
        reach(v, next, operation, list, count);
    }
}

void validate_spreads(struct validator *v)
{
    for (uint32_t i = 0; i < v->info_count; i++)
        if (v->infos[i].def->kind <= AST_FRAGMENT)
            list_spreads(v, &v->infos[i], v->infos[i].def->set);
    for (uint32_t i = 0; i < v->info_count && !v->has_stopped; i++)
        if (v->infos[i].def->kind == AST_FRAGMENT)
            find_cycles(v, &v->infos[i], NULL);
}

/* ── variables: section 5.8 ── */

static bool is_allowed(const struct type_ref *variable, const struct ast_variable_def *def,
                       const struct variable_use *use)
{
    if (use->type->wrap == WRAP_NON_NULL && variable->wrap != WRAP_NON_NULL) {
        bool has_default = def->default_value && def->default_value->kind != AST_NULL;
        return (has_default || use->has_default) && type_is_subtype(variable, use->type->of);
    }
    return type_is_subtype(variable, use->type);
}

/* Where a variable is defined more than once, the last one counts. */
struct latest {
    struct ast_variable_def *def;
};

static void check_use(struct validator *v, const struct ast_definition *operation,
                      const struct names *defs, struct names *used, const struct variable_use *use)
{
    struct str name = use->value->text;
    const struct latest *latest = names_get(defs, name);
    names_add(v->arena, used, name, v);
    if (!latest) {
        if (operation->name.len)
            report_two(v, use->value->at, operation->at,
                       "Variable \"$%.*s\" is not defined by operation \"%.*s\".", STR_FMT(name),
                       STR_FMT(operation->name));
        else
            report_two(v, use->value->at, operation->at, "Variable \"$%.*s\" is not defined.",
                       STR_FMT(name));
        return;
    }
    const struct ast_variable_def *def = latest->def;
    const struct type_ref *t = type_from_ast(v->arena, v->schema, def->type);
    if (!t || !use->type)
        return;
    if (!is_allowed(t, def, use)) {
        struct str have = type_text(v->arena, t);
        struct str want = type_text(v->arena, use->type);
        report_two(v, def->at, use->value->at,
                   "Variable \"$%.*s\" of type \"%.*s\" used in position expecting type \"%.*s\".",
                   STR_FMT(name), STR_FMT(have), STR_FMT(want));
    }
    if (use->one_of && t->wrap != WRAP_NON_NULL) {
        struct str have = type_text(v->arena, t);
        report_two(v, def->at, use->value->at,
                   "Variable \"$%.*s\" is of type \"%.*s\" but must be non-nullable to be used for "
                   "OneOf Input Object \"%.*s\".",
                   STR_FMT(name), STR_FMT(have), STR_FMT(use->one_of->name));
    }
}

static void check_operation(struct validator *v, struct definition_info *info, uint32_t number,
                            struct definition_info **reached)
{
    struct names defs = { 0 }, used = { 0 };
    size_t count = 0;
    for (struct ast_variable_def *d = info->def->variables; d; d = d->next) {
        struct latest *latest = arena_new(v->arena, struct latest);
        struct latest *before = names_add(v->arena, &defs, d->name, latest);
        (before ? before : latest)->def = d;
    }
    reach(v, info, number, reached, &count);
    for (struct variable_use *use = info->variables; use && !v->has_stopped; use = use->next)
        check_use(v, info->def, &defs, &used, use);
    for (size_t i = 0; i < count; i++)
        for (struct variable_use *use = reached[i]->variables; use && !v->has_stopped;
             use = use->next)
            check_use(v, info->def, &defs, &used, use);
    for (struct ast_variable_def *d = info->def->variables; d && !v->has_stopped; d = d->next) {
        if (names_get(&used, d->name))
            continue;
        if (info->def->name.len)
            report_at(v, d->at, "Variable \"$%.*s\" is never used in operation \"%.*s\".",
                      STR_FMT(d->name), STR_FMT(info->def->name));
        else
            report_at(v, d->at, "Variable \"$%.*s\" is never used.", STR_FMT(d->name));
    }
}

/* By name: a second fragment of the same name is wrong for that alone. */
static bool is_used(const struct validator *v, struct str name)
{
    const struct definition_info *info = names_get(&v->fragments, name);
    return info->is_used;
}

void validate_variables(struct validator *v)
{
    struct definition_info **reached =
        arena_new_array(v->arena, v->info_count, struct definition_info *);
    for (uint32_t i = 0; i < v->info_count && !v->has_stopped; i++)
        if (v->infos[i].def->kind == AST_OPERATION)
            check_operation(v, &v->infos[i], i + 1, reached);
    for (uint32_t i = 0; i < v->info_count && !v->has_stopped; i++)
        if (v->infos[i].def->kind == AST_FRAGMENT && !is_used(v, v->infos[i].def->name))
            report_at(v, v->infos[i].def->at, "Fragment \"%.*s\" is never used.",
                      STR_FMT(v->infos[i].def->name));
}

/* ── subscriptions: section 5.2.4.1 ── */

struct root_fields {
    struct names keys;    /* response key → its first field */
    struct names entered; /* fragments */
    const struct ast_selection **fields;
    size_t count;
};

/* @skip(if: true) and @include(if: false) leave a selection out; variables are not known yet. */
static bool is_left_out(const struct ast_selection *s)
{
    struct ast_directive *skip = find_directive(s->directives, "skip");
    struct ast_directive *include = find_directive(s->directives, "include");
    const struct ast_value *skip_if = skip ? directive_arg(skip, "if") : NULL;
    const struct ast_value *include_if = include ? directive_arg(include, "if") : NULL;
    return (skip_if && skip_if->kind == AST_BOOLEAN && str_eq_c(skip_if->text, "true")) ||
           (include_if && include_if->kind == AST_BOOLEAN && str_eq_c(include_if->text, "false"));
}

/* A fragment on `condition`, or on nothing, is for objects of the type `root`. */
static bool applies(const struct validator *v, struct str condition, const struct gql_type *root)
{
    const struct gql_type *t = condition.ptr ? schema_find(v->schema, condition) : root;
    return t == root || (t && type_is_abstract(t) && type_possible(t, root));
}

static void collect_roots(struct validator *v, const struct gql_type *root,
                          const struct ast_selection_set *set, struct root_fields *found)
{
    for (const struct ast_selection *s = set->first; s; s = s->next) {
        const struct ast_selection_set *inner = s->set;
        struct str condition = s->name;
        if (is_left_out(s))
            continue;
        if (s->kind == AST_FIELD) {
            found->fields[found->count++] = s;
            continue;
        }
        if (s->kind == AST_SPREAD) {
            struct definition_info *info = names_get(&v->fragments, s->name);
            if (!info || names_add(v->arena, &found->entered, s->name, info))
                continue;
            inner = info->def->set;
            condition = info->def->condition;
        }
        if (applies(v, condition, root))
            collect_roots(v, root, inner, found);
    }
}

static void report_subscription(struct validator *v, const struct ast_definition *d,
                                const char *what, const uint32_t *at, size_t count)
{
    struct str name = d->name.len
                          ? arena_printf(v->arena, "Subscription \"%.*s\"", STR_FMT(d->name))
                          : STR("Anonymous Subscription");
    validator_report(v, arena_printf(v->arena, "%.*s must %s", STR_FMT(name), what), at, count);
}

/* @skip and @include at the root of a subscription. */
struct conditions {
    struct names entered; /* fragments */
    uint32_t *at;
    size_t count;
    bool has_open; /* one that is no constant */
};

static bool is_open(const struct ast_directive *d)
{
    const struct ast_value *value = d ? directive_arg(d, "if") : NULL;
    return d && (!value || value->kind != AST_BOOLEAN);
}

static void collect_conditions(struct validator *v, const struct gql_type *root,
                               const struct ast_selection_set *set, struct conditions *found)
{
    for (const struct ast_selection *s = set->first; s; s = s->next) {
        const struct ast_directive *skip = find_directive(s->directives, "skip");
        const struct ast_directive *include = find_directive(s->directives, "include");
        found->has_open |= is_open(skip) || is_open(include);
        if (skip || include)
            found->at[found->count++] = skip ? skip->at : include->at;
        else if (s->kind == AST_INLINE && applies(v, s->name, root))
            collect_conditions(v, root, s->set, found);
        else if (s->kind == AST_SPREAD && s->fragment && applies(v, s->fragment->condition, root) &&
                 !names_add(v->arena, &found->entered, s->name, v))
            collect_conditions(v, root, s->fragment->set, found);
    }
}

/* Reports them where there are any; `only_open`: if one of them depends on the request. */
static bool report_conditions(struct validator *v, const struct ast_definition *d,
                              const struct gql_type *root, bool only_open)
{
    struct conditions found = { 0 };
    if (!v->doc->directive_count)
        return false;
    found.at = arena_new_array(v->arena, v->doc->directive_count, uint32_t);
    collect_conditions(v, root, d->set, &found);
    if (!found.count || (only_open && !found.has_open))
        return false;
    report_subscription(v, d,
                        "not use `@skip` or `@include` directives in the top level selection.",
                        found.at, found.count);
    return true;
}

static void check_subscription(struct validator *v, const struct ast_definition *d,
                               const struct gql_type *root)
{
    struct root_fields found = { 0 };
    if (report_conditions(v, d, root, true))
        return; /* what is selected is not known */
    found.fields = arena_new_array(v->arena, v->doc->field_count, const struct ast_selection *);
    collect_roots(v, root, d->set, &found);
    uint32_t *at = arena_new_array(v->arena, found.count, uint32_t);
    size_t extra = 0;
    for (size_t i = 1; i < found.count; i++)
        if (!str_eq(ast_response_key(found.fields[i]), ast_response_key(found.fields[0])))
            at[extra++] = found.fields[i]->at;
    if (extra)
        report_subscription(v, d, "select only one top level field.", at, extra);
    for (size_t i = 0; i < found.count; i++) {
        struct str key = ast_response_key(found.fields[i]);
        /* The first field of a key tells; the others conflict with it, or are the same. */
        if (names_add(v->arena, &found.keys, key, v) ||
            !str_starts_with(found.fields[i]->name, STR("__")))
            continue;
        size_t count = 0;
        for (size_t j = i; j < found.count; j++)
            if (str_eq(ast_response_key(found.fields[j]), key))
                at[count++] = found.fields[j]->at;
        report_subscription(v, d, "not select an introspection top level field.", at, count);
    }
}

void validate_subscriptions(struct validator *v)
{
    const struct gql_type *root = v->schema->roots[GQL_SUBSCRIPTION];
    for (uint32_t i = 0; i < v->info_count && root && !v->has_stopped; i++)
        if (v->infos[i].def->kind == AST_OPERATION &&
            v->infos[i].def->operation == GQL_SUBSCRIPTION)
            check_subscription(v, v->infos[i].def, root);
}

/* ── rules that the reference's release 16 does not have: sections 5.2.1 and 5.2.4.1 ── */

void validate_younger_rules(struct validator *v)
{
    static const char *const words[] = { "query", "mutation", "subscription" };
    for (uint32_t i = 0; i < v->info_count && !v->has_stopped; i++) {
        const struct ast_definition *d = v->infos[i].def;
        if (d->kind != AST_OPERATION)
            continue;
        const struct gql_type *root = v->schema->roots[d->operation];
        if (!root) {
            report_at(v, d->at, "The %s operation is not supported by the schema.",
                      words[d->operation]);
        } else if (d->operation == GQL_SUBSCRIPTION) {
            (void)report_conditions(v, d, root, false);
        }
    }
}
