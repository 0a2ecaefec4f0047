/*
 * template: what errors of one kind have in common. "no user 4711 in /srv/a.db" and "no user 12 in
 * /tmp/b.db" are both "no user <n> in <path>". A text always gives the same template; templates are
 * stored, so a change here makes new groups.
 *
 * Of the text the first line that says something counts, of a Python traceback the last one.
 *   <time>     dates and times of ISO 8601        <url>    scheme://…
 *   <id>       UUIDs                              <email>  a@b.c
 *   <hex>      0x…, and 8 or more hex digits      <path>   /a/b, ./a, ~/a, C:\a
 *   <address>  IPv4, IPv6, with or without port   <text>   what stands in quotes
 *   <n>        other numbers, within words too; but not the codes that tell errors apart
 *              ("HTTP 503", "exit code 137", "error 111"), which stay
 */
#pragma once
#include "base/arena.h"

enum {
    TEMPLATE_BYTES_MAX = 200,    /* a longer one ends in "…" within it */
    TEMPLATE_INPUT_BYTES = 4096, /* the rest of a text is not looked at */
};

/* Cost: one pass. `text` is UTF-8. "(no text)" for an empty one. */
[[nodiscard]] struct str template_of(struct arena *a, struct str text);
