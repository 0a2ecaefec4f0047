#include "db/conn.h"
#include "schema/catalog.h"
#include "schema/state_sql.h"
#include "schema/work_priv.h"

enum {
    LOCK_TIMEOUT_MS = 60 * 1000,
    LOCK_QUIET_MS = 200, /* a wait that is not worth a word */
};

bool work_open(struct work *w, struct str url, const struct schema_options *options, struct err *e)
{
    *w = (struct work){ .url = url, .options = options };
    w->set = options->set ? options->set : &schema_public;
    w->a = arena_create(0);
    if (options->migrations)
        w->migrations = *options->migrations;
    else
        migration_embedded(w->a, w->set, &w->migrations);
    return work_connect(w, &w->conn, e);
}

bool work_connect(const struct work *w, struct db_conn **ret_conn, struct err *e)
{
    return db_conn_open(
        &(struct db_conn_options){ .url = w->url,
                                   .application_name = "windlass schema",
                                   .database = w->database,
                                   .connect_timeout_ms = w->options->connect_timeout_ms },
        ret_conn, e);
}

void work_clear(struct work *w)
{
    db_conn_destroy(take(w->conn));
    arena_destroy(take(w->a));
}

bool work_begin(struct work *w, struct err *e)
{
    return db_conn_begin(w->conn, e) &&
           db_conn_run(w->conn, &state_path, state_path_args(w->a, w->set->name), NULL, e);
}

/* The first try is short, to tell of a longer wait. */
static bool take_lock(struct work *w, struct err *e)
{
    int64_t timeout_ms =
        w->options->lock_timeout_ms ? w->options->lock_timeout_ms : LOCK_TIMEOUT_MS;
    int64_t quiet_ms = min_of(timeout_ms, (int64_t)LOCK_QUIET_MS);
    if (!db_conn_begin(w->conn, e))
        return false;
    if (db_conn_lock(w->conn, WORK_LOCK_KEY, quiet_ms, e))
        return true;
    if (e->code != ERR_TIMEOUT)
        return false;
    db_conn_rollback(w->conn);
    work_report(w, SCHEMA_REPORT_WAIT, "another program is changing the schema; waiting for it");
    if (db_conn_begin(w->conn, e) && db_conn_lock(w->conn, WORK_LOCK_KEY, timeout_ms, e))
        return true;
    if (e->code == ERR_TIMEOUT)
        err_set_from(e, ERR_ORIGIN_DATABASE, ERR_TIMEOUT,
                     "another program has been changing the schema for more than %lld s",
                     (long long)(timeout_ms / 1000));
    return false;
}

static bool make_schema(struct work *w, struct err *e)
{
    scoped(db_rows_unrefp) struct db_rows *rows = NULL;
    if (!db_conn_run(w->conn, &state_schema_exists, state_schema_exists_args(w->a, w->set->name),
                     &rows, e))
        return false;
    return db_rows_bool(rows, 0, 0) ||
           db_conn_exec(
               w->conn, "create schema",
               arena_printf(w->a, "CREATE SCHEMA %.*s", STR_FMT(diff_name(w->a, w->set->name))), e);
}

/*
 * A change waits ten seconds at most for a table that somebody reads or writes: all who come later
 * wait behind it. How long it then takes is nobody's to limit.
 */
bool work_begin_locked(struct work *w, struct err *e)
{
    return take_lock(w, e) &&
           db_conn_exec(w->conn, "set time limits",
                        STR("SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = 0; "
                            "SET LOCAL idle_in_transaction_session_timeout = 0"),
                        e) &&
           make_schema(w, e) &&
           db_conn_run(w->conn, &state_path, state_path_args(w->a, w->set->name), NULL, e);
}

/* The entities as they are declared: what a program is known by. */
static void fingerprint(struct work *w, char ret_hex[SHA256_HEX_LEN + 1])
{
    struct model declared;
    model_of_set(w->a, w->set, &declared);
    model_digest(&declared, ret_hex);
}

