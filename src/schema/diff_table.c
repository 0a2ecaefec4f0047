/* diff_table: tables, their columns, constraints, indexes and rights. */
#include "base/buf.h"
#include "schema/diff_priv.h"

/* Our names end so, PostgreSQL's own do not: see entities.def. */
static bool is_ours(struct str table, struct str name)
{
    static const char *const suffixes[] = { "_ix", "_uq", "_ck", "_fk", "_pkey" };
    if (!str_starts_with(name, table))
        return false;
    for (size_t i = 0; i < countof(suffixes); i++)
        if (str_ends_with(name, str_of_c(suffixes[i])))
            return true;
    return false;
}

static struct str of_table(struct differ *d, const char *what, const struct model_table *t,
                           struct str name)
{
    return arena_printf(d->a, "%s %.*s of %.*s", what, STR_FMT(name), STR_FMT(t->name));
}

static struct str column_name(struct differ *d, const struct model_table *t,
                              const struct model_column *c)
{
    return arena_printf(d->a, "column %.*s.%.*s", STR_FMT(t->name), STR_FMT(c->name));
}

/* Each value of the one type has the same meaning in the other. */
static bool is_widening(struct str from, struct str to)
{
    static const char *const wider[][2] = {
        { "smallint", "integer" },      { "smallint", "bigint" },        { "integer", "bigint" },
        { "real", "double precision" }, { "character varying", "text" },
    };
    for (size_t i = 0; i < countof(wider); i++) {
        struct str narrow = str_of_c(wider[i][0]);
        if (!str_eq_c(to, wider[i][1]) || !str_starts_with(from, narrow))
            continue;
        if (from.len == narrow.len || from.ptr[narrow.len] == '(')
            return true;
    }
    return false;
}

static void change_type(struct differ *d, const struct model_table *t,
                        const struct model_column *have, const struct model_column *want)
{
    struct arena *a = d->a;
    /* There is no cast between two enumerations but by way of their texts. */
    bool by_text = model_find_enum(d->from, have->type) && model_find_enum(d->to, want->type);
    struct str sql = STR("");
    if (!str_is_empty(have->default_sql))
        sql = arena_printf(a, "%.*s\n", STR_FMT(ddl_alter_column(a, t, want, STR("DROP DEFAULT"))));
    struct str action = arena_printf(a, "TYPE %.*s USING %.*s%s::%.*s", STR_FMT(want->type),
                                     STR_FMT(diff_name(a, want->name)), by_text ? "::text" : "",
                                     STR_FMT(want->type));
    sql = arena_printf(a, "%.*s%.*s", STR_FMT(sql), STR_FMT(ddl_alter_column(a, t, want, action)));
    if (!str_is_empty(want->default_sql)) {
        action = arena_printf(a, "SET DEFAULT %.*s", STR_FMT(want->default_sql));
        sql = arena_printf(a, "%.*s\n%.*s", STR_FMT(sql),
                           STR_FMT(ddl_alter_column(a, t, want, action)));
    }
    bool is_wider = is_widening(have->type, want->type);
    diff_add(d, is_wider ? DIFF_CHANGE : DIFF_REWRITE, DIFF_COLUMN, "change",
             arena_printf(a, "type of %.*s from %.*s to %.*s", STR_FMT(column_name(d, t, want)),
                          STR_FMT(have->type), STR_FMT(want->type)),
             sql);
}

static void change_column(struct differ *d, const struct model_table *t,
                          const struct model_column *have, const struct model_column *want)
{
    struct arena *a = d->a;
    if (!str_eq(have->type, want->type)) {
        change_type(d, t, have, want);
    } else if (!str_eq(have->default_sql, want->default_sql)) {
        bool is_dropped = str_is_empty(want->default_sql);
        struct str action = is_dropped
                                ? STR("DROP DEFAULT")
                                : arena_printf(a, "SET DEFAULT %.*s", STR_FMT(want->default_sql));
        diff_add(d, DIFF_CHANGE, DIFF_COLUMN, is_dropped ? "drop" : "set",
                 arena_printf(a, "default of %.*s", STR_FMT(column_name(d, t, want))),
                 ddl_alter_column(a, t, want, action));
    }
    if (have->is_not_null != want->is_not_null)
        diff_add(d, DIFF_CHANGE, DIFF_COLUMN, want->is_not_null ? "forbid" : "allow",
                 arena_printf(a, "null in %.*s", STR_FMT(column_name(d, t, want))),
                 ddl_alter_column(a, t, want,
                                  want->is_not_null ? STR("SET NOT NULL") : STR("DROP NOT NULL")));
}

