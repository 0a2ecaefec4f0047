#include "db/rows_priv.h"
#include "db/sqlstate.h"

static const char *field(const PGresult *result, int code)
{
    const char *text = PQresultErrorField(result, code);
    return text ? text : "";
}

bool db_result_fail(const PGresult *result, const char *purpose, struct err *e)
{
    const char *sqlstate = field(result, PG_DIAG_SQLSTATE);
    const char *constraint = field(result, PG_DIAG_CONSTRAINT_NAME);
    const char *text = field(result, PG_DIAG_MESSAGE_PRIMARY);
    enum err_code code = db_sqlstate_code(sqlstate);
    if (strncmp(sqlstate, "22", 2) == 0)
        text = "a value does not fit its type"; /* the server's own text quotes it */
    err_set_from(e, ERR_ORIGIN_DATABASE, code, "%s: %s", purpose, *text ? text : "no answer");
    if (*constraint)
        err_in(e, "constraint %s", constraint);
    return err_in(e, "SQLSTATE %s", *sqlstate ? sqlstate : "unknown");
}

static const char *told_of(enum err_code code)
{
    static const char *const told[ERR_CODE_COUNT] = {
        [ERR_INVALID] = "a value does not fit its type",
        [ERR_CONFLICT] = "it contradicts what is stored, or what was changed at the same time",
        [ERR_LIMIT] = "more than the database takes in one statement",
        [ERR_TIMEOUT] = "the database took too long",
        [ERR_UNAVAILABLE] = "the database cannot answer now",
    };
    return told[code] ? told[code] : "the database refused the statement";
}

bool db_step_fail(const PGresult *result, const char *statement, struct err *e)
{
    struct err full;
    db_result_fail(result, statement, &full);
    err_set_from(e, ERR_ORIGIN_DATABASE, full.code, "%s", told_of(full.code));
    return err_in(e, "%s; %s", full.context, full.message);
}

void db_connection_reason(const PGconn *conn, char *ret_text, size_t size)
{
    struct str text = str_trim(str_of_c(PQerrorMessage(conn)));
    snprintf(ret_text, size, "%.*s", STR_FMT(text));
    for (char *c = ret_text; *c; c++)
        if (*c == '\n' || *c == '\t')
            *c = ' ';
}
