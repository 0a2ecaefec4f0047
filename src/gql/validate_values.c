/* Literals against the types of their places. Source: GraphQL Sep 2025, section 5.6. */
#include "gql/coerce_priv.h"
#include "gql/print_priv.h"
#include "gql/validate_priv.h"

static void use_variable(struct validator *v, const struct type_ref *type, bool has_default,
                         const struct gql_type *one_of, struct ast_value *value)
{
    struct variable_use *use = arena_new(v->arena, struct variable_use);
    *use = (struct variable_use){
        .value = value, .type = type, .has_default = has_default, .one_of = one_of
    };
    *v->current->variable_tail = use;
    v->current->variable_tail = &use->next;
}

/* A literal for a message, after `lead`; nothing where messages tell no values. */
static struct str shown(struct validator *v, const char *lead, const struct ast_value *value)
{
    if (v->has_stopped || v->errors->no_values)
        return (struct str){ 0 };
    struct str text = ast_value_text(v->arena, value);
    return arena_printf(v->arena, "%s%.*s", lead, STR_FMT(text));
}

static void report_expected(struct validator *v, const struct type_ref *type,
                            const struct ast_value *value)
{
    struct str text = type_text(v->arena, type);
    struct str found = shown(v, ", found ", value);
    report_at(v, value->at, "Expected value of type \"%.*s\"%.*s.", STR_FMT(text), STR_FMT(found));
}

static struct str hint_values(struct validator *v, const struct gql_type *t, struct str wrong)
{
    struct str *names = arena_new_array(v->arena, t->value_count, struct str);
    for (uint32_t i = 0; i < t->value_count; i++)
        names[i] = t->values[i].name;
    return validator_hint(v, "the enum value ", wrong, names, t->value_count);
}

static void check_enum(struct validator *v, const struct gql_type *t, const struct ast_value *value)
{
    if (value->kind == AST_ENUM && names_get(&t->value_names, value->text))
        return;
    bool is_name = value->kind == AST_ENUM;
    struct str hint = v->has_stopped ? STR("") : hint_values(v, t, ast_value_text(v->arena, value));
    struct str found = shown(v, is_name ? " \"" : ": ", value);
    if (is_name)
        report_at(v, value->at, "Value%.*s%s does not exist in \"%.*s\" enum.%.*s", STR_FMT(found),
                  found.len ? "\"" : "", STR_FMT(t->name), STR_FMT(hint));
    else
        report_at(v, value->at, "Enum \"%.*s\" cannot represent non-enum value%.*s.%.*s",
                  STR_FMT(t->name), STR_FMT(found), STR_FMT(hint));
}

static const char *builtin_refusal(const struct gql_type *t, const struct ast_value *value)
{
    int64_t integer = 0;
    enum ast_value_kind k = value->kind;
    switch (t->builtin) {
    case BUILTIN_INT:
        if (k != AST_INT)
            return "Int cannot represent non-integer value";
        if (!str_to_i64(value->text, &integer) || integer < INT32_MIN || integer > INT32_MAX)
            return "Int cannot represent non 32-bit signed integer value";
        return NULL;
    case BUILTIN_FLOAT:
        return k == AST_INT || k == AST_FLOAT ? NULL : "Float cannot represent non numeric value";
    case BUILTIN_STRING:
        return k == AST_STRING ? NULL : "String cannot represent a non string value";
    case BUILTIN_BOOLEAN:
        return k == AST_BOOLEAN ? NULL : "Boolean cannot represent a non boolean value";
    case BUILTIN_ID:
        return k == AST_STRING || k == AST_INT
                   ? NULL
                   : "ID cannot represent a non-string and non-integer value";
    case BUILTIN_NONE:
        break;
    }
    return NULL;
}

static void check_custom(struct validator *v, const struct type_ref *type,
                         const struct ast_value *value)
{
    struct coercion c = { .arena = v->arena };
    struct gql_value ignored;
    if (value->has_variable || coerce_literal(&c, &type->named->self, value, &ignored))
        return; /* with variables in it, the request decides */
    struct str text = type_text(v->arena, type);
    struct str found = shown(v, ", found ", value);
    report_at(v, value->at, "Expected value of type \"%.*s\"%.*s%s%.*s", STR_FMT(text),
              STR_FMT(found), c.why.len ? "; " : ".", STR_FMT(c.why));
}

/* A value that is no list and no object, or one where neither belongs. */
static void check_leaf(struct validator *v, const struct type_ref *type,
                       const struct ast_value *value)
{
    const struct gql_type *t = type->named;
    if (!type_is_leaf(t)) {
        report_expected(v, type, value);
    } else if (t->kind == TYPE_ENUM) {
        check_enum(v, t, value);
    } else if (!t->builtin) {
        check_custom(v, type, value);
    } else {
        const char *refusal = builtin_refusal(t, value);
        if (!refusal)
            return;
        struct str found = shown(v, ": ", value);
        report_at(v, value->at, "%s%.*s", refusal, STR_FMT(found));
    }
}

