/* Executable documents, values and types; recursive descent with a bound on its own depth. */
#include "gql/parser_priv.h"

#include "gql/diag_priv.h"

void parser_stop(struct parser *p, bool has_token)
{
    uint32_t limit = p->tokens_max;
    if (has_token && p->token.kind == TOKEN_EOF)
        return;
    p->failed = true;
    if (!has_token)
        return;
    struct gql_error *e =
        error_addf(p->lexer.errors, GQL_CODE_COMPLEX,
                   "Syntax Error: Document contains more than %u tokens. Parsing aborted.", limit);
    error_place(p->lexer.errors, e, p->lexer.source, &p->token.at, 1);
    e->extensions_json =
        arena_printf(p->lexer.errors->arena, "\"limit\":\"tokens_max\",\"max\":%u,\"value\":%u",
                     limit, p->token_count);
}

/* "Syntax Error: Expected Name, found String \"x\"."; `before` is all but the token. */
static void fail_at_token(struct parser *p, const struct token *t, struct str before)
{
    struct gql_errors *errors = p->lexer.errors;
    bool has_text = t->kind == TOKEN_NAME || (t->kind > TOKEN_NAME && !errors->no_values);
    const struct str parts[] = {
        STR("Syntax Error: "),
        before,
        str_of_c(token_kind_text(t->kind)),
        has_text ? STR(" \"") : STR(""),
        has_text ? t->text : STR(""),
        has_text ? STR("\".") : STR("."),
    };
    if (!p->failed)
        error_place(
            errors,
            error_add(errors, GQL_CODE_PARSE, text_join(errors->arena, parts, countof(parts))),
            p->lexer.source, &t->at, 1);
    p->failed = true;
}

bool parser_fail_unexpected_at(struct parser *p, const struct token *t)
{
    fail_at_token(p, t, STR("Unexpected "));
    return false;
}

bool parser_fail_unexpected(struct parser *p)
{
    return parser_fail_unexpected_at(p, &p->token);
}

bool parser_fail_expected(struct parser *p, enum token_kind kind)
{
    fail_at_token(p, &p->token,
                  arena_printf(p->arena, "Expected %s, found ", token_kind_text(kind)));
    return false;
}

bool parser_accept_keyword(struct parser *p, const char *word)
{
    if (p->failed || !parser_is_keyword(p, word))
        return false;
    parser_advance(p);
    return true;
}

bool parser_expect_keyword(struct parser *p, const char *word)
{
    if (parser_accept_keyword(p, word))
        return true;
    fail_at_token(p, &p->token, arena_printf(p->arena, "Expected \"%s\", found ", word));
    return false;
}

bool parser_fail_nesting(struct parser *p)
{
    uint32_t limit = p->options->nesting_max;
    struct gql_error *e = error_addf(p->lexer.errors, GQL_CODE_COMPLEX,
                                     "Syntax Error: Document nests deeper than %u levels.", limit);
    error_place(p->lexer.errors, e, p->lexer.source, &p->token.at, 1);
    e->extensions_json =
        arena_printf(p->lexer.errors->arena, "\"limit\":\"nesting_max\",\"max\":%u,\"value\":%u",
                     limit, p->nesting);
    p->failed = true;
    return false;
}

/* ── values: section 2.9 ── */

static struct ast_value *value_of_token(struct parser *p, enum ast_value_kind kind)
{
    struct ast_value *v = arena_new(p->arena, struct ast_value);
    *v = (struct ast_value){ .kind = kind,
                             .at = p->token.at,
                             .text = p->token.text,
                             .is_block = p->token.kind == TOKEN_BLOCK_STRING };
    parser_advance(p);
    return v;
}

static struct ast_value *parse_list(struct parser *p, bool is_const)
{
    struct ast_value *list = value_of_token(p, AST_LIST);
    struct ast_value **tail = &list->items;
    if (!parser_enter(p))
        return list;
    while (!p->failed && !parser_accept(p, TOKEN_BRACKET_R)) {
        struct ast_value *item = parse_value(p, is_const);
        list->has_variable |= item->has_variable;
        list->count++;
        list_append(tail, item);
    }
    parser_leave(p);
    return list;
}

