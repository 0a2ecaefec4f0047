/* The request's variables and the arguments of fields. Source: GraphQL Sep 2025, 6.1.2 and 6.4.1.
 */
#include "gql/coerce_priv.h"

#include "gql/diag_priv.h"
#include "gql/print_priv.h"

enum { VARIABLE_ERRORS_MAX = 50 };

struct walk {
    struct coercion c;
    struct gql_errors *errors;
    struct str source;
    const struct ast_variable_def *def;
    bool with_suggestions;
};

/* Where in the variable a value is: `.field` or `[index]` below the one above. */
struct value_path {
    const struct value_path *above;
    struct str key; /* ptr NULL: the index */
    size_t index;
};

static struct str path_text(struct arena *arena, const struct value_path *p)
{
    if (!p)
        return (struct str){ 0 };
    struct str above = path_text(arena, p->above);
    return p->key.ptr ? arena_printf(arena, "%.*s.%.*s", STR_FMT(above), STR_FMT(p->key))
                      : arena_printf(arena, "%.*s[%zu]", STR_FMT(above), p->index);
}

/* A value for a message, after `lead`; nothing where messages tell no values. */
static struct str shown(const struct walk *w, const char *lead, const struct json_value *v)
{
    if (w->errors->no_values)
        return (struct str){ 0 };
    struct str text = inspect_json(w->c.arena, v);
    return arena_printf(w->c.arena, "%s%.*s", lead, STR_FMT(text));
}

static bool refuse(struct walk *w, const struct value_path *path, const struct json_value *v,
                   struct str why)
{
    struct arena *arena = w->c.arena;
    struct str value = shown(w, " ", v);
    struct str at = { 0 };
    if (path) {
        struct str below = path_text(arena, path);
        at = arena_printf(arena, " at \"%.*s%.*s\"", STR_FMT(w->def->name), STR_FMT(below));
    }
    if (w->errors->count >= VARIABLE_ERRORS_MAX) {
        if (w->errors->count == VARIABLE_ERRORS_MAX)
            error_add(w->errors, GQL_CODE_INPUT,
                      STR("Too many errors processing variables, error limit reached. Execution "
                          "aborted."));
        return false;
    }
    struct gql_error *e =
        error_addf(w->errors, GQL_CODE_INPUT,
                   "Variable \"$%.*s\" got %sinvalid value%.*s%.*s; %.*s", STR_FMT(w->def->name),
                   w->errors->no_values ? "an " : "", STR_FMT(value), STR_FMT(at), STR_FMT(why));
    error_place(w->errors, e, w->source, &w->def->at, 1);
    return false;
}

/* ── leaves ── */

static struct str hint(struct walk *w, struct str wrong, const char *kind, const struct gql_type *t)
{
    uint32_t count = t->kind == TYPE_ENUM ? t->value_count : t->input_count;
    struct str *names = arena_new_array(w->c.arena, count, struct str);
    for (uint32_t i = 0; i < count; i++)
        names[i] = t->kind == TYPE_ENUM ? t->values[i].name : t->inputs[i].name;
    size_t kept = w->with_suggestions ? suggest(w->c.arena, wrong, names, count) : 0;
    return did_you_mean(w->c.arena, kind, names, kept);
}

static bool take_enum(struct walk *w, const struct value_path *path, const struct gql_type *t,
                      const struct json_value *v, struct gql_value *ret)
{
    if (v->type == JSON_STRING && names_get(&t->value_names, v->text)) {
        *ret = gql_enum(v->text);
        return true;
    }
    struct arena *arena = w->c.arena;
    bool is_text = v->type == JSON_STRING;
    struct str guess = hint(w, is_text ? v->text : inspect_json(arena, v), "the enum value ", t);
    struct str value = shown(w, ": ", v);
    if (is_text && !w->errors->no_values)
        value = arena_printf(arena, " \"%.*s\"", STR_FMT(v->text));
    return refuse(w, path, v,
                  is_text ? arena_printf(arena, "Value%.*s does not exist in \"%.*s\" enum.%.*s",
                                         STR_FMT(value), STR_FMT(t->name), STR_FMT(guess))
                          : arena_printf(arena,
                                         "Enum \"%.*s\" cannot represent non-string value%.*s.%.*s",
                                         STR_FMT(t->name), STR_FMT(value), STR_FMT(guess)));
}

static bool refuse_leaf(struct walk *w, const struct value_path *path, const char *what,
                        const struct json_value *v)
{
    struct str value = shown(w, ": ", v);
    return refuse(w, path, v, arena_printf(w->c.arena, "%s%.*s", what, STR_FMT(value)));
}

