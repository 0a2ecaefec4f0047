/* parser: what its two files share: the token in hand and the helpers that move it. */
#pragma once
#include "gql/ast_priv.h"
#include "gql/lexer_priv.h"

struct parser {
    struct lexer lexer;
    struct token token; /* the one in hand */
    uint32_t nesting;
    uint32_t token_count, tokens_max; /* without the end; UINT32_MAX: no limit */
    const struct parse_options *options;
    struct arena *arena;
    struct ast_document *doc;
    bool failed; /* an error was reported: everything unwinds */
};

/* All of these do nothing more once `failed` is set. What goes well is inline. */

/* After lexer_next failed, or gave a token beyond the limit, or the end. */
void parser_stop(struct parser *p, bool has_token);
static inline void parser_advance(struct parser *p)
{
    if (p->failed)
        return;
    bool has_token = lexer_next(&p->lexer, &p->token);
    if (!has_token || p->token.kind == TOKEN_EOF || p->token_count++ >= p->tokens_max)
        parser_stop(p, has_token);
}
bool parser_fail_unexpected(struct parser *p);
bool parser_fail_unexpected_at(struct parser *p, const struct token *t);
bool parser_fail_expected(struct parser *p, enum token_kind kind);
/* Goes over the token when it is of that kind. */
static inline bool parser_accept(struct parser *p, enum token_kind kind)
{
    if (p->failed || p->token.kind != kind)
        return false;
    parser_advance(p);
    return true;
}
static inline bool parser_expect(struct parser *p, enum token_kind kind)
{
    return parser_accept(p, kind) || parser_fail_expected(p, kind);
}
static inline bool parser_is_keyword(const struct parser *p, const char *word)
{
    return p->token.kind == TOKEN_NAME && str_eq_c(p->token.text, word);
}
bool parser_accept_keyword(struct parser *p, const char *word);
bool parser_expect_keyword(struct parser *p, const char *word);
static inline struct str parser_name(struct parser *p)
{
    struct str name = p->token.text;
    return parser_expect(p, TOKEN_NAME) ? name : STR("");
}
bool parser_fail_nesting(struct parser *p);
/* Counts a bracket; false and an error beyond the limit. */
static inline bool parser_enter(struct parser *p)
{
    if (p->failed)
        return false;
    return ++p->nesting <= p->options->nesting_max || parser_fail_nesting(p);
}
static inline void parser_leave(struct parser *p)
{
    p->nesting--;
}

struct ast_value *parse_value(struct parser *p, bool is_const);
struct ast_value *parse_description(struct parser *p);
struct ast_type *parse_type(struct parser *p);
struct ast_directive *parse_directives(struct parser *p, bool is_const);
/* A type-system definition or extension; `first` is its first token, a description or itself. */
struct ast_definition *parse_type_system(struct parser *p, struct ast_value *description,
                                         uint32_t at);

/* Appends to a list linked by `next`. */
#define list_append(tail, node)                                                                    \
    do {                                                                                           \
        *(tail) = (node);                                                                          \
        (tail) = &(node)->next;                                                                    \
    } while (0)
