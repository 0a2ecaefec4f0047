/*
 * doctor: checks of the machine and the installation. A check looks, changes nothing, and reports
 * each thing it looked at: how it stands, and where it is not well, how to mend it.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"

enum doctor_state { DOCTOR_OK, DOCTOR_WARNING, DOCTOR_FAILURE };

struct doctor {
    const struct conf *conf;
    struct arena *arena; /* of the texts */
    struct doctor_finding *findings;
    size_t count, capacity;
    const char *run; /* the folder of the running cluster's sockets; NULL: none runs */
};

struct doctor_finding {
    const char *check; /* one word, stable: "clock" */
    enum doctor_state state;
    struct str detail; /* a clause, lower case, no full stop */
    struct str cure;   /* what to do; empty when OK */
};

/* Adds a finding; `cure` is NULL exactly when all is well. */
void doctor_report(struct doctor *d, const char *check, enum doctor_state state, const char *cure,
                   const char *detail, ...) like_printf(5, 6);
/* The same for an error, with its message as the detail. */
void doctor_report_err(struct doctor *d, const char *check, const struct err *e, const char *cure);

/* The checks, in the order of the report. */
void doctor_check_settings(struct doctor *d);
void doctor_check_clock(struct doctor *d);
void doctor_check_limits(struct doctor *d);
void doctor_check_data(struct doctor *d);
void doctor_check_port(struct doctor *d);
/* PostgreSQL's programs where a private cluster needs them, the server, the schema. */
void doctor_check_database(struct doctor *d);
/* Worker, ai and runner, where they run; after the database, which tells where that is. */
void doctor_check_services(struct doctor *d);
