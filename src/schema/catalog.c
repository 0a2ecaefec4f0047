#include "schema/catalog.h"

#include "base/buf.h"
#include "db/conn.h"
#include "schema/catalog_sql.h"
#include "schema/diff.h"

/* The columns of catalog_objects, in its order. */
enum {
    OBJECT_KIND,
    OBJECT_PARENT,
    OBJECT_NAME,
    OBJECT_SQL,
    OBJECT_EXTRA,
    OBJECT_RIGHTS,
    OBJECT_FLAG
};

/* Everything that is kept of an answer is copied: the rows go when it has been read. */
struct reader {
    struct arena *a;
    const struct db_rows *rows;
};

static struct str text_at(const struct reader *r, size_t row, size_t column)
{
    return db_rows_text(r->rows, row, column);
}

static struct str copy_at(const struct reader *r, size_t row, size_t column)
{
    return arena_copy(r->a, text_at(r, row, column));
}

static bool is_of(const struct reader *r, size_t row, const char *kind, struct str parent)
{
    return str_eq_c(text_at(r, row, OBJECT_KIND), kind) &&
           str_eq(text_at(r, row, OBJECT_PARENT), parent);
}

static size_t count_of(const struct reader *r, const char *kind, struct str parent)
{
    size_t count = 0;
    for (size_t i = 0; i < db_rows_count(r->rows); i++)
        count += is_of(r, i, kind, parent);
    return count;
}

static enum schema_constraint_kind constraint_kind(struct str contype)
{
    if (str_eq_c(contype, "p"))
        return SCHEMA_PRIMARY;
    return str_eq_c(contype, "f") ? SCHEMA_FOREIGN : SCHEMA_CHECK;
}

static void read_table(const struct reader *r, size_t row, struct model_table *t)
{
    t->name = copy_at(r, row, OBJECT_NAME);
    t->partition_by = copy_at(r, row, OBJECT_SQL);
    t->options = copy_at(r, row, OBJECT_EXTRA);
    t->rights = copy_at(r, row, OBJECT_RIGHTS);
    t->columns = arena_new_array(r->a, count_of(r, "column", t->name), struct model_column);
    t->constraints =
        arena_new_array(r->a, count_of(r, "constraint", t->name), struct schema_constraint);
    t->indexes = arena_new_array(r->a, count_of(r, "index", t->name), struct schema_index);
    for (size_t i = 0; i < db_rows_count(r->rows); i++) {
        if (is_of(r, i, "column", t->name))
            t->columns[t->column_count++] = (struct model_column){
                .name = copy_at(r, i, OBJECT_NAME),
                .type = copy_at(r, i, OBJECT_SQL),
                .default_sql = copy_at(r, i, OBJECT_EXTRA),
                .is_not_null = db_rows_bool(r->rows, i, OBJECT_FLAG),
            };
        else if (is_of(r, i, "constraint", t->name))
            t->constraints[t->constraint_count++] = (struct schema_constraint){
                .name = copy_at(r, i, OBJECT_NAME),
                .kind = constraint_kind(text_at(r, i, OBJECT_EXTRA)),
                .sql = copy_at(r, i, OBJECT_SQL),
            };
        else if (is_of(r, i, "index", t->name))
            t->indexes[t->index_count++] = (struct schema_index){
                .name = copy_at(r, i, OBJECT_NAME),
                .is_unique = db_rows_bool(r->rows, i, OBJECT_FLAG),
                .sql = copy_at(r, i, OBJECT_SQL),
            };
    }
}

/* The labels of one enumeration stand together. */
static void read_enums(const struct reader *r, struct model *m)
{
    size_t rows = db_rows_count(r->rows);
    m->enums = arena_new_array(r->a, rows, struct model_enum);
    for (size_t i = 0; i < rows; i++) {
        if (!str_eq_c(text_at(r, i, OBJECT_KIND), "enum"))
            continue;
        struct str name = text_at(r, i, OBJECT_PARENT);
        if (m->enum_count == 0 || !str_eq(m->enums[m->enum_count - 1].name, name))
            m->enums[m->enum_count++] = (struct model_enum){
                .name = arena_copy(r->a, name),
                .labels = arena_new_array(r->a, count_of(r, "enum", name), struct str),
            };
        struct model_enum *e = &m->enums[m->enum_count - 1];
        e->labels[e->label_count++] = copy_at(r, i, OBJECT_NAME);
    }
}

