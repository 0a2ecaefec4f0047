#include "gql/validate_priv.h"

#include "gql/rules_priv.h"

void validator_report(struct validator *v, struct str message, const uint32_t *at, size_t count)
{
    uint32_t limit = v->options->errors_max;
    if (v->has_stopped)
        return;
    if (limit && v->errors->count >= limit) {
        v->has_stopped = true;
        error_add(v->errors, GQL_CODE_VALIDATION,
                  STR("Too many validation errors, error limit reached. Validation aborted."));
        return;
    }
    struct gql_error *e = error_add(v->errors, GQL_CODE_VALIDATION, message);
    error_place(v->errors, e, v->doc->source, at, count);
}

void validator_report_to(void *validator, struct str message, const uint32_t *at, size_t count)
{
    validator_report(validator, message, at, count);
}

struct str validator_hint(struct validator *v, const char *kind, struct str wrong,
                          struct str *names, size_t count)
{
    if (!v->options->with_suggestions || v->has_stopped)
        return (struct str){ 0 };
    count = suggest(v->arena, wrong, names, count);
    return did_you_mean(v->arena, kind, names, count);
}

/* ── names of types: section 5.5.1.2, KnownTypeNames ── */

static struct gql_type *known_type(struct validator *v, struct str name, uint32_t at)
{
    struct gql_type *t = schema_find(v->schema, name);
    if (t || v->has_stopped)
        return t;
    if (v->rules) {
        rules_type_name(v->rules, name, at, false);
        return NULL;
    }
    uint32_t count = v->schema->type_count;
    struct str *names = arena_new_array(v->arena, count, struct str);
    for (uint32_t i = 0; i < count; i++)
        names[i] = v->schema->types[i]->name;
    struct str hint = validator_hint(v, "", name, names, count);
    report_at(v, at, "Unknown type \"%.*s\".%.*s", STR_FMT(name), STR_FMT(hint));
    return NULL;
}

/* ── arguments: section 5.4 ── */

/* Short lists are compared pair by pair, without a table. */
enum { PAIRS_MAX = 8 };

bool validator_is_repeated(struct validator *v, const struct ast_entry *list)
{
    struct names seen = { 0 };
    uint32_t count = 0;
    for (const struct ast_entry *a = list; a; a = a->next)
        count++;
    for (const struct ast_entry *a = list; a; a = a->next) {
        if (count > PAIRS_MAX && names_add(v->arena, &seen, a->name, v))
            return true;
        for (const struct ast_entry *b = a->next; b && count <= PAIRS_MAX; b = b->next)
            if (str_eq(a->name, b->name))
                return true;
    }
    return false;
}

static void check_unique_args(struct validator *v, const struct ast_entry *args)
{
    if (args && args->next && validator_is_repeated(v, args))
        rules_unique_arguments(v->arena, args, validator_report_to, v);
}

/* What a field or a directive takes. */
struct taker {
    struct str name;             /* ptr NULL: it is not known */
    const struct gql_type *type; /* that the field is on; NULL: a directive */
    const struct input_def *args;
    uint32_t count;
};

/* As errors call it. */
static struct str taker_text(struct validator *v, const struct taker *t)
{
    return t->type ? arena_printf(v->arena, "field \"%.*s.%.*s\"", STR_FMT(t->type->name),
                                  STR_FMT(t->name))
                   : arena_printf(v->arena, "directive \"@%.*s\"", STR_FMT(t->name));
}

static void check_arg(struct validator *v, const struct taker *taker, struct ast_entry *a)
{
    const struct input_def *def = inputs_find(taker->args, taker->count, a->name);
    if (!def && taker->name.ptr) {
        struct str *names = arena_new_array(v->arena, taker->count, struct str);
        for (uint32_t i = 0; i < taker->count; i++)
            names[i] = taker->args[i].name;
        struct str hint = validator_hint(v, "", a->name, names, taker->count);
        struct str text = taker_text(v, taker);
        report_at(v, a->at, "Unknown argument \"%.*s\" on %.*s.%.*s", STR_FMT(a->name),
                  STR_FMT(text), STR_FMT(hint));
    }
    validate_value(v, def ? def->type : NULL, def && def->default_ast, a->value);
}

