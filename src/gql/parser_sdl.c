/* The type-system definition language. Source: GraphQL Sep 2025, section 3 and appendix B. */
#include "gql/parser_priv.h"

static struct ast_input_def *parse_input_def(struct parser *p)
{
    struct ast_input_def *d = arena_new(p->arena, struct ast_input_def);
    d->at = p->token.at;
    d->description = parse_description(p);
    d->name_at = p->token.at;
    d->name = parser_name(p);
    parser_expect(p, TOKEN_COLON);
    d->type = parse_type(p);
    if (parser_accept(p, TOKEN_EQUALS))
        d->default_value = parse_value(p, true);
    d->directives = parse_directives(p, true);
    return d;
}

static struct ast_input_def *parse_input_defs(struct parser *p, enum token_kind open,
                                              enum token_kind close)
{
    struct ast_input_def *first = NULL;
    struct ast_input_def **tail = &first;
    if (!parser_accept(p, open))
        return NULL;
    do {
        struct ast_input_def *d = parse_input_def(p);
        list_append(tail, d);
    } while (!p->failed && !parser_accept(p, close));
    return first;
}

static struct ast_field_def *parse_field_defs(struct parser *p)
{
    struct ast_field_def *first = NULL;
    struct ast_field_def **tail = &first;
    if (!parser_accept(p, TOKEN_BRACE_L))
        return NULL;
    do {
        struct ast_field_def *d = arena_new(p->arena, struct ast_field_def);
        d->at = p->token.at;
        d->description = parse_description(p);
        d->name_at = p->token.at;
        d->name = parser_name(p);
        d->args = parse_input_defs(p, TOKEN_PAREN_L, TOKEN_PAREN_R);
        parser_expect(p, TOKEN_COLON);
        d->type = parse_type(p);
        d->directives = parse_directives(p, true);
        list_append(tail, d);
    } while (!p->failed && !parser_accept(p, TOKEN_BRACE_R));
    return first;
}

static bool is_reserved_value(const struct parser *p)
{
    return parser_is_keyword(p, "true") || parser_is_keyword(p, "false") ||
           parser_is_keyword(p, "null");
}

static struct ast_enum_def *parse_enum_defs(struct parser *p)
{
    struct ast_enum_def *first = NULL;
    struct ast_enum_def **tail = &first;
    if (!parser_accept(p, TOKEN_BRACE_L))
        return NULL;
    do {
        struct ast_enum_def *d = arena_new(p->arena, struct ast_enum_def);
        d->at = p->token.at;
        d->description = parse_description(p);
        d->name_at = p->token.at;
        if (is_reserved_value(p) && !p->failed) {
            syntax_error(&p->lexer, p->token.at,
                         "Name \"%.*s\" is reserved and cannot be used for an enum value.",
                         STR_FMT(p->token.text));
            p->failed = true;
        }
        d->name = parser_name(p);
        d->directives = parse_directives(p, true);
        list_append(tail, d);
    } while (!p->failed && !parser_accept(p, TOKEN_BRACE_R));
    return first;
}

/* Names with a separator between them, and one more that may come first. */
static struct ast_named *parse_names(struct parser *p, enum token_kind separator)
{
    struct ast_named *first = NULL;
    struct ast_named **tail = &first;
    parser_accept(p, separator);
    do {
        struct ast_named *n = arena_new(p->arena, struct ast_named);
        n->at = p->token.at;
        n->name = parser_name(p);
        list_append(tail, n);
    } while (parser_accept(p, separator));
    return first;
}

static struct ast_root *parse_roots(struct parser *p, bool is_required)
{
    static const char *const words[] = { "query", "mutation", "subscription" };
    struct ast_root *first = NULL;
    struct ast_root **tail = &first;
    if (is_required ? !parser_expect(p, TOKEN_BRACE_L) : !parser_accept(p, TOKEN_BRACE_L))
        return NULL;
    do {
        struct ast_root *r = arena_new(p->arena, struct ast_root);
        struct token operation = p->token;
        bool is_known = false;
        r->at = p->token.at;
        r->operation = parser_name(p);
        for (size_t i = 0; i < countof(words); i++)
            is_known |= str_eq_c(r->operation, words[i]);
        if (!is_known)
            parser_fail_unexpected_at(p, &operation);
        parser_expect(p, TOKEN_COLON);
        r->type_at = p->token.at;
        r->type = parser_name(p);
        list_append(tail, r);
    } while (!p->failed && !parser_accept(p, TOKEN_BRACE_R));
    return first;
}

