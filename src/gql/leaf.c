/* Results of leaf types as JSON. Source: GraphQL Sep 2025, "Result Coercion" in sections 3.5
 * and 3.9. */
#include "gql/execute_priv.h"

#include <math.h>

#include "json/writer.h"

static struct str shown_json(struct arena *arena, struct str text)
{
    const struct json_value *v = NULL;
    struct err e;
    return json_parse(arena, text, &v, &e) ? inspect_json(arena, v) : text;
}

static struct str shown(struct arena *arena, const struct gql_value *v)
{
    struct buf text;
    if (v->kind == GQL_RAW)
        return shown_json(arena, v->text);
    if (v->kind == GQL_ENUM)
        return v->text;
    if (v->kind == GQL_FLOAT)
        return isfinite(v->number) ? js_number(arena, v->number)
               : isnan(v->number)  ? STR("NaN")
               : v->number > 0     ? STR("Infinity")
                                   : STR("-Infinity");
    buf_init(&text, 8192);
    value_to_json(&text, v);
    struct str copy = arena_copy(arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

static enum leaf_result bad(struct arena *arena, struct str *ret_why, const char *what,
                            const struct gql_value *v)
{
    struct str text = shown(arena, v);
    *ret_why = arena_printf(arena, "%s: %.*s", what, STR_FMT(text));
    return LEAF_BAD;
}

static enum leaf_result write_int(struct buf *out, struct arena *arena, const struct gql_value *v,
                                  struct str *ret_why)
{
    int64_t integer = v->integer;
    double number = 0;
    bool is_whole = v->kind == GQL_INT;
    if (v->kind == GQL_BOOL) {
        integer = v->boolean;
        is_whole = true;
    } else if (v->kind == GQL_FLOAT || (v->kind == GQL_TEXT && str_to_double(v->text, &number))) {
        number = v->kind == GQL_FLOAT ? v->number : number;
        if (!isfinite(number) || trunc(number) < number || trunc(number) > number)
            return bad(arena, ret_why, "Int cannot represent non-integer value", v);
        is_whole = number >= INT32_MIN && number <= INT32_MAX;
        integer = is_whole ? (int64_t)number : INT64_MAX;
        is_whole = true;
    }
    if (!is_whole)
        return bad(arena, ret_why, "Int cannot represent non-integer value", v);
    if (integer < INT32_MIN || integer > INT32_MAX)
        return bad(arena, ret_why, "Int cannot represent non 32-bit signed integer value", v);
    buf_put_i64(out, integer);
    return LEAF_WRITTEN;
}

static enum leaf_result write_float(struct buf *out, struct arena *arena, const struct gql_value *v,
                                    struct str *ret_why)
{
    double number = v->kind == GQL_BOOL ? v->boolean : v->number;
    if (v->kind == GQL_INT) {
        buf_put_i64(out, v->integer);
        return LEAF_WRITTEN;
    }
    bool ok = v->kind == GQL_FLOAT || v->kind == GQL_BOOL ||
              (v->kind == GQL_TEXT && str_to_double(v->text, &number));
    if (!ok || !isfinite(number))
        return bad(arena, ret_why, "Float cannot represent non numeric value", v);
    json_put_double(out, number);
    return LEAF_WRITTEN;
}

static enum leaf_result write_string(struct buf *out, struct arena *arena,
                                     const struct gql_value *v, struct str *ret_why)
{
    if (v->kind == GQL_TEXT)
        json_put_string(out, v->text);
    else if (v->kind == GQL_BOOL)
        buf_put_c(out, v->boolean ? "\"true\"" : "\"false\"");
    else if (v->kind == GQL_INT || (v->kind == GQL_FLOAT && isfinite(v->number)))
        json_put_string(out, shown(arena, v));
    else
        return bad(arena, ret_why, "String cannot represent value", v);
    return LEAF_WRITTEN;
}

static enum leaf_result write_boolean(struct buf *out, struct arena *arena,
                                      const struct gql_value *v, struct str *ret_why)
{
    bool is_number = v->kind == GQL_INT || (v->kind == GQL_FLOAT && isfinite(v->number));
    if (v->kind != GQL_BOOL && !is_number)
        return bad(arena, ret_why, "Boolean cannot represent a non boolean value", v);
    bool value = v->kind == GQL_BOOL  ? v->boolean
                 : v->kind == GQL_INT ? v->integer != 0
                                      : fabs(v->number) > 0;
    buf_put_c(out, value ? "true" : "false");
    return LEAF_WRITTEN;
}

static enum leaf_result write_id(struct buf *out, struct arena *arena, const struct gql_value *v,
                                 struct str *ret_why)
{
    if (v->kind == GQL_TEXT) {
        json_put_string(out, v->text);
        return LEAF_WRITTEN;
    }
    bool is_whole =
        v->kind == GQL_INT || (v->kind == GQL_FLOAT && isfinite(v->number) &&
                               !(trunc(v->number) < v->number) && !(trunc(v->number) > v->number));
    if (!is_whole)
        return bad(arena, ret_why, "ID cannot represent value", v);
    json_put_string(out, shown(arena, v));
    return LEAF_WRITTEN;
}

static enum leaf_result write_enum(struct buf *out, struct arena *arena, const struct gql_type *t,
                                   const struct gql_value *v, struct str *ret_why)
{
    bool is_text = v->kind == GQL_ENUM || v->kind == GQL_TEXT;
    if (is_text && names_get(&t->value_names, v->text)) {
        buf_put_char(out, '"');
        buf_put_str(out, v->text);
        buf_put_char(out, '"');
        return LEAF_WRITTEN;
    }
    struct gql_value quoted = *v;
    if (v->kind == GQL_ENUM)
        quoted.kind = GQL_TEXT;
    struct str what = arena_printf(arena, "Enum \"%.*s\" cannot represent value", STR_FMT(t->name));
    return bad(arena, ret_why, what.ptr, &quoted);
}

/* A custom scalar's result goes out as it is. */
static void write_custom(struct buf *out, const struct gql_value *v)
{
    switch (v->kind) {
    case GQL_BOOL:
        buf_put_c(out, v->boolean ? "true" : "false");
        return;
    case GQL_INT:
        buf_put_i64(out, v->integer);
        return;
    case GQL_FLOAT:
        json_put_double(out, v->number);
        return;
    case GQL_TEXT:
    case GQL_ENUM:
        json_put_string(out, v->text);
        return;
    case GQL_ABSENT:
    case GQL_NULL:
    case GQL_RAW:
    case GQL_LIST:
    case GQL_INPUT:
    case GQL_OBJECT:
    case GQL_OBJECTS:
    case GQL_ERROR:
        value_to_json(out, v);
        return;
    }
}

enum leaf_result leaf_write(struct buf *out, struct arena *arena, const struct gql_type *t,
                            const struct gql_value *v, struct str *ret_why)
{
    if (v->kind == GQL_TEXT && (t->builtin == BUILTIN_STRING || t->builtin == BUILTIN_ID)) {
        json_put_string(out, v->text);
        return LEAF_WRITTEN;
    }
    if (gql_is_null(v))
        return LEAF_NULL;
    /* JSON goes through as it is; only an object or list is no scalar of the specification. */
    bool is_nested = v->kind == GQL_RAW && v->text.len && strchr("[{", v->text.ptr[0]);
    if (v->kind == GQL_RAW && !(is_nested && (t->builtin || t->kind == TYPE_ENUM))) {
        buf_put_str(out, v->text);
        return LEAF_WRITTEN;
    }
    if (t->kind == TYPE_ENUM)
        return write_enum(out, arena, t, v, ret_why);
    switch (t->builtin) {
    case BUILTIN_INT:
        return write_int(out, arena, v, ret_why);
    case BUILTIN_FLOAT:
        return write_float(out, arena, v, ret_why);
    case BUILTIN_STRING:
        return write_string(out, arena, v, ret_why);
    case BUILTIN_BOOLEAN:
        return write_boolean(out, arena, v, ret_why);
    case BUILTIN_ID:
        return write_id(out, arena, v, ret_why);
    case BUILTIN_NONE:
        break;
    }
    write_custom(out, v);
    return LEAF_WRITTEN;
}