/* True when every argument that must be given is; else tells the first index that is not. */
static bool is_given(const struct ast_entry *args, struct str name)
{
    while (args && !str_eq(args->name, name))
        args = args->next;
    return args != NULL;
}

/* ── directives: section 5.7 ── */

static void check_directive(struct validator *v, struct ast_directive *d, const char *location)
{
    struct directive_def *def = schema_directive(v->schema, d->name);
    struct taker taker = { 0 };
    bool is_allowed = false;
    if (!def) {
        report_at(v, d->at, "Unknown directive \"@%.*s\".", STR_FMT(d->name));
    } else {
        for (const struct ast_named *n = def->locations; n; n = n->next)
            is_allowed |= str_eq_c(n->name, location);
        if (!is_allowed)
            report_at(v, d->at, "Directive \"@%.*s\" may not be used on %s.", STR_FMT(d->name),
                      location);
        taker = (struct taker){ .name = d->name, .args = def->args, .count = def->arg_count };
    }
    check_unique_args(v, d->args);
    for (struct ast_entry *a = d->args; a; a = a->next)
        check_arg(v, &taker, a);
    for (uint32_t i = 0; i < taker.count; i++) {
        const struct input_def *arg = &taker.args[i];
        if (!input_is_required(arg) || is_given(d->args, arg->name))
            continue;
        struct str type = type_text(v->arena, arg->type);
        report_at(v, d->at,
                  "Directive \"@%.*s\" argument \"%.*s\" of type \"%.*s\" is required, but it was "
                  "not provided.",
                  STR_FMT(d->name), STR_FMT(arg->name), STR_FMT(type));
    }
}

static void check_directives(struct validator *v, struct ast_directive *list, const char *location)
{
    struct names seen = { 0 };
    if (v->rules) {
        rules_directives(v->rules, list, location, STR(""));
        return;
    }
    for (struct ast_directive *d = list; d && !v->has_stopped; d = d->next) {
        check_directive(v, d, location);
        struct directive_def *def = schema_directive(v->schema, d->name);
        if (!list->next || !def || def->is_repeatable)
            continue;
        struct ast_directive *before = names_add(v->arena, &seen, d->name, d);
        if (before)
            report_two(v, before->at, d->at,
                       "The directive \"@%.*s\" can only be used once at this location.",
                       STR_FMT(d->name));
    }
}

/* ── fields: sections 5.3.1 and 5.3.3 ── */

enum { HINT_TYPES_MAX = 64 };

struct type_votes {
    const struct gql_type *types[HINT_TYPES_MAX];
    uint32_t votes[HINT_TYPES_MAX];
    size_t count;
};

static void vote(struct type_votes *votes, const struct gql_type *t)
{
    size_t i = 0;
    while (i < votes->count && votes->types[i] != t)
        i++;
    if (i == HINT_TYPES_MAX)
        return;
    votes->types[i] = t;
    votes->votes[i]++;
    votes->count = max_of(votes->count, i + 1);
}

static bool is_nearer(const struct type_votes *votes, size_t a, size_t b)
{
    const struct gql_type *ta = votes->types[a];
    const struct gql_type *tb = votes->types[b];
    if (votes->votes[a] != votes->votes[b])
        return votes->votes[a] > votes->votes[b];
    if (ta->kind == TYPE_INTERFACE && type_is_subtype(&tb->self, &ta->self))
        return true;
    if (tb->kind == TYPE_INTERFACE && type_is_subtype(&ta->self, &tb->self))
        return false;
    return str_cmp(ta->name, tb->name) < 0;
}

/* Types below an abstract one that do have the field, the most common first. */
static struct str hint_types(struct validator *v, const struct gql_type *t, struct str field)
{
    struct type_votes votes = { 0 };
    struct str names[HINT_TYPES_MAX];
    bool used[HINT_TYPES_MAX] = { 0 };
    for (uint32_t i = 0; i < t->possible_count && v->options->with_suggestions; i++) {
        const struct gql_type *object = t->possible[i];
        if (!names_get(&object->field_names, field))
            continue;
        vote(&votes, object);
        for (uint32_t j = 0; j < object->interface_count; j++)
            if (names_get(&object->interfaces[j]->field_names, field))
                vote(&votes, object->interfaces[j]);
    }
    for (size_t n = 0; n < votes.count; n++) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < votes.count; i++)
            if (!used[i] && (best == SIZE_MAX || is_nearer(&votes, i, best)))
                best = i;
        used[best] = true;
        names[n] = votes.types[best]->name;
    }
    return did_you_mean(v->arena, "to use an inline fragment on ", names, votes.count);
}

