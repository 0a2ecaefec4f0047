#include "gql/planner_priv.h"

#include "base/mem.h"
#include "gql/diag_priv.h"
#include "gql/print_priv.h"
#include "gql/validate_priv.h"
#include "json/writer.h"

/* ── a document's part: once for all variants ── */

struct ast_definition *plan_operation(const struct ast_document *doc, struct str name,
                                      struct gql_errors *errors)
{
    struct ast_definition *found = NULL;
    for (struct ast_definition *d = doc->first; d; d = d->next)
        if (d->kind == AST_OPERATION && (!name.len || str_eq(d->name, name)))
            found = found ? found : d;
    if (!name.len && doc->operation_count > 1) {
        error_add(errors, GQL_CODE_INPUT,
                  STR("Must provide operation name if query contains multiple operations."));
        return NULL;
    }
    if (!found && name.len)
        error_addf(errors, GQL_CODE_INPUT, "Unknown operation named \"%.*s\".", STR_FMT(name));
    else if (!found)
        error_add(errors, GQL_CODE_INPUT, STR("Must provide an operation."));
    return found;
}

struct marker {
    struct plan *p;
    bool has_incremental; /* the schema */
    struct names indexes; /* variable → index + 1, as a pointer */
    bool *is_condition;   /* by variable */
    bool *entered;        /* by fragment */
};

static void mark_value(struct marker *m, struct ast_value *v)
{
    if (!v->has_variable)
        return;
    if (v->kind == AST_VARIABLE)
        v->index = (uint32_t)(uintptr_t)names_get(&m->indexes, v->text) - 1;
    for (struct ast_value *item = v->items; item; item = item->next)
        mark_value(m, item);
    for (struct ast_entry *e = v->entries; e; e = e->next)
        mark_value(m, e->value);
}

static void mark_directives(struct marker *m, struct ast_directive *d)
{
    for (; d; d = d->next) {
        bool delays =
            m->has_incremental && (str_eq_c(d->name, "defer") || str_eq_c(d->name, "stream"));
        bool decides = delays || str_eq_c(d->name, "skip") || str_eq_c(d->name, "include");
        m->p->has_incremental |= delays;
        for (struct ast_entry *a = d->args; a; a = a->next) {
            mark_value(m, a->value);
            if (decides && a->value->kind == AST_VARIABLE && str_eq_c(a->name, "if"))
                m->is_condition[a->value->index] = true;
        }
    }
}

/* Gives each variable its index, and finds those that decide what is selected. */
static void mark_set(struct marker *m, struct ast_selection_set *set)
{
    for (struct ast_selection *s = set->first; s; s = s->next) {
        for (struct ast_entry *a = s->args; a; a = a->next)
            mark_value(m, a->value);
        mark_directives(m, s->directives);
        struct ast_selection_set *inner = s->set;
        if (s->kind == AST_SPREAD && !m->entered[s->fragment->number]) {
            m->entered[s->fragment->number] = true;
            inner = s->fragment->set;
        }
        if (inner)
            mark_set(m, inner);
    }
}

static void mark_variables(struct plan *p, const struct gql_schema *s)
{
    struct marker m = { .p = p, .has_incremental = s->has_incremental };
    for (struct ast_variable_def *d = p->operation->variables; d; d = d->next) {
        names_add(p->arena, &m.indexes, d->name, (void *)(uintptr_t)++p->variable_count);
        d->planned_type = type_from_ast(p->arena, s, d->type);
    }
    m.is_condition = arena_new_array(p->arena, p->variable_count, bool);
    m.entered = arena_new_array(p->arena, p->doc->fragment_count, bool);
    mark_set(&m, p->operation->set);
    p->conditions = arena_new_array(p->arena, p->variable_count, uint32_t);
    for (uint32_t i = 0; i < p->variable_count; i++)
        if (m.is_condition[i])
            p->conditions[p->condition_count++] = i;
}

static bool prepare_document(struct plan *p, const struct gql_schema *s,
                             const struct gql_limits *limits, const struct gql_request *request,
                             struct gql_errors *errors)
{
    struct parse_options parsing = { .tokens_max = limits->tokens_max,
                                     .nesting_max = limits->nesting_max };
    struct validate_options validating = { .errors_max = limits->errors_max,
                                           .depth_max = limits->depth_max,
                                           .with_suggestions = !request->no_suggestions,
                                           .with_introspection = !request->no_introspection };
    p->doc = ast_parse(p->arena, p->text, &parsing, errors);
    if (!p->doc || !limits_check_counts(p->doc, limits, errors))
        return false;
    validate_document(s, p->doc, &validating, errors);
    if (errors->count)
        return false;
    p->operation = plan_operation(p->doc, request->operation_name, errors);
    if (!p->operation)
        return false;
    assert(s->roots[p->operation->operation]); /* or it were not valid */
    if (!limits_check_depth(p->doc, limits, errors))
        return false;
    mark_variables(p, s);
    return true;
}

