/* rows_priv: how the files of db make rows and errors of libpq's results. */
#pragma once
#include <libpq-fe.h>

#include "base/err.h"
#include "db/rows.h"

/* One reference, which is the caller's. Owns: the result. */
[[nodiscard]] struct db_rows *db_rows_create(PGresult *result);

/*
 * Sets the error that a failed result stands for and returns false. The message begins with
 * `purpose`. Texts of the server that may quote a value (class 22) are left out.
 */
bool db_result_fail(const PGresult *result, const char *purpose, struct err *e);

/*
 * The same of a step of the pool: what the server said, with the names of statement and constraint,
 * is context, for the message may reach a user.
 */
bool db_step_fail(const PGresult *result, const char *statement, struct err *e);

/* libpq's message of a connection as one line without its end. */
void db_connection_reason(const PGconn *conn, char *ret_text, size_t size);
