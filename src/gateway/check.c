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

struct range {
    uint32_t first, last;
};

/* The code point at *at of well-formed UTF-8; moves *at behind it. */
static uint32_t next_point(struct str text, size_t *at)
{
    uint8_t head = (uint8_t)text.ptr[(*at)++];
    uint32_t point = head < 0x80   ? head
                     : head < 0xe0 ? head & 0x1fU
                     : head < 0xf0 ? head & 0x0fU
                                   : head & 0x07U;
    while (*at < text.len && ((uint8_t)text.ptr[*at] & 0xc0) == 0x80)
        point = point << 6 | ((uint8_t)text.ptr[(*at)++] & 0x3fU);
    return point;
}

static bool has_any(struct str text, const struct range *ranges, size_t count)
{
    size_t at = 0;
    while (at < text.len) {
        uint32_t point = next_point(text, &at);
        for (size_t i = 0; i < count; i++)
            if (point >= ranges[i].first && point <= ranges[i].last)
                return true;
    }
    return false;
}

/* What turns the direction of a text, or is not seen at all: one name could pass for another.
 * The joiners U+200C and U+200D stay, for names are written with them. */
static bool has_format(struct str text)
{
    static const struct range ranges[] = {
        { 0x61c, 0x61c },   { 0x180e, 0x180e }, { 0x200b, 0x200b },
        { 0x200e, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f },
        { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
    };
    return has_any(text, ranges, countof(ranges));
}

/* Spaces, what is not seen, and the two letters that lower() makes ASCII of: U+0130 and U+212A. */
static bool has_lookalike(struct str text)
{
    static const struct range ranges[] = {
        { 0xa0, 0xa0 },     { 0xad, 0xad },     { 0x130, 0x130 },   { 0x34f, 0x34f },
        { 0x1680, 0x1680 }, { 0x2000, 0x200d }, { 0x202f, 0x202f }, { 0x205f, 0x205f },
        { 0x212a, 0x212a }, { 0x3000, 0x3000 }, { 0xfe00, 0xfe0f },
    };
    return has_any(text, ranges, countof(ranges));
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
    if (has_control(text) || has_format(text) || has_lookalike(text) ||
        !str_cut(text, '@', &local, &domain) || !is_local_part(local) || !is_domain(domain))
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
    if (has_format(text))
        return err_set(e, ERR_INVALID, "%s: must not hold invisible or direction characters",
                       field);
    *ret_name = text;
    return true;
}

bool check_label(const char *field, struct str text, size_t chars_max, struct err *e)
{
    size_t chars = check_chars(text);
    if (chars == 0 || chars > chars_max)
        return err_set(e, ERR_INVALID, "%s: must have 1 to %zu characters, not %zu", field,
                       chars_max, chars);
    return !has_control(text) ||
           err_set(e, ERR_INVALID, "%s: must not hold control characters", field);
}

bool check_search(const char *field, struct str text, struct err *e)
{
    if (text.len > CHECK_SEARCH_BYTES_MAX)
        return err_set(e, ERR_INVALID, "%s: at most %d bytes, not %zu", field,
                       CHECK_SEARCH_BYTES_MAX, text.len);
    return text.len == 0 || memchr(text.ptr, '\0', text.len) == NULL ||
           err_set(e, ERR_INVALID, "%s: no text has U+0000", field);
}

bool check_password(const char *field, struct str password, struct str email, size_t chars_min,
                    struct err *e)
{
    struct err why;
    return password_check(password, email, chars_min, &why) ||
           err_set(e, why.code, "%s: %s", field, why.message);
}