static struct ast_entry *parse_entry(struct parser *p, bool is_const)
{
    struct ast_entry *entry = arena_new(p->arena, struct ast_entry);
    entry->at = p->token.at;
    entry->name = parser_name(p);
    parser_expect(p, TOKEN_COLON);
    entry->value = parse_value(p, is_const);
    return entry;
}

static struct ast_value *parse_object(struct parser *p, bool is_const)
{
    struct ast_value *object = value_of_token(p, AST_OBJECT);
    struct ast_entry **tail = &object->entries;
    if (!parser_enter(p))
        return object;
    while (!p->failed && !parser_accept(p, TOKEN_BRACE_R)) {
        struct ast_entry *entry = parse_entry(p, is_const);
        object->has_variable |= entry->value->has_variable;
        object->count++;
        list_append(tail, entry);
    }
    parser_leave(p);
    return object;
}

static struct ast_value *parse_variable(struct parser *p, bool is_const)
{
    struct token dollar = p->token;
    parser_expect(p, TOKEN_DOLLAR);
    if (is_const) {
        if (!p->failed && p->token.kind == TOKEN_NAME)
            syntax_error(&p->lexer, dollar.at, "Unexpected variable \"$%.*s\" in constant value.",
                         STR_FMT(p->token.text));
        else
            parser_fail_unexpected_at(p, &dollar);
        p->failed = true;
    }
    struct ast_value *v = arena_new(p->arena, struct ast_value);
    *v = (struct ast_value){ .kind = AST_VARIABLE, .at = dollar.at, .has_variable = true };
    v->text = parser_name(p);
    return v;
}

/* Never NULL: after an error it is a null that nobody looks at. */
struct ast_value *parse_value(struct parser *p, bool is_const)
{
    switch (p->token.kind) {
    case TOKEN_BRACKET_L:
        return parse_list(p, is_const);
    case TOKEN_BRACE_L:
        return parse_object(p, is_const);
    case TOKEN_INT:
        return value_of_token(p, AST_INT);
    case TOKEN_FLOAT:
        return value_of_token(p, AST_FLOAT);
    case TOKEN_STRING:
    case TOKEN_BLOCK_STRING:
        return value_of_token(p, AST_STRING);
    case TOKEN_NAME:
        if (parser_is_keyword(p, "true") || parser_is_keyword(p, "false"))
            return value_of_token(p, AST_BOOLEAN);
        return value_of_token(p, parser_is_keyword(p, "null") ? AST_NULL : AST_ENUM);
    case TOKEN_DOLLAR:
        return parse_variable(p, is_const);
    case TOKEN_EOF:
    case TOKEN_BANG:
    case TOKEN_AMP:
    case TOKEN_PAREN_L:
    case TOKEN_PAREN_R:
    case TOKEN_SPREAD:
    case TOKEN_COLON:
    case TOKEN_EQUALS:
    case TOKEN_AT:
    case TOKEN_BRACKET_R:
    case TOKEN_PIPE:
    case TOKEN_BRACE_R:
        break;
    }
    parser_fail_unexpected(p);
    return value_of_token(p, AST_NULL);
}

struct ast_value *parse_description(struct parser *p)
{
    if (p->token.kind != TOKEN_STRING && p->token.kind != TOKEN_BLOCK_STRING)
        return NULL;
    return value_of_token(p, AST_STRING);
}

/* ── types: section 2.11 ── */

struct ast_type *parse_type(struct parser *p)
{
    struct ast_type *t = arena_new(p->arena, struct ast_type);
    t->at = p->token.at;
    if (parser_accept(p, TOKEN_BRACKET_L)) {
        t->is_list = true;
        if (!parser_enter(p))
            return t;
        t->inner = parse_type(p);
        parser_expect(p, TOKEN_BRACKET_R);
        parser_leave(p);
    } else {
        t->name = parser_name(p);
    }
    t->is_non_null = parser_accept(p, TOKEN_BANG);
    return t;
}

