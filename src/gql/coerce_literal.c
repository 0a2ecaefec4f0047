/* Literals to values. Source: GraphQL Sep 2025, "Input Coercion" of sections 3.5 to 3.12. */
#include "gql/coerce_priv.h"

#include "json/writer.h"

/* ── custom scalars: through JSON ── */

static struct json_value json_of_value(struct arena *arena, const struct gql_value *v);

static struct json_value json_of_list(struct arena *arena, const struct gql_value *v)
{
    struct json_value *items = arena_new_array(arena, v->count, struct json_value);
    for (uint32_t i = 0; i < v->count; i++)
        items[i] = json_of_value(arena, &v->items[i]);
    return json_of_items(items, v->count);
}

static struct json_value json_of_input(struct arena *arena, const struct gql_value *v)
{
    struct json_member *members = arena_new_array(arena, v->count, struct json_member);
    size_t count = 0;
    for (uint32_t i = 0; i < v->count; i++)
        if (v->fields[i].kind != GQL_ABSENT)
            members[count++] = (struct json_member){ v->input_type->inputs[i].name,
                                                     json_of_value(arena, &v->fields[i]) };
    return json_of_members(members, count);
}

static struct json_value json_of_raw(struct arena *arena, struct str text)
{
    const struct json_value *parsed = NULL;
    struct err e;
    /* Raw input values were written by the engine from a tree: they always parse. */
    return json_parse(arena, text, &parsed, &e) ? *parsed : json_of_null();
}

static struct json_value json_of_value(struct arena *arena, const struct gql_value *v)
{
    switch (v->kind) {
    case GQL_BOOL:
        return json_of_bool(v->boolean);
    case GQL_INT:
        return json_of_i64(arena, v->integer);
    case GQL_FLOAT:
        return json_of_number(js_number(arena, v->number));
    case GQL_TEXT:
    case GQL_ENUM:
        return json_of_string(v->text);
    case GQL_RAW:
        return json_of_raw(arena, v->text);
    case GQL_LIST:
        return json_of_list(arena, v);
    case GQL_INPUT:
        return json_of_input(arena, v);
    case GQL_ABSENT:
    case GQL_NULL:
    case GQL_OBJECT:
    case GQL_OBJECTS:
    case GQL_ERROR:
        break;
    }
    return json_of_null();
}

void value_to_json(struct buf *out, const struct gql_value *v)
{
    scoped(arena_destroyp) struct arena *arena = arena_create(SIZE_MAX);
    struct json_value json = json_of_value(arena, v);
    json_put_value(out, &json);
}

static struct json_value json_of_literal(struct coercion *c, const struct ast_value *v)
{
    size_t count = 0;
    switch (v->kind) {
    case AST_VARIABLE:
        return c->variables ? json_of_value(c->arena, &c->variables[v->index]) : json_of_null();
    case AST_INT:
    case AST_FLOAT:
        return json_of_number(v->text);
    case AST_STRING:
    case AST_ENUM:
        return json_of_string(v->text);
    case AST_BOOLEAN:
        return json_of_bool(str_eq_c(v->text, "true"));
    case AST_NULL:
        break;
    case AST_LIST: {
        struct json_value *items = arena_new_array(c->arena, v->count, struct json_value);
        for (const struct ast_value *item = v->items; item; item = item->next)
            items[count++] = json_of_literal(c, item);
        return json_of_items(items, count);
    }
    case AST_OBJECT: {
        struct json_member *members = arena_new_array(c->arena, v->count, struct json_member);
        for (const struct ast_entry *e = v->entries; e; e = e->next) {
            bool is_absent = e->value->kind == AST_VARIABLE && c->variables &&
                             c->variables[e->value->index].kind == GQL_ABSENT;
            if (!is_absent)
                members[count++] = (struct json_member){ e->name, json_of_literal(c, e->value) };
        }
        return json_of_members(members, count);
    }
    }
    return json_of_null();
}

