/* url_priv: the connection parameters of every connection that db opens. */
#pragma once
#include <libpq-fe.h>

#include "base/err.h"
#include "base/str.h"

/* A URL that libpq can read. Errors: INVALID; the text never quotes the URL. */
[[nodiscard]] bool db_url_check(const char *url, struct err *e);

/*
 * Connects as PQconnectdbParams does; it blocks, at most connect_timeout_ms for each host and
 * address. What the URL says goes before our defaults; `database` (NULL: none) before the URL.
 */
[[nodiscard]] PGconn *db_url_connect(const char *url, const char *database,
                                     const char *application_name, int64_t connect_timeout_ms);

/* What all our statements rely on: UTF-8, ISO dates. Errors: UNAVAILABLE. */
[[nodiscard]] bool db_session_check(const PGconn *conn, struct err *e);
