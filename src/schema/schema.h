/*
 * schema: brings a database and the entities together, or says where they differ. Synchronise is
 * for development, migrations are for what must not be lost, check is for a service that starts
 * beside others. All of them may run at once, in any number of programs: what changes the schema
 * does so in transactions under one advisory lock, so it works through PgBouncer, too.
 * Source: docs/decisions/0006-entities-once.md.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "schema/entities.h"

struct migration_list;

enum schema_mode {
    SCHEMA_MODE_SYNCHRONISE, /* apply what differs; nothing is dropped that holds data */
    SCHEMA_MODE_MIGRATE,     /* run the migrations that were not run yet */
    SCHEMA_MODE_CHECK        /* change nothing; refuse what is missing, not what is extra */
};

enum schema_report {
    SCHEMA_REPORT_DONE,    /* "add column users.nickname"; it is committed */
    SCHEMA_REPORT_NOTE,    /* what the database has and the program does not know */
    SCHEMA_REPORT_MISSING, /* what the program needs and was not done */
    SCHEMA_REPORT_SQL,     /* the migration to write: statements, several lines */
    SCHEMA_REPORT_WAIT     /* another program is changing the schema */
};

/* `text` lives until it returns. */
typedef void schema_report_fn(enum schema_report kind, struct str text, void *owner);

struct schema_options {
    const struct schema_set *set;            /* NULL: schema_public */
    const struct migration_list *migrations; /* NULL: those of `set` that the program carries */
    bool allow_drop;                         /* SYNCHRONISE: drop what the entities do not know */
    int64_t connect_timeout_ms;              /* 0: that of db_conn_open */
    int64_t lock_timeout_ms;                 /* wait for other programs; 0: 60 s */
    schema_report_fn *report;                /* may be NULL */
    void *owner;
};

/*
 * Makes the database fit for the program, or says why it is not. `url` needs the rights of the
 * tables' owner, except in CHECK, which needs TEMPORARY on the database (the default).
 *
 * Errors:  UNAVAILABLE and TIMEOUT (of the lock) pass by waiting; CONFLICT: a person must act, and
 *          the report has told what to do. Nothing is half done: each step is one transaction.
 * Cost:    where nothing differs one connection and five round trips, about 15 ms.
 */
[[nodiscard]] bool schema_prepare(struct str url, enum schema_mode mode,
                                  const struct schema_options *options, struct err *e);

/* What the program's schema is called: its last migration and a digest of its entities,
 * "0001-9f86d081". Thread: any; lives for ever. */
[[nodiscard]] const char *schema_version(void);
