/* parser: what its two files share: the token in hand and the helpers that move it. */
#pragma once
#include "gql/ast_priv.h"
#include "gql/lexer_priv.h"

struct parser {
    struct lexer lexer;
    struct token token; /* the one in hand */
    uint32_t nesting;
    const struct parse_options *options;
    struct arena *arena;
    struct ast_document *doc;
    bool failed; /* an error was reported: everything unwinds */
};

/* All of these do nothing more once `failed` is set. */
void parser_advance(struct parser *p);
bool parser_fail_unexpected(struct parser *p);
bool parser_fail_unexpected_at(struct parser *p, const struct token *t);
/* Goes over the token when it is of that kind. */
bool parser_accept(struct parser *p, enum token_kind kind);
bool parser_expect(struct parser *p, enum token_kind kind);
static inline bool parser_is_keyword(const struct parser *p, const char *word)
{
    return p->token.kind == TOKEN_NAME && str_eq_c(p->token.text, word);
}
bool parser_accept_keyword(struct parser *p, const char *word);
bool parser_expect_keyword(struct parser *p, const char *word);
struct str parser_name(struct parser *p);
/* Counts a bracket; false and an error beyond the limit. */
bool parser_enter(struct parser *p);
void parser_leave(struct parser *p);

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
