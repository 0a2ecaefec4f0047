/* server: what the PostgreSQL server is like, for those who judge whether it is fit. */
#pragma once
#include "base/err.h"

struct db_conn;

enum { SCHEMA_SERVER_VERSION_MIN = 15 }; /* of PostgreSQL */

struct schema_server {
    int version; /* 150020 for 15.20 */
    bool is_utf8;
    bool is_crash_safe;  /* fsync and full_page_writes are on */
    bool is_commit_kept; /* synchronous_commit is not off */
    bool is_read_only;
    int64_t connections_max, connections; /* for ordinary roles; of all clients now */
    int64_t longest_transaction_s;        /* in this database, but for our own; those we may see */
    int64_t size_bytes;                   /* of this database */
    int64_t now_us;                       /* by the server's clock */
};

/* Errors: those of db_conn_run.   Cost: one round trip. */
[[nodiscard]] bool schema_server_look(struct db_conn *conn, struct schema_server *ret_server,
                                      struct err *e);

struct schema_leader {
    bool was_led;  /* a worker has led the queue, now or before */
    bool is_held;  /* the lease runs still, by the database's clock */
    char name[64]; /* of the worker, perhaps shortened; "" when it gave the lease back */
};

/* Of the worker's schema, which must be there. Errors and cost: as above. */
[[nodiscard]] bool schema_server_leader(struct db_conn *conn, struct schema_leader *ret_leader,
                                        struct err *e);
