/*
 * What a document may ask for before anything runs: counts, depth and cost. Every refusal names the
 * limit and the value. Source: docs "Limits" in README.md.
 */
#include "gql/diag_priv.h"
#include "gql/plan_priv.h"

struct gql_limits gql_limits_default(void)
{
    return (struct gql_limits){
        .tokens_max = 10'000,
        .depth_max = 15,
        .aliases_max = 30,
        .root_fields_max = 20,
        .directives_max = 50,
        .directives_at_once_max = 8,
        .repeats_max = 100,
        .cost_max = 20'000,
        .list_size_max = 500,
        .list_size_default = 10,
        .nesting_max = 200,
        .errors_max = 100,
        .plan_bytes_max = 1 << 20,
        .response_bytes_max = 64 << 20,
        .pending_max = 1'000,
    };
}

void limit_error(struct gql_errors *errors, const char *limit, uint64_t max, uint64_t value,
                 const char *what)
{
    struct gql_error *e =
        error_addf(errors, GQL_CODE_COMPLEX, "Query is too complex: %llu %s, at most %llu.",
                   (unsigned long long)value, what, (unsigned long long)max);
    e->extensions_json = arena_printf(errors->arena, "\"limit\":\"%s\",\"max\":%llu,\"value\":%llu",
                                      limit, (unsigned long long)max, (unsigned long long)value);
}

bool limits_check_counts(const struct ast_document *doc, const struct gql_limits *limits,
                         struct gql_errors *errors)
{
    if (limits->aliases_max && doc->alias_count > limits->aliases_max)
        limit_error(errors, "aliases_max", limits->aliases_max, doc->alias_count, "aliases");
    else if (limits->directives_max && doc->directive_count > limits->directives_max)
        limit_error(errors, "directives_max", limits->directives_max, doc->directive_count,
                    "directives");
    else if (limits->directives_at_once_max &&
             doc->directives_at_once > limits->directives_at_once_max)
        limit_error(errors, "directives_at_once_max", limits->directives_at_once_max,
                    doc->directives_at_once, "directives at one place");
    return errors->count == 0;
}

/* ── depth ── */

/* Levels of fields in a set; fragments are measured once each. They have no cycles by now. */
static uint32_t depth_of(const struct ast_selection_set *set, uint32_t *by_fragment)
{
    uint32_t deepest = 0;
    for (const struct ast_selection *s = set->first; s; s = s->next) {
        uint32_t depth = 0;
        if (s->kind == AST_SPREAD) {
            uint32_t *known = &by_fragment[s->fragment->number];
            if (!*known)
                *known = 1 + depth_of(s->fragment->set, by_fragment);
            depth = *known - 1;
        } else {
            depth = (s->kind == AST_FIELD) + (s->set ? depth_of(s->set, by_fragment) : 0);
        }
        deepest = max_of(deepest, depth);
    }
    return deepest;
}

/* Of every operation, also of those that are not asked for: validation has not looked below. */
bool limits_check_depth(const struct ast_document *doc, const struct gql_limits *limits,
                        struct gql_errors *errors)
{
    uint32_t *by_fragment = arena_new_array(errors->arena, doc->fragment_count, uint32_t);
    uint32_t depth = 0;
    for (const struct ast_definition *d = doc->first; d; d = d->next)
        if (d->kind == AST_OPERATION)
            depth = max_of(depth, depth_of(d->set, by_fragment));
    if (!limits->depth_max || depth <= limits->depth_max)
        return true;
    limit_error(errors, "depth_max", limits->depth_max, depth, "levels of fields");
    return false;
}

/* ── cost ── */

