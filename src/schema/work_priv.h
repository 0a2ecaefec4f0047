/*
 * work_priv: what synchronise, check, migrate and generate share: a connection, transactions under
 * the advisory lock, and what they read first.
 */
#pragma once
#include "base/arena.h"
#include "schema/diff.h"
#include "schema/migration.h"
#include "schema/model.h"
#include "schema/schema.h"

struct db_conn;

/* Programs of ours that change a schema hold it; listed in docs/operations.md. */
#define WORK_LOCK_KEY INT64_C(0x77696e646c617373) /* "windlass" */

struct work {
    struct db_conn *conn;
    struct arena *a;
    struct str url;
    const char *database; /* instead of the URL's; NULL: that one */
    const struct schema_set *set;
    struct migration_list migrations;
    const struct schema_options *options;
};

/* What a transaction starts from. */
struct work_facts {
    struct model model;  /* of the database */
    bool is_current;     /* these entities gave this catalog when it was last changed */
    bool has_migrations; /* the table of what was applied is there */
};

[[nodiscard]] bool work_open(struct work *w, struct str url, const struct schema_options *options,
                             struct err *e);
/* Another connection to the same database. */
[[nodiscard]] bool work_connect(const struct work *w, struct db_conn **ret_conn, struct err *e);
void work_clear(struct work *w);

/* Names without a schema are the set's until the transaction ends. */
[[nodiscard]] bool work_begin(struct work *w, struct err *e);
/* The same after everybody else's; makes the PostgreSQL schema where it is missing. */
[[nodiscard]] bool work_begin_locked(struct work *w, struct err *e);

[[nodiscard]] bool work_facts(struct work *w, struct work_facts *ret_facts, struct err *e);
/* What differs from the entities, as the server spells them. */
[[nodiscard]] bool work_diff(struct work *w, const struct work_facts *facts, bool keep_extra,
                             struct diff *ret_diff, struct err *e);
/* Runs the changes that `accepts` takes. */
[[nodiscard]] bool work_apply(struct work *w, const struct diff *diff,
                              bool accepts(const struct diff_change *change), struct err *e);
/* Makes the tables of our own that are missing. */
[[nodiscard]] bool work_make_tables(struct work *w, struct err *e);
/* Remembers that these entities gave this catalog. */
[[nodiscard]] bool work_save(struct work *w, struct err *e);

void work_report(const struct work *w, enum schema_report kind, const char *fmt, ...)
    like_printf(3, 4);
/* "add column users.nickname" */
void work_report_change(const struct work *w, enum schema_report kind,
                        const struct diff_change *change);

/* What a database may have beyond what the program needs. */
[[nodiscard]] bool check_is_harmless(const struct diff_change *change);

/* What the modes do with an open work. */
[[nodiscard]] bool sync_run(struct work *w, struct err *e);
[[nodiscard]] bool check_run(struct work *w, struct err *e);
[[nodiscard]] bool migrate_run(struct work *w, struct err *e);
