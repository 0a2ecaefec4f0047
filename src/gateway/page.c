#include "gateway/page.h"

#include "gateway/bindings.h"
#include "gateway/request.h"

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

/* ── PageInfo ── */

/* Whether there are rows beyond the bound that was given is not looked up: there was one. */
static void get_has_next(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    const struct page_info *info = parent;
    (void)f, (void)ctx;
    *ret_value = gql_bool(info->page.is_backward ? info->page.before != NULL : info->has_more);
}

static void get_has_previous(const struct gql_field *f, void *ctx, void *parent,
                             struct gql_value *ret_value)
{
    const struct page_info *info = parent;
    (void)f, (void)ctx;
    *ret_value = gql_bool(info->page.is_backward ? info->has_more : info->page.after != NULL);
}

static void get_start(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct page_info *info = parent;
    const struct request *r = ctx;
    (void)f;
    if (info->count > 0)
        *ret_value = gql_text(cursor_make(info->key, info->list, info->first, r->arena));
}

static void get_end(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret_value)
{
    const struct page_info *info = parent;
    const struct request *r = ctx;
    (void)f;
    if (info->count > 0)
        *ret_value = gql_text(cursor_make(info->key, info->list, info->last, r->arena));
}

const struct gateway_binding bindings_pages[] = {
    { "PageInfo.hasNextPage", { .get = get_has_next } },
    { "PageInfo.hasPreviousPage", { .get = get_has_previous } },
    { "PageInfo.startCursor", { .get = get_start } },
    { "PageInfo.endCursor", { .get = get_end } },
    { 0 },
};
