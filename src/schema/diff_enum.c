/*
 * diff_enum: enumerations. PostgreSQL can add a value and rename one, never remove or move one: for
 * that the type is made anew and its columns are converted.
 */
#include "base/buf.h"
#include "db/conn.h"
#include "schema/diff_priv.h"

/* Whether adding values is all it takes: the labels there are stand in the wanted order. */
static bool is_extension(const struct model_enum *have, const struct model_enum *want)
{
    size_t found = 0;
    for (size_t i = 0; i < want->label_count && found < have->label_count; i++)
        if (str_eq(want->labels[i], have->labels[found]))
            found++;
    return found == have->label_count;
}

static bool keeps_all(const struct model_enum *have, const struct model_enum *want)
{
    for (size_t i = 0; i < have->label_count; i++)
        if (!model_has_label(want, have->labels[i]))
            return false;
    return true;
}

static void add_values(struct differ *d, const struct model_enum *have,
                       const struct model_enum *want)
{
    struct arena *a = d->a;
    for (size_t i = 0; i < want->label_count; i++) {
        if (model_has_label(have, want->labels[i]))
            continue;
        struct str place = STR("");
        if (i > 0)
            place = arena_printf(a, " AFTER %.*s", STR_FMT(db_quote_text(a, want->labels[i - 1])));
        else if (have->label_count > 0)
            place = arena_printf(a, " BEFORE %.*s", STR_FMT(db_quote_text(a, have->labels[0])));
        struct str label = db_quote_text(a, want->labels[i]);
        diff_add(d, DIFF_VALUE, DIFF_TYPE, "add",
                 arena_printf(a, "value %.*s of %.*s", STR_FMT(label), STR_FMT(want->name)),
                 arena_printf(a, "ALTER TYPE %.*s ADD VALUE IF NOT EXISTS %.*s%.*s;",
                              STR_FMT(diff_name(a, want->name)), STR_FMT(label), STR_FMT(place)));
    }
}

/* Whether the column is of the enumeration or an array of it. */
static bool is_of(const struct model_column *c, struct str type)
{
    return str_starts_with(c->type, type) &&
           (c->type.len == type.len || str_eq_c(str_from(c->type, type.len), "[]"));
}

/* Columns of the type that both models have. */
static bool table_uses(const struct differ *d, const struct model_table *have, struct str type)
{
    const struct model_table *want = model_find_table(d->to, have->name);
    for (size_t i = 0; want && i < have->column_count; i++) {
        const struct model_column *c = model_find_column(want, have->columns[i].name);
        if (c && is_of(&have->columns[i], type) && is_of(c, type))
            return true;
    }
    return false;
}

static void line(struct buf *b, struct str sql)
{
    buf_put_str(b, sql);
    buf_put_char(b, '\n');
}

/*
 * Indexes and checks spell the type out ('x'::old_type) and cannot follow a conversion: those that
 * are the same on both sides go before it and come back after it; the others change by themselves.
 */
static void put_dependents(struct differ *d, struct buf *b, const struct model_table *have,
                           struct str type, bool is_back)
{
    struct arena *a = d->a;
    const struct model_table *want = model_find_table(d->to, have->name);
    struct str cast = arena_printf(a, "::%.*s", STR_FMT(type));
    for (size_t i = 0; i < have->index_count; i++) {
        const struct schema_index *index = &have->indexes[i];
        const struct schema_index *same = model_find_index(want, index->name);
        if (same && str_eq(same->sql, index->sql) && str_find(index->sql, cast) >= 0)
            line(b, is_back ? ddl_create_index(a, want, same) : ddl_drop_index(a, index));
    }
    for (size_t i = 0; i < have->constraint_count; i++) {
        const struct schema_constraint *c = &have->constraints[i];
        const struct schema_constraint *same = model_find_constraint(want, c->name);
        if (same && str_eq(same->sql, c->sql) && str_find(c->sql, cast) >= 0)
            line(b, is_back ? ddl_add_constraint(a, want, same) : ddl_drop_constraint(a, have, c));
    }
}

/* A default that differs is set by a change of its own: the former may name a value that is gone.
 */
