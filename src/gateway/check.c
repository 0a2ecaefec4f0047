#include "gateway/check.h"

#include "auth/password.h"

size_t check_chars(struct str text)
{
    size_t chars = 0;
    for (size_t i = 0; i < text.len; i++)
        chars += ((uint8_t)text.ptr[i] & 0xc0) != 0x80;
    return chars;
}

/* C0, DEL, and C1 as UTF-8 writes them. */
static bool has_control(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.ptr[i];
        if (c < 0x20 || c == 0x7f)
            return true;
        if (c == 0xc2 && i + 1 < text.len && (uint8_t)text.ptr[i + 1] < 0xa0)
            return true;
    }
    return false;
}

/* spec: RFC 5321 4.1.2, dot-string; RFC 6531 3.3 */
static bool is_local_part(struct str s)
{
    static const char specials[] = "!#$%&'*+-/=?^_`{|}~";
    char before = '.';
    if (s.len == 0 || s.len > 64)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool is_atom = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (uint8_t)c >= 0x80 ||
                       memchr(specials, c, sizeof specials - 1) != NULL;
        if (!is_atom && (c != '.' || before == '.'))
            return false;
        before = c;
    }
    return before != '.';
}

static bool is_domain_label(struct str s)
{
    if (s.len == 0 || s.len > 63 || s.ptr[0] == '-' || s.ptr[s.len - 1] == '-')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && (uint8_t)c < 0x80)
            return false;
    }
    return true;
}

/* A single label passes: hosts of an intranet have one. */
static bool is_domain(struct str s)
{
    struct str label;
    bool is_more = true;
    while (is_more) {
        is_more = str_cut(s, '.', &label, &s);
        if (!is_domain_label(label))
            return false;
    }
    return true;
}

bool check_email(const char *field, struct str text, struct arena *a, struct str *ret_email,
                 struct err *e)
{
    struct str local, domain;
    text = str_trim(text);
    if (text.len > CHECK_EMAIL_BYTES_MAX)
        return err_set(e, ERR_INVALID, "%s: an email address has at most %d bytes", field,
                       CHECK_EMAIL_BYTES_MAX);
    char *lower = arena_cstr(a, text);
    for (size_t i = 0; i < text.len; i++)
        if (lower[i] >= 'A' && lower[i] <= 'Z')
            lower[i] = (char)(lower[i] + ('a' - 'A'));
    text = str_of(lower, text.len);
    if (has_control(text) || !str_cut(text, '@', &local, &domain) || !is_local_part(local) ||
        !is_domain(domain))
        return err_set(e, ERR_INVALID, "%s: not an email address, such as name@example.org", field);
    *ret_email = text;
    return true;
}

bool check_name(const char *field, struct str text, struct str *ret_name, struct err *e)
{
    text = str_trim(text);
    size_t chars = check_chars(text);
    if (chars == 0 || chars > CHECK_NAME_CHARS_MAX)
        return err_set(e, ERR_INVALID, "%s: must have 1 to %d characters, not %zu", field,
                       CHECK_NAME_CHARS_MAX, chars);
    if (has_control(text))
        return err_set(e, ERR_INVALID, "%s: must not hold control characters", field);
    *ret_name = text;
    return true;
}

bool check_password(const char *field, struct str password, struct str email, size_t chars_min,
                    struct err *e)
{
    struct err why;
    return password_check(password, email, chars_min, &why) ||
           err_set(e, why.code, "%s: %s", field, why.message);
}
