/* A schema as canonical SDL, as graphql-js prints it, and default values as GraphQL text. */
#include "base/buf.h"
#include "gql/coerce_priv.h"
#include "gql/print_priv.h"
#include "gql/schema_priv.h"

/* ── defaults: a value back to a literal of its type ── */

/* Text that is an Int literal: no zero leads, any length. */
static bool is_int_literal(struct str text)
{
    struct str digits = str_starts_with(text, STR("-")) ? str_from(text, 1) : text;
    for (size_t i = 0; i < digits.len; i++)
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return false;
    return digits.len == 1 || (digits.len > 1 && digits.ptr[0] != '0');
}

static void put_leaf(struct buf *out, const struct gql_type *t, const struct gql_value *v)
{
    scoped(arena_destroyp) struct arena *arena = arena_create(SIZE_MAX);
    if (v->kind == GQL_TEXT && t->builtin == BUILTIN_ID && is_int_literal(v->text))
        buf_put_str(out, v->text);
    else if (v->kind == GQL_TEXT)
        print_string(out, v->text);
    else if (v->kind == GQL_ENUM || v->kind == GQL_RAW)
        buf_put_str(out, v->text);
    else if (v->kind == GQL_FLOAT)
        buf_put_str(out, js_number(arena, v->number));
    else
        value_to_json(out, v);
}

static void put_default(struct buf *out, const struct type_ref *t, const struct gql_value *v)
{
    t = type_nullable(t);
    if (gql_is_null(v)) {
        buf_put_c(out, "null");
    } else if (t->wrap == WRAP_LIST) {
        buf_put_char(out, '[');
        for (uint32_t i = 0; i < v->count; i++) {
            buf_put_c(out, i ? ", " : "");
            put_default(out, t->of, &v->items[i]);
        }
        buf_put_char(out, ']');
    } else if (t->named->kind == TYPE_INPUT) {
        const char *before = "";
        buf_put_char(out, '{');
        for (uint32_t i = 0; i < v->count; i++) {
            if (v->fields[i].kind == GQL_ABSENT)
                continue;
            buf_put_c(out, before);
            buf_put_str(out, t->named->inputs[i].name);
            buf_put_c(out, ": ");
            put_default(out, t->named->inputs[i].type, &v->fields[i]);
            before = ", ";
        }
        buf_put_char(out, '}');
    } else {
        put_leaf(out, t->named, v);
    }
}

/* As the reference prints the value that it holds: a name is a text, 1.50 is 1.5, one is a list of
 * one. What a scalar makes of objects and lists is its own: those stay as they were written. */
static void put_custom(struct buf *out, const struct type_ref *t, const struct ast_value *v)
{
    scoped(arena_destroyp) struct arena *arena = arena_create(SIZE_MAX);
    struct json_value json = json_of_number(v->text);
    double number = 0;
    t = type_nullable(t);
    if (t->wrap == WRAP_LIST && v->kind != AST_NULL) {
        buf_put_char(out, '[');
        for (const struct ast_value *i = v->kind == AST_LIST ? v->items : v; i; i = i->next) {
            put_custom(out, t->of, i);
            buf_put_c(out, v->kind == AST_LIST && i->next ? ", " : "");
            if (v->kind != AST_LIST)
                break;
        }
        buf_put_char(out, ']');
    } else if (v->kind == AST_ENUM || v->kind == AST_STRING) {
        print_string(out, v->text);
    } else if (v->kind == AST_FLOAT && json_to_double(&json, &number)) {
        buf_put_str(out, js_number(arena, number));
    } else {
        print_value(out, v);
    }
}

/* A type that takes no input can have but `[]` and null; its schema is printed unchecked. */
static void put_input_default(struct buf *out, const struct input_def *d)
{
    const struct gql_type *named = d->type->named;
    if ((named->kind == TYPE_SCALAR && !named->builtin) || !type_is_input(named))
        put_custom(out, d->type, d->default_ast);
    else
        put_default(out, d->type, &d->default_value);
}

