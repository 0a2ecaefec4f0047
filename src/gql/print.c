/* Canonical text of documents, as graphql-js prints it. Source: GraphQL Sep 2025, section 2. */
#include "gql/print_priv.h"

#include "base/arena.h"

struct printer {
    struct buf *out;
    unsigned indent; /* levels of two spaces */
};

enum { LINE_UNITS_MAX = 80, BLOCK_LINE_MAX = 70 };

static void put_line_break(struct buf *out, unsigned indent)
{
    buf_put_char(out, '\n');
    for (unsigned i = 0; i < indent; i++)
        buf_put_c(out, "  ");
}

/* ── strings ── */

void print_string(struct buf *out, struct str s)
{
    static const char plain[] = "\b\t\n\f\r\"\\";
    static const char letters[] = "btnfr\"\\";
    buf_put_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        const char *found = c ? strchr(plain, c) : NULL;
        bool is_c1 = c == 0xC2 && i + 1 < s.len && (unsigned char)s.ptr[i + 1] < 0xA0;
        if (found)
            buf_printf(out, "\\%c", letters[found - plain]);
        else if (c < 0x20 || c == 0x7F)
            buf_printf(out, "\\u%04X", c);
        else if (is_c1)
            buf_printf(out, "\\u%04X", (unsigned char)s.ptr[++i]);
        else
            buf_put_char(out, (char)c);
    }
    buf_put_char(out, '"');
}

static bool is_space(const struct str s, size_t at)
{
    return at < s.len && (s.ptr[at] == ' ' || s.ptr[at] == '\t');
}

/* True when every line but the first is empty or begins with white space. */
static bool is_indented_below(struct str s, bool *ret_has_lines)
{
    *ret_has_lines = false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '\n' && s.ptr[i] != '\r')
            continue;
        *ret_has_lines = true;
        if (s.ptr[i] == '\r' && i + 1 < s.len && s.ptr[i + 1] == '\n')
            i++;
        bool is_empty = i + 1 >= s.len || s.ptr[i + 1] == '\n' || s.ptr[i + 1] == '\r';
        if (!is_empty && !is_space(s, i + 1))
            return false;
    }
    return *ret_has_lines;
}

static void put_block(struct buf *out, struct str s, unsigned indent)
{
    bool has_lines = false;
    bool is_indented = is_indented_below(s, &has_lines);
    bool ends_in_triple = str_ends_with(s, STR("\"\"\""));
    bool needs_end_line =
        (str_ends_with(s, STR("\"")) && !ends_in_triple) || str_ends_with(s, STR("\\"));
    bool is_tall =
        has_lines || s.len > BLOCK_LINE_MAX || needs_end_line || is_indented || ends_in_triple;
    bool skips_first = !has_lines && is_space(s, 0);
    buf_put_c(out, "\"\"\"");
    if ((is_tall && !skips_first) || is_indented)
        put_line_break(out, indent);
    for (size_t i = 0; i < s.len; i++) {
        if (str_starts_with(str_from(s, i), STR("\"\"\""))) {
            buf_put_c(out, "\\\"\"\"");
            i += 2;
        } else if (s.ptr[i] == '\n') {
            put_line_break(out, indent);
        } else {
            buf_put_char(out, s.ptr[i]);
        }
    }
    if (is_tall || needs_end_line)
        put_line_break(out, indent);
    buf_put_c(out, "\"\"\"");
}

void print_block_string(struct buf *out, struct str s, unsigned indent)
{
    put_block(out, s, indent);
}

/* ── values ── */

static void put_value(struct printer *p, const struct ast_value *v);

static void put_entry(struct printer *p, const struct ast_entry *e)
{
    buf_put_str(p->out, e->name);
    buf_put_c(p->out, ": ");
    put_value(p, e->value);
}