static void put_conversion(struct differ *d, struct buf *b, const struct model_table *have,
                           struct str type)
{
    struct arena *a = d->a;
    const struct model_table *want = model_find_table(d->to, have->name);
    for (size_t i = 0; i < have->column_count; i++) {
        const struct model_column *from = &have->columns[i];
        const struct model_column *to = model_find_column(want, from->name);
        if (!to || !is_of(from, type) || !is_of(to, type))
            continue;
        const char *text = str_ends_with(from->type, STR("[]")) ? "text[]" : "text";
        struct str name = diff_name(a, from->name);
        if (!str_is_empty(from->default_sql))
            line(b, ddl_alter_column(a, have, from, STR("DROP DEFAULT")));
        line(b,
             ddl_alter_column(a, have, from,
                              arena_printf(a, "TYPE %.*s USING %.*s::%s::%.*s", STR_FMT(to->type),
                                           STR_FMT(name), text, STR_FMT(to->type))));
        if (!str_is_empty(from->default_sql) && str_eq(from->default_sql, to->default_sql))
            line(b,
                 ddl_alter_column(a, have, from,
                                  arena_printf(a, "SET DEFAULT %.*s", STR_FMT(from->default_sql))));
    }
}

static void rebuild(struct differ *d, const struct model_enum *have, const struct model_enum *want)
{
    struct arena *a = d->a;
    struct buf b;
    buf_init(&b, 0);
    for (size_t i = 0; i < have->label_count; i++)
        if (!model_has_label(want, have->labels[i]))
            buf_printf(&b, "-- First give rows that hold %.*s another value.\n",
                       STR_FMT(db_quote_text(a, have->labels[i])));
    for (size_t i = 0; i < d->from->table_count; i++)
        if (table_uses(d, &d->from->tables[i], want->name))
            put_dependents(d, &b, &d->from->tables[i], want->name, false);
    struct str old = diff_name(a, arena_printf(a, "%.*s_old", STR_FMT(want->name)));
    buf_printf(&b, "ALTER TYPE %.*s RENAME TO %.*s;\n", STR_FMT(diff_name(a, want->name)),
               STR_FMT(old));
    line(&b, ddl_create_enum(a, want));
    for (size_t i = 0; i < d->from->table_count; i++)
        if (table_uses(d, &d->from->tables[i], want->name))
            put_conversion(d, &b, &d->from->tables[i], want->name);
    buf_printf(&b, "DROP TYPE %.*s;\n", STR_FMT(old));
    for (size_t i = 0; i < d->from->table_count; i++)
        if (table_uses(d, &d->from->tables[i], want->name))
            put_dependents(d, &b, &d->from->tables[i], want->name, true);

    bool is_narrower = !keeps_all(have, want);
    diff_add(d, is_narrower ? DIFF_NARROW : DIFF_REWRITE, DIFF_COLUMN,
             is_narrower ? "remove" : "move",
             arena_printf(a, "values of %.*s", STR_FMT(want->name)),
             arena_copy(a, str_trim(buf_str(&b))));
    buf_clear(&b);
}

void diff_enums(struct differ *d)
{
    struct arena *a = d->a;
    for (size_t i = 0; i < d->to->enum_count; i++) {
        const struct model_enum *want = &d->to->enums[i];
        const struct model_enum *have = model_find_enum(d->from, want->name);
        if (!have)
            diff_add(d, DIFF_CHANGE, DIFF_TYPE, "add",
                     arena_printf(a, "type %.*s", STR_FMT(want->name)), ddl_create_enum(a, want));
        else if (is_extension(have, want))
            add_values(d, have, want);
        else
            rebuild(d, have, want);
    }
    for (size_t i = 0; i < d->from->enum_count; i++) {
        struct str name = d->from->enums[i].name;
        if (!model_find_enum(d->to, name))
            diff_add(d, DIFF_EXTRA, DIFF_DROP_TYPE, "drop",
                     arena_printf(a, "type %.*s", STR_FMT(name)),
                     arena_printf(a, "DROP TYPE %.*s;", STR_FMT(diff_name(a, name))));
    }
}