static void diff_columns(struct differ *d, const struct model_table *have,
                         const struct model_table *want)
{
    struct arena *a = d->a;
    struct str table = diff_name(a, want->name);
    for (size_t i = 0; i < want->column_count; i++) {
        const struct model_column *column = &want->columns[i];
        const struct model_column *old = model_find_column(have, column->name);
        if (old)
            change_column(d, want, old, column);
        else
            diff_add(d, DIFF_CHANGE, DIFF_COLUMN, "add", column_name(d, want, column),
                     arena_printf(a, "ALTER TABLE %.*s ADD COLUMN %.*s;", STR_FMT(table),
                                  STR_FMT(ddl_column(a, column))));
    }
    for (size_t i = 0; i < have->column_count; i++) {
        const struct model_column *column = &have->columns[i];
        if (model_find_column(want, column->name))
            continue;
        diff_add(d, DIFF_EXTRA, DIFF_DROP_COLUMN, "drop", column_name(d, have, column),
                 arena_printf(a, "ALTER TABLE %.*s DROP COLUMN %.*s;", STR_FMT(table),
                              STR_FMT(diff_name(a, column->name))));
        if (d->options->keep_extra && column->is_not_null && str_is_empty(column->default_sql))
            diff_add(d, DIFF_CHANGE, DIFF_COLUMN, "allow",
                     arena_printf(a, "null in %.*s, which this program does not fill",
                                  STR_FMT(column_name(d, have, column))),
                     ddl_alter_column(a, have, column, STR("DROP NOT NULL")));
    }
}

static const char *constraint_noun(enum schema_constraint_kind kind)
{
    return kind == SCHEMA_FOREIGN ? "foreign key"
           : kind == SCHEMA_CHECK ? "constraint"
                                  : "primary key";
}

static enum diff_phase drop_phase(enum schema_constraint_kind kind)
{
    return kind == SCHEMA_FOREIGN ? DIFF_DROP_FOREIGN : DIFF_DROP_CHECK;
}

static enum diff_phase add_phase(enum schema_constraint_kind kind)
{
    return kind == SCHEMA_FOREIGN ? DIFF_FOREIGN : DIFF_CHECK;
}

/* Of a table that both models have. */
static void diff_constraints(struct differ *d, const struct model_table *have,
                             const struct model_table *want)
{
    struct arena *a = d->a;
    for (size_t i = 0; i < want->constraint_count; i++) {
        const struct schema_constraint *c = &want->constraints[i];
        const struct schema_constraint *old = model_find_constraint(have, c->name);
        if (old && str_eq(old->sql, c->sql))
            continue;
        const char *noun = constraint_noun(c->kind);
        enum diff_kind kind = c->kind == SCHEMA_PRIMARY ? DIFF_REWRITE : DIFF_CHANGE;
        if (old)
            diff_add(d, kind, drop_phase(old->kind), "drop the former",
                     of_table(d, constraint_noun(old->kind), have, old->name),
                     ddl_drop_constraint(a, have, old));
        diff_add(d, kind, add_phase(c->kind), "add", of_table(d, noun, want, c->name),
                 ddl_add_constraint(a, want, c));
    }
    for (size_t i = 0; i < have->constraint_count; i++) {
        const struct schema_constraint *c = &have->constraints[i];
        if (!model_find_constraint(want, c->name))
            diff_add(d, is_ours(have->name, c->name) ? DIFF_RETIRE : DIFF_EXTRA,
                     drop_phase(c->kind), "drop",
                     of_table(d, constraint_noun(c->kind), have, c->name),
                     ddl_drop_constraint(a, have, c));
    }
}

