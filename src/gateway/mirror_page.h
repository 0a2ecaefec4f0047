/*
 * mirror_page: a page of the worker's snapshot, asked for and read into rows, for
 * mirror_snapshot.c.   Source: docs/protocol.md "Feed and snapshot".
 */
#pragma once
#include "gateway/mirror_priv.h"

struct mirror_page_read {
    struct arena *arena; /* it and all that it points to */
    /* NULL: nobody wants it any more, and its answer frees it. */
    void (*fn)(void *owner, struct mirror_page_read *page);
    void *owner;
    size_t shard;
    struct uuid after;
    bool has_after; /* it is not the first */
    bool is_asked;  /* its answer will come */

    /* From the answer on. */
    struct err err; /* of code NONE: it was read */
    bool is_too_large;
    const struct json_value *body;
    int64_t cursor;
    struct mirror_row *rows, *jobs;
    size_t row_count, job_count; /* `row_count`: less than the page has, where some are stored */
    struct mirror_page page,
        job_page;     /* what it shows; shard, seq and is_forced are the caller's */
    struct uuid next; /* the row that it ends with, where there is another page */
    bool has_next;
};

/*
 * Asks for what stands behind `after` (NULL: the first page), at most `limit` rows; then `fn`,
 * once, and later. NULL: nothing can be asked. Owns: the caller frees it by mirror_page_drop.
 */
[[nodiscard]] struct mirror_page_read *
mirror_page_ask(struct mirror *m, const struct uuid *after, size_t limit,
                void (*fn)(void *owner, struct mirror_page_read *page), void *owner);
/* Accepts NULL. An answer that is still to come is thrown away. */
void mirror_page_drop(struct mirror_page_read *page);