static void check_unique_fields(struct validator *v, const struct ast_value *value)
{
    struct names seen = { 0 };
    if (value->count < 2 || !validator_is_repeated(v, value->entries))
        return;
    for (struct ast_entry *e = value->entries; e; e = e->next) {
        struct ast_entry *before = names_add(v->arena, &seen, e->name, e);
        if (before)
            report_two(v, before->at, e->at, "There can be only one input field named \"%.*s\".",
                       STR_FMT(e->name));
    }
}

/* Variables inside a misplaced value; items of a list take the type of its place, as the reference
 * has it. */
static void walk_misplaced(struct validator *v, const struct type_ref *type,
                           struct ast_value *value)
{
    if (value->kind == AST_VARIABLE)
        use_variable(v, type, false, NULL, value);
    for (struct ast_value *item = value->items; item; item = item->next)
        walk_misplaced(v, type ? type_nullable(type) : NULL, item);
    check_unique_fields(v, value);
    for (struct ast_entry *e = value->entries; e; e = e->next)
        walk_misplaced(v, NULL, e->value);
}

static void check_one_of(struct validator *v, const struct gql_type *t,
                         const struct ast_value *value)
{
    struct names keys = { 0 };
    for (struct ast_entry *e = value->entries; e; e = e->next)
        names_add(v->arena, &keys, e->name, e);
    if (keys.count != 1) {
        report_at(v, value->at, "OneOf Input Object \"%.*s\" must specify exactly one key.",
                  STR_FMT(t->name));
        return;
    }
    const struct ast_entry *last = value->entries;
    while (last->next)
        last = last->next;
    if (last->value->kind == AST_NULL)
        report_at(v, value->at, "Field \"%.*s.%.*s\" must be non-null.", STR_FMT(t->name),
                  STR_FMT(last->name));
}

static bool is_given(const struct ast_value *object, struct str name)
{
    const struct ast_entry *e = object->entries;
    while (e && !str_eq(e->name, name))
        e = e->next;
    return e != NULL;
}

/*
 * `is_bare`: the object's place is of the type itself, not of a list of it or a non-null around it.
 * There alone the reference asks that a variable of an @oneOf field be non-null.
 */
static void check_object(struct validator *v, const struct gql_type *t, bool is_bare,
                         struct ast_value *value)
{
    const struct gql_type *one_of = t->is_one_of && is_bare ? t : NULL;
    check_unique_fields(v, value);
    for (uint32_t i = 0; i < t->input_count; i++) {
        const struct input_def *d = &t->inputs[i];
        if (!input_is_required(d) || is_given(value, d->name))
            continue;
        struct str type = type_text(v->arena, d->type);
        report_at(v, value->at, "Field \"%.*s.%.*s\" of required type \"%.*s\" was not provided.",
                  STR_FMT(t->name), STR_FMT(d->name), STR_FMT(type));
    }
    if (t->is_one_of)
        check_one_of(v, t, value);
    for (struct ast_entry *e = value->entries; e && !v->has_stopped; e = e->next) {
        const struct input_def *d = type_input(t, e->name);
        if (!d) {
            struct str *names = arena_new_array(v->arena, t->input_count, struct str);
            for (uint32_t i = 0; i < t->input_count; i++)
                names[i] = t->inputs[i].name;
            struct str hint = validator_hint(v, "", e->name, names, t->input_count);
            report_at(v, e->at, "Field \"%.*s\" is not defined by type \"%.*s\".%.*s",
                      STR_FMT(e->name), STR_FMT(t->name), STR_FMT(hint));
            walk_misplaced(v, NULL, e->value);
        } else if (e->value->kind == AST_VARIABLE) {
            use_variable(v, d->type, d->default_ast != NULL, one_of, e->value);
        } else {
            validate_value(v, d->type, d->default_ast != NULL, e->value);
        }
    }
}

void validate_value(struct validator *v, const struct type_ref *type, bool has_default,
                    struct ast_value *value)
{
    if (v->has_stopped)
        return;
    if (value->kind == AST_VARIABLE) {
        use_variable(v, type, has_default, NULL, value);
        return;
    }
    if (!type) {
        walk_misplaced(v, NULL, value);
        return;
    }
    const struct type_ref *nullable = type_nullable(type);
    if (value->kind == AST_NULL) {
        if (type->wrap == WRAP_NON_NULL)
            report_expected(v, type, value);
    } else if (value->kind == AST_LIST && nullable->wrap == WRAP_LIST) {
        for (struct ast_value *item = value->items; item; item = item->next)
            validate_value(v, nullable->of, false, item);
    } else if (value->kind == AST_OBJECT && type->named->kind == TYPE_INPUT) {
        check_object(v, type->named, type->wrap == WRAP_NAMED, value);
    } else {
        /* A list where none belongs is told the type of its items, which loses a non-null. */
        check_leaf(v, value->kind == AST_LIST ? nullable : type, value);
        walk_misplaced(v, type, value);
    }
}