static bool take_builtin(struct walk *w, const struct value_path *path, const struct gql_type *t,
                         const struct json_value *v, struct gql_value *ret)
{
    int64_t integer = 0;
    double number = 0;
    bool is_number = v->type == JSON_NUMBER && json_to_double(v, &number);
    bool is_whole = is_number && json_to_i64(v, &integer);
    switch (t->builtin) {
    case BUILTIN_INT:
        if (is_whole && integer >= INT32_MIN && integer <= INT32_MAX) {
            *ret = gql_int(integer);
            return true;
        }
        /* Beyond 2^53 every double is whole. */
        return refuse_leaf(w, path,
                           is_whole || (is_number && (number > 9e15 || number < -9e15))
                               ? "Int cannot represent non 32-bit signed integer value"
                               : "Int cannot represent non-integer value",
                           v);
    case BUILTIN_FLOAT:
        *ret = gql_float(number);
        return is_number || refuse_leaf(w, path, "Float cannot represent non numeric value", v);
    case BUILTIN_STRING:
        *ret = gql_text(v->type == JSON_STRING ? v->text : STR(""));
        return v->type == JSON_STRING ||
               refuse_leaf(w, path, "String cannot represent a non string value", v);
    case BUILTIN_BOOLEAN:
        *ret = gql_bool(v->boolean);
        return v->type == JSON_BOOL ||
               refuse_leaf(w, path, "Boolean cannot represent a non boolean value", v);
    case BUILTIN_ID:
        if (v->type == JSON_STRING)
            *ret = gql_text(v->text);
        else if (is_whole)
            *ret = gql_text(arena_printf(w->c.arena, "%lld", (long long)integer));
        else if (is_number && (number > 9e15 || number < -9e15))
            *ret = gql_text(js_number(w->c.arena, number));
        else
            return refuse_leaf(w, path, "ID cannot represent value", v);
        return true;
    case BUILTIN_NONE:
        break;
    }
    if (coerce_scalar_json(&w->c, t, v, false, ret))
        return true;
    struct str why = arena_printf(w->c.arena, "Expected type \"%.*s\".%s%.*s", STR_FMT(t->name),
                                  w->c.why.len ? " " : "", STR_FMT(w->c.why));
    return refuse(w, path, v, why);
}

/* ── lists and objects ── */

static bool take_value(struct walk *w, const struct value_path *path, const struct type_ref *t,
                       const struct json_value *v, struct gql_value *ret);

static bool take_list(struct walk *w, const struct value_path *path, const struct type_ref *item,
                      const struct json_value *v, struct gql_value *ret)
{
    bool ok = true;
    bool is_list = v->type == JSON_ARRAY;
    size_t count = is_list ? v->item_count : 1;
    struct gql_value *items = arena_new_array(w->c.arena, count, struct gql_value);
    for (size_t i = 0; i < count; i++) {
        struct value_path here = { .above = path, .index = i };
        ok &= take_value(w, is_list ? &here : path, item, is_list ? &v->items[i] : v, &items[i]);
    }
    *ret = gql_list(items, count);
    return ok;
}

static bool take_field(struct walk *w, const struct value_path *path, const struct input_def *d,
                       const struct json_value *object, struct gql_value *ret)
{
    const struct json_value *v = json_get(object, d->name);
    struct value_path here = { .above = path, .key = d->name };
    if (v) {
        bool ok = take_value(w, &here, d->type, v, ret);
        if (!ok)
            ret->kind = GQL_ERROR; /* given, if wrongly: @oneOf counts it */
        return ok;
    }
    *ret = d->default_value;
    if (d->default_ast || d->type->wrap != WRAP_NON_NULL)
        return true;
    struct str type = type_text(w->c.arena, d->type);
    return refuse(w, path, object,
                  arena_printf(w->c.arena,
                               "Field \"%.*s\" of required type \"%.*s\" was not provided.",
                               STR_FMT(d->name), STR_FMT(type)));
}

