/*
 * ddl: the statements that diff writes. Definitions (types, defaults, expressions) are SQL already
 * and go in as they are; names are quoted where they must be.
 */
#include "base/buf.h"
#include "db/conn.h"
#include "schema/diff_priv.h"

/* Keywords that no column or table can be called without quotes: pg_get_keywords(), R and T of
 * PostgreSQL 15 to 18. */
static const char reserved_words[] =
    " all analyse analyze and any array as asc asymmetric authorization binary both case cast check"
    " collate collation column concurrently constraint create cross current_catalog current_date"
    " current_role current_schema current_time current_timestamp current_user default deferrable"
    " desc distinct do else end except false fetch for foreign freeze from full grant group having"
    " ilike in initially inner intersect into is isnull join lateral leading left like limit"
    " localtime localtimestamp natural not notnull null offset on only or order outer overlaps"
    " placing primary references returning right select session_user similar some symmetric"
    " system_user table tablesample then to trailing true union unique user using variadic verbose"
    " when where window with ";

static bool is_plain(struct str name)
{
    if (str_is_empty(name) || (name.ptr[0] >= '0' && name.ptr[0] <= '9'))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return true;
}

struct str diff_name(struct arena *a, struct str name)
{
    struct str word = arena_printf(a, " %.*s ", STR_FMT(name));
    if (is_plain(name) && str_find(str_of_c(reserved_words), word) < 0)
        return name;
    return db_quote_name(a, name);
}

struct str ddl_column(struct arena *a, const struct model_column *c)
{
    bool has_default = !str_is_empty(c->default_sql);
    return arena_printf(a, "%.*s %.*s%s%.*s%s", STR_FMT(diff_name(a, c->name)), STR_FMT(c->type),
                        has_default ? " DEFAULT " : "", STR_FMT(c->default_sql),
                        c->is_not_null ? " NOT NULL" : "");
}

struct str ddl_create_table(struct arena *a, const struct model_table *t)
{
    struct buf b;
    buf_init(&b, 0);
    buf_printf(&b, "CREATE TABLE %.*s (", STR_FMT(diff_name(a, t->name)));
    const char *between = "\n    ";
    for (size_t i = 0; i < t->column_count; i++, between = ",\n    ") {
        buf_put_c(&b, between);
        buf_put_str(&b, ddl_column(a, &t->columns[i]));
    }
    for (size_t i = 0; i < t->constraint_count; i++) {
        const struct schema_constraint *c = &t->constraints[i];
        if (c->kind == SCHEMA_FOREIGN) /* added when all tables are there */
            continue;
        buf_printf(&b, "%sCONSTRAINT %.*s %.*s", between, STR_FMT(diff_name(a, c->name)),
                   STR_FMT(c->sql));
        between = ",\n    ";
    }
    buf_put_c(&b, "\n)");
    if (!str_is_empty(t->partition_by))
        buf_printf(&b, " PARTITION BY %.*s", STR_FMT(t->partition_by));
    if (!str_is_empty(t->options))
        buf_printf(&b, " WITH (%.*s)", STR_FMT(t->options));
    buf_put_char(&b, ';');
    struct str sql = arena_copy(a, buf_str(&b));
    buf_clear(&b);
    return sql;
}

struct str ddl_create_enum(struct arena *a, const struct model_enum *e)
{
    struct str sql = arena_printf(a, "CREATE TYPE %.*s AS ENUM (", STR_FMT(diff_name(a, e->name)));
    for (size_t i = 0; i < e->label_count; i++)
        sql = arena_printf(a, "%.*s%s%.*s", STR_FMT(sql), i ? ", " : "",
                           STR_FMT(db_quote_text(a, e->labels[i])));
    return arena_printf(a, "%.*s);", STR_FMT(sql));
}

struct str ddl_create_index(struct arena *a, const struct model_table *t,
                            const struct schema_index *i)
{
    return arena_printf(a, "CREATE %sINDEX %.*s ON %.*s USING %.*s;", i->is_unique ? "UNIQUE " : "",
                        STR_FMT(diff_name(a, i->name)), STR_FMT(diff_name(a, t->name)),
                        STR_FMT(i->sql));
}

struct str ddl_drop_index(struct arena *a, const struct schema_index *i)
{
    return arena_printf(a, "DROP INDEX %.*s;", STR_FMT(diff_name(a, i->name)));
}

struct str ddl_add_constraint(struct arena *a, const struct model_table *t,
                              const struct schema_constraint *c)
{
    return arena_printf(a, "ALTER TABLE %.*s ADD CONSTRAINT %.*s %.*s;",
                        STR_FMT(diff_name(a, t->name)), STR_FMT(diff_name(a, c->name)),
                        STR_FMT(c->sql));
}

struct str ddl_drop_constraint(struct arena *a, const struct model_table *t,
                               const struct schema_constraint *c)
{
    return arena_printf(a, "ALTER TABLE %.*s DROP CONSTRAINT %.*s;", STR_FMT(diff_name(a, t->name)),
                        STR_FMT(diff_name(a, c->name)));
}

struct str ddl_alter_column(struct arena *a, const struct model_table *t,
                            const struct model_column *c, struct str action)
{
    return arena_printf(a, "ALTER TABLE %.*s ALTER COLUMN %.*s %.*s;",
                        STR_FMT(diff_name(a, t->name)), STR_FMT(diff_name(a, c->name)),
                        STR_FMT(action));
}