struct plan *plan_create(const struct gql_schema *s, const struct gql_limits *limits,
                         const struct gql_request *request, struct gql_errors *errors)
{
    struct arena *arena = arena_create(limits->plan_bytes_max ? limits->plan_bytes_max : SIZE_MAX);
    struct plan *p = mem_new(struct plan);
    list_init(&p->by_use);
    p->refs = 1;
    p->arena = arena;
    p->text = arena_copy(arena, request->document);
    p->operation_name = arena_copy(arena, request->operation_name);
    p->role = request->role;
    p->has_introspection = !request->no_introspection;
    p->hash = plan_hash(request);
    if (!prepare_document(p, s, limits, request, errors)) {
        plan_unref(p);
        return NULL;
    }
    p->bytes = sizeof *p + arena_held(arena);
    return p;
}

void plan_unref(struct plan *p)
{
    assert(p->refs > 0);
    if (--p->refs)
        return;
    assert(list_is_empty(&p->by_use));
    arena_destroy(p->arena);
    mem_free(p);
}

/* ── variants: section 6.3, CollectFields ── */

/* Absent: of a @defer or @stream, whose `if` has the default true. */
static bool is_true(const struct gql_value *v)
{
    return v->kind == GQL_ABSENT || (v->kind == GQL_BOOL && v->boolean);
}

static bool condition_value(const struct planner *pl, const struct ast_directive *d)
{
    const struct ast_value *v = directive_arg(d, "if");
    if (!v)
        return true;
    return v->kind == AST_VARIABLE ? is_true(&pl->variables[v->index]) : str_eq_c(v->text, "true");
}

struct ast_directive *planner_delay(const struct planner *pl, const struct ast_selection *s,
                                    const char *name)
{
    if (pl->variant->incremental == GQL_INCREMENTAL_NONE)
        return NULL;
    struct ast_directive *d = find_directive(s->directives, name);
    return d && condition_value(pl, d) ? d : NULL;
}

/* `text` escaped and quoted, between `start` and `end`, with room to read KEY_ROOM bytes. */
static struct str json_between(struct arena *arena, const char *start, struct str text,
                               const char *end)
{
    struct buf out;
    buf_init(&out, 0);
    buf_put_c(&out, start);
    json_put_string(&out, text);
    buf_put_c(&out, end);
    char *copy = arena_alloc(arena, out.len + KEY_ROOM);
    size_t len = out.len;
    memcpy(copy, out.ptr, len);
    buf_clear(&out);
    return str_of(copy, len);
}

struct str planner_label(const struct planner *pl, const struct ast_directive *d)
{
    const struct ast_value *label = directive_arg(d, "label");
    return label && label->kind == AST_STRING ? json_between(pl->arena, "", label->text, "")
                                              : (struct str){ 0 };
}

static bool is_included(const struct planner *pl, const struct ast_selection *s)
{
    struct ast_directive *skip = find_directive(s->directives, "skip");
    struct ast_directive *include = find_directive(s->directives, "include");
    return !(skip && condition_value(pl, skip)) && (!include || condition_value(pl, include));
}

/* The group of a response key, made when it is the first of it. */
static struct group *group_of(struct planner *pl, struct groups *g, struct str key)
{
    struct group *group = names_get(&g->by_key, key);
    if (group)
        return group;
    group = arena_new(pl->scratch, struct group);
    group->key = key;
    group->tail = &group->first;
    names_add(pl->scratch, &g->by_key, key, group);
    group_list_add(&g->list, group);
    return group;
}

/* `defer`: the @defer that the set is in, or NULL. */
static void collect(struct planner *pl, const struct gql_type *object,
                    const struct ast_selection_set *set, const struct plan_defer *defer,
                    struct groups *g)
{
    for (const struct ast_selection *s = set->first; s; s = s->next) {
        if (!is_included(pl, s))
            continue;
        if (s->kind != AST_FIELD) {
            bool is_spread = s->kind == AST_SPREAD;
            struct str condition = is_spread ? s->fragment->condition : s->name;
            const struct gql_type *t = condition.ptr ? schema_find(pl->s, condition) : object;
            const struct ast_directive *delay = planner_delay(pl, s, "defer");
            if (!type_possible(t, object) ||
                (is_spread && planner_was_entered(pl, g, s->fragment, delay, defer)))
                continue;
            collect(pl, object, is_spread ? s->fragment->set : s->set,
                    delay ? planner_defer(pl, g, delay, defer) : defer, g);
            continue;
        }
        group_add(pl, group_of(pl, g, ast_response_key(s)), s, defer);
        g->has_defers |= defer != NULL;
    }
}