static void report_unknown_field(struct validator *v, const struct gql_type *t,
                                 const struct ast_selection *s)
{
    struct str hint = { 0 };
    if (v->has_stopped)
        return;
    if (type_is_abstract(t))
        hint = hint_types(v, t, s->name);
    if (!hint.len && t->kind != TYPE_UNION) {
        struct str *names = arena_new_array(v->arena, t->field_count, struct str);
        for (uint32_t i = 0; i < t->field_count; i++)
            names[i] = t->fields[i].name;
        hint = validator_hint(v, "", s->name, names, t->field_count);
    }
    report_at(v, s->at, "Cannot query field \"%.*s\" on type \"%.*s\".%.*s", STR_FMT(s->name),
              STR_FMT(t->name), STR_FMT(hint));
}

static void check_leaf(struct validator *v, const struct field_def *def,
                       const struct ast_selection *s)
{
    bool is_leaf = type_is_leaf(def->type->named);
    if (is_leaf != (s->set != NULL))
        return;
    struct str type = type_text(v->arena, def->type);
    if (is_leaf)
        report_at(v, s->set->at,
                  "Field \"%.*s\" must not have a selection since type \"%.*s\" has no subfields.",
                  STR_FMT(s->name), STR_FMT(type));
    else
        report_at(
            v, s->at,
            "Field \"%.*s\" of type \"%.*s\" must have a selection of subfields. Did you mean "
            "\"%.*s { ... }\"?",
            STR_FMT(s->name), STR_FMT(type), STR_FMT(s->name));
}

static void check_required_args(struct validator *v, const struct field_def *def,
                                const struct ast_selection *s)
{
    for (uint32_t i = 0; i < def->arg_count; i++) {
        const struct input_def *arg = &def->args[i];
        if (!input_is_required(arg) || is_given(s->args, arg->name))
            continue;
        struct str type = type_text(v->arena, arg->type);
        report_at(v, s->at,
                  "Field \"%.*s\" argument \"%.*s\" of type \"%.*s\" is required, but it was not "
                  "provided.",
                  STR_FMT(s->name), STR_FMT(arg->name), STR_FMT(type));
    }
}

/* The reference bounds how often introspection's lists nest, fragments followed. */
enum { INTROSPECTION_LISTS_MAX = 3 };

static bool is_deep(struct validator *v, const struct ast_selection_set *set, uint32_t depth,
                    struct names *open)
{
    for (const struct ast_selection *s = set ? set->first : NULL; s; s = s->next) {
        uint32_t below = depth;
        if (s->kind == AST_FIELD &&
            (str_eq_c(s->name, "fields") || str_eq_c(s->name, "interfaces") ||
             str_eq_c(s->name, "possibleTypes") || str_eq_c(s->name, "inputFields")))
            if (++below >= INTROSPECTION_LISTS_MAX)
                return true;
        const struct ast_selection_set *inner = s->set;
        struct definition_info *info =
            s->kind == AST_SPREAD ? names_get(&v->fragments, s->name) : NULL;
        /* A fragment seen at this depth or deeper has nothing new to say. */
        if (info) {
            uint32_t *before = names_get(open, s->name);
            if (before && *before <= below + 1)
                continue;
            if (before) {
                *before = below + 1;
            } else {
                before = arena_new(v->arena, uint32_t);
                *before = below + 1;
                names_add(v->arena, open, s->name, before);
            }
            inner = info->def->set;
        }
        if (is_deep(v, inner, below, open))
            return true;
    }
    return false;
}

static void check_introspection(struct validator *v, const struct ast_selection *s)
{
    struct names open = { 0 };
    if (!v->options->with_introspection)
        report_at(v, s->at,
                  "GraphQL introspection has been disabled, but the requested query contained the "
                  "field \"%.*s\".",
                  STR_FMT(s->name));
    if (is_deep(v, s->set, 0, &open))
        report_at(v, s->at, "Maximum introspection depth exceeded");
}

static void walk_set(struct validator *v, const struct gql_type *parent,
                     struct ast_selection_set *set);

