/* diag: makes diagnostics and works out where in a text they are. */
#pragma once
#include "base/arena.h"
#include "gql/gql.h"

struct gql_errors errors_in(struct arena *arena);

/* Line and column of a byte offset; LF, CR and CRLF end a line, columns count UTF-16 units. */
struct gql_location locate(struct str source, uint32_t at);

/* Appends one error without locations. */
struct gql_error *error_add(struct gql_errors *errors, const char *code, struct str message);
struct gql_error *error_addf(struct gql_errors *errors, const char *code, const char *fmt, ...)
    like_printf(3, 4);
/* The parts one after another: for text that printf would cut at a NUL. */
struct str text_join(struct arena *arena, const struct str *parts, size_t count);
/* Gives an error its places. */
void error_place(struct gql_errors *errors, struct gql_error *error, struct str source,
                 const uint32_t *at, size_t count);

/* " Did you mean \"x\"?" with `kind` such as "the enum value " before the names; "" when none. */
struct str did_you_mean(struct arena *arena, const char *kind, const struct str *names,
                        size_t count);
/* Orders `names` by nearness to `wrong` and drops the far ones; returns how many stay. */
size_t suggest(struct arena *arena, struct str wrong, struct str *names, size_t count);
