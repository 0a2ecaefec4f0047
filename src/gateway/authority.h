/*
 * authority: what a mutation may do is asked again before each of its root fields, for the field
 * before it, or somebody else meanwhile, may have changed who the caller is: a demotion, a logout,
 * a deletion. What runs already is not stopped.
 *
 *   ask the credential --> (may still) --> the field's own resolver
 *                      `-- may no more --> UNAUTHENTICATED, FORBIDDEN
 */
#pragma once
#include "gateway/bindings.h"

/* The binding of a mutation's root field that asks first. `own` outlives the schema; its resolver
 * ends its step by gql_step_finish or gql_step_fail, for it may begin late. */
[[nodiscard]] struct gql_binding authority_first(const struct gateway_binding *own);