/* ── arguments ── */

static void plan_args(struct planner *pl, struct gql_field_plan *f)
{
    const struct field_def *def = f->def;
    struct gql_value *values = arena_new_array(pl->arena, def->arg_count, struct gql_value);
    bool is_const = true;
    f->args = arena_new_array(pl->arena, def->arg_count, struct plan_arg);
    for (uint32_t i = 0; i < def->arg_count; i++) {
        struct plan_arg *arg = &f->args[i];
        const struct ast_entry *given = f->nodes[0]->args;
        while (given && !str_eq(given->name, def->args[i].name))
            given = given->next;
        arg->given = given;
        arg->value = def->args[i].default_value;
        if (given && given->value->kind == AST_VARIABLE) {
            arg->mode = ARG_VARIABLE;
            arg->variable = given->value->index;
        } else if (given) {
            struct coercion c = { .arena = pl->arena };
            if (given->value->has_variable ||
                !coerce_literal(&c, def->args[i].type, given->value, &arg->value))
                arg->mode = ARG_DYNAMIC; /* a literal that fails here fails so at each request */
        }
        values[i] = arg->value;
        is_const &= arg->mode == ARG_CONST;
    }
    f->const_args = is_const ? values : NULL;
}

/* ── fields, sets, selections ── */

static struct plan_set *plan_set(struct planner *pl, const struct gql_type *object,
                                 const struct field_nodes *from);

/* After the sets themselves, their parts: `prepare` hooks see all that an object is asked for. */
static void list_parts(struct planner *pl, struct plan_selection *sel)
{
    struct gql_selection *out = &sel->selection;
    uint32_t own = out->count, all = own;
    for (uint32_t i = 0; i < own; i++)
        all += planner_parts(container_of(out->sets[i], struct plan_set, set), NULL);
    if (all == own)
        return;
    struct gql_set **sets = arena_new_array(pl->arena, all, struct gql_set *);
    memcpy(sets, out->sets, own * sizeof *sets);
    out->count = own;
    for (uint32_t i = 0; i < own; i++)
        out->count += planner_parts(container_of(sets[i], struct plan_set, set), sets + out->count);
    out->sets = sets;
}

static void build_sets(struct planner *pl, struct plan_selection *sel, const struct gql_type *t,
                       const struct field_nodes *from)
{
    uint32_t count = t->kind == TYPE_OBJECT ? 1 : t->possible_count;
    sel->selection.sets = arena_new_array(pl->arena, count, struct gql_set *);
    for (uint32_t i = 0; i < count && !pl->is_over; i++) {
        const struct gql_type *object = t->kind == TYPE_OBJECT ? t : t->possible[i];
        sel->selection.sets[sel->selection.count++] = &plan_set(pl, object, from)->set;
    }
    list_parts(pl, sel);
}

/* What a selection is made of: alike for fields that share it. */
static struct str selection_key(struct planner *pl, const struct field_def *def,
                                const struct field_nodes *from)
{
    size_t count = 1U + from->count + (from->defers ? from->count + from->within->count : 0);
    const void **key = arena_new_array(pl->scratch, count, const void *);
    size_t n = 0;
    key[n++] = def;
    for (uint32_t i = 0; i < from->count; i++)
        key[n++] = from->nodes[i];
    for (uint32_t i = 0; from->defers && i < from->count; i++)
        key[n++] = from->defers[i];
    for (uint32_t i = 0; from->defers && i < from->within->count; i++)
        key[n++] = from->within->defers[i];
    return str_of((const char *)key, count * sizeof *key);
}

/* The selection of a composite field, and its prepare hook once it is known. */
static void plan_below(struct planner *pl, struct gql_field_plan *f, const struct field_nodes *from)
{
    const struct field_def *def = f->def;
    bool is_leaf = type_is_leaf(def->type->named);
    if (is_leaf && !def->binding.prepare)
        return;
    struct str key = selection_key(pl, def, from);
    struct plan_selection *sel = names_get(&pl->selections, key);
    bool is_new = !sel;
    if (is_new) {
        sel = arena_new(pl->arena, struct plan_selection);
        sel->owner = f;
        if (!is_leaf)
            build_sets(pl, sel, def->type->named, from);
        names_add(pl->scratch, &pl->selections, key, sel);
        sel->number = pl->variant->selection_count++;
        *pl->variant->tail = sel;
        pl->variant->tail = &sel->next;
    }
    f->below = sel;
    f->field.selection = is_leaf ? NULL : &sel->selection;
    if (is_new && def->binding.prepare && !pl->is_over)
        sel->plan_data = def->binding.prepare(&f->field, pl->arena);
    f->field.plan_data = sel->plan_data;
}