static void put_value(struct printer *p, const struct ast_value *v)
{
    switch (v->kind) {
    case AST_VARIABLE:
        buf_put_char(p->out, '$');
        buf_put_str(p->out, v->text);
        return;
    case AST_STRING:
        if (v->is_block)
            put_block(p->out, v->text, p->indent);
        else
            print_string(p->out, v->text);
        return;
    case AST_INT:
    case AST_FLOAT:
    case AST_BOOLEAN:
    case AST_NULL:
    case AST_ENUM:
        buf_put_str(p->out, v->text);
        return;
    case AST_LIST:
        buf_put_char(p->out, '[');
        for (const struct ast_value *item = v->items; item; item = item->next) {
            put_value(p, item);
            if (item->next)
                buf_put_c(p->out, ", ");
        }
        buf_put_char(p->out, ']');
        return;
    case AST_OBJECT:
        buf_put_char(p->out, '{');
        for (const struct ast_entry *e = v->entries; e; e = e->next) {
            put_entry(p, e);
            if (e->next)
                buf_put_c(p->out, ", ");
        }
        buf_put_char(p->out, '}');
        return;
    }
}

void print_value(struct buf *out, const struct ast_value *v)
{
    struct printer p = { .out = out };
    put_value(&p, v);
}

/* Longer values are cut: they are for messages. */
enum { VALUE_TEXT_MAX = 8192 };

struct str ast_value_text(struct arena *arena, const struct ast_value *v)
{
    struct buf out;
    buf_init(&out, VALUE_TEXT_MAX);
    print_value(&out, v);
    while (out.failed && out.len && !str_is_utf8(str_from(buf_str(&out), out.len - 1)))
        out.len--; /* a character that was cut in two */
    struct str text = arena_copy(arena, buf_str(&out));
    buf_clear(&out);
    return text;
}

static void put_type(struct printer *p, const struct ast_type *t)
{
    if (t->is_list) {
        buf_put_char(p->out, '[');
        put_type(p, t->inner);
        buf_put_char(p->out, ']');
    } else {
        buf_put_str(p->out, t->name);
    }
    if (t->is_non_null)
        buf_put_char(p->out, '!');
}

static void put_args(struct printer *p, const struct ast_entry *args)
{
    if (!args)
        return;
    buf_put_char(p->out, '(');
    for (; args; args = args->next) {
        put_entry(p, args);
        if (args->next)
            buf_put_c(p->out, ", ");
    }
    buf_put_char(p->out, ')');
}

/* Each with a space before it. */
static void put_directives(struct printer *p, const struct ast_directive *d)
{
    for (; d; d = d->next) {
        buf_put_c(p->out, " @");
        buf_put_str(p->out, d->name);
        put_args(p, d->args);
    }
}

static void put_description(struct printer *p, const struct ast_value *v)
{
    if (!v)
        return;
    put_value(p, v);
    put_line_break(p->out, p->indent);
}

/* ── executable definitions ── */

static void put_set(struct printer *p, const struct ast_selection_set *set);

/* UTF-16 units, by which the reference measures a line. */
static size_t unit_count(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        n += (c & 0xC0) == 0x80 ? 0 : c >= 0xF0 ? 2 : 1;
    }
    return n;
}

static void put_field(struct printer *p, const struct ast_selection *s)
{
    size_t start = p->out->len;
    unsigned indent = p->indent;
    if (s->alias.ptr) {
        buf_put_str(p->out, s->alias);
        buf_put_c(p->out, ": ");
    }
    buf_put_str(p->out, s->name);
    size_t prefix = p->out->len;
    p->indent = 0;
    put_args(p, s->args);
    p->indent = indent;
    bool is_long = !p->out->failed &&
                   unit_count(str_of(p->out->ptr + start, p->out->len - start)) > LINE_UNITS_MAX;
    if (s->args && !p->out->failed)
        p->out->len = prefix;
    if (s->args && is_long) {
        buf_put_char(p->out, '(');
        p->indent++;
        for (const struct ast_entry *a = s->args; a; a = a->next) {
            put_line_break(p->out, p->indent);
            put_entry(p, a);
        }
        p->indent--;
        put_line_break(p->out, p->indent);
        buf_put_char(p->out, ')');
    } else {
        put_args(p, s->args);
    }
    put_directives(p, s->directives);
    if (s->set) {
        buf_put_char(p->out, ' ');
        put_set(p, s->set);
    }
}