struct costing {
    const struct gql_limits *limits;
    const struct gql_value *variables;
    struct gql_errors *errors;
    uint64_t *by_selection;
    bool is_dynamic; /* a variable told a size */
};

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t multiply(uint64_t a, uint64_t b)
{
    uint64_t product = 0;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/* An argument's number, or -1 where it has none. */
static int64_t size_of_arg(struct costing *c, const struct gql_field_plan *f, int32_t index)
{
    if (index < 0)
        return -1;
    const struct plan_arg *arg = &f->args[index];
    const struct gql_value *v = &arg->value;
    if (arg->mode == ARG_VARIABLE) {
        c->is_dynamic = true;
        if (c->variables[arg->variable].kind != GQL_ABSENT)
            v = &c->variables[arg->variable];
    }
    return v->kind == GQL_INT && v->integer >= 0 ? v->integer : -1;
}

/* The size of a page that the field's arguments ask for, or -1. */
static int64_t page_size(struct costing *c, const struct gql_field_plan *f)
{
    int64_t first = size_of_arg(c, f, f->def->size_arg);
    int64_t last = size_of_arg(c, f, f->def->size_arg_last);
    int64_t size = max_of(first, last);
    uint32_t limit = c->limits->list_size_max;
    if (limit && size > limit && c->errors->count == 0)
        limit_error(c->errors, "list_size_max", limit, (uint64_t)size, "items of a list");
    return size;
}

static bool has_size_arg(const struct gql_field_plan *f)
{
    return f->def->size_arg >= 0 || f->def->size_arg_last >= 0;
}

/* Lists directly below a field with a page size, such as a connection's, have that size. */
static uint64_t inherited_size(struct costing *c, const struct gql_field_plan *owner)
{
    if (!owner || !has_size_arg(owner) || type_nullable(owner->def->type)->wrap == WRAP_LIST)
        return c->limits->list_size_default;
    int64_t size = page_size(c, owner);
    return size >= 0 ? (uint64_t)size : c->limits->list_size_default;
}

/* What a list counts that no argument bounds. Those of introspection are short but for a few, and
 * validation bounds how often they are within one another. */
static uint64_t size_of_list(const struct gql_field_plan *f, uint64_t inherited)
{
    enum { INTROSPECTION_LIST_SIZE = 4 };
    bool is_introspection = str_starts_with(f->field.parent_type->name, STR("__"));
    return is_introspection ? min_of(inherited, (uint64_t)INTROSPECTION_LIST_SIZE) : inherited;
}

static uint64_t cost_of_set(struct costing *c, const struct plan_set *own, uint64_t inherited)
{
    const struct gql_set *set = &own->set;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct gql_field_plan *f = set->fields[i]->plan;
        uint64_t times = 1;
        int64_t size = has_size_arg(f) ? page_size(c, f) : -1;
        if (type_nullable(f->def->type)->wrap == WRAP_LIST)
            times = size >= 0 ? (uint64_t)size : size_of_list(f, inherited);
        uint64_t below = f->below && f->field.selection ? c->by_selection[f->below->number] : 0;
        sum = add(sum, add(f->def->cost, multiply(times, below)));
    }
    const struct plan_part *part = own->deferral ? own->deferral->parts : NULL;
    for (; part; part = part->next)
        sum = add(sum, cost_of_set(c, part->set, inherited));
    return sum;
}

bool plan_check_cost(const struct plan_variant *v, const struct gql_limits *limits,
                     const struct gql_value *variables, struct arena *scratch,
                     struct gql_errors *errors, struct plan_cost *ret)
{
    struct costing c = { .limits = limits, .variables = variables, .errors = errors };
    c.by_selection = arena_new_array(scratch, v->selection_count, uint64_t);
    for (const struct plan_selection *sel = v->first; sel; sel = sel->next) {
        uint64_t dearest = 0;
        uint64_t inherited = inherited_size(&c, sel->owner);
        for (uint32_t i = 0; i < sel->selection.count; i++)
            dearest = max_of(
                dearest, cost_of_set(&c, container_of(sel->selection.sets[i], struct plan_set, set),
                                     inherited));
        c.by_selection[sel->number] = dearest;
    }
    *ret = (struct plan_cost){ .cost = cost_of_set(&c, v->root, limits->list_size_default) };
    ret->is_dynamic = c.is_dynamic;
    if (errors->count)
        return false;
    if (limits->cost_max && ret->cost > limits->cost_max)
        limit_error(errors, "cost_max", limits->cost_max, ret->cost, "of cost");
    return errors->count == 0;
}
