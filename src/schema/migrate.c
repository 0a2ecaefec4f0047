/*
 * migrate: runs the files one by one, each in a transaction of its own that begins with the lock
 * and a fresh look at what was applied. So any number of programs may run them at once, and what a
 * killed one leaves is a database at some version, never between two.
 */
#include "schema/migrate_priv.h"

#include "db/conn.h"
#include "base/log.h"
#include "schema/catalog.h"
#include "schema/state_sql.h"

struct applied {
    int number;
    struct str name, checksum;
    int64_t at_us;
};

struct applied_list {
    struct applied *items; /* by number */
    size_t count;
};

static bool read_applied(struct work *w, struct applied_list *ret_list, struct err *e)
{
    scoped(db_rows_unrefp) struct db_rows *rows = NULL;
    if (!db_conn_run(w->conn, &migrations_read, NULL, &rows, e))
        return false;
    struct applied_list list = { .count = db_rows_count(rows) };
    list.items = arena_new_array(w->a, list.count, struct applied);
    for (size_t i = 0; i < list.count; i++)
        list.items[i] = (struct applied){
            .number = (int)db_rows_i64(rows, i, 0),
            .name = arena_copy(w->a, db_rows_text(rows, i, 1)),
            .checksum = arena_copy(w->a, db_rows_text(rows, i, 2)),
            .at_us = db_rows_time(rows, i, 3),
        };
    *ret_list = list;
    return true;
}

static const struct applied *find_applied(const struct applied_list *list, int number)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].number == number)
            return &list->items[i];
    return NULL;
}

static bool is_edited(const struct migration *m, const struct applied *applied)
{
    return !str_eq(applied->name, m->name) || !str_eq_c(applied->checksum, m->checksum);
}

static bool refuse_edited(const struct migration *m, const struct applied *applied, struct err *e)
{
    if (!str_eq(applied->name, m->name))
        return err_set(e, ERR_CONFLICT, "the database has %.*s, this program %.*s",
                       STR_FMT(applied->name), STR_FMT(m->name));
    return err_set(e, ERR_CONFLICT,
                   "%.*s was edited after it was applied: take the edit back and write a new "
                   "migration",
                   STR_FMT(m->name));
}

/* NULL when all are applied. Errors: CONFLICT for an edited one. */
static bool find_pending(struct work *w, const struct applied_list *applied,
                         const struct migration **ret_next, struct err *e)
{
    *ret_next = NULL;
    for (size_t i = 0; i < w->migrations.count; i++) {
        const struct migration *m = &w->migrations.items[i];
        const struct applied *done = find_applied(applied, m->number);
        if (done && is_edited(m, done))
            return refuse_edited(m, done, e);
        if (!done && !*ret_next)
            *ret_next = m;
    }
    return true;
}

bool migrate_next(struct work *w, const struct migration **ret_next, struct err *e)
{
    struct applied_list applied;
    return read_applied(w, &applied, e) && find_pending(w, &applied, ret_next, e);
}

static bool note_applied(struct work *w, const struct migration *m, struct err *e)
{
    return db_conn_run(w->conn, &migrations_add,
                       migrations_add_args(w->a, m->number, m->name, str_of_c(m->checksum)), NULL,
                       e);
}

static bool note_reverted(struct work *w, const struct migration *m, struct err *e)
{
    return db_conn_run(w->conn, &migrations_remove, migrations_remove_args(w->a, m->number), NULL,
                       e);
}

/* The statements of one way; an error names the line of the file. */
static bool run_part(struct db_conn *conn, const struct migration *m, bool is_up, struct err *e)
{
    log_debug("schema.migration", "name=%.*s up=%d", STR_FMT(m->name), is_up);
    if (db_conn_exec(conn, m->name.ptr, is_up ? m->up : m->down, e))
        return true;
    int line = db_conn_line(conn);
    return line > 0 ? err_in(e, "line %d", line + (is_up ? m->up_line : m->down_line)) : false;
}

/*
 * A statement without transaction runs on a second connection while the first holds the lock in an
 * open transaction. CREATE INDEX CONCURRENTLY would wait for a snapshot of that one, and the portal
 * of its last parametrised statement has one until a plain statement takes its place.
 * Killed between the statement and its note, the statement is run again: it is safe to repeat.
 */
static bool run_beside(struct work *w, const struct migration *m, bool is_up, struct err *e)
{
    scoped(db_conn_destroyp) struct db_conn *conn = NULL;
    struct str settings = arena_printf(w->a, "SET search_path = %.*s; SET statement_timeout = 0",
                                       STR_FMT(diff_name(w->a, w->set->name)));
    return db_conn_exec(w->conn, "let go of the snapshot", STR("SET LOCAL statement_timeout = 0"),
                        e) &&
           work_connect(w, &conn, e) && db_conn_exec(conn, "settings", settings, e) &&
           run_part(conn, m, is_up, e);
}

