#include "http/cookie.h"

bool http_cookie_find(struct str field, struct str name, struct str *ret_value)
{
    struct str rest = field, pair, key, value;
    bool more = true;
    while (more) {
        more = str_cut(rest, ';', &pair, &rest);
        if (!str_cut(pair, '=', &key, &value) || !str_eq(str_trim(key), name))
            continue;
        value = str_trim(value);
        if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
            value = str_of(value.ptr + 1, value.len - 2);
        *ret_value = value;
        return true;
    }
    return false;
}

/* Visible ASCII without those of `except`. */
static bool is_plain(struct str s, const char *except)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= 0x20 || c >= 0x7f || strchr(except, c))
            return false;
    }
    return true;
}

bool http_cookie_format(struct arena *a, const struct http_cookie *c, struct str *ret_text)
{
    static const char *const same_site[] = {
        [HTTP_SAME_SITE_STRICT] = "Strict",
        [HTTP_SAME_SITE_LAX] = "Lax",
        [HTTP_SAME_SITE_NONE] = "None",
    };
    if (c->name.len == 0 || !is_plain(c->name, "()<>@,;:\\\"/[]?={}") ||
        !is_plain(c->value, "\",;\\") || !is_plain(c->path, ";"))
        return false;
    char age[40] = "";
    if (c->max_age_s >= 0)
        snprintf(age, sizeof age, "; Max-Age=%lld", (long long)c->max_age_s);
    *ret_text = arena_printf(a, "%.*s=%.*s%s%.*s%s%s%s; SameSite=%s", STR_FMT(c->name),
                             STR_FMT(c->value), c->path.len ? "; Path=" : "", STR_FMT(c->path), age,
                             c->is_http_only ? "; HttpOnly" : "", c->is_secure ? "; Secure" : "",
                             same_site[c->same_site]);
    return true;
}
