#include "gateway/page.h"

static bool read_size(const char *name, const struct gql_value *value, size_t *ret_size,
                      struct err *e)
{
    if (gql_is_null(value))
        return true;
    if (value->integer < 0 || value->integer > PAGE_SIZE_MAX)
        return err_set(e, ERR_INVALID, "%s: must be 0 to %d, not %lld", name, PAGE_SIZE_MAX,
                       (long long)value->integer);
    *ret_size = (size_t)value->integer;
    return true;
}

static bool read_bound(const char *name, const struct gql_value *value, struct arena *a,
                       const struct cursor_key *key, enum cursor_list list,
                       const struct uuid **ret_row, struct err *e)
{
    struct err why;
    struct uuid *row = arena_new(a, struct uuid);
    if (gql_is_null(value))
        return true;
    if (!cursor_read(key, list, value->text, row, &why))
        return err_set(e, ERR_INVALID, "%s: %s", name, why.message);
    *ret_row = row;
    return true;
}

bool page_read(const struct gql_step *step, const struct cursor_key *key, enum cursor_list list,
               struct page *ret_page, struct err *e)
{
    const struct gql_value *first = gql_arg(step, "first"), *last = gql_arg(step, "last");
    struct page page = { .size = PAGE_SIZE_DEFAULT, .is_backward = !gql_is_null(last) };
    if (!gql_is_null(first) && !gql_is_null(last))
        return err_set(e, ERR_INVALID, "first: cannot be given together with last");
    if (!read_size("first", first, &page.size, e) || !read_size("last", last, &page.size, e) ||
        !read_bound("after", gql_arg(step, "after"), step->arena, key, list, &page.after, e) ||
        !read_bound("before", gql_arg(step, "before"), step->arena, key, list, &page.before, e))
        return false;
    *ret_page = page;
    return true;
}