struct str default_text(struct arena *arena, const struct input_def *d)
{
    struct buf out;
    buf_init(&out, 0);
    put_input_default(&out, d);
    struct str text = arena_copy(arena, buf_str(&out));
    buf_clear(&out);
    return text;
}

/* ── definitions ── */

static bool is_printable_as_block(struct str s)
{
    if (!s.len)
        return true;
    bool is_empty_line = true, has_indent = false, common_indent = true, seen_text = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '\r' || ((unsigned char)c < 0x20 && c != '\n' && c != '\t'))
            return false;
        if (c == '\n') {
            if (is_empty_line && !seen_text)
                return false; /* a leading empty line would be lost */
            seen_text = true;
            is_empty_line = true;
            has_indent = false;
        } else if (c == ' ' || c == '\t') {
            has_indent = has_indent || is_empty_line;
        } else {
            common_indent = common_indent && has_indent;
            is_empty_line = false;
        }
    }
    if (is_empty_line)
        return false; /* a trailing empty line would be lost */
    return !(common_indent && seen_text);
}

static void indent(struct buf *out, unsigned levels)
{
    for (unsigned i = 0; i < levels; i++)
        buf_put_c(out, "  ");
}

static void put_description(struct buf *out, struct str text, unsigned level, bool is_first)
{
    if (!text.ptr)
        return;
    if (level && !is_first)
        buf_put_char(out, '\n');
    indent(out, level);
    if (is_printable_as_block(text))
        print_block_string(out, text, level);
    else
        print_string(out, text);
    buf_put_char(out, '\n');
}

static void put_type(struct buf *out, const struct type_ref *t)
{
    if (t->wrap == WRAP_NAMED) {
        buf_put_str(out, t->named->name);
        return;
    }
    if (t->wrap == WRAP_LIST)
        buf_put_char(out, '[');
    put_type(out, t->of);
    buf_put_char(out, t->wrap == WRAP_LIST ? ']' : '!');
}

static void put_deprecated(struct buf *out, struct str reason)
{
    if (!reason.ptr)
        return;
    buf_put_c(out, " @deprecated");
    if (str_eq_c(reason, "No longer supported"))
        return;
    buf_put_c(out, "(reason: ");
    print_string(out, reason);
    buf_put_char(out, ')');
}

static void put_input(struct buf *out, const struct input_def *d)
{
    buf_put_str(out, d->name);
    buf_put_c(out, ": ");
    put_type(out, d->type);
    if (d->default_ast) {
        buf_put_c(out, " = ");
        put_input_default(out, d);
    }
    put_deprecated(out, d->deprecated);
}

static void put_args(struct buf *out, const struct input_def *args, uint32_t count, unsigned level)
{
    bool is_tall = false;
    if (!count)
        return;
    for (uint32_t i = 0; i < count; i++)
        is_tall |= args[i].description.len > 0;
    buf_put_c(out, is_tall ? "(\n" : "(");
    for (uint32_t i = 0; i < count; i++) {
        if (is_tall) {
            put_description(out, args[i].description, level + 1, i == 0);
            indent(out, level + 1);
        }
        put_input(out, &args[i]);
        buf_put_c(out, is_tall ? "\n" : i + 1 < count ? ", " : "");
    }
    indent(out, is_tall ? level : 0);
    buf_put_char(out, ')');
}

