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

void db_connection_reason(const PGconn *conn, char *ret_text, size_t size)
{
    struct str text = str_trim(str_of_c(PQerrorMessage(conn)));
    snprintf(ret_text, size, "%.*s", STR_FMT(text));
    for (char *c = ret_text; *c; c++)
        if (*c == '\n' || *c == '\t')
            *c = ' ';
}
