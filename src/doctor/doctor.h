/*
 * doctor: checks of the machine and the installation. A check looks, changes nothing, and reports
 * each thing it looked at: how it stands, and where it is not well, how to mend it. Here is what a
 * program can check wherever it runs; `windlass doctor` adds to it what it checks beside.
 * Thread: any; a check may block.
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

enum {
    DOCTOR_FINDINGS_MAX = 256,   /* of all checks together */
    DOCTOR_STATEMENT_MS = 5'000, /* what a check of the database may wait for */
};

/* Room for DOCTOR_FINDINGS_MAX findings, all in `a`. */
[[nodiscard]] struct doctor doctor_begin(const struct conf *conf, struct arena *a);
/* "ok", "warning", "failure". */
[[nodiscard]] const char *doctor_state_name(enum doctor_state state);

void doctor_check_settings(struct doctor *d);
void doctor_check_clock(struct doctor *d);
void doctor_check_limits(struct doctor *d);
/* The folder of a private cluster; nothing where database-url is given. */
void doctor_check_data(struct doctor *d);
/* The server behind the URL, both schemas, and who leads the queue. */
void doctor_check_server(struct doctor *d, const char *url);
/* The database of shard 1 or up: its two schemas, and who leads it. */
void doctor_check_shard(struct doctor *d, int shard, const char *url);
