/*
 * page: first/after and last/before of a Relay connection, as keyset bounds.
 * Source: https://relay.dev/graphql/connections.htm
 */
#pragma once
#include "gateway/cursor.h"
#include "gql/gql.h"
#include "store/select.h"

enum { PAGE_SIZE_DEFAULT = 50, PAGE_SIZE_MAX = 500 };
/* A total is counted exactly to PAGE_TOTAL_MAX, and so far as to see that there are more. */
enum { PAGE_TOTAL_MAX = 10'000, PAGE_COUNT_MAX = PAGE_TOTAL_MAX + 1 };

struct page {
    size_t size;      /* rows that are wanted; ask for one more to know whether there are more */
    bool is_backward; /* the last rows before a place */
    const struct cursor_row *after, *before; /* in the step's arena; NULL: no bound */
    struct cursor_scope scope;
};

/* From the field's arguments first, after, last and before. Errors: INVALID, naming the one. */
[[nodiscard]] bool page_read(const struct gql_step *step, const struct cursor_scope *scope,
                             struct page *ret_page, struct err *e);
/* What a filter counts for in a cursor; NULL: 0. */
[[nodiscard]] uint32_t page_filter(const struct select_filter *filter);

/*
 * A page that was read: what a PageInfo tells. Lists that are connections hold one and give it as
 * the object of `pageInfo`.
 */
struct page_view {
    struct page page;
    size_t count;                  /* rows shown */
    bool has_more;                 /* in the direction that was read */
    struct cursor_row first, last; /* of those rows, where count > 0 */
};

/* Shows at most a page of `found` rows, one more than which was asked for; gives their number. */
size_t page_view_init(struct page_view *view, const struct page *page, size_t found);
/* The row that the list's `i`th place shows: pages that are read backwards come the last first. */
[[nodiscard]] static inline size_t page_view_row(const struct page_view *view, size_t i)
{
    return view->page.is_backward ? view->count - 1 - i : i;
}
/* The cursor of a row of that page. */
[[nodiscard]] struct gql_value page_view_cursor(const struct page_view *view, void *ctx,
                                                struct cursor_row row);
