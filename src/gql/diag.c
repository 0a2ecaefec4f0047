#include "gql/diag_priv.h"

struct gql_errors errors_in(struct arena *arena)
{
    return (struct gql_errors){ .arena = arena };
}

struct gql_location locate(struct str source, uint32_t at)
{
    struct gql_location found = { .line = 1, .column = 1 };
    for (size_t i = 0; i < at && i < source.len; i++) {
        unsigned char c = (unsigned char)source.ptr[i];
        bool is_crlf = c == '\r' && i + 1 < source.len && source.ptr[i + 1] == '\n';
        if (is_crlf)
            continue;
        if (c == '\n' || c == '\r') {
            found.line++;
            found.column = 1;
        } else if ((c & 0xC0) != 0x80) {
            found.column += c >= 0xF0 ? 2 : 1; /* beyond U+FFFF: a surrogate pair in UTF-16 */
        }
    }
    return found;
}

struct gql_error *error_add(struct gql_errors *errors, const char *code, struct str message)
{
    struct gql_error *e = arena_new(errors->arena, struct gql_error);
    *e = (struct gql_error){ .message = message, .code = code };
    if (errors->last)
        errors->last->next = e;
    else
        errors->first = e;
    errors->last = e;
    errors->count++;
    return e;
}

struct gql_error *error_addf(struct gql_errors *errors, const char *code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct str message = arena_vprintf(errors->arena, fmt, args);
    va_end(args);
    return error_add(errors, code, message);
}

struct str text_join(struct arena *arena, const struct str *parts, size_t count)
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += parts[i].len;
    char *text = arena_alloc(arena, length);
    length = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len)
            memcpy(text + length, parts[i].ptr, parts[i].len);
        length += parts[i].len;
    }
    return str_of(text, length);
}

void error_place(struct gql_errors *errors, struct gql_error *error, struct str source,
                 const uint32_t *at, size_t count)
{
    struct gql_location *places = arena_new_array(errors->arena, count, struct gql_location);
    for (size_t i = 0; i < count; i++)
        places[i] = locate(source, at[i]);
    error->locations = places;
    error->location_count = count;
}

enum { SUGGESTIONS_MAX = 5 };

/* "a", "b", or "c": at most five, quoted. */
static struct str list_or(struct arena *arena, const struct str *names, size_t count)
{
    struct str text = { 0 };
    count = min_of(count, (size_t)SUGGESTIONS_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *before = i == 0 ? "" : count == 2 ? " or " : i + 1 == count ? ", or " : ", ";
        text = arena_printf(arena, "%.*s%s\"%.*s\"", STR_FMT(text), before, STR_FMT(names[i]));
    }
    return text;
}

struct str did_you_mean(struct arena *arena, const char *kind, const struct str *names,
                        size_t count)
{
    if (count == 0)
        return (struct str){ 0 };
    struct str list = list_or(arena, names, count);
    return arena_printf(arena, " Did you mean %s%.*s?", kind, STR_FMT(list));
}

/* Insertion sort by distance, then name: the lists are short and mostly cut off. */
size_t suggest(struct arena *arena, struct str wrong, struct str *names, size_t count)
{
    size_t kept = 0;
    size_t limit = wrong.len * 2 / 5 + 1;
    size_t *distances = arena_new_array(arena, count, size_t);
    for (size_t i = 0; i < count; i++) {
        struct str name = names[i];
        size_t distance = str_eq(name, wrong)          ? 0
                          : str_eq_nocase(name, wrong) ? 1
                                                       : str_distance(wrong, name, limit);
        if (distance > limit)
            continue;
        size_t at = kept++;
        while (at > 0 && (distances[at - 1] > distance ||
                          (distances[at - 1] == distance && str_cmp(names[at - 1], name) > 0))) {
            names[at] = names[at - 1];
            distances[at] = distances[at - 1];
            at--;
        }
        names[at] = name;
        distances[at] = distance;
    }
    return kept;
}
