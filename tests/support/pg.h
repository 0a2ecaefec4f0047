/*
 * pg: a private PostgreSQL for one test program, on a unix socket in a scratch folder of its own,
 * with fsync off (a killed server loses nothing that way, only a host without power would). The
 * folder is in memory (/dev/shm) where 2 GiB are free there, else under /tmp. What cannot be set
 * up ends the program with a word on standard error. The server and the folder go when the program
 * does, however it ends.
 *
 * As root the server runs as user nobody. WINDLASS_PG_BIN names the server's programs, else
 * pg_config tells; WINDLASS_TEST_PG_TEMPLATE names a folder that keeps what initdb made, so that
 * it runs once a build.
 */
#pragma once
#include "base/base.h"

struct pg_server;

struct pg_options {
    const char *settings; /* words for the server's command line, "-c max_connections=10" */
    const char *hba;      /* lines that go before "local all all trust" */
};

/* `options` may be NULL. Ready when it returns. */
[[nodiscard]] struct pg_server *pg_server_start(const struct pg_options *options);
void pg_server_destroy(struct pg_server *server); /* accepts NULL */
DEFINE_SCOPED(pg_server);

/* Of a new, empty database; lives as long as the server's struct. The role is a superuser. */
[[nodiscard]] const char *pg_server_database(struct pg_server *server);
/* Of the database "postgres", to look on from outside. */
[[nodiscard]] const char *pg_server_url(const struct pg_server *server);
/* The folder of socket and log: "…/windlass-test-…". */
[[nodiscard]] const char *pg_server_folder(const struct pg_server *server);

/* kill -9 of the postmaster and all its processes, as a crash of the host would look. */
void pg_server_kill(struct pg_server *server);
/* Fast shutdown: open transactions are rolled back, connections told 57P01. */
void pg_server_stop(struct pg_server *server);
/* After a kill or a stop; returns at once, the server recovers meanwhile. */
void pg_server_launch(struct pg_server *server);
/* Until it accepts connections. */
void pg_server_wait(struct pg_server *server);

/* SIGSTOP and SIGCONT of the whole server: connections stay open and nothing answers. */
void pg_server_suspend(struct pg_server *server);
void pg_server_resume(struct pg_server *server);