/* The file may have set a search path of its own. */
static bool run_within(struct work *w, const struct migration *m, bool is_up, struct err *e)
{
    return run_part(w->conn, m, is_up, e) &&
           db_conn_run(w->conn, &state_path, state_path_args(w->a, w->set->name), NULL, e);
}

/* Within the transaction that holds the lock; ends it. */
static bool run_one(struct work *w, const struct migration *m, bool is_up, struct err *e)
{
    return (m->in_transaction ? run_within(w, m, is_up, e) : run_beside(w, m, is_up, e)) &&
           (is_up ? note_applied(w, m, e) : note_reverted(w, m, e)) && db_conn_commit(w->conn, e);
}

static bool is_right(const struct diff_change *change)
{
    return change->phase == DIFF_RIGHT && !change->is_part; /* of what is there */
}

/* A table of the entities that the database has; NULL where it has none. */
static const struct schema_table *find_table(const struct work *w, const struct model *m)
{
    for (size_t i = 0; i < w->set->table_count; i++)
        if (model_find_table(m, w->set->tables[i].name))
            return &w->set->tables[i];
    return NULL;
}

/* Within the transaction that holds the lock. */
static bool note_all(struct work *w, const struct applied_list *applied, struct err *e)
{
    for (size_t i = 0; i < w->migrations.count; i++) {
        const struct migration *m = &w->migrations.items[i];
        if (!find_applied(applied, m->number) && !note_applied(w, m, e))
            return false;
    }
    if (!db_conn_commit(w->conn, e))
        return false;
    for (size_t i = 0; i < w->migrations.count; i++)
        if (!find_applied(applied, w->migrations.items[i].number))
            work_report(w, SCHEMA_REPORT_DONE, "noted %.*s as applied",
                        STR_FMT(w->migrations.items[i].name));
    return true;
}

/*
 * The tables are there and nobody migrated them. Where they are as the entities want them, somebody
 * synchronised (a development installation that becomes a productive one), and the migrations,
 * which lead to the same, are noted. Else it is somebody else's database or another version's.
 */
static bool adopt_synchronised(struct work *w, const struct applied_list *applied,
                               const struct work_facts *facts, const struct schema_table *table,
                               struct err *e)
{
    struct diff diff;
    if (!work_diff(w, facts, true, &diff, e))
        return false;
    for (size_t i = 0; i < diff.count; i++)
        if (!check_is_harmless(&diff.changes[i]) && !is_right(&diff.changes[i]))
            return err_set(e, ERR_CONFLICT,
                           "table %.*s is there and no migration made it: is this the right "
                           "database? One that another version synchronised must be synchronised "
                           "by this one first",
                           STR_FMT(table->name));
    return note_all(w, applied, e);
}

/* Runs the next one; `*ret_done` when there is none. */
static bool run_next(struct work *w, bool *ret_done, struct err *e)
{
    struct applied_list applied;
    struct work_facts facts;
    const struct migration *next;
    if (!work_begin_locked(w, e) || !work_make_tables(w, e) || !read_applied(w, &applied, e) ||
        !find_pending(w, &applied, &next, e))
        return false;
    *ret_done = !next;
    if (!next)
        return db_conn_commit(w->conn, e);
    if (applied.count == 0 && !work_facts(w, &facts, e))
        return false;
    const struct schema_table *table = applied.count == 0 ? find_table(w, &facts.model) : NULL;
    if (table)
        return adopt_synchronised(w, &applied, &facts, table, e);
    if (!run_one(w, next, true, e))
        return err_in(e, "migration %.*s, of which nothing was kept", STR_FMT(next->name));
    work_report(w, SCHEMA_REPORT_DONE, "%.*s", STR_FMT(next->name));
    return true;
}

bool migrate_all(struct work *w, struct err *e)
{
    for (bool done = false; !done;)
        if (!run_next(w, &done, e))
            return db_conn_rollback(w->conn), false;
    return true;
}

/* Rights depend on the installation's roles, so they are no part of the files. */
static bool give_rights(struct work *w, struct err *e)
{
    struct work_facts facts;
    struct diff diff;
    if (!work_begin_locked(w, e) || !work_facts(w, &facts, e))
        return false;
    if (facts.is_current)
        return db_conn_commit(w->conn, e);
    if (!work_diff(w, &facts, true, &diff, e) || !work_apply(w, &diff, is_right, e))
        return false;
    bool agrees = true;
    size_t changed = 0;
    for (size_t i = 0; i < diff.count; i++) {
        agrees = agrees && (diff.changes[i].kind == DIFF_EXTRA || is_right(&diff.changes[i]));
        changed += is_right(&diff.changes[i]);
    }
    if ((agrees && !work_save(w, e)) || !db_conn_commit(w->conn, e))
        return false;
    if (changed > 0)
        work_report(w, SCHEMA_REPORT_DONE, "rights of %.*s on %zu tables", STR_FMT(w->set->role),
                    changed);
    return true;
}

