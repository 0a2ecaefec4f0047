#include "runner/sql_connections.h"

#include "base/map.h"
#include "base/mem.h"
#include "db/conn.h"
#include "payload/read.h"
#include "runner/private_file.h"

enum {
    URL_BYTES_MAX = 4096,
    NAME_BYTES_MAX = 100,
    TIMEOUT_S = 30,
    TIMEOUT_S_MAX = 3600,
    ROWS = 1000,
    ROWS_MAX = 10'000,
};

struct sql_connections {
    struct arena *arena;
    struct map *by_name; /* struct sql_connection */
};

static bool read_connection(struct sql_connections *connections, const struct json_member *m,
                            struct err *e)
{
    static const char *const known[] = { "url", "read_only", "timeout_seconds", "max_rows" };
    struct arena *a = connections->arena;
    const struct json_value *v = &m->value;
    struct sql_connection *c = arena_new(a, struct sql_connection);
    double timeout_s = TIMEOUT_S;
    struct str described;
    *c = (struct sql_connection){ .is_read_only = true, .rows_max = ROWS };
    if (m->key.len > NAME_BYTES_MAX || !payload_is_name(m->key))
        return err_set(e, ERR_INVALID, "$: letters, digits, '.', '_' and '-' expected as its name");
    if (!payload_check(v, known, countof(known), e) ||
        !payload_needs(v, "url", "connection URL of PostgreSQL", e) ||
        !payload_text(a, v, "url", URL_BYTES_MAX, &c->url, e) ||
        !payload_bool(v, "read_only", &c->is_read_only, e) ||
        !payload_number(v, "timeout_seconds", 0.001, TIMEOUT_S_MAX, &timeout_s, e) ||
        !payload_integer(v, "max_rows", 1, ROWS_MAX, &c->rows_max, e))
        return false;
    if (!db_url_describe(a, c->url, &described, e))
        return err_set(e, ERR_INVALID, "$.url: is no connection URL of PostgreSQL");
    c->timeout_ms = max_of((int64_t)(timeout_s * 1000), INT64_C(1));
    (void)map_put(connections->by_name, arena_copy(a, m->key), c);
    return true;
}

static bool read_all(struct sql_connections *connections, const char *path, struct err *e)
{
    scoped(arena_destroyp) struct arena *a = arena_create(PRIVATE_FILE_ARENA_BYTES);
    const struct json_value *object;
    if (!private_file_read(a, path, &object, e))
        return false;
    for (size_t i = 0; i < object->member_count; i++)
        if (!read_connection(connections, &object->members[i], e))
            return err_in(e, "read connection %.*s of %s",
                          STR_FMT(str_first(object->members[i].key, 60)), path);
    return true;
}

bool sql_connections_create(const char *path, struct sql_connections **ret_connections,
                            struct err *e)
{
    *ret_connections = NULL;
    if (path[0] == '\0')
        return true;
    struct sql_connections *connections = mem_new(struct sql_connections);
    connections->arena = arena_create(0);
    connections->by_name = map_create();
    if (!read_all(connections, path, e)) {
        sql_connections_destroy(connections);
        return false;
    }
    *ret_connections = connections;
    return true;
}

void sql_connections_destroy(struct sql_connections *connections)
{
    if (!connections)
        return;
    map_destroy(connections->by_name);
    arena_destroy(connections->arena);
    mem_free(connections);
}

const struct sql_connection *sql_connections_find(const struct sql_connections *connections,
                                                  struct str name)
{
    return map_get(connections->by_name, name);
}
