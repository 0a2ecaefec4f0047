#include "gql/lexer_priv.h"

#include "base/buf.h"
#include "base/hex.h"
#include "gql/diag_priv.h"

const char *token_kind_text(enum token_kind kind)
{
    static const char *const texts[] = {
        [TOKEN_EOF] = "<EOF>",       [TOKEN_BANG] = "\"!\"",
        [TOKEN_DOLLAR] = "\"$\"",    [TOKEN_AMP] = "\"&\"",
        [TOKEN_PAREN_L] = "\"(\"",   [TOKEN_PAREN_R] = "\")\"",
        [TOKEN_SPREAD] = "\"...\"",  [TOKEN_COLON] = "\":\"",
        [TOKEN_EQUALS] = "\"=\"",    [TOKEN_AT] = "\"@\"",
        [TOKEN_BRACKET_L] = "\"[\"", [TOKEN_BRACKET_R] = "\"]\"",
        [TOKEN_BRACE_L] = "\"{\"",   [TOKEN_PIPE] = "\"|\"",
        [TOKEN_BRACE_R] = "\"}\"",   [TOKEN_NAME] = "Name",
        [TOKEN_INT] = "Int",         [TOKEN_FLOAT] = "Float",
        [TOKEN_STRING] = "String",   [TOKEN_BLOCK_STRING] = "BlockString",
    };
    return texts[kind];
}

bool syntax_error(struct lexer *l, uint32_t at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct str what = arena_vprintf(l->arena, fmt, args);
    va_end(args);
    struct gql_error *e =
        error_addf(l->errors, GQL_CODE_PARSE, "Syntax Error: %.*s", STR_FMT(what));
    error_place(l->errors, e, l->source, &at, 1);
    return false;
}

/* One byte, or -1 at the end. */
static int byte_at(const struct lexer *l, size_t at)
{
    return at < l->source.len ? (unsigned char)l->source.ptr[at] : -1;
}

/* True where three of the same byte start. */
static bool is_triple(const struct lexer *l, size_t at, char c)
{
    const char *bytes = l->source.ptr + at;
    return l->source.len - at >= 3 && bytes[0] == c && bytes[1] == c && bytes[2] == c;
}

/* What a byte may be part of. */
enum { CLASS_NAME_START = 1, CLASS_NAME = 2, CLASS_IGNORED = 4, CLASS_BREAK = 8 };

static const uint8_t classes[256] = {
    ['a' ... 'z'] = CLASS_NAME_START | CLASS_NAME,
    ['A' ... 'Z'] = CLASS_NAME_START | CLASS_NAME,
    ['_'] = CLASS_NAME_START | CLASS_NAME,
    ['0' ... '9'] = CLASS_NAME,
    [' '] = CLASS_IGNORED,
    ['\t'] = CLASS_IGNORED,
    ['\n'] = CLASS_IGNORED | CLASS_BREAK,
    ['\r'] = CLASS_IGNORED | CLASS_BREAK,
    [','] = CLASS_IGNORED,
    /* What a string must look at: its end, escapes, ends of lines, the start of a code point. */
    ['"'] = CLASS_BREAK,
    ['\\'] = CLASS_BREAK,
    [0x80 ... 0xFF] = CLASS_BREAK,
};

/* The token that a byte starts, as far as one byte tells: all others are START_OTHER. */
enum { START_OTHER = 0, START_IGNORED = 0xFF };

static const uint8_t starts[256] = {
    ['!'] = TOKEN_BANG,      ['$'] = TOKEN_DOLLAR,       ['&'] = TOKEN_AMP,
    ['('] = TOKEN_PAREN_L,   [')'] = TOKEN_PAREN_R,      [':'] = TOKEN_COLON,
    ['='] = TOKEN_EQUALS,    ['@'] = TOKEN_AT,           ['['] = TOKEN_BRACKET_L,
    [']'] = TOKEN_BRACKET_R, ['{'] = TOKEN_BRACE_L,      ['|'] = TOKEN_PIPE,
    ['}'] = TOKEN_BRACE_R,   ['a' ... 'z'] = TOKEN_NAME, ['A' ... 'Z'] = TOKEN_NAME,
    ['_'] = TOKEN_NAME,      [' '] = START_IGNORED,      ['\t'] = START_IGNORED,
    ['\n'] = START_IGNORED,  ['\r'] = START_IGNORED,     [','] = START_IGNORED,
};