static bool is_all_done(struct work *w, bool *ret_done, struct err *e)
{
    struct work_facts facts;
    const struct migration *next = NULL;
    if (!work_begin(w, e) || !work_facts(w, &facts, e) ||
        (facts.has_migrations && !migrate_next(w, &next, e)))
        return false;
    *ret_done = facts.is_current && facts.has_migrations && !next;
    return db_conn_commit(w->conn, e);
}

/* After all files a database may still differ, by somebody's hand: that is refused here as well. */
bool migrate_run(struct work *w, struct err *e)
{
    bool is_done = false;
    bool done = is_all_done(w, &is_done, e) &&
                (is_done || (migrate_all(w, e) && give_rights(w, e) && check_run(w, e)));
    db_conn_rollback(w->conn);
    return done || err_in(e, "migrate the schema");
}

static struct migrate_entry entry_of(const struct migration *m, const struct applied *applied)
{
    return (struct migrate_entry){ .number = m->number,
                                   .name = m->name,
                                   .state = !applied                ? MIGRATE_PENDING
                                            : is_edited(m, applied) ? MIGRATE_EDITED
                                                                    : MIGRATE_APPLIED,
                                   .applied_at_us = applied ? applied->at_us : 0 };
}

static bool list_entries(struct work *w, struct arena *a, struct migrate_entry **ret_entries,
                         size_t *ret_count, struct err *e)
{
    struct work_facts facts;
    struct applied_list applied = { 0 };
    if (!work_begin(w, e) || !work_facts(w, &facts, e) ||
        (facts.has_migrations && !read_applied(w, &applied, e)))
        return false;
    struct migrate_entry *entries =
        arena_new_array(a, w->migrations.count + applied.count, struct migrate_entry);
    size_t count = 0;
    for (size_t i = 0; i < w->migrations.count; i++) {
        const struct migration *m = &w->migrations.items[i];
        entries[count] = entry_of(m, find_applied(&applied, m->number));
        entries[count].name = arena_copy(a, entries[count].name);
        count++;
    }
    for (size_t i = 0; i < applied.count; i++)
        if (applied.items[i].number > (int)w->migrations.count)
            entries[count++] = (struct migrate_entry){ applied.items[i].number,
                                                       arena_copy(a, applied.items[i].name),
                                                       MIGRATE_UNKNOWN, applied.items[i].at_us };
    *ret_entries = entries;
    *ret_count = count;
    return true;
}

bool migrate_status(struct str url, const struct schema_options *options, struct arena *a,
                    struct migrate_entry **ret_entries, size_t *ret_count, struct err *e)
{
    scoped(work_clear) struct work w;
    return work_open(&w, url, options, e) && list_entries(&w, a, ret_entries, ret_count, e);
}

static bool find_last(struct work *w, const struct applied_list *applied,
                      const struct migration **ret_last, struct err *e)
{
    if (applied->count == 0)
        return err_set(e, ERR_NOT_FOUND, "no migration is applied");
    const struct applied *last = &applied->items[applied->count - 1];
    if (last->number > (int)w->migrations.count)
        return err_set(e, ERR_CONFLICT, "%.*s is not known to this program", STR_FMT(last->name));
    const struct migration *m = &w->migrations.items[last->number - 1];
    if (is_edited(m, last))
        return refuse_edited(m, last, e);
    if (m->is_irreversible)
        return err_set(e, ERR_CONFLICT, "%.*s is irreversible: %.*s", STR_FMT(m->name),
                       STR_FMT(m->down));
    *ret_last = m;
    return true;
}

bool migrate_revert_last(struct work *w, struct err *e)
{
    struct applied_list applied;
    const struct migration *last;
    if (!work_begin_locked(w, e) || !work_make_tables(w, e) || !read_applied(w, &applied, e) ||
        !find_last(w, &applied, &last, e) || !run_one(w, last, false, e))
        return db_conn_rollback(w->conn), false;
    work_report(w, SCHEMA_REPORT_DONE, "reverted %.*s", STR_FMT(last->name));
    return true;
}

bool migrate_revert(struct str url, const struct schema_options *options, int count, struct err *e)
{
    scoped(work_clear) struct work w;
    if (!work_open(&w, url, options, e))
        return false;
    for (int i = 0; i < count; i++)
        if (!migrate_revert_last(&w, e))
            return err_in(e, "revert a migration");
    return true;
}

static bool adopt(struct work *w, struct err *e)
{
    struct applied_list applied;
    bool done = work_begin_locked(w, e) && work_make_tables(w, e) && read_applied(w, &applied, e) &&
                note_all(w, &applied, e);
    db_conn_rollback(w->conn);
    return done;
}

bool migrate_baseline(struct str url, const struct schema_options *options, struct err *e)
{
    scoped(work_clear) struct work w;
    bool done = work_open(&w, url, options, e) && check_run(&w, e) && adopt(&w, e);
    return done || err_in(e, "adopt the database");
}
