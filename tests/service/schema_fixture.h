/*
 * schema_fixture: small entity sets to compare databases with, and what the tests of the schema
 * say often. A set is `pets`, varied by its test.
 */
#pragma once
#include "base/buf.h"
#include "db/conn.h"
#include "schema/migration.h"
#include "schema/schema.h"
#include "support/pg.h"
#include "test.h"

/* Of all tests of a program: start_server before them, stop_server behind. */
extern struct pg_server *server;
int start_server(void **state);
int stop_server(void **state);

/* A set that a test may change: it starts as two tables, an enumeration, an index, a reference. */
struct pets {
    struct schema_label labels[4];
    struct schema_enum mood;
    struct schema_column pet_columns[6];
    struct schema_constraint pet_constraints[3];
    struct schema_index pet_indexes[3];
    struct schema_column visit_columns[3];
    struct schema_constraint visit_constraints[2];
    struct schema_table tables[3];
    struct schema_set set;
};

void pets_init(struct pets *p);
/* Adds the column "nickname". */
void pets_add_nickname(struct pets *p);

/* What was reported, a line each: "done add column pets.nickname". */
struct transcript {
    struct buf text;
};
void transcript_clear(struct transcript *t);
[[nodiscard]] bool transcript_has(const struct transcript *t, const char *words);
schema_report_fn transcript_add;

/* Runs schema_prepare and fails the test where it fails. */
void prepare(const char *url, enum schema_mode mode, const struct schema_set *set,
             struct transcript *t);
/* Runs it and fails the test where it succeeds; the error is returned. */
struct err prepare_refused(const char *url, enum schema_mode mode, const struct schema_set *set,
                           struct transcript *t);
void prepare_with(const char *url, enum schema_mode mode, struct schema_options *options,
                  struct transcript *t);

/* The folder with the migrations in it. */
void remove_migrations(struct arena *a, const char *folder);

/* A connection and its SQL, failing the test where they fail. */
struct db_conn *open_conn(const char *url);
void run_sql(struct db_conn *conn, const char *sql);
void run_sql_at(const char *url, const char *sql);
/* The first cell of the answer, in memory that lives until the next call. */
const char *ask_at(const char *url, const char *sql);
