/*
 * migration: a numbered file of SQL that brings a schema from one version to the next.
 *
 *     -- Gives users a nickname.
 *     -- :up
 *     ALTER TABLE users ADD COLUMN nickname text;
 *     -- :down
 *     ALTER TABLE users DROP COLUMN nickname;
 *
 * Instead of `-- :down` a file may say `-- :irreversible` and why. A file that has the line
 * `-- no transaction` before `-- :up` holds one statement each way that PostgreSQL wants outside a
 * transaction and that is safe to repeat (CREATE INDEX CONCURRENTLY IF NOT EXISTS). Names go
 * without their schema: the search path is the schema being migrated.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/sha256.h"
#include "schema/entities.h"

enum { MIGRATION_NUMBER_MAX = 9999, MIGRATION_SIZE_MAX = 4 * 1024 * 1024 };

struct migration {
    int number;
    struct str name; /* "0002_user_nickname", the file's without .sql */
    struct str up, down;
    int up_line, down_line; /* of the file, before the part's first */
    bool is_irreversible;   /* then `down` says why */
    bool in_transaction;
    char checksum[SHA256_HEX_LEN + 1]; /* of the text without what an editor changes unasked */
};

struct migration_list {
    const struct migration *items; /* by number, without gaps in the order of 1, 2, 3 … */
    size_t count;
};

/* One file of SQL as the program carries it or a folder holds it. */
struct migration_source {
    struct str name; /* "0002_user_nickname.sql" */
    struct str text;
};

/* Errors: INVALID, naming the file and the line. */
[[nodiscard]] bool migration_parse(struct arena *a, const struct migration_source *source,
                                   struct migration *ret_migration, struct err *e);
/* All of them, in any order. Errors: INVALID, also for a number that is missing or there twice. */
[[nodiscard]] bool migration_parse_all(struct arena *a, const struct migration_source *sources,
                                       size_t count, struct migration_list *ret_list,
                                       struct err *e);
/* The .sql files of a folder. Errors: INVALID, NOT_FOUND. */
[[nodiscard]] bool migration_load(struct arena *a, const char *folder,
                                  struct migration_list *ret_list, struct err *e);
/* Those of the set that are part of the program. */
void migration_embedded(struct arena *a, const struct schema_set *set,
                        struct migration_list *ret_list);
