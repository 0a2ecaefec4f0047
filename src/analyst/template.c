#include "analyst/template.h"

enum {
    QUOTE_BYTES_MAX = 256, /* between two quotes; beyond, the first one is none */
    HEX_DIGITS_MIN = 8,
    CODE_DIGITS_MAX = 5,
};

struct scan {
    struct str in;
    size_t at;
    char *out; /* has room for TEMPLATE_BYTES_MAX + a character and a placeholder */
    size_t len;
    size_t word_from, word_to; /* the last whole word, in `in` */
};

/* What a rule found at `at`: how many bytes, and what stands for them. */
struct match {
    size_t len;
    const char *placeholder;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

static bool is_word(char c)
{
    return is_letter(c) || is_digit(c) || c == '_';
}

static char peek(const struct scan *s, size_t offset)
{
    return s->at + offset < s->in.len ? s->in.ptr[s->at + offset] : '\0';
}

static bool starts_word(const struct scan *s)
{
    return s->at == 0 || !is_word(s->in.ptr[s->at - 1]);
}

/* Bytes up to a space, a quote or a closing sign. */
static size_t run_of_text(const struct scan *s, size_t from)
{
    size_t i = from;
    while (peek(s, i) != '\0' && (unsigned char)peek(s, i) > ' ' &&
           strchr("\"'`<>()[]{},;", peek(s, i)) == NULL)
        i++;
    while (i > from && strchr(".:!?", peek(s, i - 1)) != NULL)
        i--; /* they end the sentence */
    return i;
}

static size_t digits_at(const struct scan *s, size_t from)
{
    size_t i = from;
    while (is_digit(peek(s, i)))
        i++;
    return i - from;
}

/* ── the rules, in their order ── */

static struct match match_quoted(const struct scan *s)
{
    char quote = peek(s, 0);
    if (quote != '"' && quote != '\'' && quote != '`')
        return (struct match){ 0 };
    if (quote == '\'' && !starts_word(s))
        return (struct match){ 0 }; /* can't */
    for (size_t i = 1; i <= QUOTE_BYTES_MAX && peek(s, i) != '\0'; i++)
        if (peek(s, i) == quote && !(quote == '\'' && is_word(peek(s, i + 1))))
            return (struct match){ i + 1, "<text>" };
    return (struct match){ 0 };
}

static struct match match_url(const struct scan *s)
{
    size_t i = 0;
    while (is_letter(peek(s, i)) || (i > 0 && (is_digit(peek(s, i)) || peek(s, i) == '+')))
        i++;
    bool is_url = i > 0 && peek(s, i) == ':' && peek(s, i + 1) == '/' && peek(s, i + 2) == '/';
    return is_url ? (struct match){ run_of_text(s, i + 3), "<url>" } : (struct match){ 0 };
}

static struct match match_uuid(const struct scan *s)
{
    enum { LEN = 36 };
    for (size_t i = 0; i < LEN; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash ? peek(s, i) != '-' : !is_hex(peek(s, i)))
            return (struct match){ 0 };
    }
    return is_word(peek(s, LEN)) ? (struct match){ 0 } : (struct match){ LEN, "<id>" };
}

/* 2026-11-23, with a time behind it or not. */
static struct match match_time(const struct scan *s)
{
    size_t i = 10;
    if (digits_at(s, 0) != 4 || peek(s, 4) != '-' || digits_at(s, 5) != 2 || peek(s, 7) != '-' ||
        digits_at(s, 8) != 2)
        return (struct match){ 0 };
    bool has_time = (peek(s, i) == 'T' || peek(s, i) == ' ') && digits_at(s, i + 1) == 2 &&
                    peek(s, i + 3) == ':' && digits_at(s, i + 4) == 2;
    if (!has_time)
        return (struct match){ i, "<time>" };
    i += 6;
    while (is_digit(peek(s, i)) || ((peek(s, i) == ':' || peek(s, i) == '.' || peek(s, i) == ',') &&
                                    is_digit(peek(s, i + 1))))
        i++;
    if (peek(s, i) == 'Z')
        return (struct match){ i + 1, "<time>" };
    bool has_offset = (peek(s, i) == '+' || peek(s, i) == '-') && digits_at(s, i + 1) >= 2;
    if (has_offset)
        for (i++; is_digit(peek(s, i)) || (peek(s, i) == ':' && is_digit(peek(s, i + 1)));)
            i++;
    return (struct match){ i, "<time>" };
}

