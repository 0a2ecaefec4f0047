/*
 * schema_drifts: the database is as the pets were, the entities as they are changed to; and what
 * check, migrate, synchronise and generate each make of it. docs/operations.md "Drift".
 */
#pragma once
#include "schema_fixture.h"

struct drift {
    const char *name;
    void (*change)(struct pets *p); /* of the entities */
    const char *sql;                /* done to the database by hand; NULL: nothing */
    const char *check;              /* what it reports; a line with "!" says why it refuses */
    const char *migrate;            /* NULL: the same */
    const char *sync;
    const char *generated; /* the statements of the migration; NULL: none */
};

extern const struct drift drifts[];
extern const size_t drift_count;
/* While there is a role to have rights. */
extern const struct drift right_drifts[];
extern const size_t right_drift_count;