static bool read_state(struct work *w, struct work_facts *facts, struct err *e)
{
    scoped(db_rows_unrefp) struct db_rows *tables = NULL;
    if (!db_conn_run(w->conn, &state_tables, NULL, &tables, e))
        return false;
    facts->has_migrations = db_rows_bool(tables, 0, 1);
    if (!db_rows_bool(tables, 0, 0))
        return true;
    scoped(db_rows_unrefp) struct db_rows *state = NULL;
    if (!db_conn_run(w->conn, &state_read, NULL, &state, e))
        return false;
    char entities[SHA256_HEX_LEN + 1], catalog[SHA256_HEX_LEN + 1];
    fingerprint(w, entities);
    model_digest(&facts->model, catalog);
    facts->is_current = db_rows_count(state) == 1 &&
                        str_eq_c(db_rows_text(state, 0, 0), entities) &&
                        str_eq_c(db_rows_text(state, 0, 1), catalog);
    return true;
}

bool work_facts(struct work *w, struct work_facts *ret_facts, struct err *e)
{
    struct work_facts facts = { 0 };
    if (!catalog_read(w->conn, w->a, w->set->name, w->set->role, &facts.model, e) ||
        !read_state(w, &facts, e))
        return false;
    *ret_facts = facts;
    return true;
}

bool work_diff(struct work *w, const struct work_facts *facts, bool keep_extra,
               struct diff *ret_diff, struct err *e)
{
    struct model wanted;
    if (!catalog_spell(w->conn, w->a, w->set, &wanted, e))
        return false;
    struct diff_options options = { .role = facts->model.role_exists ? w->set->role : STR(""),
                                    .schema = w->set->name,
                                    .keep_extra = keep_extra };
    diff_models(w->a, &facts->model, &wanted, &options, ret_diff);
    return true;
}

bool work_apply(struct work *w, const struct diff *diff,
                bool accepts(const struct diff_change *change), struct err *e)
{
    for (size_t i = 0; i < diff->count; i++) {
        const struct diff_change *change = &diff->changes[i];
        if (!accepts(change))
            continue;
        struct str purpose =
            arena_printf(w->a, "%.*s %.*s", STR_FMT(change->verb), STR_FMT(change->what));
        if (!db_conn_exec(w->conn, purpose.ptr, change->sql, e)) {
            work_report(w, SCHEMA_REPORT_SQL, "%.*s", STR_FMT(change->sql));
            return false;
        }
    }
    return true;
}

bool work_make_tables(struct work *w, struct err *e)
{
    scoped(db_rows_unrefp) struct db_rows *tables = NULL;
    if (!db_conn_run(w->conn, &state_tables, NULL, &tables, e))
        return false;
    return (db_rows_bool(tables, 0, 0) || db_conn_run(w->conn, &state_make, NULL, NULL, e)) &&
           (db_rows_bool(tables, 0, 1) || db_conn_run(w->conn, &migrations_make, NULL, NULL, e));
}

bool work_save(struct work *w, struct err *e)
{
    struct model model;
    if (!work_make_tables(w, e) ||
        !catalog_read(w->conn, w->a, w->set->name, w->set->role, &model, e))
        return false;
    char entities[SHA256_HEX_LEN + 1], catalog[SHA256_HEX_LEN + 1];
    fingerprint(w, entities);
    model_digest(&model, catalog);
    struct str grant =
        arena_printf(w->a, "GRANT SELECT ON " CATALOG_STATE ", " CATALOG_MIGRATIONS " TO %.*s",
                     STR_FMT(diff_name(w->a, w->set->role)));
    return (!model.role_exists || db_conn_exec(w->conn, "grant", grant, e)) &&
           db_conn_run(w->conn, &state_write,
                       state_write_args(w->a, str_of_c(entities), str_of_c(catalog)), NULL, e);
}

void work_report(const struct work *w, enum schema_report kind, const char *fmt, ...)
{
    if (!w->options->report)
        return;
    va_list args;
    va_start(args, fmt);
    struct str text = arena_vprintf(w->a, fmt, args);
    va_end(args);
    w->options->report(kind, text, w->options->owner);
}

void work_report_change(const struct work *w, enum schema_report kind,
                        const struct diff_change *change)
{
    work_report(w, kind, "%.*s %.*s", STR_FMT(change->verb), STR_FMT(change->what));
}