/* A list that is cut is stored, leaves too. */
static enum field_source source_of(const struct gql_field_plan *f)
{
    if (f->def->is_typename)
        return SOURCE_TYPENAME;
    if (!f->def->binding.get)
        return SOURCE_STEP;
    return type_is_leaf(f->def->type->named) && !f->stream ? SOURCE_GET_LEAF : SOURCE_GET;
}

/* The argument cannot fail at a request: it is constant, or takes whatever its variable holds. */
static bool is_safe_arg(const struct planner *pl, const struct input_def *def,
                        const struct plan_arg *arg)
{
    const struct ast_variable_def *variable = pl->p->operation->variables;
    if (arg->mode != ARG_VARIABLE)
        return arg->mode == ARG_CONST;
    for (uint32_t i = 0; i < arg->variable; i++)
        variable = variable->next;
    return def->type->wrap != WRAP_NON_NULL || variable->planned_type->wrap == WRAP_NON_NULL;
}

/* Access and arguments cannot refuse it, and all below is asked while the response is written. */
static bool is_lazy(const struct planner *pl, const struct gql_field_plan *f)
{
    const struct gql_selection *below = f->field.selection;
    if (f->def->access.ptr || f->def->args_have_access || f->stream)
        return false;
    assert(below); /* else it is a leaf, which is asked for while writing anyway */
    for (uint32_t i = 0; i < f->def->arg_count; i++)
        if (!is_safe_arg(pl, &f->def->args[i], &f->args[i]))
            return false;
    for (uint32_t i = 0; i < below->count; i++)
        if (container_of(below->sets[i], struct plan_set, set)->slot_count)
            return false;
    return true;
}

static struct gql_field *plan_field(struct planner *pl, const struct gql_type *object,
                                    const struct group *group, const struct defer_set *within,
                                    struct plan_set *set)
{
    struct gql_field_plan *f = arena_new(pl->arena, struct gql_field_plan);
    struct str name = group->first->node->name;
    struct field_nodes from = { .count = group->count, .within = within };
    f->def = schema_field(pl->s, object, name);
    f->key_json = json_between(pl->arena, ",", group->key, ":");
    f->node_count = group->count;
    f->nodes = arena_new_array(pl->arena, group->count, const struct ast_selection *);
    uint32_t count = 0;
    for (const struct node_link *link = group->first; link; link = link->next)
        f->nodes[count++] = link->node;
    from.nodes = f->nodes;
    from.defers = planner_defers_of(pl, group);
    f->stream = planner_stream(pl, f);
    f->source = source_of(f);
    f->field = (struct gql_field){ .name = f->def->name,
                                   .response_key = group->key,
                                   .parent_type = object,
                                   .type = f->def->type->named,
                                   .data = f->def->binding.data,
                                   .plan = f };
    for (const struct type_ref *t = f->def->type; t->wrap != WRAP_NAMED; t = t->of)
        f->field.list_depth += t->wrap == WRAP_LIST;
    f->is_quick = f->source == SOURCE_GET_LEAF && !f->def->access.ptr && !f->field.list_depth;
    plan_args(pl, f);
    if (f->source != SOURCE_TYPENAME)
        plan_below(pl, f, &from);
    if (f->source == SOURCE_GET && is_lazy(pl, f))
        f->source = SOURCE_GET_LAZY;
    if (f->source == SOURCE_GET || f->source == SOURCE_STEP)
        f->slot = set->slot_count++;
    return &f->field;
}

/* A set of these fields. `within`: the @defers that they all wait for. */
static struct plan_set *plan_fields(struct planner *pl, const struct gql_type *object,
                                    const struct group_list *list, const struct defer_set *within)
{
    struct plan_set *set = arena_new(pl->arena, struct plan_set);
    set->set.type = object;
    set->typename_json = json_between(pl->arena, "", object->name, "");
    set->set.fields = arena_new_array(pl->arena, list->count, struct gql_field *);
    for (const struct group *group = list->first; group && !pl->is_over; group = group->next) {
        pl->repeats = max_of(pl->repeats, group->count);
        set->set.fields[set->set.count++] = plan_field(pl, object, group, within, set);
        pl->is_over = arena_over_budget(pl->arena) || arena_over_budget(pl->scratch);
    }
    return set;
}