static void put_selection(struct printer *p, const struct ast_selection *s)
{
    switch (s->kind) {
    case AST_FIELD:
        put_field(p, s);
        return;
    case AST_SPREAD:
        buf_put_c(p->out, "...");
        buf_put_str(p->out, s->name);
        put_directives(p, s->directives);
        return;
    case AST_INLINE:
        buf_put_c(p->out, "...");
        if (s->name.ptr) {
            buf_put_c(p->out, " on ");
            buf_put_str(p->out, s->name);
        }
        put_directives(p, s->directives);
        buf_put_char(p->out, ' ');
        put_set(p, s->set);
        return;
    }
}

static void put_set(struct printer *p, const struct ast_selection_set *set)
{
    buf_put_char(p->out, '{');
    p->indent++;
    for (const struct ast_selection *s = set->first; s; s = s->next) {
        put_line_break(p->out, p->indent);
        put_selection(p, s);
    }
    p->indent--;
    put_line_break(p->out, p->indent);
    buf_put_char(p->out, '}');
}

static void put_variable(struct printer *p, const struct ast_variable_def *v)
{
    put_description(p, v->description);
    buf_put_char(p->out, '$');
    buf_put_str(p->out, v->name);
    buf_put_c(p->out, ": ");
    put_type(p, v->type);
    if (v->default_value) {
        buf_put_c(p->out, " = ");
        put_value(p, v->default_value);
    }
    put_directives(p, v->directives);
}

static bool has_line_break(const struct buf *out, size_t start)
{
    return !out->failed && str_find_char(str_of(out->ptr + start, out->len - start), '\n') >= 0;
}

/* On one line, unless one of them needs more. */
static void put_variables(struct printer *p, const struct ast_variable_def *list)
{
    size_t start = p->out->len;
    if (!list)
        return;
    buf_put_char(p->out, '(');
    for (const struct ast_variable_def *v = list; v; v = v->next) {
        put_variable(p, v);
        buf_put_c(p->out, v->next ? ", " : ")");
    }
    if (!has_line_break(p->out, start))
        return;
    p->out->len = start;
    buf_put_c(p->out, "(\n");
    for (const struct ast_variable_def *v = list; v; v = v->next) {
        put_variable(p, v);
        buf_put_char(p->out, '\n');
    }
    buf_put_char(p->out, ')');
}

static void put_operation(struct printer *p, const struct ast_definition *d)
{
    static const char *const words[] = { "query", "mutation", "subscription" };
    bool is_short =
        d->operation == 0 && !d->name.len && !d->variables && !d->directives && !d->description;
    if (!is_short) {
        buf_put_c(p->out, words[d->operation]);
        if (d->name.len || d->variables)
            buf_put_char(p->out, ' ');
        buf_put_str(p->out, d->name);
        put_variables(p, d->variables);
        put_directives(p, d->directives);
        buf_put_char(p->out, ' ');
    }
    put_set(p, d->set);
}

static void put_fragment(struct printer *p, const struct ast_definition *d)
{
    buf_put_c(p->out, "fragment ");
    buf_put_str(p->out, d->name);
    buf_put_c(p->out, " on ");
    buf_put_str(p->out, d->condition);
    put_directives(p, d->directives);
    buf_put_char(p->out, ' ');
    put_set(p, d->set);
}

/* ── type system ── */

static void put_input(struct printer *p, const struct ast_input_def *i)
{
    put_description(p, i->description);
    buf_put_str(p->out, i->name);
    buf_put_c(p->out, ": ");
    put_type(p, i->type);
    if (i->default_value) {
        buf_put_c(p->out, " = ");
        put_value(p, i->default_value);
    }
    put_directives(p, i->directives);
}