static void diff_indexes(struct differ *d, const struct model_table *have,
                         const struct model_table *want)
{
    struct arena *a = d->a;
    for (size_t i = 0; i < want->index_count; i++) {
        const struct schema_index *index = &want->indexes[i];
        const struct schema_index *old = have ? model_find_index(have, index->name) : NULL;
        if (old && old->is_unique == index->is_unique && str_eq(old->sql, index->sql))
            continue;
        if (old)
            diff_add(d, DIFF_CHANGE, DIFF_DROP_INDEX, "drop the former",
                     of_table(d, "index", have, old->name), ddl_drop_index(a, old));
        diff_add(d, DIFF_CHANGE, DIFF_INDEX, "add", of_table(d, "index", want, index->name),
                 ddl_create_index(a, want, index));
    }
    for (size_t i = 0; have && i < have->index_count; i++) {
        const struct schema_index *index = &have->indexes[i];
        if (!model_find_index(want, index->name))
            diff_add(d, is_ours(have->name, index->name) ? DIFF_RETIRE : DIFF_EXTRA,
                     DIFF_DROP_INDEX, "drop", of_table(d, "index", have, index->name),
                     ddl_drop_index(a, index));
    }
}

/* The words of one list ("INSERT, SELECT") that the other does not have. */
static struct str words_without(struct arena *a, struct str words, struct str other)
{
    struct str found = STR("");
    struct str padded = arena_printf(a, ", %.*s, ", STR_FMT(other));
    for (bool more = !str_is_empty(words); more;) {
        struct str head;
        more = str_cut(words, ',', &head, &words);
        struct str word = str_trim(head);
        if (str_find(padded, arena_printf(a, ", %.*s, ", STR_FMT(word))) < 0)
            found =
                arena_printf(a, "%.*s%s%.*s", STR_FMT(found), found.len ? ", " : "", STR_FMT(word));
    }
    return found;
}

static void diff_rights(struct differ *d, const struct model_table *have,
                        const struct model_table *want)
{
    struct arena *a = d->a;
    if (str_is_empty(d->options->role) || (have && str_eq_c(have->rights, "*")))
        return;
    struct str role = diff_name(a, d->options->role), table = diff_name(a, want->name);
    struct str has = have ? have->rights : STR("");
    struct str missing = words_without(a, want->rights, has);
    struct str surplus = words_without(a, has, want->rights);
    if (!str_is_empty(missing))
        diff_add(d, DIFF_CHANGE, DIFF_RIGHT, "grant",
                 arena_printf(a, "%.*s on %.*s to %.*s", STR_FMT(missing), STR_FMT(want->name),
                              STR_FMT(d->options->role)),
                 arena_printf(a, "GRANT %.*s ON TABLE %.*s TO %.*s;", STR_FMT(missing),
                              STR_FMT(table), STR_FMT(role)));
    if (!str_is_empty(surplus))
        diff_add(d, DIFF_RETIRE, DIFF_RIGHT, "revoke",
                 arena_printf(a, "%.*s on %.*s from %.*s", STR_FMT(surplus), STR_FMT(want->name),
                              STR_FMT(d->options->role)),
                 arena_printf(a, "REVOKE %.*s ON TABLE %.*s FROM %.*s;", STR_FMT(surplus),
                              STR_FMT(table), STR_FMT(role)));
}

