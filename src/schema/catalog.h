/*
 * catalog: PostgreSQL schemas as models, in the server's own spelling.
 *
 * `BETWEEN 1 AND 200` comes back from a catalog as `((x >= 1) AND (x <= 200))`, and each version of
 * the server may spell it otherwise. So the wanted model is spelled by the server too: the entities
 * are made as temporary tables, read, and rolled back.
 * Decision: docs/decisions/0013-entities-spelled-by-the-server.md.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "schema/model.h"

struct db_conn;

/* Tables of our own that no model holds: what was applied, and what it gave. */
#define CATALOG_MIGRATIONS "windlass_migrations"
#define CATALOG_STATE "windlass_schema"

/*
 * Reads the PostgreSQL schema of that name and the rights that `role` has in it. Nothing is there
 * when the schema is not. What belongs to an extension and single partitions are left out.
 * Cost: one round trip, about 5 ms.
 */
[[nodiscard]] bool catalog_read(struct db_conn *conn, struct arena *a, struct str schema,
                                struct str role, struct model *ret_model, struct err *e);

/*
 * The entities as the server spells them. Inside a transaction, which it leaves as it was.
 * Errors: INTERNAL when the entities are no valid SQL or temporary tables are not allowed.
 * Cost: 20 to 50 ms.
 */
[[nodiscard]] bool catalog_spell(struct db_conn *conn, struct arena *a,
                                 const struct schema_set *set, struct model *ret_model,
                                 struct err *e);
