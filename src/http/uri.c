#include "http/uri.h"

#include "base/hex.h"

/* The octet that "%XX" at `at` stands for, or -1. */
static int escape_at(struct str s, size_t at)
{
    if (s.len - at < 3)
        return -1;
    int high = hex_digit(s.ptr[at + 1]), low = hex_digit(s.ptr[at + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool http_percent_is_valid(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= 0x20 || c >= 0x7f)
            return false;
        if (c == '%') {
            if (escape_at(text, i) < 0)
                return false;
            i += 2;
        }
    }
    return true;
}

bool http_percent_decode(struct arena *a, struct str text, bool plus_is_space, struct str *ret_text)
{
    if (str_find_char(text, '%') < 0 && (!plus_is_space || str_find_char(text, '+') < 0)) {
        *ret_text = text;
        return true;
    }
    char *out = arena_alloc(a, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int octet = escape_at(text, i);
            if (octet < 0)
                return false;
            c = (char)octet;
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[len++] = c;
    }
    *ret_text = str_of(out, len);
    return true;
}

/* An encoded slash would be decoded to a separator that the client did not write as one. */
static bool has_encoded_separator(struct str raw)
{
    for (size_t i = 0; i < raw.len; i++)
        if (raw.ptr[i] == '%') {
            int octet = escape_at(raw, i);
            if (octet == '/' || octet == '\\')
                return true;
        }
    return false;
}

static bool has_dot_segment(struct str path)
{
    struct str rest = path, segment;
    bool more = true;
    while (more) {
        more = str_cut(rest, '/', &segment, &rest);
        if (str_eq_c(segment, ".") || str_eq_c(segment, ".."))
            return true;
    }
    return false;
}

bool http_path_decode(struct arena *a, struct str raw, struct str *ret_path)
{
    struct str path;
    if (raw.len == 0 || raw.ptr[0] != '/' || !http_percent_is_valid(raw) ||
        str_find_char(raw, '\\') >= 0 || has_encoded_separator(raw) ||
        !http_percent_decode(a, raw, false, &path) || !str_is_utf8(path))
        return false;
    for (size_t i = 0; i < path.len; i++)
        if ((unsigned char)path.ptr[i] < 0x20 || path.ptr[i] == 0x7f)
            return false;
    if (str_find(path, STR("/.")) >= 0 && has_dot_segment(path))
        return false;
    *ret_path = path;
    return true;
}

bool http_query_find(struct arena *a, struct str query, struct str name, struct str *ret_value)
{
    struct str rest = query, pair, key, value;
    bool more = true;
    while (more) {
        more = str_cut(rest, '&', &pair, &rest);
        (void)str_cut(pair, '=', &key, &value);
        if (http_percent_decode(a, key, true, &key) && str_eq(key, name) && pair.len)
            return http_percent_decode(a, value, true, ret_value);
    }
    return false;
}

/* unreserved and sub-delims of RFC 3986 section 2; percent-encoded names are not hosts of ours. */
static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~!$&'()*+,;=", c));
}

static bool is_port(struct str port)
{
    uint64_t number = 0;
    return port.len == 0 || (port.len <= 5 && str_to_u64(port, &number) && number <= UINT16_MAX);
}

bool http_host_is_valid(struct str host)
{
    struct str name = host, port = { 0 };
    if (host.len && host.ptr[0] == '[') {
        ptrdiff_t end = str_find_char(host, ']');
        if (end < 3)
            return false;
        name = str_of(host.ptr + 1, (size_t)end - 1);
        port = str_from(host, (size_t)end + 1);
        for (size_t i = 0; i < name.len; i++)
            if (hex_digit(name.ptr[i]) < 0 && name.ptr[i] != ':' && name.ptr[i] != '.')
                return false;
        return port.len == 0 || (port.ptr[0] == ':' && is_port(str_from(port, 1)));
    }
    (void)str_cut(host, ':', &name, &port);
    for (size_t i = 0; i < name.len; i++)
        if (!is_name_char(name.ptr[i]))
            return false;
    return name.len > 0 && is_port(port);
}

bool http_target_split(struct str target, struct str host, struct str *ret_path,
                       struct str *ret_query)
{
    struct str rest = target;
    if (!http_percent_is_valid(target) || str_find_char(target, '#') >= 0)
        return false;
    if (str_eq_c(target, "*")) {
        *ret_path = target;
        *ret_query = (struct str){ 0 };
        return true;
    }
    if (target.len == 0 || target.ptr[0] != '/') {
        ptrdiff_t colon = str_find(target, STR("://"));
        struct str scheme = str_first(target, colon < 0 ? 0 : (size_t)colon);
        if (!str_eq_nocase(scheme, STR("http")) && !str_eq_nocase(scheme, STR("https")))
            return false;
        rest = str_from(target, scheme.len + 3);
        size_t len = 0;
        while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?')
            len++;
        if (!str_eq_nocase(str_first(rest, len), host))
            return false;
        rest = str_from(rest, len);
    }
    (void)str_cut(rest, '?', ret_path, ret_query);
    if (ret_path->len == 0)
        *ret_path = STR("/");
    return true;
}
