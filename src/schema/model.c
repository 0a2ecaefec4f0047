#include "schema/model.h"

#include "base/buf.h"

static void columns_of(struct arena *a, const struct schema_table *from, struct model_table *to)
{
    to->columns = arena_new_array(a, from->column_count, struct model_column);
    to->column_count = from->column_count;
    for (size_t i = 0; i < from->column_count; i++) {
        const struct schema_column *column = &from->columns[i];
        char buffer[SCHEMA_TYPE_NAME_MAX];
        to->columns[i] = (struct model_column){
            .name = column->name,
            .type = arena_copy(a, schema_column_type(column, buffer)),
            .is_not_null = !column->is_nullable,
            .default_sql = column->default_sql,
        };
    }
}

/* Words apart by commas, sorted, as the catalog gives them. */
static struct str sorted_words(struct arena *a, struct str words)
{
    enum { WORDS_MAX = 16 };
    struct str list[WORDS_MAX];
    size_t count = 0;
    for (bool more = !str_is_empty(words); more && count < WORDS_MAX; count++) {
        struct str head;
        more = str_cut(words, ',', &head, &words);
        struct str word = str_trim(head);
        size_t at = count;
        for (; at > 0 && str_cmp(word, list[at - 1]) < 0; at--)
            list[at] = list[at - 1];
        list[at] = word;
    }
    struct str joined = STR("");
    for (size_t i = 0; i < count; i++)
        joined = arena_printf(a, "%.*s%s%.*s", STR_FMT(joined), i ? ", " : "", STR_FMT(list[i]));
    return joined;
}

static void table_of(struct arena *a, const struct schema_table *from, struct model_table *to)
{
    to->name = from->name;
    to->partition_by = from->partition_by;
    to->options = sorted_words(a, from->options);
    to->rights = sorted_words(a, from->rights);
    columns_of(a, from, to);
    to->constraints = arena_new_array(a, from->constraint_count, struct schema_constraint);
    to->constraint_count = from->constraint_count;
    for (size_t i = 0; i < from->constraint_count; i++)
        to->constraints[i] = from->constraints[i];
    to->indexes = arena_new_array(a, from->index_count, struct schema_index);
    to->index_count = from->index_count;
    for (size_t i = 0; i < from->index_count; i++)
        to->indexes[i] = from->indexes[i];
}

void model_of_set(struct arena *a, const struct schema_set *set, struct model *ret_model)
{
    struct model m = { .enum_count = set->enum_count,
                       .table_count = set->table_count,
                       .function_count = set->function_count };
    m.enums = arena_new_array(a, m.enum_count, struct model_enum);
    for (size_t i = 0; i < m.enum_count; i++) {
        const struct schema_enum *from = &set->enums[i];
        m.enums[i] =
            (struct model_enum){ .name = from->name,
                                 .labels = arena_new_array(a, from->label_count, struct str),
                                 .label_count = from->label_count };
        for (size_t k = 0; k < from->label_count; k++)
            m.enums[i].labels[k] = from->labels[k].text;
    }
    m.tables = arena_new_array(a, m.table_count, struct model_table);
    for (size_t i = 0; i < m.table_count; i++)
        table_of(a, &set->tables[i], &m.tables[i]);
    m.functions = arena_new_array(a, m.function_count, struct schema_function);
    for (size_t i = 0; i < m.function_count; i++)
        m.functions[i] = set->functions[i];
    *ret_model = m;
}

void model_sort(struct model *m, const struct schema_set *set)
{
    size_t placed = 0;
    for (size_t s = 0; s < set->table_count; s++) {
        for (size_t i = placed; i < m->table_count; i++) {
            if (!str_eq(m->tables[i].name, set->tables[s].name))
                continue;
            struct model_table found = m->tables[i];
            memmove(&m->tables[placed + 1], &m->tables[placed], (i - placed) * sizeof m->tables[0]);
            m->tables[placed++] = found;
            break;
        }
    }
}

/* Every finder is a scan: a schema has tens of things, and a start looks each up once. */
#define FIND(list, count, wanted)                                                                  \
    for (size_t i = 0; i < (count); i++)                                                           \
        if (str_eq((list)[i].name, (wanted)))                                                      \
            return &(list)[i];                                                                     \
    return NULL

const struct model_enum *model_find_enum(const struct model *m, struct str name)
{
    FIND(m->enums, m->enum_count, name);
}

const struct model_table *model_find_table(const struct model *m, struct str name)
{
    FIND(m->tables, m->table_count, name);
}

const struct schema_function *model_find_function(const struct model *m, struct str name)
{
    FIND(m->functions, m->function_count, name);
}

const struct model_column *model_find_column(const struct model_table *t, struct str name)
{
    FIND(t->columns, t->column_count, name);
}

const struct schema_constraint *model_find_constraint(const struct model_table *t, struct str name)
{
    FIND(t->constraints, t->constraint_count, name);
}

const struct schema_index *model_find_index(const struct model_table *t, struct str name)
{
    FIND(t->indexes, t->index_count, name);
}

bool model_has_label(const struct model_enum *e, struct str label)
{
    for (size_t i = 0; i < e->label_count; i++)
        if (str_eq(e->labels[i], label))
            return true;
    return false;
}

/* A length before each text, so that no two models are written alike. */
static void put_text(struct buf *b, struct str text)
{
    buf_put_u64(b, text.len);
    buf_put_char(b, ':');
    buf_put_str(b, text);
}

static void put_table(struct buf *b, const struct model_table *t)
{
    buf_put_c(b, "\ntable ");
    put_text(b, t->name);
    put_text(b, t->partition_by);
    put_text(b, t->options);
    put_text(b, t->rights);
    for (size_t i = 0; i < t->column_count; i++) {
        buf_put_c(b, "\ncolumn ");
        put_text(b, t->columns[i].name);
        put_text(b, t->columns[i].type);
        put_text(b, t->columns[i].default_sql);
        buf_put_char(b, t->columns[i].is_not_null ? '1' : '0');
    }
    for (size_t i = 0; i < t->constraint_count; i++) {
        buf_put_c(b, "\nconstraint ");
        put_text(b, t->constraints[i].name);
        put_text(b, t->constraints[i].sql);
    }
    for (size_t i = 0; i < t->index_count; i++) {
        buf_put_c(b, "\nindex ");
        put_text(b, t->indexes[i].name);
        put_text(b, t->indexes[i].sql);
        buf_put_char(b, t->indexes[i].is_unique ? '1' : '0');
    }
}

void model_digest(const struct model *m, char ret_hex[SHA256_HEX_LEN + 1])
{
    struct buf b;
    buf_init(&b, 0);
    buf_printf(&b, "model 2 role %d %d", m->role_exists, m->role_may_use);
    for (size_t i = 0; i < m->enum_count; i++) {
        buf_put_c(&b, "\nenum ");
        put_text(&b, m->enums[i].name);
        for (size_t k = 0; k < m->enums[i].label_count; k++)
            put_text(&b, m->enums[i].labels[k]);
    }
    for (size_t i = 0; i < m->table_count; i++)
        put_table(&b, &m->tables[i]);
    for (size_t i = 0; i < m->function_count; i++) {
        buf_put_c(&b, "\nfunction ");
        put_text(&b, m->functions[i].name);
        put_text(&b, m->functions[i].sql);
        put_text(&b, m->functions[i].rights);
        buf_put_char(&b, m->functions[i].is_public ? '1' : '0');
    }
    sha256_hex(buf_str(&b), ret_hex);
    buf_clear(&b);
}
