/* lexer: characters to tokens, one at a time. Source: GraphQL Sep 2025, section 2.1. */
#pragma once
#include "base/arena.h"
#include "base/str.h"
#include "gql/gql.h"

enum token_kind {
    TOKEN_EOF,
    TOKEN_BANG,
    TOKEN_DOLLAR,
    TOKEN_AMP,
    TOKEN_PAREN_L,
    TOKEN_PAREN_R,
    TOKEN_SPREAD,
    TOKEN_COLON,
    TOKEN_EQUALS,
    TOKEN_AT,
    TOKEN_BRACKET_L,
    TOKEN_BRACKET_R,
    TOKEN_BRACE_L,
    TOKEN_PIPE,
    TOKEN_BRACE_R,
    TOKEN_NAME,
    TOKEN_INT,
    TOKEN_FLOAT,
    TOKEN_STRING,
    TOKEN_BLOCK_STRING,
};

struct token {
    enum token_kind kind;
    uint32_t at, end;
    struct str text; /* of a name or number its characters, of a string its value */
};

struct lexer {
    struct str source;
    uint32_t at;
    struct arena *arena;       /* decoded strings */
    struct gql_errors *errors; /* gets the one syntax error */
};

/* The next token; false after a syntax error. */
[[nodiscard]] bool lexer_next(struct lexer *l, struct token *ret_token);
/* "Name", "Int", `"{"`, "<EOF>": as error messages call it. */
const char *token_kind_text(enum token_kind kind);

/* Reports `Syntax Error: …` at a byte offset and returns false. */
bool syntax_error(struct lexer *l, uint32_t at, const char *fmt, ...) like_printf(3, 4);

/* The value of a block string's raw text (without its quotes). Source: section 2.9.4. */
struct str block_string_value(struct arena *arena, struct str raw);