static void diff_options_of(struct differ *d, const struct model_table *have,
                            const struct model_table *want)
{
    struct arena *a = d->a;
    if (str_eq(have->options, want->options))
        return;
    struct str table = diff_name(a, want->name);
    struct str what = arena_printf(a, "storage of table %.*s", STR_FMT(want->name));
    struct str unset = STR(""), rest = have->options;
    for (bool more = !str_is_empty(rest); more;) {
        struct str pair, key, value;
        more = str_cut(rest, ',', &pair, &rest);
        (void)str_cut(str_trim(pair), '=', &key, &value);
        unset = arena_printf(a, "%.*s%s%.*s", STR_FMT(unset), unset.len ? ", " : "", STR_FMT(key));
    }
    if (!str_is_empty(unset))
        diff_add(d, DIFF_CHANGE, DIFF_TABLE, "reset", what,
                 arena_printf(a, "ALTER TABLE %.*s RESET (%.*s);", STR_FMT(table), STR_FMT(unset)));
    if (!str_is_empty(want->options))
        diff_add(d, DIFF_CHANGE, DIFF_TABLE, "set", what,
                 arena_printf(a, "ALTER TABLE %.*s SET (%.*s);", STR_FMT(table),
                              STR_FMT(want->options)));
}

static void change_table(struct differ *d, const struct model_table *have,
                         const struct model_table *want)
{
    if (!str_eq(have->partition_by, want->partition_by))
        diff_add(d, DIFF_REWRITE, DIFF_TABLE, "change",
                 arena_printf(d->a, "partitioning of table %.*s", STR_FMT(want->name)),
                 arena_printf(d->a,
                              "-- Partitioning cannot be altered: make the table anew, as\n-- "
                              "PARTITION BY %.*s, and copy its rows.",
                              STR_FMT(want->partition_by)));
    diff_options_of(d, have, want);
    diff_columns(d, have, want);
    diff_constraints(d, have, want);
}

static void add_table(struct differ *d, const struct model_table *want)
{
    diff_add(d, DIFF_CHANGE, DIFF_TABLE, "add",
             arena_printf(d->a, "table %.*s", STR_FMT(want->name)), ddl_create_table(d->a, want));
    d->is_in_new = true;
    for (size_t i = 0; i < want->constraint_count; i++) {
        const struct schema_constraint *c = &want->constraints[i];
        if (c->kind == SCHEMA_FOREIGN)
            diff_add(d, DIFF_CHANGE, DIFF_FOREIGN, "add",
                     of_table(d, constraint_noun(c->kind), want, c->name),
                     ddl_add_constraint(d->a, want, c));
    }
}

static bool refers_to(struct arena *a, const struct model_table *t, struct str target)
{
    struct str reference = arena_printf(a, "REFERENCES %.*s(", STR_FMT(diff_name(a, target)));
    for (size_t i = 0; i < t->constraint_count; i++)
        if (str_find(t->constraints[i].sql, reference) >= 0)
            return true;
    return false;
}

/* A table goes after those that refer to it; of a ring, whichever comes first. */
static void drop_tables(struct differ *d, const struct model_table **gone, size_t count)
{
    struct arena *a = d->a;
    while (count > 0) {
        size_t at = count;
        for (size_t i = 0; i < count && at == count; i++) {
            bool is_free = true;
            for (size_t k = 0; k < count && is_free; k++)
                is_free = k == i || !refers_to(a, gone[k], gone[i]->name);
            if (is_free)
                at = i;
        }
        at = at == count ? 0 : at;
        struct str name = gone[at]->name;
        diff_add(d, DIFF_EXTRA, DIFF_DROP_TABLE, "drop",
                 arena_printf(a, "table %.*s", STR_FMT(name)),
                 arena_printf(a, "DROP TABLE %.*s;", STR_FMT(diff_name(a, name))));
        gone[at] = gone[--count];
    }
}

void diff_tables(struct differ *d)
{
    for (size_t i = 0; i < d->to->table_count; i++) {
        const struct model_table *want = &d->to->tables[i];
        const struct model_table *have = model_find_table(d->from, want->name);
        if (have)
            change_table(d, have, want);
        else
            add_table(d, want);
        diff_indexes(d, have, want);
        diff_rights(d, have, want);
        d->is_in_new = false;
    }
    const struct model_table **gone =
        arena_new_array(d->a, d->from->table_count, const struct model_table *);
    size_t count = 0;
    for (size_t i = 0; i < d->from->table_count; i++)
        if (!model_find_table(d->to, d->from->tables[i].name))
            gone[count++] = &d->from->tables[i];
    drop_tables(d, gone, count);
}