static bool is_directive_location(struct str name)
{
    static const char *const locations[] = {
        "QUERY",
        "MUTATION",
        "SUBSCRIPTION",
        "FIELD",
        "FRAGMENT_DEFINITION",
        "FRAGMENT_SPREAD",
        "INLINE_FRAGMENT",
        "VARIABLE_DEFINITION",
        "SCHEMA",
        "SCALAR",
        "OBJECT",
        "FIELD_DEFINITION",
        "ARGUMENT_DEFINITION",
        "INTERFACE",
        "UNION",
        "ENUM",
        "ENUM_VALUE",
        "INPUT_OBJECT",
        "INPUT_FIELD_DEFINITION",
        "DIRECTIVE_DEFINITION",
    };
    for (size_t i = 0; i < countof(locations); i++)
        if (str_eq_c(name, locations[i]))
            return true;
    return false;
}

static void parse_directive_def(struct parser *p, struct ast_definition *d)
{
    parser_expect(p, TOKEN_AT);
    d->name_at = p->token.at;
    d->name = parser_name(p);
    d->inputs = parse_input_defs(p, TOKEN_PAREN_L, TOKEN_PAREN_R);
    d->is_repeatable = parser_accept_keyword(p, "repeatable");
    parser_expect_keyword(p, "on");
    parser_accept(p, TOKEN_PIPE);
    struct ast_named **tail = &d->interfaces;
    do {
        struct token place = p->token;
        struct ast_named *n = arena_new(p->arena, struct ast_named);
        n->at = p->token.at;
        n->name = parser_name(p);
        if (!p->failed && !is_directive_location(n->name))
            parser_fail_unexpected_at(p, &place);
        list_append(tail, n);
    } while (parser_accept(p, TOKEN_PIPE));
}

static void parse_type_def(struct parser *p, struct ast_definition *d)
{
    d->name_at = p->token.at;
    d->name = parser_name(p);
    bool has_fields = d->kind == AST_OBJECT_DEF || d->kind == AST_INTERFACE_DEF;
    if (has_fields && parser_accept_keyword(p, "implements"))
        d->interfaces = parse_names(p, TOKEN_AMP);
    d->directives = parse_directives(p, true);
    if (has_fields)
        d->fields = parse_field_defs(p);
    else if (d->kind == AST_UNION_DEF && parser_accept(p, TOKEN_EQUALS))
        d->interfaces = parse_names(p, TOKEN_PIPE);
    else if (d->kind == AST_ENUM_TYPE_DEF)
        d->values = parse_enum_defs(p);
    else if (d->kind == AST_INPUT_DEF)
        d->inputs = parse_input_defs(p, TOKEN_BRACE_L, TOKEN_BRACE_R);
}

static bool is_empty_extension(const struct ast_definition *d)
{
    return !d->directives && !d->interfaces && !d->fields && !d->inputs && !d->values && !d->roots;
}

struct ast_definition *parse_type_system(struct parser *p, struct ast_value *description,
                                         uint32_t at)
{
    static const struct {
        const char *word;
        enum ast_kind kind;
    } kinds[] = {
        { "schema", AST_SCHEMA_DEF }, { "scalar", AST_SCALAR_DEF },
        { "type", AST_OBJECT_DEF },   { "interface", AST_INTERFACE_DEF },
        { "union", AST_UNION_DEF },   { "enum", AST_ENUM_TYPE_DEF },
        { "input", AST_INPUT_DEF },   { "directive", AST_DIRECTIVE_DEF },
    };
    struct ast_definition *d = arena_new(p->arena, struct ast_definition);
    *d = (struct ast_definition){ .at = at, .description = description };
    struct token keyword = p->token;
    if (!description && parser_accept_keyword(p, "extend")) {
        d->is_extension = true;
        keyword = p->token;
    }
    size_t found = 0;
    while (found < countof(kinds) && !parser_is_keyword(p, kinds[found].word))
        found++;
    if (found == countof(kinds) || (d->is_extension && kinds[found].kind == AST_DIRECTIVE_DEF)) {
        if (description && keyword.kind == TOKEN_NAME && !p->failed)
            p->failed = !syntax_error(
                &p->lexer, at,
                "Unexpected description, only GraphQL definitions support descriptions.");
        parser_fail_unexpected_at(p, &keyword);
        return d;
    }
    d->kind = kinds[found].kind;
    parser_advance(p);
    if (d->kind == AST_SCHEMA_DEF) {
        d->directives = parse_directives(p, true);
        d->roots = parse_roots(p, !d->is_extension);
    } else if (d->kind == AST_DIRECTIVE_DEF) {
        parse_directive_def(p, d);
    } else {
        parse_type_def(p, d);
    }
    if (d->is_extension && is_empty_extension(d))
        parser_fail_unexpected(p);
    return d;
}
