/*
 * provision: the roles and the database of the private cluster. Rights on tables come with the
 * tables (entities.def); here is only who may log in, and where.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct db_conn;

struct schema_role {
    struct str name, password;
};

/*
 * Makes what is missing and sets every password to the one given, which is the truth. `conn` is a
 * superuser's, to another database of the cluster. roles[0] owns `database`, the others may connect
 * to it, nobody else may. May be repeated.   Cost: about 10 ms, most of it hashing.
 */
[[nodiscard]] bool schema_provision(struct db_conn *conn, struct str database,
                                    const struct schema_role *roles, size_t role_count,
                                    struct err *e);
/* Whether the cluster has a database of that name. */
[[nodiscard]] bool schema_has_database(struct db_conn *conn, struct str database, bool *ret_has_it,
                                       struct err *e);