static struct match match_hex(const struct scan *s)
{
    size_t i = 0, digits = 0;
    bool is_prefixed = peek(s, 0) == '0' && (peek(s, 1) == 'x' || peek(s, 1) == 'X');
    if (is_prefixed)
        i = 2;
    size_t from = i;
    for (; is_hex(peek(s, i)); i++)
        digits += is_digit(peek(s, i));
    if (is_word(peek(s, i)) || i == from)
        return (struct match){ 0 };
    /* "deadbeef" may be a word, "12345678" is a number. */
    bool is_long = i - from >= HEX_DIGITS_MIN && digits > 0 && digits < i - from;
    return is_prefixed || is_long ? (struct match){ i, "<hex>" } : (struct match){ 0 };
}

static size_t port_at(const struct scan *s, size_t i)
{
    size_t digits = peek(s, i) == ':' ? digits_at(s, i + 1) : 0;
    return digits > 0 && digits <= 5 ? 1 + digits : 0;
}

static struct match match_address(const struct scan *s)
{
    size_t i = 0, parts = 0;
    for (; parts < 4; parts++) {
        size_t digits = digits_at(s, i);
        if (digits == 0 || digits > 3)
            break;
        i += digits;
        if (parts < 3 && peek(s, i++) != '.')
            break;
    }
    if (parts == 4 && !is_word(peek(s, i)))
        return (struct match){ i + port_at(s, i), "<address>" };
    /* IPv6: at least two colons among hexadecimal digits, brackets or not. */
    size_t bracket = peek(s, 0) == '[', colons = 0, hex = 0;
    for (i = bracket; is_hex(peek(s, i)) || peek(s, i) == ':'; i++) {
        colons += peek(s, i) == ':';
        hex += is_hex(peek(s, i));
    }
    bool is_six = colons >= 2 && hex > 0 && !is_word(peek(s, i)) &&
                  (colons == 7 || str_find(str_of(s->in.ptr + s->at, i), STR("::")) >= 0);
    if (!is_six || (bracket && peek(s, i) != ']'))
        return (struct match){ 0 };
    i += bracket;
    return (struct match){ i + port_at(s, i), "<address>" };
}

static struct match match_email(const struct scan *s)
{
    size_t i = 0;
    while (is_word(peek(s, i)) || (i > 0 && strchr(".+-", peek(s, i)) && peek(s, i) != '\0'))
        i++;
    if (i == 0 || peek(s, i) != '@')
        return (struct match){ 0 };
    size_t host = ++i, dots = 0;
    while (is_word(peek(s, i)) || (peek(s, i) == '.' && is_word(peek(s, i + 1))) ||
           (peek(s, i) == '-' && is_word(peek(s, i + 1))))
        dots += peek(s, i++) == '.';
    return i > host && dots > 0 ? (struct match){ i, "<email>" } : (struct match){ 0 };
}

static struct match match_path(const struct scan *s)
{
    size_t i = 0;
    if (peek(s, 0) == '~' || peek(s, 0) == '.') {
        i = 1;
        if (peek(s, 0) == '.' && peek(s, 1) == '.')
            i = 2;
    }
    bool is_unix = peek(s, i) == '/' && (is_word(peek(s, i + 1)) || peek(s, i + 1) == '.');
    bool is_windows = is_letter(peek(s, 0)) && peek(s, 1) == ':' && peek(s, 2) == '\\';
    if (!is_unix && !is_windows)
        return (struct match){ 0 };
    size_t end = run_of_text(s, i + 2);
    return (struct match){ end, "<path>" };
}

/* Codes tell errors apart: a short number behind one of these words stays. */
static bool is_code(const struct scan *s, size_t digits)
{
    static const char *const words[] = { "http",  "status", "code", "error",
                                         "errno", "signal", "exit", "sqlstate" };
    struct str word = str_of(s->in.ptr + s->word_from, s->word_to - s->word_from);
    if (digits > CODE_DIGITS_MAX || is_word(peek(s, digits)) || s->at - s->word_to > 3)
        return false;
    for (size_t i = 0; i < countof(words); i++)
        if (str_eq_nocase(word, str_of_c(words[i])))
            return true;
    return false;
}

