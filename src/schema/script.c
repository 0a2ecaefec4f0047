/*
 * Source: PostgreSQL 15 documentation, section 4.1 "Lexical Structure".
 */
#include "schema/script.h"

struct scanner {
    struct str sql;
    size_t at;
    int line;
    struct script found;
    bool is_open;     /* within a statement: something stood since the last semicolon */
    size_t body;      /* depth of BEGIN ATOMIC … END, where semicolons do not count */
    struct str first; /* word of the statement */
    struct str last;  /* word before this one */
};

static char peek(const struct scanner *s, size_t ahead)
{
    return s->at + ahead < s->sql.len ? s->sql.ptr[s->at + ahead] : '\0';
}

static void skip(struct scanner *s, size_t count)
{
    for (size_t end = min_of(s->at + count, s->sql.len); s->at < end; s->at++)
        s->line += s->sql.ptr[s->at] == '\n';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
}

static bool is_word(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9') || c == '$';
}

static bool unclosed(const struct scanner *s, const char *what, int line, struct err *e)
{
    (void)s;
    return err_set(e, ERR_INVALID, "line %d: %s is not closed", line, what);
}

/* '…', "…" with doubled marks inside, and E'…' with backslashes. */
static bool skip_quoted(struct scanner *s, char mark, bool has_escapes, struct err *e)
{
    int line = s->line;
    skip(s, 1);
    while (s->at < s->sql.len) {
        char c = peek(s, 0);
        if (has_escapes && c == '\\')
            skip(s, 2);
        else if (c == mark && peek(s, 1) == mark)
            skip(s, 2);
        else if (c == mark)
            return skip(s, 1), true;
        else
            skip(s, 1);
    }
    return unclosed(s, "a quote", line, e);
}

/* Comments of this kind nest. */
static bool skip_comment(struct scanner *s, struct err *e)
{
    int line = s->line;
    size_t depth = 0;
    while (s->at < s->sql.len) {
        if (peek(s, 0) == '/' && peek(s, 1) == '*') {
            depth++;
            skip(s, 2);
        } else if (peek(s, 0) == '*' && peek(s, 1) == '/') {
            skip(s, 2);
            if (--depth == 0)
                return true;
        } else {
            skip(s, 1);
        }
    }
    return unclosed(s, "a comment", line, e);
}

/* $tag$ … $tag$; a lone $ is an operator or a parameter and is stepped over. */
static bool skip_dollar(struct scanner *s, struct err *e)
{
    int line = s->line;
    size_t len = 1;
    while (is_word(peek(s, len)) && peek(s, len) != '$')
        len++;
    char first = peek(s, 1);
    if (peek(s, len) != '$' || (first >= '0' && first <= '9'))
        return skip(s, 1), true;
    struct str tag = str_of(s->sql.ptr + s->at, len + 1);
    skip(s, tag.len);
    ptrdiff_t end = str_find(str_from(s->sql, s->at), tag);
    if (end < 0)
        return unclosed(s, "a dollar quote", line, e);
    skip(s, (size_t)end + tag.len);
    return true;
}

static bool is_one_of(struct str word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(word, str_of_c(words[i])))
            return true;
    return false;
}

/* Also the second word where the first alone does not tell. */
static void look_for_control(struct scanner *s, struct str word)
{
    static const char *const control[] = { "begin", "start", "commit", "end", "rollback", "abort" };
    bool is_prepare = str_eq_nocase(s->first, STR("prepare")) &&
                      str_eq_nocase(s->last, STR("prepare")) &&
                      str_eq_nocase(word, STR("transaction"));
    bool is_first = str_is_empty(s->first);
    if (s->found.control_line > 0 || s->body > 0 ||
        !(is_prepare || (is_first && is_one_of(word, control, countof(control)))))
        return;
    s->found.control = is_prepare ? STR("prepare transaction") : word;
    s->found.control_line = s->line;
}

/* ROLLBACK TO SAVEPOINT does not end the transaction. */
static void take_word(struct scanner *s)
{
    size_t len = 0;
    while (is_word(peek(s, len)))
        len++;
    struct str word = str_of(s->sql.ptr + s->at, len);
    if (str_eq_nocase(word, STR("to")) && str_eq_nocase(s->last, STR("rollback")) &&
        str_eq(s->found.control, s->last))
        s->found.control = STR(""), s->found.control_line = 0;
    look_for_control(s, word);
    if (s->body > 0) {
        if (str_eq_nocase(word, STR("case")))
            s->body++;
        else if (str_eq_nocase(word, STR("end")))
            s->body--;
    } else if (str_eq_nocase(word, STR("atomic")) && str_eq_nocase(s->last, STR("begin"))) {
        s->body = 1;
    }
    if (str_is_empty(s->first))
        s->first = word;
    s->last = word;
    s->is_open = true;
    skip(s, len);
}

static void end_statement(struct scanner *s)
{
    if (s->body > 0)
        return;
    s->found.statement_count += s->is_open;
    s->is_open = false;
    s->first = s->last = STR("");
}

static bool step(struct scanner *s, struct err *e)
{
    char c = peek(s, 0), next = peek(s, 1);
    if (c == '-' && next == '-') {
        ptrdiff_t end = str_find_char(str_from(s->sql, s->at), '\n');
        skip(s, end < 0 ? s->sql.len : (size_t)end);
        return true;
    }
    if (c == '/' && next == '*')
        return skip_comment(s, e);
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v')
        return skip(s, 1), true;
    if (c == ';')
        return end_statement(s), skip(s, 1), true;
    s->is_open = true;
    if (c == '\'' || c == '"')
        return skip_quoted(s, c, false, e);
    if ((c == 'e' || c == 'E') && next == '\'')
        return skip(s, 1), skip_quoted(s, '\'', true, e);
    if (c == '$')
        return skip_dollar(s, e);
    if (is_letter(c))
        return take_word(s), true;
    return skip(s, 1), true;
}

bool script_scan(struct str sql, struct script *ret_script, struct err *e)
{
    struct scanner s = { .sql = sql, .line = 1 };
    while (s.at < s.sql.len)
        if (!step(&s, e))
            return false;
    s.body = 0;
    end_statement(&s);
    *ret_script = s.found;
    return true;
}