/* On one line, unless one of them needs more. */
static void put_arg_defs(struct printer *p, const struct ast_input_def *args)
{
    size_t start = p->out->len;
    if (!args)
        return;
    buf_put_char(p->out, '(');
    for (const struct ast_input_def *a = args; a; a = a->next) {
        put_input(p, a);
        if (a->next)
            buf_put_c(p->out, ", ");
    }
    buf_put_char(p->out, ')');
    if (!has_line_break(p->out, start))
        return;
    p->out->len = start;
    buf_put_char(p->out, '(');
    p->indent++;
    for (const struct ast_input_def *a = args; a; a = a->next) {
        put_line_break(p->out, p->indent);
        put_input(p, a);
    }
    p->indent--;
    put_line_break(p->out, p->indent);
    buf_put_char(p->out, ')');
}

static void put_names(struct printer *p, const char *before, const char *between,
                      const struct ast_named *n)
{
    if (n)
        buf_put_c(p->out, before);
    for (; n; n = n->next) {
        buf_put_str(p->out, n->name);
        if (n->next)
            buf_put_c(p->out, between);
    }
}

static void put_field_def(struct printer *p, const struct ast_field_def *f)
{
    put_description(p, f->description);
    buf_put_str(p->out, f->name);
    put_arg_defs(p, f->args);
    buf_put_c(p->out, ": ");
    put_type(p, f->type);
    put_directives(p, f->directives);
}

static void put_members(struct printer *p, const struct ast_definition *d)
{
    if (!d->fields && !d->inputs && !d->values && !d->roots)
        return;
    buf_put_c(p->out, " {");
    p->indent++;
    for (const struct ast_field_def *f = d->fields; f; f = f->next) {
        put_line_break(p->out, p->indent);
        put_field_def(p, f);
    }
    for (const struct ast_input_def *i = d->inputs; i; i = i->next) {
        put_line_break(p->out, p->indent);
        put_input(p, i);
    }
    for (const struct ast_enum_def *v = d->values; v; v = v->next) {
        put_line_break(p->out, p->indent);
        put_description(p, v->description);
        buf_put_str(p->out, v->name);
        put_directives(p, v->directives);
    }
    for (const struct ast_root *r = d->roots; r; r = r->next) {
        put_line_break(p->out, p->indent);
        buf_put_str(p->out, r->operation);
        buf_put_c(p->out, ": ");
        buf_put_str(p->out, r->type);
    }
    p->indent--;
    put_line_break(p->out, p->indent);
    buf_put_char(p->out, '}');
}

static void put_type_system(struct printer *p, const struct ast_definition *d)
{
    static const char *const words[] = {
        [AST_SCHEMA_DEF] = "schema", [AST_SCALAR_DEF] = "scalar ",
        [AST_OBJECT_DEF] = "type ",  [AST_INTERFACE_DEF] = "interface ",
        [AST_UNION_DEF] = "union ",  [AST_ENUM_TYPE_DEF] = "enum ",
        [AST_INPUT_DEF] = "input ",  [AST_DIRECTIVE_DEF] = "directive @",
    };
    if (d->is_extension)
        buf_put_c(p->out, "extend ");
    buf_put_c(p->out, words[d->kind]);
    buf_put_str(p->out, d->name);
    if (d->kind == AST_DIRECTIVE_DEF) {
        put_arg_defs(p, d->inputs);
        buf_put_c(p->out, d->is_repeatable ? " repeatable" : "");
        put_names(p, " on ", " | ", d->interfaces);
        return;
    }
    if (d->kind != AST_UNION_DEF)
        put_names(p, " implements ", " & ", d->interfaces);
    put_directives(p, d->directives);
    if (d->kind == AST_UNION_DEF)
        put_names(p, " = ", " | ", d->interfaces);
    put_members(p, d);
}

void print_document(struct buf *out, const struct ast_document *doc)
{
    struct printer p = { .out = out };
    for (const struct ast_definition *d = doc->first; d; d = d->next) {
        put_description(&p, d->description);
        if (d->kind == AST_OPERATION)
            put_operation(&p, d);
        else if (d->kind == AST_FRAGMENT)
            put_fragment(&p, d);
        else
            put_type_system(&p, d);
        if (d->next)
            buf_put_c(out, "\n\n");
    }
}