static struct match match_number(const struct scan *s)
{
    size_t sign = (peek(s, 0) == '-' || peek(s, 0) == '+') && starts_word(s) &&
                  (s->at == 0 || s->in.ptr[s->at - 1] == ' ');
    size_t i = sign + digits_at(s, sign);
    if (i == sign || (sign == 0 && starts_word(s) && is_code(s, i)))
        return (struct match){ 0 };
    while ((peek(s, i) == '.' || peek(s, i) == ',') && is_digit(peek(s, i + 1)))
        i += 1 + digits_at(s, i + 1);
    bool has_exponent =
        (peek(s, i) == 'e' || peek(s, i) == 'E') &&
        (is_digit(peek(s, i + 1)) ||
         ((peek(s, i + 1) == '-' || peek(s, i + 1) == '+') && is_digit(peek(s, i + 2))));
    if (has_exponent)
        i += 2 + digits_at(s, i + 2);
    return (struct match){ i, "<n>" };
}

/* ── the pass ── */

typedef struct match match_fn(const struct scan *s);

static struct match match_any(const struct scan *s)
{
    /* These begin where a word begins; numbers and quotes stand anywhere. */
    static match_fn *const at_words[] = { match_url,     match_uuid,  match_time, match_hex,
                                          match_address, match_email, match_path };
    struct match found = match_quoted(s);
    for (size_t i = 0; found.len == 0 && i < countof(at_words) && starts_word(s); i++)
        found = at_words[i](s);
    return found.len > 0 ? found : match_number(s);
}

static void put(struct scan *s, const char *bytes, size_t len)
{
    size_t room = TEMPLATE_BYTES_MAX + 4 - s->len;
    memcpy(s->out + s->len, bytes, min_of(len, room));
    s->len += min_of(len, room);
}

/* One plain byte, or a whole run of space as one space; notes where words end. */
static void pass_plain(struct scan *s)
{
    char c = peek(s, 0);
    if ((unsigned char)c <= ' ' || c == 0x7f) {
        if (s->len > 0 && s->out[s->len - 1] != ' ')
            put(s, " ", 1);
        s->at++;
        return;
    }
    size_t from = s->at;
    if (is_letter(c)) {
        while (is_letter(peek(s, 0)) || peek(s, 0) == '_')
            s->at++;
        s->word_from = from;
        s->word_to = s->at;
    } else if (is_digit(c)) {
        s->at += digits_at(s, 0); /* a code */
    } else {
        s->at++;
    }
    put(s, s->in.ptr + from, s->at - from);
}

static struct str line_that_counts(struct str text)
{
    struct str line, rest = text, first = { 0 }, last = { 0 };
    while (rest.len > 0) {
        (void)str_cut(rest, '\n', &line, &rest);
        line = str_trim(line);
        if (line.len > 0) {
            first = first.len > 0 ? first : line;
            last = line;
        }
    }
    return str_starts_with(first, STR("Traceback (")) ? last : first;
}

/* Without the rest of a character that a cut left. */
static struct str whole_characters(struct str s)
{
    size_t i = s.len, tail = 0;
    while (i > 0 && tail < 4 && ((unsigned char)s.ptr[i - 1] & 0xc0) == 0x80) {
        i--;
        tail++;
    }
    if (i == 0)
        return s;
    unsigned char lead = (unsigned char)s.ptr[i - 1];
    size_t needs = lead < 0xc0 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    return needs == tail ? s : str_first(s, i - 1);
}

struct str template_of(struct arena *a, struct str text)
{
    static const struct str ellipsis = { "…", 3 };
    struct scan s = { .in =
                          line_that_counts(whole_characters(str_first(text, TEMPLATE_INPUT_BYTES))),
                      .out = arena_new_array(a, TEMPLATE_BYTES_MAX + 8, char) };
    while (s.at < s.in.len && s.len <= TEMPLATE_BYTES_MAX) {
        struct match found = match_any(&s);
        if (found.len == 0) {
            pass_plain(&s);
            continue;
        }
        put(&s, found.placeholder, strlen(found.placeholder));
        s.at += found.len;
    }
    if (s.len == 0)
        return STR("(no text)");
    if (s.len <= TEMPLATE_BYTES_MAX)
        return str_trim(str_of(s.out, s.len));
    size_t kept = whole_characters(str_of(s.out, TEMPLATE_BYTES_MAX - ellipsis.len)).len;
    memcpy(s.out + kept, ellipsis.ptr, ellipsis.len);
    return str_of(s.out, kept + ellipsis.len);
}
