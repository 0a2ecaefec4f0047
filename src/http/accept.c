#include "http/accept.h"

enum { WEIGHT_MAX = 1000, WEIGHT_NONE = -1 };

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= 0x20 || c >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", c))
            return false;
    }
    return s.len > 0;
}

/* Cuts at the first `separator` outside of quotes. */
static bool next_part(struct str *rest, char separator, struct str *ret_part)
{
    bool is_quoted = false;
    size_t i = 0;
    if (!rest->ptr)
        return false;
    for (; i < rest->len; i++) {
        char c = rest->ptr[i];
        if (is_quoted && c == '\\')
            i++;
        else if (c == '"')
            is_quoted = !is_quoted;
        else if (c == separator && !is_quoted)
            break;
    }
    i = min_of(i, rest->len);
    *ret_part = str_trim(str_first(*rest, i));
    *rest = i < rest->len ? str_of(rest->ptr + i + 1, rest->len - i - 1) : (struct str){ 0 };
    return true;
}

/* "1", "0.5", "0.125" in thousandths; WEIGHT_NONE for anything else. */
static int parse_weight(struct str text)
{
    int weight = 0, scale = WEIGHT_MAX;
    if (text.len == 0 || text.len > 5 || (text.len > 1 && text.ptr[1] != '.'))
        return WEIGHT_NONE;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (i == 1)
            continue;
        if (c < '0' || c > '9')
            return WEIGHT_NONE;
        weight += (c - '0') * scale;
        scale /= 10;
    }
    return weight <= WEIGHT_MAX ? weight : WEIGHT_NONE;
}

/* What a list's entry names, and its weight: 1 where it has none, 0 where it has a bad one. */
static struct str read_entry(struct str entry, int *ret_weight)
{
    struct str rest = entry, name = { 0 }, part, key, value;
    *ret_weight = WEIGHT_MAX;
    (void)next_part(&rest, ';', &name);
    while (next_part(&rest, ';', &part)) {
        (void)str_cut(part, '=', &key, &value);
        if (str_eq_nocase(str_trim(key), STR("q")))
            *ret_weight = max_of(parse_weight(str_trim(value)), 0);
    }
    return name;
}

int http_accept_weight(struct str list, struct str token)
{
    struct str rest = list, entry;
    int of_star = WEIGHT_NONE;
    while (next_part(&rest, ',', &entry)) {
        int weight = 0;
        struct str name = read_entry(entry, &weight);
        if (str_eq_nocase(name, token))
            return weight;
        if (str_eq_c(name, "*"))
            of_star = weight;
    }
    return of_star;
}

bool http_accepts_gzip(struct str accept_encoding)
{
    return http_accept_weight(accept_encoding, STR("gzip")) > 0;
}

/* How exactly a media range names a type: 3 itself, 2 all of its major type, 1 any, 0 not. */
static int range_match(struct str range, struct str type)
{
    struct str major, minor, type_major, type_minor;
    if (str_eq_nocase(range, type))
        return 3;
    (void)str_cut(range, '/', &major, &minor);
    (void)str_cut(type, '/', &type_major, &type_minor);
    if (!str_eq_c(minor, "*"))
        return 0;
    return str_eq_c(major, "*") ? 1 : str_eq_nocase(major, type_major) ? 2 : 0;
}

static int media_weight(struct str accept, struct str type)
{
    struct str rest = accept, entry;
    int best_match = 0, best_weight = 0;
    while (next_part(&rest, ',', &entry)) {
        int weight = 0;
        int match = range_match(read_entry(entry, &weight), type);
        if (match > best_match) {
            best_match = match;
            best_weight = weight;
        }
    }
    return best_weight;
}

bool http_accept_next(struct str *rest, struct str type, struct http_media_type *ret_entry)
{
    struct str entry;
    while (next_part(rest, ',', &entry)) {
        int weight = 0;
        if (str_eq_nocase(read_entry(entry, &weight), type) && weight > 0 &&
            http_media_type_parse(entry, ret_entry))
            return true;
    }
    return false;
}

int http_accept_media(struct str accept, const struct str *offers, size_t count)
{
    int best = -1, best_weight = 0;
    if (str_trim(accept).len == 0)
        return count ? 0 : -1;
    for (size_t i = 0; i < count; i++) {
        int weight = media_weight(accept, offers[i]);
        if (weight > best_weight) {
            best_weight = weight;
            best = (int)i;
        }
    }
    return best;
}

bool http_media_type_parse(struct str text, struct http_media_type *ret_type)
{
    struct str rest = str_trim(text), essence = { 0 }, major, minor;
    if (!next_part(&rest, ';', &essence) || !str_cut(essence, '/', &major, &minor) ||
        !is_token(major) || !is_token(minor))
        return false;
    *ret_type = (struct http_media_type){ .essence = essence, .parameters = rest };
    return true;
}

bool http_media_parameter(const struct http_media_type *type, struct str name,
                          struct str *ret_value)
{
    struct str rest = type->parameters, part, key, value;
    while (next_part(&rest, ';', &part))
        if (str_cut(part, '=', &key, &value) && str_eq_nocase(str_trim(key), name)) {
            value = str_trim(value);
            if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
                value = str_of(value.ptr + 1, value.len - 2);
            *ret_value = value;
            return true;
        }
    return false;
}