/* ── selections: sections 2.5 to 2.8 ── */

static struct ast_entry *parse_arguments(struct parser *p, bool is_const)
{
    struct ast_entry *first = NULL;
    struct ast_entry **tail = &first;
    if (!parser_accept(p, TOKEN_PAREN_L))
        return NULL;
    do {
        struct ast_entry *arg = parse_entry(p, is_const);
        list_append(tail, arg);
    } while (!p->failed && !parser_accept(p, TOKEN_PAREN_R));
    return first;
}

struct ast_directive *parse_directives(struct parser *p, bool is_const)
{
    struct ast_directive *first = NULL;
    struct ast_directive **tail = &first;
    uint32_t before = p->doc->directive_count;
    while (!p->failed && p->token.kind == TOKEN_AT) {
        struct ast_directive *d = arena_new(p->arena, struct ast_directive);
        d->at = p->token.at;
        parser_advance(p);
        d->name = parser_name(p);
        d->args = parse_arguments(p, is_const);
        p->doc->directive_count++;
        list_append(tail, d);
    }
    p->doc->directives_at_once =
        max_of(p->doc->directives_at_once, p->doc->directive_count - before);
    return first;
}

static struct ast_selection_set *parse_selection_set(struct parser *p);

static struct ast_selection *parse_field(struct parser *p, struct ast_selection *s)
{
    s->kind = AST_FIELD;
    s->name_at = p->token.at;
    s->name = parser_name(p);
    if (parser_accept(p, TOKEN_COLON)) {
        s->alias = s->name;
        s->name_at = p->token.at;
        s->name = parser_name(p);
        p->doc->alias_count++;
    }
    p->doc->field_count++;
    if (p->token.kind == TOKEN_PAREN_L)
        s->args = parse_arguments(p, false);
    if (p->token.kind == TOKEN_AT)
        s->directives = parse_directives(p, false);
    if (p->token.kind == TOKEN_BRACE_L)
        s->set = parse_selection_set(p);
    return s;
}

static struct ast_selection *parse_selection(struct parser *p)
{
    struct ast_selection *s = arena_new(p->arena, struct ast_selection);
    s->at = p->token.at;
    if (!parser_accept(p, TOKEN_SPREAD))
        return parse_field(p, s);
    bool has_condition = parser_accept_keyword(p, "on");
    s->name_at = p->token.at;
    if (!has_condition && p->token.kind == TOKEN_NAME) {
        s->kind = AST_SPREAD;
        s->name = parser_name(p);
        s->directives = parse_directives(p, false);
        return s;
    }
    s->kind = AST_INLINE;
    if (has_condition)
        s->name = parser_name(p);
    s->directives = parse_directives(p, false);
    s->set = parse_selection_set(p);
    return s;
}

static struct ast_selection_set *parse_selection_set(struct parser *p)
{
    struct ast_selection_set *set = arena_new(p->arena, struct ast_selection_set);
    struct ast_selection **tail = &set->first;
    set->at = p->token.at;
    set->number = p->doc->set_count++;
    if (!parser_expect(p, TOKEN_BRACE_L) || !parser_enter(p))
        return set;
    do {
        struct ast_selection *s = parse_selection(p);
        set->has_spread |= s->kind == AST_SPREAD || (s->set && s->set->has_spread);
        list_append(tail, s);
    } while (!p->failed && !parser_accept(p, TOKEN_BRACE_R));
    parser_leave(p);
    return set;
}

/* ── definitions: sections 2.2 to 2.4, 2.10 ── */

