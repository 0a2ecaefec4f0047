#include "gql/lexer_priv.h"

#include "base/buf.h"
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

/* One byte, or -1 at the end: what a switch can take. */
static int byte_at(const struct lexer *l, size_t at)
{
    return at < l->source.len ? (unsigned char)l->source.ptr[at] : -1;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_start(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
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

static int hex_digit(int c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
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
        uint32_t n = c < 0x80 ? 1 : code_point(l, at, &code);
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
        struct str rest = str_from(l->source, at);
        int c = byte_at(l, at);
        if (c < 0)
            return syntax_error(l, (uint32_t)at, "Unterminated string.");
        if (str_starts_with(rest, STR("\"\"\""))) {
            t->kind = TOKEN_BLOCK_STRING;
            t->end = (uint32_t)at + 3;
            t->text = block_string_value(l->arena, str_of(l->source.ptr + start, at - start));
            return true;
        }
        if (str_starts_with(rest, STR("\\\"\"\""))) {
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
        for (size_t i = 0; i < line.len; i++) {
            if (str_starts_with(str_from(line, i), STR("\\\"\"\"")))
                continue; /* the backslash of an escaped triple quote */
            value[len++] = line.ptr[i];
        }
    }
    return str_of(value, len);
}

static bool skip_comment(struct lexer *l)
{
    uint32_t code = 0;
    for (int c = byte_at(l, l->at); c >= 0 && c != '\n' && c != '\r'; c = byte_at(l, l->at)) {
        uint32_t length = c < 0x80 ? 1 : code_point(l, l->at, &code);
        if (!length)
            return false;
        l->at += length;
    }
    return true;
}

static void skip_ignored(struct lexer *l)
{
    for (;;) {
        switch (byte_at(l, l->at)) {
        case ' ':
        case '\t':
        case '\n':
        case '\r':
        case ',':
            l->at++;
            continue;
        case '#':
            if (!skip_comment(l))
                return; /* to the byte that is no text */
            continue;
        case 0xEF: /* a byte order mark, anywhere */
            if (byte_at(l, l->at + 1) == 0xBB && byte_at(l, l->at + 2) == 0xBF) {
                l->at += 3;
                continue;
            }
            return;
        default:
            return;
        }
    }
}

static enum token_kind punctuator(int c)
{
    switch (c) {
    case '!':
        return TOKEN_BANG;
    case '$':
        return TOKEN_DOLLAR;
    case '&':
        return TOKEN_AMP;
    case '(':
        return TOKEN_PAREN_L;
    case ')':
        return TOKEN_PAREN_R;
    case ':':
        return TOKEN_COLON;
    case '=':
        return TOKEN_EQUALS;
    case '@':
        return TOKEN_AT;
    case '[':
        return TOKEN_BRACKET_L;
    case ']':
        return TOKEN_BRACKET_R;
    case '{':
        return TOKEN_BRACE_L;
    case '|':
        return TOKEN_PIPE;
    case '}':
        return TOKEN_BRACE_R;
    default:
        return TOKEN_EOF;
    }
}

static bool read_token(struct lexer *l, struct token *t)
{
    int c = byte_at(l, l->at);
    if (is_name_start(c)) {
        uint32_t end = l->at + 1;
        while (is_name_start(byte_at(l, end)) || is_digit(byte_at(l, end)))
            end++;
        t->kind = TOKEN_NAME;
        t->end = end;
        t->text = str_of(l->source.ptr + l->at, end - l->at);
        return true;
    }
    if (c < 0) {
        t->end = l->at;
        return true;
    }
    t->kind = punctuator(c);
    if (t->kind != TOKEN_EOF) {
        t->end = l->at + 1;
        return true;
    }
    struct str rest = str_from(l->source, l->at);
    if (str_starts_with(rest, STR("..."))) {
        t->kind = TOKEN_SPREAD;
        t->end = l->at + 3;
        return true;
    }
    if (str_starts_with(rest, STR("\"\"\"")))
        return read_block_string(l, t);
    if (c == '"')
        return read_string(l, t);
    if (is_digit(c) || c == '-')
        return read_number(l, t);
    return unexpected_char(l, l->at);
}

bool lexer_next(struct lexer *l, struct token *ret_token)
{
    skip_ignored(l);
    *ret_token = (struct token){ .kind = TOKEN_EOF, .at = l->at };
    if (!read_token(l, ret_token))
        return false;
    l->at = ret_token->end;
    return true;
}