static void put_fields(struct buf *out, const struct gql_type *t)
{
    for (uint32_t i = 0; i < t->field_count; i++) {
        const struct field_def *f = &t->fields[i];
        put_description(out, f->description, 1, i == 0);
        indent(out, 1);
        buf_put_str(out, f->name);
        put_args(out, f->args, f->arg_count, 1);
        buf_put_c(out, ": ");
        put_type(out, f->type);
        put_deprecated(out, f->deprecated);
        buf_put_char(out, '\n');
    }
    for (uint32_t i = 0; i < t->input_count; i++) {
        put_description(out, t->inputs[i].description, 1, i == 0);
        indent(out, 1);
        put_input(out, &t->inputs[i]);
        buf_put_char(out, '\n');
    }
    for (uint32_t i = 0; i < t->value_count; i++) {
        put_description(out, t->values[i].description, 1, i == 0);
        indent(out, 1);
        buf_put_str(out, t->values[i].name);
        put_deprecated(out, t->values[i].deprecated);
        buf_put_char(out, '\n');
    }
}

static void put_names(struct buf *out, const char *first, const char *next,
                      struct gql_type *const *types, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        buf_put_c(out, i ? next : first);
        buf_put_str(out, types[i]->name);
    }
}

static void put_type_definition(struct buf *out, const struct gql_type *t)
{
    static const char *const words[] = { "scalar ", "type ", "interface ",
                                         "union ",  "enum ", "input " };
    put_description(out, t->description, 0, true);
    buf_put_c(out, words[t->kind]);
    buf_put_str(out, t->name);
    if (t->specified_by.ptr) {
        buf_put_c(out, " @specifiedBy(url: ");
        print_string(out, t->specified_by);
        buf_put_char(out, ')');
    }
    buf_put_c(out, t->is_one_of ? " @oneOf" : "");
    put_names(out, " implements ", " & ", t->interfaces, t->interface_count);
    if (t->kind == TYPE_UNION)
        put_names(out, " = ", " | ", t->possible, t->possible_count);
    if (t->field_count + t->input_count + t->value_count) {
        buf_put_c(out, " {\n");
        put_fields(out, t);
        buf_put_char(out, '}');
    }
}

/* The specification's own, also where a document defines them anew. */
static bool is_specified(struct str name)
{
    static const char *const names[] = { "include", "skip", "deprecated", "specifiedBy", "oneOf" };
    for (size_t i = 0; i < countof(names); i++)
        if (str_eq_c(name, names[i]))
            return true;
    return false;
}

static void put_directive(struct buf *out, const struct directive_def *d)
{
    put_description(out, d->description, 0, true);
    buf_put_c(out, "directive @");
    buf_put_str(out, d->name);
    put_args(out, d->args, d->arg_count, 0);
    buf_put_c(out, d->is_repeatable ? " repeatable on " : " on ");
    for (const struct ast_named *n = d->locations; n; n = n->next) {
        buf_put_str(out, n->name);
        buf_put_c(out, n->next ? " | " : "");
    }
}

static bool put_schema(struct buf *out, const struct gql_schema *s)
{
    static const char *const words[] = { "query", "mutation", "subscription" };
    static const char *const names[] = { "Query", "Mutation", "Subscription" };
    bool is_common = !s->description.ptr;
    for (size_t i = 0; i < countof(names); i++)
        is_common = is_common && (!s->roots[i] || str_eq_c(s->roots[i]->name, names[i]));
    if (is_common)
        return false;
    put_description(out, s->description, 0, true);
    buf_put_c(out, "schema {\n");
    for (size_t i = 0; i < countof(words); i++)
        if (s->roots[i])
            buf_printf(out, "  %s: %.*s\n", words[i], STR_FMT(s->roots[i]->name));
    buf_put_char(out, '}');
    return true;
}

void gql_schema_print(const struct gql_schema *s, struct buf *out)
{
    bool has_text = put_schema(out, s);
    for (uint32_t i = 0; i < s->directive_count; i++) {
        if (is_specified(s->directives[i].name))
            continue;
        buf_put_c(out, has_text ? "\n\n" : "");
        put_directive(out, &s->directives[i]);
        has_text = true;
    }
    for (uint32_t i = 0; i < s->type_count; i++) {
        if (s->types[i]->is_prelude)
            continue;
        buf_put_c(out, has_text ? "\n\n" : "");
        put_type_definition(out, s->types[i]);
        has_text = true;
    }
}
