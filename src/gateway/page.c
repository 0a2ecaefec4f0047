#include "gateway/page.h"

#include "gateway/await.h"
#include "gateway/bindings.h"

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

static bool read_bound(const struct gql_step *step, const char *name,
                       const struct cursor_scope *scope, const struct cursor_row **ret_row,
                       struct err *e)
{
    const struct cursor_key *key = &await_request(step)->loop->gateway->cursor_key;
    const struct gql_value *value = gql_arg(step, name);
    struct cursor_row *row = arena_new(step->arena, struct cursor_row);
    struct err why;
    if (gql_is_null(value))
        return true;
    if (!cursor_read(key, scope, value->text, row, &why))
        return err_set(e, ERR_INVALID, "%s: %s", name, why.message);
    *ret_row = row;
    return true;
}

bool page_read(const struct gql_step *step, const struct cursor_scope *scope, struct page *ret_page,
               struct err *e)
{
    const struct gql_value *first = gql_arg(step, "first"), *last = gql_arg(step, "last");
    struct page page = { .size = PAGE_SIZE_DEFAULT,
                         .is_backward = !gql_is_null(last),
                         .scope = *scope };
    if (!gql_is_null(first) && !gql_is_null(last))
        return err_set(e, ERR_INVALID, "first: cannot be given together with last");
    if (!read_size("first", first, &page.size, e) || !read_size("last", last, &page.size, e) ||
        !read_bound(step, "after", scope, &page.after, e) ||
        !read_bound(step, "before", scope, &page.before, e))
        return false;
    *ret_page = page;
    return true;
}

static uint32_t mix_number(uint32_t mixed, uint64_t number)
{
    char bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(number >> 8 * i & 0xff);
    return cursor_mix(mixed, str_of(bytes, sizeof bytes));
}

static uint32_t mix(uint32_t mixed, const struct select_filter *f)
{
    mixed = mix_number(mixed, f->op);
    mixed = mix_number(mixed, (uint64_t)f->column);
    mixed = mix_number(mixed, f->labels);
    mixed = cursor_mix(mixed, f->value);
    mixed = mix_number(mixed, f->value_count);
    for (size_t i = 0; i < f->value_count; i++)
        mixed = cursor_mix(mixed, f->values[i]);
    mixed = mix_number(mixed, f->item_count);
    for (size_t i = 0; i < f->item_count; i++)
        mixed = mix(mixed, &f->items[i]);
    return mixed;
}

uint32_t page_filter(const struct select_filter *filter)
{
    return filter != NULL ? mix(0, filter) : 0;
}

/* ── PageInfo ── */

size_t page_view_init(struct page_view *view, const struct page *page, size_t found)
{
    *view = (struct page_view){ .page = *page,
                                .count = min_of(found, page->size),
                                .has_more = found > page->size };
    return view->count;
}

/* Whether there are rows beyond the bound that was given is not looked up: there was one. */
static void get_has_next(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    const struct page_view *view = parent;
    (void)f, (void)ctx;
    *ret_value = gql_bool(view->page.is_backward ? view->page.before != NULL : view->has_more);
}

static void get_has_previous(const struct gql_field *f, void *ctx, void *parent,
                             struct gql_value *ret_value)
{
    const struct page_view *view = parent;
    (void)f, (void)ctx;
    *ret_value = gql_bool(view->page.is_backward ? view->has_more : view->page.after != NULL);
}

struct gql_value page_view_cursor(const struct page_view *view, void *ctx, struct cursor_row row)
{
    const struct request *r = ctx;
    return gql_text(cursor_make(&r->loop->gateway->cursor_key, &view->page.scope, row, r->arena));
}

static void get_start(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct page_view *view = parent;
    (void)f;
    if (view->count > 0)
        *ret_value = page_view_cursor(view, ctx, view->first);
}

static void get_end(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret_value)
{
    const struct page_view *view = parent;
    (void)f;
    if (view->count > 0)
        *ret_value = page_view_cursor(view, ctx, view->last);
}

const struct gateway_binding bindings_page[] = {
    { "PageInfo.hasNextPage", { .get = get_has_next } },
    { "PageInfo.hasPreviousPage", { .get = get_has_previous } },
    { "PageInfo.startCursor", { .get = get_start } },
    { "PageInfo.endCursor", { .get = get_end } },
    { 0 },
};