static_assert((int)TOKEN_EOF == (int)START_OTHER, "no token of one byte has this number");

/* Over the bytes of a string that stand for themselves. */
static size_t skip_plain(const struct lexer *l, size_t at)
{
    const unsigned char *bytes = (const unsigned char *)l->source.ptr;
    while (at < l->source.len && !(classes[bytes[at]] & CLASS_BREAK))
        at++;
    return at;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_start(int c)
{
    return c >= 0 && classes[c] & CLASS_NAME_START;
}

/* Decodes the code point at `at`; its length, or 0 where the bytes are not UTF-8. */
static uint32_t code_point(const struct lexer *l, size_t at, uint32_t *ret_code)
{
    static const uint8_t masks[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
    int c = byte_at(l, at);
    uint32_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    *ret_code = 0xFFFD;
    if (c < 0 || at + n > l->source.len || !str_is_utf8(str_of(l->source.ptr + at, n)))
        return 0;
    uint32_t code = (uint32_t)c & masks[n];
    for (uint32_t i = 1; i < n; i++)
        code = code << 6 | ((uint32_t)byte_at(l, at + i) & 0x3F);
    *ret_code = code;
    return n;
}

/* The character at `at` as errors show it: `"x"`, `'"'`, `U+00E9` or `<EOF>`. */
static struct str show_char(const struct lexer *l, size_t at)
{
    uint32_t code = 0;
    if (at >= l->source.len)
        return STR("<EOF>");
    code_point(l, at, &code);
    if (code == '"')
        return STR("'\"'");
    if (code >= 0x20 && code <= 0x7E)
        return arena_printf(l->arena, "\"%c\"", (char)code);
    return arena_printf(l->arena, "U+%04X", code);
}

static bool unexpected_char(struct lexer *l, size_t at)
{
    uint32_t code = 0;
    if (byte_at(l, at) == '\'')
        return syntax_error(l, (uint32_t)at,
                            "Unexpected single quote character ('), did you mean to use a double "
                            "quote (\")?");
    struct str shown = show_char(l, at);
    return syntax_error(l, (uint32_t)at, "%s character: %.*s.",
                        code_point(l, at, &code) ? "Unexpected" : "Invalid", STR_FMT(shown));
}

static bool read_digits(struct lexer *l, size_t *at)
{
    if (!is_digit(byte_at(l, *at))) {
        struct str shown = show_char(l, *at);
        return syntax_error(l, (uint32_t)*at, "Invalid number, expected digit but got: %.*s.",
                            STR_FMT(shown));
    }
    while (is_digit(byte_at(l, *at)))
        (*at)++;
    return true;
}

static bool read_number(struct lexer *l, struct token *t)
{
    size_t at = l->at;
    bool is_float = false;
    if (byte_at(l, at) == '-')
        at++;
    if (byte_at(l, at) == '0') {
        at++;
        if (is_digit(byte_at(l, at))) {
            struct str shown = show_char(l, at);
            return syntax_error(l, (uint32_t)at, "Invalid number, unexpected digit after 0: %.*s.",
                                STR_FMT(shown));
        }
    } else if (!read_digits(l, &at)) {
        return false;
    }
    if (byte_at(l, at) == '.') {
        is_float = true;
        at++;
        if (!read_digits(l, &at))
            return false;
    }
    if (byte_at(l, at) == 'e' || byte_at(l, at) == 'E') {
        is_float = true;
        at++;
        if (byte_at(l, at) == '+' || byte_at(l, at) == '-')
            at++;
        if (!read_digits(l, &at))
            return false;
    }
    if (byte_at(l, at) == '.' || is_name_start(byte_at(l, at))) {
        struct str shown = show_char(l, at);
        return syntax_error(l, (uint32_t)at, "Invalid number, expected digit but got: %.*s.",
                            STR_FMT(shown));
    }
    t->kind = is_float ? TOKEN_FLOAT : TOKEN_INT;
    t->end = (uint32_t)at;
    t->text = str_of(l->source.ptr + l->at, at - l->at);
    return true;
}

/* Four hexadecimal digits, or a negative number. */
static int32_t read_hex4(const struct lexer *l, size_t at)
{
    int32_t code = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_digit(byte_at(l, at + i));
        if (digit < 0)
            return -1;
        code = code << 4 | digit;
    }
    return code;
}

static bool is_scalar_value(uint32_t code)
{
    return code <= 0xD7FF || (code >= 0xE000 && code <= 0x10FFFF);
}

static size_t put_utf8(char *dst, uint32_t code)
{
    if (code < 0x80) {
        dst[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
    for (size_t i = n - 1; i > 0; i--) {
        dst[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    dst[0] = (char)(lead[n] | code);
    return n;
}

static bool bad_escape(struct lexer *l, size_t at, const char *what, size_t units)
{
    /* So many UTF-16 units, as JavaScript would slice them, but for half of a surrogate pair: up to
     * the end, or to what is no UTF-8. */
    size_t end = at;
    while (units) {
        uint32_t code = 0;
        uint32_t length = code_point(l, end, &code);
        size_t size = code > 0xFFFF ? 2 : 1;
        if (!length || size > units)
            break;
        units -= size;
        end += length;
    }
    return syntax_error(l, (uint32_t)at, "Invalid %s escape sequence: \"%.*s\".", what,
                        (int)(end - at), l->source.ptr + at);
}

/* `\u{…}` at `at`. */
static bool read_wide_escape(struct lexer *l, size_t *at, uint32_t *ret_code)
{
    uint32_t code = 0;
    size_t size = 3;
    while (size < 12) {
        int c = byte_at(l, *at + size++);
        if (c == '}') {
            if (size < 5 || !is_scalar_value(code))
                break;
            *at += size;
            *ret_code = code;
            return true;
        }
        int digit = hex_digit(c);
        if (digit < 0)
            break;
        code = code << 4 | (uint32_t)digit; /* wraps, and is then refused by its sign bit */
        if (code > INT32_MAX)
            break;
    }
    return bad_escape(l, *at, "Unicode", size);
}

/* `\uXXXX` at `at`, or two of them that make a surrogate pair. */
static bool read_fixed_escape(struct lexer *l, size_t *at, uint32_t *ret_code)
{
    int32_t code = read_hex4(l, *at + 2);
    if (code >= 0 && is_scalar_value((uint32_t)code)) {
        *at += 6;
        *ret_code = (uint32_t)code;
        return true;
    }
    if (code >= 0xD800 && code <= 0xDBFF && byte_at(l, *at + 6) == '\\' &&
        byte_at(l, *at + 7) == 'u') {
        int32_t low = read_hex4(l, *at + 8);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *at += 12;
            *ret_code = 0x10000 + (uint32_t)((code - 0xD800) << 10 | (low - 0xDC00));
            return true;
        }
    }
    return bad_escape(l, *at, "Unicode", 6);
}

/* The escape sequence at `at` appended to `dst`. */
static bool read_escape(struct lexer *l, size_t *at, char *dst, size_t *len)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    int c = byte_at(l, *at + 1);
    if (c == 'u') {
        uint32_t code = 0;
        bool ok = byte_at(l, *at + 2) == '{' ? read_wide_escape(l, at, &code)
                                             : read_fixed_escape(l, at, &code);
        if (ok)
            *len += put_utf8(dst + *len, code);
        return ok;
    }
    const char *found = c > 0 ? strchr(from, c) : NULL;
    if (!found)
        return bad_escape(l, *at, "character", 2);
    dst[(*len)++] = to[found - from];
    *at += 2;
    return true;
}

/* From the opening quote to the closing one, or to where the string breaks off. */
static size_t raw_string_len(const struct lexer *l, size_t start)
{
    size_t at = start;
    for (int c = byte_at(l, at); c >= 0 && c != '"' && c != '\n'; c = byte_at(l, at))
        at += c == '\\' ? 2 : 1;
    return at - start;
}

static bool read_string(struct lexer *l, struct token *t)
{
    size_t at = l->at + 1;
    size_t start = at;
    char *decoded = NULL; /* only once an escape is met */
    size_t len = 0;
    size_t chunk = at;
    for (;;) {
        at = skip_plain(l, at);
        int c = byte_at(l, at);
        if (c == '"')
            break;
        if (c < 0 || c == '\n' || c == '\r')
            return syntax_error(l, (uint32_t)at, "Unterminated string.");
        if (c == '\\') {
            if (!decoded) {
                /* An escape is never shorter than what it stands for. */
                decoded = arena_alloc(l->arena, raw_string_len(l, start) + 4);
            }
            memcpy(decoded + len, l->source.ptr + chunk, at - chunk);
            len += at - chunk;
            if (!read_escape(l, &at, decoded, &len))
                return false;
            chunk = at;
            continue;
        }
        uint32_t code = 0;
        uint32_t n = code_point(l, at, &code);
        if (n == 0) {
            struct str shown = show_char(l, at);
            return syntax_error(l, (uint32_t)at, "Invalid character within String: %.*s.",
                                STR_FMT(shown));
        }
        at += n;
    }
    t->kind = TOKEN_STRING;
    t->end = (uint32_t)at + 1;
    t->text = str_of(l->source.ptr + start, at - start);
    if (decoded) {
        memcpy(decoded + len, l->source.ptr + chunk, at - chunk);
        t->text = str_of(decoded, len + at - chunk);
    }
    return true;
}

static bool read_block_string(struct lexer *l, struct token *t)
{
    size_t start = (size_t)l->at + 3;
    for (size_t at = start;;) {
        at = skip_plain(l, at);
        int c = byte_at(l, at);
        if (c < 0)
            return syntax_error(l, (uint32_t)at, "Unterminated string.");
        if (c == '"' && is_triple(l, at, '"')) {
            t->kind = TOKEN_BLOCK_STRING;
            t->end = (uint32_t)at + 3;
            t->text = block_string_value(l->arena, str_of(l->source.ptr + start, at - start));
            return true;
        }
        if (c == '\\' && is_triple(l, at + 1, '"')) {
            at += 4;
            continue;
        }
        uint32_t code = 0;
        uint32_t n = c < 0x80 ? 1 : code_point(l, at, &code);
        if (n == 0) {
            struct str shown = show_char(l, at);
            return syntax_error(l, (uint32_t)at, "Invalid character within String: %.*s.",
                                STR_FMT(shown));
        }
        at += n;
    }
}

/* One line of a block string and what follows it; CR, LF and CRLF end a line. */
static bool cut_line(struct str *rest, struct str *ret_line)
{
    if (!rest->ptr)
        return false;
    for (size_t i = 0; i < rest->len; i++) {
        char c = rest->ptr[i];
        if (c != '\n' && c != '\r')
            continue;
        size_t skip = c == '\r' && i + 1 < rest->len && rest->ptr[i + 1] == '\n' ? 2 : 1;
        *ret_line = str_first(*rest, i);
        *rest = str_of(rest->ptr + i + skip, rest->len - i - skip);
        return true;
    }
    *ret_line = *rest;
    *rest = (struct str){ 0 };
    return true;
}

static size_t leading_space(struct str line)
{
    size_t n = 0;
    while (n < line.len && (line.ptr[n] == ' ' || line.ptr[n] == '\t'))
        n++;
    return n;
}

/* Without the backslashes of escaped triple quotes; how long it then is. */
static size_t copy_line(char *dst, struct str line)
{
    size_t len = 0;
    while (line.len > 0) {
        const char *backslash = memchr(line.ptr, '\\', line.len);
        size_t plain = backslash ? (size_t)(backslash - line.ptr) : line.len;
        memcpy(dst + len, line.ptr, plain);
        len += plain;
        line = str_from(line, plain);
        if (backslash && !str_starts_with(line, STR("\\\"\"\"")))
            dst[len++] = '\\';
        line = str_from(line, 1);
    }
    return len;
}

struct str block_string_value(struct arena *arena, struct str raw)
{
    size_t common = SIZE_MAX, first_used = SIZE_MAX, last_used = 0, number = 0;
    struct str line;
    raw.ptr = raw.ptr ? raw.ptr : "";
    for (struct str rest = raw; cut_line(&rest, &line); number++) {
        size_t indent = leading_space(line);
        if (indent == line.len)
            continue;
        first_used = min_of(first_used, number);
        last_used = number;
        if (number > 0)
            common = min_of(common, indent);
    }
    if (first_used == SIZE_MAX)
        return STR("");
    char *value = arena_alloc(arena, raw.len + 1);
    size_t len = 0;
    number = 0;
    for (struct str rest = raw; cut_line(&rest, &line); number++) {
        if (number < first_used || number > last_used)
            continue;
        if (number > first_used)
            value[len++] = '\n';
        if (number > 0 && common != SIZE_MAX)
            line = str_from(line, min_of(common, line.len));
        len += copy_line(value + len, line);
    }
    return str_of(value, len);
}

/* To the end of a comment's line, or to a byte in it that is no text. */
static uint32_t comment_end(const struct lexer *l, uint32_t at)
{
    const unsigned char *bytes = (const unsigned char *)l->source.ptr;
    uint32_t code = 0;
    while (at < l->source.len && bytes[at] != '\n' && bytes[at] != '\r') {
        uint32_t length = bytes[at] < 0x80 ? 1 : code_point(l, at, &code);
        if (!length)
            break;
        at += length;
    }
    return at;
}

/* The end of what is ignored from `at` on: comments and byte order marks too. */
static uint32_t skip_ignored(const struct lexer *l, uint32_t at)
{
    const unsigned char *bytes = (const unsigned char *)l->source.ptr;
    while (at < l->source.len) {
        if (classes[bytes[at]] & CLASS_IGNORED)
            at++;
        else if (bytes[at] == '#')
            at = comment_end(l, at);
        else if (bytes[at] == 0xEF && byte_at(l, at + 1) == 0xBB && byte_at(l, at + 2) == 0xBF)
            at += 3;
        else
            break;
    }
    return at;
}

/*
 * Marks, in the highest bit of each, the bytes of a word that are no letters. No sum carries over.
 */
static uint64_t foreign_marks(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101U;
    const uint64_t highs = 0x8080808080808080U;
    uint64_t folded = (word | (ones * 0x20)) & ~highs; /* capital letters as small ones */
    uint64_t letter = (folded + ones * (0x80 - 'a')) & ~(folded + ones * (0x7F - 'z'));
    return (~letter | word) & highs;
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "words are read with the first byte lowest");

static __attribute__((noinline)) const unsigned char *name_end_beyond(const unsigned char *at,
                                                                      const unsigned char *end)
{
    while (at < end && classes[*at] & CLASS_NAME)
        at++;
    return at;
}

/*
 * Eight letters at once, which is most names, and spares the branch that a loop over their bytes
 * mispredicts at the end of each.
 */
static const unsigned char *name_end(const unsigned char *at, const unsigned char *end)
{
    uint64_t word;
    if (end - at < (ptrdiff_t)sizeof word)
        return name_end_beyond(at, end);
    memcpy(&word, at, sizeof word);
    uint64_t marks = foreign_marks(word);
    if (!marks)
        return name_end_beyond(at + sizeof word, end);
    at += __builtin_ctzll(marks) / 8;
    return classes[*at] & CLASS_NAME ? name_end_beyond(at, end) : at;
}

static bool read_rare(struct lexer *l, struct token *t, uint32_t at);

/* Names and what is one byte; the rest is kept out of here, so that these need no frame. */
bool lexer_next(struct lexer *l, struct token *ret_token)
{
    const unsigned char *bytes = (const unsigned char *)l->source.ptr;
    const unsigned char *end = bytes + l->source.len, *at = bytes + l->at;
    uint8_t kind = START_OTHER;
    while (at < end && (kind = starts[*at]) == START_IGNORED)
        at++;
    if (at == end || kind == START_OTHER)
        return read_rare(l, ret_token, (uint32_t)(at - bytes));
    const unsigned char *after = kind == TOKEN_NAME ? name_end(at + 1, end) : at + 1;
    ret_token->kind = kind;
    ret_token->at = (uint32_t)(at - bytes);
    ret_token->end = l->at = (uint32_t)(after - bytes);
    ret_token->text = str_of((const char *)at, (size_t)(after - at));
    return true;
}

/* All that lexer_next does not know by its first byte: comments before a token, the end, the rest.
 */
static __attribute__((noinline)) bool read_rare(struct lexer *l, struct token *t, uint32_t at)
{
    uint32_t start = skip_ignored(l, at);
    l->at = start;
    if (start > at && start < l->source.len && starts[(unsigned char)l->source.ptr[start]])
        return lexer_next(l, t);
    *t = (struct token){ .kind = TOKEN_EOF, .at = start, .end = start };
    if (start == l->source.len)
        return true;
    int c = byte_at(l, start);
    bool ok = false;
    if (c == '.' && is_triple(l, start, '.')) {
        t->kind = TOKEN_SPREAD;
        t->end = start + 3;
        ok = true;
    } else if (c == '"') {
        ok = is_triple(l, start, '"') ? read_block_string(l, t) : read_string(l, t);
    } else {
        ok = is_digit(c) || c == '-' ? read_number(l, t) : unexpected_char(l, start);
    }
    l->at = ok ? t->end : start;
    return ok;
}
