/*
 * migrate: which migrations a database has, and what a person does about them. Running them is
 * schema_prepare with SCHEMA_MODE_MIGRATE.
 */
#pragma once
#include "base/arena.h"
#include "schema/migration.h"
#include "schema/schema.h"

enum migrate_state {
    MIGRATE_APPLIED,
    MIGRATE_PENDING,
    MIGRATE_EDITED, /* applied, and its file changed since */
    MIGRATE_UNKNOWN /* applied by a newer program */
};

struct migrate_entry {
    int number;
    struct str name;
    enum migrate_state state;
    int64_t applied_at_us; /* 0 while PENDING */
};

/* By number; in the arena. Changes nothing. */
[[nodiscard]] bool migrate_status(struct str url, const struct schema_options *options,
                                  struct arena *a, struct migrate_entry **ret_entries,
                                  size_t *ret_count, struct err *e);

/* Undoes the last `count` applied ones, newest first, a transaction each. Errors: CONFLICT for one
 * that is irreversible, edited or unknown. */
[[nodiscard]] bool migrate_revert(struct str url, const struct schema_options *options, int count,
                                  struct err *e);

/* Notes every migration as applied without running it: for a database that got past its last one
 * by being synchronised. Errors: CONFLICT where it lacks what the entities need. */
[[nodiscard]] bool migrate_baseline(struct str url, const struct schema_options *options,
                                    struct err *e);
