/*
 * page: first/after and last/before of a Relay connection, as keyset bounds.
 * Source: https://relay.dev/graphql/connections.htm
 */
#pragma once
#include "gateway/cursor.h"
#include "gql/gql.h"

enum { PAGE_SIZE_DEFAULT = 50, PAGE_SIZE_MAX = 500 };

struct page {
    size_t size;      /* rows that are wanted; ask for one more to know whether there are more */
    bool is_backward; /* the last rows before a place */
    const struct uuid *after, *before; /* in the step's arena; NULL: no bound */
};

/* From the field's arguments first, after, last and before. Errors: INVALID, naming the one. */
[[nodiscard]] bool page_read(const struct gql_step *step, const struct cursor_key *key,
                             enum cursor_list list, struct page *ret_page, struct err *e);

/* What a PageInfo is to its getters, whatever the list. */
struct page_info {
    const struct cursor_key *key;
    enum cursor_list list;
    struct page page;
    bool has_more; /* in the direction that was read */
    size_t count;
    struct uuid first, last; /* rows of the page, where there are any */
};
