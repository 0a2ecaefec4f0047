/* sql_connections: the databases that sql tasks may name. docs/task-types.md has the file's form.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"

struct sql_connection {
    struct str url;
    bool is_read_only;
    int64_t timeout_ms, rows_max; /* of tasks that name none, and their bounds */
};

struct sql_connections;

/* No path: NULL. Errors: INVALID, naming file, connection and member; never a URL. */
[[nodiscard]] bool sql_connections_create(const char *path,
                                          struct sql_connections **ret_connections, struct err *e);
void sql_connections_destroy(struct sql_connections *connections); /* accepts NULL */
/* NULL: there is none of that name. */
[[nodiscard]] const struct sql_connection *
sql_connections_find(const struct sql_connections *connections, struct str name);
