/*
 * access: who may use which field, as @access in api.graphql says. Denied unless allowed.
 * Source: api.graphql "Conventions".
 */
#pragma once
#include "gateway/credentials.h"
#include "gql/gql.h"

/* Part of a plan's key: 0 for nobody, else the role. */
[[nodiscard]] uint32_t access_plan_role(const struct credential *c);

/* The engine's hook; `ctx` is the struct request. */
const struct gql_denial *access_authorize(void *ctx, const struct gql_access *access);

/* What a resolver asks: is the caller that user, or may he do what an ADMIN may? */
[[nodiscard]] bool access_is_self(const struct credential *c, struct uuid user_id);
[[nodiscard]] bool access_has_role(const struct credential *c, enum role least);
