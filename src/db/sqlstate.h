/*
 * sqlstate: what the server's five-letter codes mean to us. The only place that knows them.
 * Source: PostgreSQL's appendix "Error codes".
 *
 *   08xxx, 57P01-57P03, 57P05, 53xxx   UNAVAILABLE, origin DATABASE (connection lost, shutdown,
 *                                      crash, starting, too many connections, out of space)
 *   25006                              UNAVAILABLE: the server has become a standby
 *   57014                              TIMEOUT (statement_timeout, or a cancel of ours)
 *   55P03                              TIMEOUT (lock_timeout)
 *   40001, 40P01                       CONFLICT, after the repeats that are allowed
 *   23xxx                              CONFLICT; the constraint's name comes with it
 *   22xxx                              INVALID
 *   54xxx                              LIMIT
 *   28xxx, 3D000                       UNAVAILABLE: we are refused; an operator must act
 *   all others                         INTERNAL: our statement is wrong
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum { DB_SQLSTATE_LEN = 5 };

#define DB_STATE_UNIQUE_VIOLATION "23505"
#define DB_STATE_FOREIGN_KEY_VIOLATION "23503"
#define DB_STATE_CHECK_VIOLATION "23514"
#define DB_STATE_DIVISION_BY_ZERO "22012"
#define DB_STATE_QUERY_CANCELED "57014"
#define DB_STATE_LOCK_NOT_AVAILABLE "55P03"

[[nodiscard]] enum err_code db_sqlstate_code(const char *sqlstate);
/* The transaction was rolled back only because of its neighbours: 40001, 40P01. */
[[nodiscard]] bool db_sqlstate_is_retriable(const char *sqlstate);
/* The server is going away, is not there yet, or is not the primary any more. */
[[nodiscard]] bool db_sqlstate_is_outage(const char *sqlstate);
/* The server takes this write from nobody at present: 25006, 53100 (its disk is full). */
[[nodiscard]] bool db_sqlstate_is_no_writes(const char *sqlstate);
