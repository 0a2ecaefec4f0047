/*
 * up_cluster: the private PostgreSQL cluster of an installation: which programs run it, where its
 * data is, how it is made and started, and what its postmaster.pid says.
 * Source: docs/operations.md "The private cluster", docs/decisions/0003-private-cluster.md.
 */
#pragma once
#include "base/base.h" /* first: it chooses what the system's headers show */

#include <limits.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "schema/server.h"

struct db_conn;

enum {
    UP_CLUSTER_VERSION_MIN = SCHEMA_SERVER_VERSION_MIN,
    /* sockaddr_un's path is 108 bytes with its NUL; the server's socket is FOLDER/.s.PGSQL.5432. */
    UP_SOCKET_FOLDER_MAX = 107 - 14,
};

enum up_role { UP_ROLE_SUPERUSER, UP_ROLE_OWNER, UP_ROLE_GATEWAY, UP_ROLE_WORKER, UP_ROLE_COUNT };

struct up_cluster {
    struct arena *arena;
    const char *programs; /* the folder of initdb and postgres */
    const char *folder;   /* "…/postgres" */
    const char *data;     /* "…/postgres/15" */
    const char *unmade;   /* "…/postgres/15.tmp": what initdb works on */
    const char *secrets;  /* the folder of the roles' passwords */
    const char *run;      /* the folder of the socket */
    const char *pwfile;   /* the file of the superuser's password, for initdb */
    const char *superuser_url;
    int version;  /* 15 */
    bool is_made; /* `data` exists */
    bool is_for_developers;
    int connections_max;
    int shard_count; /* with a database each */
    struct str passwords[UP_ROLE_COUNT];
};

struct up_cluster_options {
    struct arena *arena;
    const char *data;     /* of the installation */
    const char *run;      /* at most UP_SOCKET_FOLDER_MAX bytes */
    const char *programs; /* WINDLASS_PG_BIN; "": look for them */
    int connections_max;
    int shard_count;
    bool is_for_developers; /* statements that failed are logged with their text */
};

/*
 * Finds programs and data that fit each other. Runs pg_config and postgres --version.
 *
 * Errors: NOT_FOUND with the package to install; INVALID where versions do not fit.
 */
[[nodiscard]] bool up_cluster_find(const struct up_cluster_options *options,
                                   struct up_cluster *ret_cluster, struct err *e);
/* The folders and the passwords, made where they are missing. Errors: as up_secret. */
[[nodiscard]] bool up_cluster_prepare(struct up_cluster *cluster, struct err *e);

/* The command lines; arrays end in NULL and live in the arena. */
[[nodiscard]] const char *const *up_cluster_initdb_args(const struct up_cluster *cluster);
[[nodiscard]] const char *const *up_cluster_server_args(const struct up_cluster *cluster);
/* What initdb made becomes the cluster, for good. */
[[nodiscard]] bool up_cluster_accept(struct up_cluster *cluster, struct err *e);

enum up_server_state { UP_SERVER_UNKNOWN, UP_SERVER_STARTING, UP_SERVER_READY, UP_SERVER_STOPPING };

/* What postmaster.pid says. Source: PostgreSQL's src/include/utils/pidfile.h. */
struct up_pidfile {
    pid_t pid;
    struct str data;
    struct str sockets; /* the folder of its socket; empty until it listens */
    enum up_server_state state;
};
enum { UP_PIDFILE_BYTES_MAX = PATH_MAX * 2 };
[[nodiscard]] bool up_pidfile_parse(struct str text, struct up_pidfile *ret_file);
/* False: there is none, or it is none. Texts point into `bytes`. */
[[nodiscard]] bool up_pidfile_read(const struct up_cluster *cluster,
                                   char bytes[UP_PIDFILE_BYTES_MAX], struct up_pidfile *ret_file);

/* The state as the server process `pid` has written it; UNKNOWN when the file is another's. */
[[nodiscard]] enum up_server_state up_cluster_state(const struct up_cluster *cluster, pid_t pid);
/* A server that runs on our data although nobody supervises it any more; 0: none. */
[[nodiscard]] pid_t up_cluster_orphan(const struct up_cluster *cluster);

/* "windlass" of shard 0, "windlass_shard1", … */
enum { UP_DATABASE_NAME_MAX = 32 };
void up_cluster_name_database(int shard, char ret_name[UP_DATABASE_NAME_MAX]);
/* "postgresql://role:password@/database?host=…" in the arena; the database is the shard's. */
[[nodiscard]] const char *up_cluster_url(const struct up_cluster *cluster, enum up_role role,
                                         int shard);
/*
 * The same for a cluster that already runs, found by its postmaster.pid. Makes nothing.
 *
 * Errors: NOT_FOUND when it does not run (yet); else as up_secret, for it belongs to another user.
 */
[[nodiscard]] bool up_cluster_join(struct up_cluster *cluster, enum up_role role, int shard,
                                   const char **ret_url, struct err *e);
/* Roles, passwords, databases. Blocks on the database: for another thread than the loop's. */
[[nodiscard]] bool up_cluster_provision(const struct up_cluster *cluster, struct err *e);

/* "postgres (PostgreSQL) 15.20 (Debian …)" gives 15; 0 when it says nothing known. */
[[nodiscard]] int up_server_version(struct str text);
/* A part of shared memory that suits a machine with so much: 15 %, from 32 to 1024 MiB. */
[[nodiscard]] int64_t up_shared_buffers_mib(uint64_t memory_bytes);
/* A small file, in `bytes`; "" when it cannot be read. */
[[nodiscard]] struct str up_file_read(const char *path, char *bytes, size_t size);