/* Exactly one field, and that one, or the first of too many, not null. */
static bool take_one_of(struct walk *w, const struct value_path *path, const struct gql_type *t,
                        const struct json_value *v, const struct gql_value *fields)
{
    uint32_t present = 0, first = 0;
    bool ok = true;
    for (uint32_t i = 0; i < t->input_count; i++)
        if (fields[i].kind != GQL_ABSENT && present++ == 0)
            first = i;
    if (present != 1)
        ok = refuse(w, path, v,
                    arena_printf(w->c.arena,
                                 "Exactly one key must be specified for OneOf type \"%.*s\".",
                                 STR_FMT(t->name)));
    if (present == 0 || fields[first].kind != GQL_NULL)
        return ok;
    static const struct json_value null = { .type = JSON_NULL };
    struct value_path here = { .above = path, .key = t->inputs[first].name };
    return refuse(w, &here, &null,
                  arena_printf(w->c.arena, "Field \"%.*s\" must be non-null.",
                               STR_FMT(t->inputs[first].name)));
}

static bool take_object(struct walk *w, const struct value_path *path, const struct gql_type *t,
                        const struct json_value *v, struct gql_value *ret)
{
    if (v->type != JSON_OBJECT)
        return refuse(
            w, path, v,
            arena_printf(w->c.arena, "Expected type \"%.*s\" to be an object.", STR_FMT(t->name)));
    bool ok = true;
    struct gql_value *fields = arena_new_array(w->c.arena, t->input_count, struct gql_value);
    for (uint32_t i = 0; i < t->input_count; i++)
        ok &= take_field(w, path, &t->inputs[i], v, &fields[i]);
    for (size_t i = 0; i < v->member_count; i++) {
        struct str key = v->members[i].key;
        if (type_input(t, key))
            continue;
        struct str guess = hint(w, key, "", t);
        ok = refuse(w, path, v,
                    arena_printf(w->c.arena, "Field \"%.*s\" is not defined by type \"%.*s\".%.*s",
                                 STR_FMT(key), STR_FMT(t->name), STR_FMT(guess)));
    }
    *ret = (struct gql_value){
        .kind = GQL_INPUT, .count = t->input_count, .fields = fields, .input_type = t
    };
    return (!t->is_one_of || take_one_of(w, path, t, v, fields)) && ok;
}

static bool take_value(struct walk *w, const struct value_path *path, const struct type_ref *t,
                       const struct json_value *v, struct gql_value *ret)
{
    if (t->wrap == WRAP_NON_NULL && v->type == JSON_NULL) {
        struct str type = type_text(w->c.arena, t);
        return refuse(w, path, v,
                      arena_printf(w->c.arena,
                                   "Expected non-nullable type \"%.*s\" not to be null.",
                                   STR_FMT(type)));
    }
    t = type_nullable(t);
    *ret = gql_null();
    if (v->type == JSON_NULL)
        return true;
    if (arena_over_budget(w->c.arena))
        return false;
    if (t->wrap == WRAP_LIST)
        return take_list(w, path, t->of, v, ret);
    if (t->named->kind == TYPE_INPUT)
        return take_object(w, path, t->named, v, ret);
    if (t->named->kind == TYPE_ENUM)
        return take_enum(w, path, t->named, v, ret);
    return take_builtin(w, path, t->named, v, ret);
}

/* ── variables ── */

static bool complain(struct walk *w, uint32_t at, struct str message)
{
    struct gql_error *e = error_add(w->errors, GQL_CODE_INPUT, message);
    error_place(w->errors, e, w->source, &at, 1);
    return false;
}

static bool take_variable(struct walk *w, const struct gql_schema *s,
                          const struct json_value *given, struct gql_value *ret)
{
    const struct ast_variable_def *def = w->def;
    struct arena *arena = w->c.arena;
    const struct type_ref *t =
        def->planned_type ? def->planned_type : type_from_ast(arena, s, def->type);
    if (!t || !type_is_input(t->named)) {
        struct str type = ast_type_text(arena, def->type);
        return complain(w, def->type->at,
                        arena_printf(arena,
                                     "Variable \"$%.*s\" expected value of type \"%.*s\" which "
                                     "cannot be used as an input type.",
                                     STR_FMT(def->name), STR_FMT(type)));
    }
    const struct json_value *v = given ? json_get(given, def->name) : NULL;
    if (!v && def->default_value) {
        /* Validation has seen to it that the default fits; else the variable is absent. */
        if (!coerce_literal(&w->c, t, def->default_value, ret))
            *ret = (struct gql_value){ .kind = GQL_ABSENT };
        return true;
    }
    if (t->wrap == WRAP_NON_NULL && (!v || v->type == JSON_NULL)) {
        struct str type = ast_type_text(arena, def->type);
        return complain(w, def->at,
                        arena_printf(arena,
                                     v ? "Variable \"$%.*s\" of non-null type \"%.*s\" must not be "
                                         "null."
                                       : "Variable \"$%.*s\" of required type \"%.*s\" was not "
                                         "provided.",
                                     STR_FMT(def->name), STR_FMT(type)));
    }
    if (!v)
        return true;
    return take_value(w, NULL, t, v, ret);
}

