/*
 * role: what a user or a token may do. VIEWER < OPERATOR < ADMIN; scopes say which doors a token
 * opens. Source: api.graphql "Conventions".
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum role { ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN };

enum scope {
    SCOPE_API = 1 << 0,   /* the GraphQL API */
    SCOPE_LEASE = 1 << 1, /* take, renew and finish tasks as an outside worker */
};

/* What a credential grants. */
struct grant {
    enum role role;
    unsigned scopes; /* enum scope */
};

/* A session has its user's role and every scope that the role allows. */
[[nodiscard]] struct grant grant_of_session(enum role user);

/* "VIEWER", "OPERATOR", "ADMIN", as in the API. */
const char *role_name(enum role role);
/* Either case, for the database writes them small. */
[[nodiscard]] bool role_parse(struct str name, enum role *ret_role);
/* "API", "LEASE". */
const char *scope_name(enum scope scope);
[[nodiscard]] bool scope_parse(struct str name, enum scope *ret_scope);

/*
 * Whether the holder of `maker` may make a token that grants `wanted`: role and scopes at most its
 * own, and LEASE only with OPERATOR or more.
 *
 * Errors:  INVALID for no scope at all or LEASE with VIEWER, DENIED for more than one's own.
 */
[[nodiscard]] bool grant_check(struct grant maker, struct grant wanted, struct err *e);

/* What a token is worth now: the lesser of its own role and its owner's, and LEASE only while that
 * is OPERATOR or more. */
[[nodiscard]] struct grant grant_now(struct grant token, enum role owner);
