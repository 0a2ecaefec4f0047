#include "gql/lexer_priv.h"

#include "test.h"

struct lexed {
    struct arena *arena;
    struct gql_errors errors;
    struct lexer lexer;
};

static struct lexed lex(struct lexed *l, struct str source)
{
    *l = (struct lexed){ .arena = arena_create(SIZE_MAX) };
    l->errors.arena = l->arena;
    l->lexer = (struct lexer){ .source = source, .arena = l->arena, .errors = &l->errors };
    return *l;
}

static void assert_error(struct str source, const char *message, uint32_t line, uint32_t column)
{
    struct lexed l;
    struct token t;
    lex(&l, source);
    while (lexer_next(&l.lexer, &t))
        if (t.kind == TOKEN_EOF)
            fail_msg("no error in %.*s", STR_FMT(source));
    assert_str(l.errors.first->message, message);
    assert_int_equal(l.errors.first->locations[0].line, line);
    assert_int_equal(l.errors.first->locations[0].column, column);
    arena_destroy(l.arena);
}

static struct str string_value(struct lexed *l, struct str source)
{
    struct token t;
    lex(l, source);
    if (!lexer_next(&l->lexer, &t))
        fail_msg("%.*s", STR_FMT(l->errors.first->message));
    return t.text;
}

/* spec: GraphQL Sep 2025, 2.1.8 and 2.1.9 */
static void reads_every_token(void **state)
{
    static const enum token_kind kinds[] = {
        TOKEN_BANG,      TOKEN_DOLLAR,  TOKEN_AMP,    TOKEN_PAREN_L, TOKEN_PAREN_R,
        TOKEN_SPREAD,    TOKEN_COLON,   TOKEN_EQUALS, TOKEN_AT,      TOKEN_BRACKET_L,
        TOKEN_BRACKET_R, TOKEN_BRACE_L, TOKEN_PIPE,   TOKEN_BRACE_R, TOKEN_NAME,
        TOKEN_INT,       TOKEN_FLOAT,   TOKEN_FLOAT,  TOKEN_STRING,  TOKEN_BLOCK_STRING,
        TOKEN_EOF,       TOKEN_EOF,
    };
    struct lexed l;
    struct token t;
    (void)state;
    lex(&l, STR("\xEF\xBB\xBF !$&() ...:=@[]{|}, _a9 # comment \xC3\xA9\r\n"
                "-0 1.5 2e-7\t\"s\" \"\"\"b\"\"\""));
    for (size_t i = 0; i < countof(kinds); i++) {
        assert_true(lexer_next(&l.lexer, &t));
        assert_int_equal(t.kind, kinds[i]);
    }
    arena_destroy(l.arena);
}

/* spec: GraphQL Sep 2025, 2.9.4 */
static void decodes_strings(void **state)
{
    static const struct {
        const char *source, *value;
    } cases[] = {
        { "\"\"", "" },
        { "\"plain\"", "plain" },
        { "\"a\\n\\t\\\"\\\\\\/\\b\\f\\r\"", "a\n\t\"\\/\b\f\r" },
        { "\"\\u00e9 \\u{1F680} \\uD83D\\uDE80\"", "\xC3\xA9 \xF0\x9F\x9A\x80 \xF0\x9F\x9A\x80" },
        { "\"\"\"one\"\"\"", "one" },
        { "\"\"\"\n    a\n      b\n\n    c\n  \"\"\"", "a\n  b\n\nc" },
        { "\"\"\"\r\n  a\r  b\r\n\"\"\"", "a\nb" },
        { "\"\"\"x \\\"\"\" y\\n\"\"\"", "x \"\"\" y\\n" },
        { "\"\"\"   \n \t\n\"\"\"", "" },
    };
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        struct lexed l;
        assert_str(string_value(&l, str_of_c(cases[i].source)), cases[i].value);
        arena_destroy(l.arena);
    }
}

static void tells_what_is_wrong_and_where(void **state)
{
    (void)state;
    assert_error(STR("\n  ?"), "Syntax Error: Unexpected character: \"?\".", 2, 3);
    assert_error(STR("a\r\n'x'"),
                 "Syntax Error: Unexpected single quote character ('), did you mean to use a "
                 "double quote (\")?",
                 2, 1);
    assert_error(STR("01"), "Syntax Error: Invalid number, unexpected digit after 0: \"1\".", 1, 2);
    assert_error(STR("1.a"), "Syntax Error: Invalid number, expected digit but got: \"a\".", 1, 3);
    assert_error(STR("1e"), "Syntax Error: Invalid number, expected digit but got: <EOF>.", 1, 3);
    assert_error(STR("-"), "Syntax Error: Invalid number, expected digit but got: <EOF>.", 1, 2);
    assert_error(STR("\"abc\ndef\""), "Syntax Error: Unterminated string.", 1, 5);
    assert_error(STR("\"\"\"abc"), "Syntax Error: Unterminated string.", 1, 7);
    assert_error(STR("\"\\q\""), "Syntax Error: Invalid character escape sequence: \"\\q\".", 1, 2);
    assert_error(STR("\"\\uD800\""), "Syntax Error: Invalid Unicode escape sequence: \"\\uD800\".",
                 1, 2);
    assert_error(STR("\"\\u{110000}\""),
                 "Syntax Error: Invalid Unicode escape sequence: \"\\u{110000}\".", 1, 2);
    assert_error(STR(".."), "Syntax Error: Unexpected character: \".\".", 1, 1);
}

/* A character beyond U+FFFF is two columns, as in the reference implementation. */
static void counts_columns_in_utf16_units(void **state)
{
    (void)state;
    assert_error(STR("\"\xF0\x9F\x9A\x80\" \xC3\xA9"),
                 "Syntax Error: Unexpected character: U+00E9.", 1, 6);
}

static void refuses_bytes_that_are_no_utf8(void **state)
{
    (void)state;
    assert_error(STR("\"\xED\xA0\x80\""), "Syntax Error: Invalid character within String: U+FFFD.",
                 1, 2);
    assert_error(STR("\"\"\"\xC0\x80\"\"\""),
                 "Syntax Error: Invalid character within String: U+FFFD.", 1, 4);
    assert_error(STR("# a\xC3\xA9\xFF\n{ a }"), "Syntax Error: Invalid character: U+FFFD.", 1, 5);
    assert_error(STR("\xFF"), "Syntax Error: Invalid character: U+FFFD.", 1, 1);
}

/* Many strings with escapes on one line must not each copy the rest of the line. */
static void strings_cost_what_they_hold(void **state)
{
    enum { STRINGS = 20'000 };
    struct buf source;
    struct lexed l;
    struct token t;
    (void)state;
    buf_init(&source, 0);
    for (int i = 0; i < STRINGS; i++)
        buf_put_c(&source, "\"\\n\"");
    lex(&l, buf_str(&source));
    do
        assert_true(lexer_next(&l.lexer, &t));
    while (t.kind != TOKEN_EOF);
    assert_true(arena_used(l.arena) < (size_t)STRINGS * 64);
    arena_destroy(l.arena);
    buf_clear(&source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_token),
        cmocka_unit_test(decodes_strings),
        cmocka_unit_test(tells_what_is_wrong_and_where),
        cmocka_unit_test(counts_columns_in_utf16_units),
        cmocka_unit_test(refuses_bytes_that_are_no_utf8),
        cmocka_unit_test(strings_cost_what_they_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