static struct plan_set *plan_set(struct planner *pl, const struct gql_type *object,
                                 const struct field_nodes *from)
{
    struct groups g = { .list = { .tail = &g.list.first }, .defer_tail = &g.defers };
    struct plan_parts later = { .tail = &later.first };
    g.entered = arena_new_array(pl->scratch, pl->p->doc->fragment_count, bool);
    for (uint32_t i = 0; i < from->count; i++)
        if (from->nodes[i]->set)
            collect(pl, object, from->nodes[i]->set, from->defers ? from->defers[i] : NULL, &g);
    if (g.has_defers)
        planner_split(pl, &g.list, from->within, &later);
    struct plan_set *set = plan_fields(pl, object, &g.list, from->within);
    for (struct part_fields *p = later.first; p && !pl->is_over; p = p->next)
        p->part->set = plan_fields(pl, object, &p->list, &p->part->defers);
    if (g.defer_count || later.first) {
        struct plan_deferral *deferral = arena_new(pl->arena, struct plan_deferral);
        deferral->defers = g.defers;
        deferral->defer_count = g.defer_count;
        deferral->parts = later.first ? later.first->part : NULL;
        set->deferral = deferral;
    }
    return set;
}

static struct plan_variant *find_variant(const struct plan *p, const struct gql_value *variables,
                                         enum gql_incremental incremental)
{
    for (struct plan_variant *v = p->variants; v; v = v->next) {
        uint32_t i = 0;
        while (i < p->condition_count && v->conditions[i] == is_true(&variables[p->conditions[i]]))
            i++;
        if (i == p->condition_count && v->incremental == incremental)
            return v;
    }
    return NULL;
}

/* Fields of the root, those that come later too. */
static uint32_t count_roots(const struct plan_set *root)
{
    uint32_t count = root->set.count;
    const struct plan_part *part = root->deferral ? root->deferral->parts : NULL;
    for (; part; part = part->next)
        count += part->set->set.count;
    return count;
}

/* Combinations kept with the plan; more of them live as long as their request. */
enum { VARIANTS_MAX = 8 };

struct plan_variant *plan_variant(struct plan *p, const struct gql_schema *s,
                                  const struct gql_limits *limits,
                                  const struct gql_value *variables,
                                  enum gql_incremental incremental, struct arena *scratch,
                                  struct gql_errors *errors)
{
    struct plan_variant *v = find_variant(p, variables, incremental);
    if (v)
        return v;
    bool is_kept = p->variant_count < VARIANTS_MAX;
    struct arena *arena = is_kept ? p->arena : scratch;
    v = arena_new(arena, struct plan_variant);
    v->tail = &v->first;
    uint8_t *conditions = arena_new_array(arena, p->condition_count, uint8_t);
    for (uint32_t i = 0; i < p->condition_count; i++)
        conditions[i] = is_true(&variables[p->conditions[i]]);
    v->conditions = conditions;
    v->incremental = incremental;
    struct planner pl = {
        .s = s, .p = p, .variant = v, .arena = arena, .scratch = scratch, .variables = variables
    };
    struct ast_selection root = { .kind = AST_FIELD, .set = p->operation->set };
    const struct ast_selection *nodes[] = { &root };
    static const struct defer_set at_once = { 0 };
    struct field_nodes from = { .nodes = nodes, .count = 1, .within = &at_once };
    v->root = plan_set(&pl, s->roots[p->operation->operation], &from);
    if (pl.is_over) {
        limit_error(errors, "plan_bytes_max", limits->plan_bytes_max, arena_used(arena),
                    "bytes of plan");
        return NULL;
    }
    if (limits->repeats_max && pl.repeats > limits->repeats_max) {
        limit_error(errors, "repeats_max", limits->repeats_max, pl.repeats,
                    "selections of one field");
        return NULL;
    }
    if (limits->root_fields_max && count_roots(v->root) > limits->root_fields_max) {
        limit_error(errors, "root_fields_max", limits->root_fields_max, count_roots(v->root),
                    "root fields");
        return NULL;
    }
    if (is_kept) {
        v->next = p->variants;
        p->variants = v;
        p->variant_count++;
        p->bytes = sizeof *p + arena_held(p->arena);
    }
    return v;
}

/* ── what hooks ask ── */

struct gql_field *gql_child(const struct gql_field *f, const char *name)
{
    for (uint32_t i = 0; f->selection && i < f->selection->count; i++)
        for (uint32_t j = 0; j < f->selection->sets[i]->count; j++)
            if (str_eq_c(f->selection->sets[i]->fields[j]->name, name))
                return f->selection->sets[i]->fields[j];
    return NULL;
}