static void read_model(const struct reader *r, struct model *m)
{
    read_enums(r, m);
    m->tables = arena_new_array(r->a, count_of(r, "table", STR("")), struct model_table);
    m->functions = arena_new_array(r->a, count_of(r, "function", STR("")), struct schema_function);
    for (size_t i = 0; i < db_rows_count(r->rows); i++) {
        struct str kind = text_at(r, i, OBJECT_KIND);
        if (str_eq_c(kind, "table")) {
            read_table(r, i, &m->tables[m->table_count++]);
        } else if (str_eq_c(kind, "function")) {
            m->functions[m->function_count++] =
                (struct schema_function){ .name = copy_at(r, i, OBJECT_NAME),
                                          .sql = copy_at(r, i, OBJECT_SQL),
                                          .rights = copy_at(r, i, OBJECT_RIGHTS),
                                          .is_public = db_rows_bool(r->rows, i, OBJECT_FLAG) };
        } else if (str_eq_c(kind, "role")) {
            m->role_exists = true;
            m->role_may_use = db_rows_bool(r->rows, i, OBJECT_FLAG);
        }
    }
}

bool catalog_read(struct db_conn *conn, struct arena *a, struct str schema, struct str role,
                  struct model *ret_model, struct err *e)
{
    scoped(db_rows_unrefp) struct db_rows *rows = NULL;
    if (!db_conn_run(conn, &catalog_objects, catalog_objects_args(a, schema, role), &rows, e))
        return err_in(e, "read schema %.*s", STR_FMT(schema));
    struct model m = { 0 };
    read_model(&(struct reader){ a, rows }, &m);
    *ret_model = m;
    return true;
}

static bool make_temporary(struct db_conn *conn, struct arena *a, const struct schema_set *set,
                           struct err *e)
{
    static const struct model nothing;
    static const struct diff_options no_role;
    struct model declared;
    struct diff diff;
    model_of_set(a, set, &declared);
    diff_models(a, &nothing, &declared, &no_role, &diff);
    struct buf sql;
    buf_init(&sql, 0);
    buf_put_c(&sql, "SET LOCAL search_path = pg_temp;\nSET LOCAL check_function_bodies = off;\n");
    for (size_t i = 0; i < diff.count; i++) {
        if (diff.changes[i].phase == DIFF_RIGHT)
            continue; /* rights are not spelled, and no function is found in pg_temp */
        buf_put_str(&sql, diff.changes[i].sql);
        buf_put_char(&sql, '\n');
    }
    bool done = db_conn_exec(conn, "spell the entities", buf_str(&sql), e);
    buf_clear(&sql);
    return done;
}

bool catalog_spell(struct db_conn *conn, struct arena *a, const struct schema_set *set,
                   struct model *ret_model, struct err *e)
{
    struct model m;
    if (!db_conn_exec(conn, "savepoint", STR("SAVEPOINT spell"), e) ||
        !make_temporary(conn, a, set, e) ||
        !catalog_read(conn, a, STR("pg_temp"), STR(""), &m, e) ||
        !db_conn_exec(conn, "savepoint", STR("ROLLBACK TO SAVEPOINT spell; RELEASE spell"), e))
        return err_in(e, "spell the entities of schema %.*s", STR_FMT(set->name));
    model_sort(&m, set);
    struct model declared;
    model_of_set(a, set, &declared);
    assert(m.table_count == declared.table_count);
    for (size_t i = 0; i < m.table_count; i++)
        m.tables[i].rights = declared.tables[i].rights;
    for (size_t i = 0; i < m.function_count; i++) {
        const struct schema_function *f = model_find_function(&declared, m.functions[i].name);
        m.functions[i].rights = f->rights;
        m.functions[i].is_public = f->is_public;
    }
    *ret_model = m;
    return true;
}