static void check_field_args(struct validator *v, const struct gql_type *parent,
                             const struct field_def *def, const struct ast_selection *s)
{
    struct taker taker = { 0 };
    if (def)
        taker = (struct taker){
            .name = s->name, .type = parent, .args = def->args, .count = def->arg_count
        };
    check_unique_args(v, s->args);
    for (struct ast_entry *a = s->args; a; a = a->next)
        check_arg(v, &taker, a);
}

static void walk_field(struct validator *v, const struct gql_type *parent, struct ast_selection *s)
{
    uint64_t hash = str_hash(s->name);
    const struct field_def *def =
        parent ? schema_field_hashed(v->schema, parent, s->name, hash) : NULL;
    s->parent = parent;
    s->def = def;
    s->key_hash = s->alias.ptr ? str_hash(s->alias) : hash;
    if (parent && !def)
        report_unknown_field(v, parent, s);
    if (def)
        check_leaf(v, def, s);
    if (def == &v->schema->schema_field || def == &v->schema->type_field)
        check_introspection(v, s);
    if (s->args)
        check_field_args(v, parent, def, s);
    if (s->directives)
        check_directives(v, s->directives, "FIELD");
    if (s->set) {
        const struct gql_type *inner = def ? def->type->named : NULL;
        walk_set(v, inner && type_is_composite(inner) ? inner : NULL, s->set);
    }
    if (def)
        check_required_args(v, def, s);
}

/* ── fragments: section 5.5 ── */

static void walk_spread(struct validator *v, const struct gql_type *parent, struct ast_selection *s)
{
    struct definition_info *info = names_get(&v->fragments, s->name);
    check_directives(v, s->directives, "FRAGMENT_SPREAD");
    if (!info) {
        report_at(v, s->name_at, "Unknown fragment \"%.*s\".", STR_FMT(s->name));
        return;
    }
    s->fragment = info->def;
    const struct gql_type *t = schema_find(v->schema, info->def->condition);
    if (t && parent && type_is_composite(t) && !types_overlap(v->schema, t, parent))
        report_at(v, s->at,
                  "Fragment \"%.*s\" cannot be spread here as objects of type \"%.*s\" can never "
                  "be of type \"%.*s\".",
                  STR_FMT(s->name), STR_FMT(parent->name), STR_FMT(t->name));
}

static void walk_inline(struct validator *v, const struct gql_type *parent, struct ast_selection *s)
{
    const struct gql_type *t = parent;
    if (s->name.ptr)
        t = known_type(v, s->name, s->name_at);
    if (s->name.ptr && t && !type_is_composite(t)) {
        report_at(v, s->name_at, "Fragment cannot condition on non composite type \"%.*s\".",
                  STR_FMT(s->name));
        t = NULL;
    }
    if (t && parent && !types_overlap(v->schema, t, parent))
        report_at(v, s->at,
                  "Fragment cannot be spread here as objects of type \"%.*s\" can never be of type "
                  "\"%.*s\".",
                  STR_FMT(parent->name), STR_FMT(t->name));
    check_directives(v, s->directives, "INLINE_FRAGMENT");
    walk_set(v, t, s->set);
}

static void walk_set(struct validator *v, const struct gql_type *parent,
                     struct ast_selection_set *set)
{
    for (struct ast_selection *s = set->first; s && !v->has_stopped; s = s->next) {
        switch (s->kind) {
        case AST_FIELD:
            walk_field(v, parent, s);
            break;
        case AST_SPREAD:
            walk_spread(v, parent, s);
            break;
        case AST_INLINE:
            walk_inline(v, parent, s);
            break;
        }
    }
}

/* ── definitions: sections 5.1 and 5.2 ── */

