/* migrate_priv: what check and generate need of migrate. */
#pragma once
#include "schema/migrate.h"
#include "schema/work_priv.h"

/* The first migration that the database does not have; NULL when it has all. */
[[nodiscard]] bool migrate_next(struct work *w, const struct migration **ret_next, struct err *e);
/* Runs what is pending, without a look at the entities; true when there was nothing more. */
[[nodiscard]] bool migrate_all(struct work *w, struct err *e);
[[nodiscard]] bool migrate_revert_last(struct work *w, struct err *e);