bool coerce_variables(struct arena *arena, const struct gql_schema *s, struct str source,
                      const struct ast_variable_def *defs, const struct json_value *given,
                      bool with_suggestions, struct gql_errors *errors,
                      struct coerced_variables *ret)
{
    struct walk w = { .c = { .arena = arena },
                      .errors = errors,
                      .source = source,
                      .with_suggestions = with_suggestions };
    size_t count = 0;
    bool ok = true;
    for (const struct ast_variable_def *d = defs; d; d = d->next)
        count++;
    struct gql_value *values = arena_new_array(arena, count, struct gql_value);
    *ret = (struct coerced_variables){ values, count };
    for (w.def = defs; w.def; w.def = w.def->next)
        ok &= take_variable(&w, s, given, values++);
    return ok;
}

/* ── arguments ── */

static const struct ast_entry *argument_named(const struct ast_entry *list, struct str name)
{
    while (list && !str_eq(list->name, name))
        list = list->next;
    return list;
}

struct argument_walk {
    struct coercion c;
    struct gql_errors *errors;
    struct str source;
};

/* The message may be of the values' arena, which need not live as long as the errors. */
static bool refuse_argument(struct argument_walk *w, uint32_t at, struct str message)
{
    message = arena_copy(w->errors->arena, message);
    struct gql_error *e = error_add(w->errors, GQL_CODE_INPUT, message);
    error_place(w->errors, e, w->source, &at, 1);
    return false;
}

static bool take_argument(struct argument_walk *w, const struct input_def *d,
                          const struct ast_entry *given, uint32_t at, struct gql_value *ret)
{
    struct arena *arena = w->c.arena;
    bool is_required = d->type->wrap == WRAP_NON_NULL;
    struct str type = is_required ? type_text(arena, d->type) : (struct str){ 0 };
    *ret = d->default_value;
    if (!given)
        return d->default_ast || !is_required ||
               refuse_argument(w, at,
                               arena_printf(arena,
                                            "Argument \"%.*s\" of required type \"%.*s\" was not "
                                            "provided.",
                                            STR_FMT(d->name), STR_FMT(type)));
    const struct ast_value *v = given->value;
    bool is_null = v->kind == AST_NULL;
    if (v->kind == AST_VARIABLE) {
        const struct gql_value *value = w->c.variables ? &w->c.variables[v->index] : NULL;
        if (!value || value->kind == GQL_ABSENT)
            return d->default_ast || !is_required ||
                   refuse_argument(w, v->at,
                                   arena_printf(arena,
                                                "Argument \"%.*s\" of required type \"%.*s\" was "
                                                "provided the variable \"$%.*s\" which was not "
                                                "provided a runtime value.",
                                                STR_FMT(d->name), STR_FMT(type), STR_FMT(v->text)));
        is_null = value->kind == GQL_NULL;
    }
    if (is_null && is_required)
        return refuse_argument(
            w, v->at,
            arena_printf(arena, "Argument \"%.*s\" of non-null type \"%.*s\" must not be null.",
                         STR_FMT(d->name), STR_FMT(type)));
    if (coerce_literal(&w->c, d->type, v, ret))
        return true;
    bool is_told = !w->errors->no_values;
    struct str value = is_told ? ast_value_text(arena, v) : (struct str){ 0 };
    return refuse_argument(
        w, v->at,
        arena_printf(arena, "Argument \"%.*s\" has %s%.*s.%s%.*s", STR_FMT(d->name),
                     is_told ? "invalid value " : "an invalid value", STR_FMT(value),
                     w->c.why.len ? " " : "", STR_FMT(w->c.why)));
}

bool coerce_arguments(struct arena *arena, const struct input_def *defs, uint32_t count,
                      const struct ast_entry *given, uint32_t at, const struct gql_value *variables,
                      struct str source, struct gql_errors *errors, struct gql_value *ret_values)
{
    struct argument_walk w = { .c = { .arena = arena, .variables = variables },
                               .errors = errors,
                               .source = source };
    for (uint32_t i = 0; i < count; i++)
        if (!take_argument(&w, &defs[i], argument_named(given, defs[i].name), at, &ret_values[i]))
            return false;
    return true;
}