static struct ast_variable_def *parse_variables(struct parser *p)
{
    struct ast_variable_def *first = NULL;
    struct ast_variable_def **tail = &first;
    if (!parser_accept(p, TOKEN_PAREN_L))
        return NULL;
    do {
        struct ast_variable_def *v = arena_new(p->arena, struct ast_variable_def);
        v->at = p->token.at;
        v->description = parse_description(p);
        v->variable_at = p->token.at;
        parser_expect(p, TOKEN_DOLLAR);
        v->name = parser_name(p);
        parser_expect(p, TOKEN_COLON);
        v->type = parse_type(p);
        if (parser_accept(p, TOKEN_EQUALS))
            v->default_value = parse_value(p, true);
        v->directives = parse_directives(p, true);
        list_append(tail, v);
    } while (!p->failed && !parser_accept(p, TOKEN_PAREN_R));
    return first;
}

/* enum gql_operation_type, or -1. */
static int operation_keyword(const struct parser *p)
{
    if (parser_is_keyword(p, "query"))
        return GQL_QUERY;
    if (parser_is_keyword(p, "mutation"))
        return GQL_MUTATION;
    return parser_is_keyword(p, "subscription") ? GQL_SUBSCRIPTION : -1;
}

static void parse_operation(struct parser *p, struct ast_definition *d)
{
    d->kind = AST_OPERATION;
    p->doc->operation_count++;
    d->is_shorthand = p->token.kind == TOKEN_BRACE_L;
    if (!d->is_shorthand) {
        d->operation = operation_keyword(p);
        parser_advance(p);
        if (p->token.kind == TOKEN_NAME) {
            d->name_at = p->token.at;
            d->name = parser_name(p);
        }
        d->variables = parse_variables(p);
        d->directives = parse_directives(p, false);
    }
    d->set = parse_selection_set(p);
}

static void parse_fragment(struct parser *p, struct ast_definition *d)
{
    d->kind = AST_FRAGMENT;
    d->number = p->doc->fragment_count++;
    parser_advance(p);
    if (parser_is_keyword(p, "on")) {
        parser_fail_unexpected(p);
        return;
    }
    d->name_at = p->token.at;
    d->name = parser_name(p);
    parser_expect_keyword(p, "on");
    d->condition_at = p->token.at;
    d->condition = parser_name(p);
    d->directives = parse_directives(p, false);
    d->set = parse_selection_set(p);
}

static struct ast_definition *parse_definition(struct parser *p)
{
    struct token first = p->token;
    struct ast_value *description = parse_description(p);
    bool is_executable = p->token.kind == TOKEN_BRACE_L || operation_keyword(p) >= 0 ||
                         parser_is_keyword(p, "fragment");
    if (!is_executable && !p->failed)
        return parse_type_system(p, description, first.at);
    struct ast_definition *d = arena_new(p->arena, struct ast_definition);
    d->at = first.at;
    d->description = description;
    if (description && p->token.kind == TOKEN_BRACE_L && !p->failed) {
        syntax_error(&p->lexer, first.at,
                     "Unexpected description, descriptions are not supported on shorthand "
                     "queries.");
        p->failed = true;
    }
    if (parser_is_keyword(p, "fragment"))
        parse_fragment(p, d);
    else
        parse_operation(p, d);
    return d;
}

struct ast_document *ast_parse(struct arena *arena, struct str source,
                               const struct parse_options *options, struct gql_errors *errors)
{
    struct ast_document *doc = arena_new(arena, struct ast_document);
    struct parser p = { .lexer = { .source = source, .arena = arena, .errors = errors },
                        .arena = arena,
                        .options = options,
                        .doc = doc };
    p.tokens_max = options->tokens_max ? options->tokens_max : UINT32_MAX;
    doc->source = source;
    if (source.len > INT32_MAX) {
        error_add(errors, GQL_CODE_PARSE, STR("Syntax Error: Document is longer than 2 GiB."));
        return NULL;
    }
    struct ast_definition **tail = &doc->first;
    parser_advance(&p);
    do {
        struct ast_definition *d = parse_definition(&p);
        list_append(tail, d);
    } while (!p.failed && p.token.kind != TOKEN_EOF);
    return p.failed ? NULL : doc;
}