static void check_variable_defs(struct validator *v, struct ast_definition *d)
{
    struct names seen = { 0 };
    for (struct ast_variable_def *def = d->variables; def && !v->has_stopped; def = def->next) {
        const struct ast_type *named = def->type;
        while (named->is_list)
            named = named->inner;
        struct gql_type *t = known_type(v, named->name, named->at);
        const struct type_ref *type =
            t && type_is_input(t) ? type_from_ast(v->arena, v->schema, def->type) : NULL;
        if (t && !type_is_input(t)) {
            struct str text = ast_type_text(v->arena, def->type);
            report_at(v, def->type->at, "Variable \"$%.*s\" cannot be non-input type \"%.*s\".",
                      STR_FMT(def->name), STR_FMT(text));
        }
        if (def->default_value)
            validate_value(v, type, false, def->default_value);
        check_directives(v, def->directives, "VARIABLE_DEFINITION");
        if (names_add(v->arena, &seen, def->name, def))
            continue;
        size_t count = 0;
        for (struct ast_variable_def *b = def; b; b = b->next)
            count += str_eq(def->name, b->name);
        if (count < 2)
            continue;
        uint32_t *at = arena_new_array(v->arena, count, uint32_t);
        count = 0;
        for (struct ast_variable_def *b = def; b; b = b->next)
            if (str_eq(def->name, b->name))
                at[count++] = b->variable_at + 1;
        validator_report(v,
                         arena_printf(v->arena, "There can be only one variable named \"$%.*s\".",
                                      STR_FMT(def->name)),
                         at, count);
    }
}

static void walk_operation(struct validator *v, struct ast_definition *d)
{
    static const char *const locations[] = { "QUERY", "MUTATION", "SUBSCRIPTION" };
    const struct gql_type *root = v->schema->roots[d->operation];
    if (!d->name.len && v->doc->operation_count > 1)
        report_at(v, d->at, "This anonymous operation must be the only defined operation.");
    check_variable_defs(v, d);
    check_directives(v, d->directives, locations[d->operation]);
    walk_set(v, root, d->set);
}

static void walk_fragment(struct validator *v, struct ast_definition *d)
{
    const struct gql_type *t = known_type(v, d->condition, d->condition_at);
    if (t && !type_is_composite(t)) {
        report_at(v, d->condition_at,
                  "Fragment \"%.*s\" cannot condition on non composite type \"%.*s\".",
                  STR_FMT(d->name), STR_FMT(d->condition));
        t = NULL;
    }
    check_directives(v, d->directives, "FRAGMENT_DEFINITION");
    walk_set(v, t, d->set);
}

static void collect_definitions(struct validator *v)
{
    struct names operations = { 0 }, fragments = { 0 };
    uint32_t count = 0;
    for (struct ast_definition *d = v->doc->first; d; d = d->next)
        count++;
    v->infos = arena_new_array(v->arena, count, struct definition_info);
    for (struct ast_definition *d = v->doc->first; d; d = d->next) {
        struct definition_info *info = &v->infos[v->info_count++];
        *info = (struct definition_info){ .def = d };
        if (d->kind > AST_FRAGMENT && !v->rules)
            validate_foreign_prepare(v);
        info->variable_tail = &info->variables;
        info->spread_tail = &info->spreads;
        if (d->kind == AST_FRAGMENT) {
            names_add(v->arena, &v->fragments, d->name, info);
            struct ast_definition *before = names_add(v->arena, &fragments, d->name, d);
            if (before)
                report_two(v, before->name_at, d->name_at,
                           "There can be only one fragment named \"%.*s\".", STR_FMT(d->name));
        } else if (d->kind == AST_OPERATION && d->name.len) {
            struct ast_definition *before = names_add(v->arena, &operations, d->name, d);
            if (before)
                report_two(v, before->name_at, d->name_at,
                           "There can be only one operation named \"%.*s\".", STR_FMT(d->name));
        }
    }
}

void validate_document(const struct gql_schema *s, struct ast_document *doc,
                       const struct validate_options *options, struct gql_errors *errors)
{
    struct validator v = {
        .schema = s, .doc = doc, .options = options, .errors = errors, .arena = errors->arena
    };
    size_t errors_before = errors->count;
    collect_definitions(&v);
    for (uint32_t i = 0; i < v.info_count && !v.has_stopped; i++) {
        struct ast_definition *d = v.infos[i].def;
        v.current = &v.infos[i];
        if (d->kind == AST_OPERATION)
            walk_operation(&v, d);
        else if (d->kind == AST_FRAGMENT)
            walk_fragment(&v, d);
        else
            validate_foreign(&v, d);
    }
    validate_spreads(&v);
    validate_variables(&v);
    validate_subscriptions(&v);
    validate_delays(&v);
    validate_overlaps(&v);
    if (errors->count == errors_before)
        validate_younger_rules(&v);
}