static struct str json_text(struct arena *arena, const struct json_value *json)
{
    struct buf text;
    buf_init(&text, 0);
    json_put_value(&text, json);
    struct str copy = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

/* What a scalar without a hook makes of a value: texts and booleans as such, the rest as JSON. */
static struct gql_value natural_value(struct arena *arena, const struct gql_type *t,
                                      const struct json_value *json)
{
    if (json->type == JSON_STRING && !t->scalar.is_json)
        return gql_text(json->text);
    if (json->type == JSON_BOOL && !t->scalar.is_json)
        return gql_bool(json->boolean);
    return gql_raw(json_text(arena, json));
}

bool coerce_scalar_json(struct coercion *c, const struct gql_type *t, const struct json_value *json,
                        bool is_enum, struct gql_value *ret_value)
{
    static const enum gql_kind kinds[] = {
        [JSON_NULL] = GQL_NULL,   [JSON_BOOL] = GQL_BOOL,  [JSON_NUMBER] = GQL_FLOAT,
        [JSON_STRING] = GQL_TEXT, [JSON_ARRAY] = GQL_LIST, [JSON_OBJECT] = GQL_INPUT
    };
    *ret_value = natural_value(c->arena, t, json);
    if (!t->scalar.parse)
        return true;
    struct gql_scalar_in in = { .kind = is_enum ? GQL_ENUM : kinds[json->type],
                                .json = json,
                                .arena = c->arena };
    if (json->type == JSON_STRING || json->type == JSON_NUMBER)
        in.text = json->text;
    int64_t whole = 0;
    if (json->type == JSON_NUMBER && str_to_i64(json->text, &whole))
        in.kind = GQL_INT;
    c->why = (struct str){ 0 };
    return t->scalar.parse(&in, ret_value, &c->why);
}

/* ── built-in leaves ── */

static bool coerce_leaf(struct coercion *c, const struct gql_type *t, const struct ast_value *v,
                        struct gql_value *ret)
{
    int64_t integer = 0;
    double number = 0;
    if (t->kind == TYPE_ENUM) {
        *ret = gql_enum(v->text);
        return v->kind == AST_ENUM && names_get(&t->value_names, v->text);
    }
    switch (t->builtin) {
    case BUILTIN_INT:
        if (v->kind != AST_INT || !str_to_i64(v->text, &integer) || integer < INT32_MIN ||
            integer > INT32_MAX)
            return false;
        *ret = gql_int(integer);
        return true;
    case BUILTIN_FLOAT: {
        struct json_value json = json_of_number(v->text);
        if ((v->kind != AST_INT && v->kind != AST_FLOAT) || !json_to_double(&json, &number))
            return false;
        *ret = gql_float(number);
        return true;
    }
    case BUILTIN_STRING:
        *ret = gql_text(v->text);
        return v->kind == AST_STRING;
    case BUILTIN_BOOLEAN:
        *ret = gql_bool(str_eq_c(v->text, "true"));
        return v->kind == AST_BOOLEAN;
    case BUILTIN_ID:
        *ret = gql_text(v->text);
        return v->kind == AST_STRING || v->kind == AST_INT;
    case BUILTIN_NONE:
        break;
    }
    struct json_value *json = arena_new(c->arena, struct json_value);
    *json = json_of_literal(c, v);
    return coerce_scalar_json(c, t, json, v->kind == AST_ENUM, ret);
}

/* ── lists and input objects ── */

/* A variable that was not given, where its place is nullable. */
static bool is_missing(const struct coercion *c, const struct ast_value *v)
{
    return v->kind == AST_VARIABLE && (!c->variables || c->variables[v->index].kind == GQL_ABSENT);
}

static bool coerce_list(struct coercion *c, const struct type_ref *item_type,
                        const struct ast_value *v, struct gql_value *ret)
{
    uint32_t count = v->kind == AST_LIST ? v->count : 1;
    struct gql_value *items = arena_new_array(c->arena, count, struct gql_value);
    if (v->kind != AST_LIST) {
        *ret = gql_list(items, count);
        return coerce_literal(c, item_type, v, &items[0]);
    }
    uint32_t at = 0;
    for (const struct ast_value *item = v->items; item; item = item->next, at++) {
        if (is_missing(c, item)) {
            if (item_type->wrap == WRAP_NON_NULL)
                return false;
            items[at] = gql_null();
        } else if (!coerce_literal(c, item_type, item, &items[at])) {
            return false;
        }
    }
    *ret = gql_list(items, count);
    return true;
}

static const struct ast_entry *entry_named(const struct ast_value *v, struct str name)
{
    for (const struct ast_entry *e = v->entries; e; e = e->next)
        if (str_eq(e->name, name))
            return e;
    return NULL;
}

static bool coerce_object(struct coercion *c, const struct gql_type *t, const struct ast_value *v,
                          struct gql_value *ret)
{
    if (v->kind != AST_OBJECT)
        return false;
    struct gql_value *fields = arena_new_array(c->arena, t->input_count, struct gql_value);
    uint32_t present = 0, nulls = 0;
    for (uint32_t i = 0; i < t->input_count; i++) {
        const struct input_def *d = &t->inputs[i];
        const struct ast_entry *e = entry_named(v, d->name);
        if (!e || is_missing(c, e->value)) {
            fields[i] = d->default_value;
            if (!d->default_ast && d->type->wrap == WRAP_NON_NULL)
                return false;
        } else if (!coerce_literal(c, d->type, e->value, &fields[i])) {
            return false;
        }
        present += fields[i].kind != GQL_ABSENT;
        nulls += fields[i].kind == GQL_NULL;
    }
    *ret = (struct gql_value){
        .kind = GQL_INPUT, .count = t->input_count, .fields = fields, .input_type = t
    };
    return !t->is_one_of || (present == 1 && nulls == 0);
}

bool coerce_literal(struct coercion *c, const struct type_ref *t, const struct ast_value *v,
                    struct gql_value *ret_value)
{
    if (v->kind == AST_VARIABLE) {
        if (is_missing(c, v))
            return false;
        *ret_value = c->variables[v->index];
        return t->wrap != WRAP_NON_NULL || ret_value->kind != GQL_NULL;
    }
    if (t->wrap == WRAP_NON_NULL)
        return v->kind != AST_NULL && coerce_literal(c, t->of, v, ret_value);
    if (v->kind == AST_NULL) {
        *ret_value = gql_null();
        return true;
    }
    if (t->wrap == WRAP_LIST)
        return coerce_list(c, t->of, v, ret_value);
    if (t->named->kind == TYPE_INPUT)
        return coerce_object(c, t->named, v, ret_value);
    return coerce_leaf(c, t->named, v, ret_value);
}
