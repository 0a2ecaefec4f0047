#include "store/select.h"

#include "base/buf.h"

enum { UUID_BYTES = 16, TAIL_BYTES = 4 }; /* that an index of ids by their end holds */

bool select_op_fits(enum select_op op, const struct schema_column *column)
{
    enum schema_type type = column->type;
    bool is_array = type == SCHEMA_TEXT_ARRAY || type == SCHEMA_UUID_ARRAY ||
                    type == SCHEMA_INT8_ARRAY || type == SCHEMA_ENUM_ARRAY;
    bool is_text = type == SCHEMA_TEXT;
    switch (op) {
    case SELECT_EQ:
        return type != SCHEMA_JSON;
    case SELECT_EQ_NOCASE:
        return is_text;
    case SELECT_CONTAINS:
        return is_text || type == SCHEMA_JSONB;
    case SELECT_ENDS_WITH:
        return type == SCHEMA_UUID;
    case SELECT_JSON_CONTAINS:
        return type == SCHEMA_JSONB;
    case SELECT_IN_LABELS:
        return type == SCHEMA_ENUM;
    case SELECT_LESS:
    case SELECT_GREATER:
        return !is_array && type != SCHEMA_JSON && type != SCHEMA_JSONB;
    case SELECT_IN: /* arrays of arrays flatten */
        return !is_array && type != SCHEMA_JSON;
    case SELECT_IS_NULL:
        return column->is_nullable;
    case SELECT_ALL:
    case SELECT_ANY:
    case SELECT_NOT:
    case SELECT_OP_COUNT:
        break;
    }
    return false;
}

/* ── SQL: every value becomes the next parameter, in the order in which bind_* walk the same tree.
 * Without printf: a list's statement is put together at each of its requests. ── */

struct composer {
    struct buf sql;
    const struct schema_table *table;
    size_t params;
};

static const struct schema_column *column_of(const struct schema_table *table, int column)
{
    assert(column >= 0 && (size_t)column < table->column_count);
    return &table->columns[column];
}

/* Table and column names are lower-case words of entities.def; `timestamp` and the like need the
 * quotes. */
static void put_column(struct composer *c, int column)
{
    buf_put_c(&c->sql, "t.\"");
    buf_put_str(&c->sql, column_of(c->table, column)->name);
    buf_put_char(&c->sql, '"');
}

static void put_param(struct composer *c, int column, const char *suffix)
{
    char buffer[SCHEMA_TYPE_NAME_MAX];
    struct str type = schema_column_type(column_of(c->table, column), buffer);
    buf_put_char(&c->sql, '$');
    buf_put_u64(&c->sql, ++c->params);
    buf_put_c(&c->sql, "::");
    buf_put_str(&c->sql, type);
    buf_put_c(&c->sql, suffix);
}

static void put_filter(struct composer *c, const struct select_filter *f);

static void put_group(struct composer *c, const struct select_filter *f)
{
    if (f->item_count == 0) {
        buf_put_c(&c->sql, f->op == SELECT_ALL ? "true" : "false");
        return;
    }
    buf_put_char(&c->sql, '(');
    for (size_t i = 0; i < f->item_count; i++) {
        if (i > 0)
            buf_put_c(&c->sql, f->op == SELECT_ALL ? " AND " : " OR ");
        put_filter(c, &f->items[i]);
    }
    buf_put_char(&c->sql, ')');
}

static void put_compared(struct composer *c, const struct select_filter *f, const char *operator)
{
    put_column(c, f->column);
    buf_put_c(&c->sql, operator);
    put_param(c, f->column, "");
}

/* The column's text, whatever it is. */
static void put_like(struct composer *c, const struct select_filter *f, const char *operator)
{
    put_column(c, f->column);
    buf_printf(&c->sql, "::text %s $%zu::text", operator, ++ c->params);
}

/* The last bytes find a few rows by their index, the text decides. */
static void put_ends_with(struct composer *c, const struct select_filter *f)
{
    buf_put_c(&c->sql, "substr(uuid_send(");
    put_column(c, f->column);
    buf_printf(&c->sql, "), %d) = $%zu::bytea AND ", UUID_BYTES - TAIL_BYTES + 1, ++c->params);
    put_like(c, f, "LIKE");
}

/* Labels are lower-case words of entities.def, perhaps with a hyphen. */
static void put_label(struct composer *c, struct str label, const char *before)
{
    buf_put_c(&c->sql, before);
    buf_put_str(&c->sql, label);
    buf_put_char(&c->sql, '\'');
}

static void put_labels(struct composer *c, const struct select_filter *f)
{
    const struct schema_enum *labels = column_of(c->table, f->column)->enumeration;
    size_t put = 0;
    if (f->labels == 0) {
        buf_put_c(&c->sql, "false");
        return;
    }
    put_column(c, f->column);
    for (size_t i = 0; i < labels->label_count; i++)
        if (f->labels & UINT32_C(1) << i)
            put_label(c, labels->labels[i].text, put++ == 0 ? " IN ('" : ", '");
    buf_put_char(&c->sql, ')');
}

static void put_leaf(struct composer *c, const struct select_filter *f)
{
    assert(select_op_fits(f->op, column_of(c->table, f->column)));
    switch (f->op) {
    case SELECT_EQ:
        put_compared(c, f, " = ");
        break;
    case SELECT_LESS:
        put_compared(c, f, " < ");
        break;
    case SELECT_GREATER:
        put_compared(c, f, " > ");
        break;
    case SELECT_CONTAINS:
        put_like(c, f, "ILIKE");
        break;
    case SELECT_ENDS_WITH:
        put_ends_with(c, f);
        break;
    case SELECT_JSON_CONTAINS:
        put_compared(c, f, " @> ");
        break;
    case SELECT_IN_LABELS:
        put_labels(c, f);
        break;
    case SELECT_EQ_NOCASE:
        buf_put_c(&c->sql, "lower(");
        put_column(c, f->column);
        buf_put_c(&c->sql, ") = lower(");
        put_param(c, f->column, ")");
        break;
    case SELECT_IN:
        put_column(c, f->column);
        buf_put_c(&c->sql, " = ANY(");
        put_param(c, f->column, "[])");
        break;
    case SELECT_IS_NULL:
        put_column(c, f->column);
        buf_put_c(&c->sql, " IS NULL");
        break;
    case SELECT_ALL:
    case SELECT_ANY:
    case SELECT_NOT:
    case SELECT_OP_COUNT:
        assert(!"a leaf");
    }
}

static void put_filter(struct composer *c, const struct select_filter *f)
{
    if (f->op == SELECT_ALL || f->op == SELECT_ANY) {
        put_group(c, f);
    } else if (f->op == SELECT_NOT) {
        assert(f->item_count == 1);
        buf_put_c(&c->sql, "NOT (");
        put_filter(c, &f->items[0]);
        buf_put_char(&c->sql, ')');
    } else {
        put_leaf(c, f);
    }
}

/* Beyond a row, or before it. (a, b) > ($1, $2) serves an index where all orders go one way; else
 * it is written out. */
static void put_bound(struct composer *c, const struct select *s, bool is_before)
{
    bool is_one_way = true;
    for (size_t i = 1; i < s->order_count; i++)
        is_one_way &= s->orders[i].is_descending == s->orders[0].is_descending;
    size_t first = c->params;
    size_t rows = is_one_way ? 1 : s->order_count;
    buf_put_char(&c->sql, '(');
    for (size_t row = 0; row < rows; row++) {
        /* One way: all columns as one row. Else: equal in `row` columns, then beyond. */
        size_t last = is_one_way ? s->order_count - 1 : row;
        const char *operator= s->orders[last].is_descending != is_before ? " < " : " > ";
        buf_put_c(&c->sql, row > 0 ? " OR (" : "(");
        for (size_t i = 0; !is_one_way && i < row; i++) {
            put_column(c, s->orders[i].column);
            buf_put_c(&c->sql, " = ");
            c->params = first + i;
            put_param(c, s->orders[i].column, " AND ");
        }
        size_t from = is_one_way ? 0 : row;
        buf_put_char(&c->sql, '(');
        for (size_t i = from; i <= last; i++) {
            buf_put_c(&c->sql, i > from ? ", " : "");
            put_column(c, s->orders[i].column);
        }
        buf_put_char(&c->sql, ')');
        buf_put_c(&c->sql, operator);
        buf_put_char(&c->sql, '(');
        for (size_t i = from; i <= last; i++) {
            buf_put_c(&c->sql, i > from ? ", " : "");
            c->params = first + i;
            put_param(c, s->orders[i].column, "");
        }
        buf_put_c(&c->sql, "))");
    }
    buf_put_char(&c->sql, ')');
    c->params = first + s->order_count;
}

static void put_where(struct composer *c, const struct select *s, bool with_page)
{
    const char *joint = " WHERE ";
    if (s->parents != NULL) {
        buf_put_c(&c->sql, joint);
        put_column(c, s->each_column);
        buf_put_c(&c->sql, " = p.id");
        joint = " AND ";
    }
    if (s->filter != NULL) {
        buf_put_c(&c->sql, joint);
        put_filter(c, s->filter);
        joint = " AND ";
    }
    if (with_page && s->after != NULL) {
        buf_put_c(&c->sql, joint);
        put_bound(c, s, false);
        joint = " AND ";
    }
    if (with_page && s->until != NULL) {
        buf_put_c(&c->sql, joint);
        put_bound(c, s, true);
    }
}

static void put_order(struct composer *c, const struct select *s, const char *before)
{
    for (size_t i = 0; i < s->order_count; i++) {
        assert(!column_of(s->table, s->orders[i].column)->is_nullable);
        buf_put_c(&c->sql, i == 0 ? before : ", ");
        put_column(c, s->orders[i].column);
        buf_put_c(&c->sql, s->orders[i].is_descending ? " DESC" : "");
    }
}

static const struct db_statement *composed(struct composer *c, struct arena *a)
{
    static const uint32_t oids[DB_PARAMS_MAX]; /* each parameter is cast: the server knows it */
    assert(!c->sql.failed && c->params <= DB_PARAMS_MAX);
    const struct db_statement *statement =
        db_statement_compose(a, buf_str(&c->sql), oids, c->params);
    buf_clear(&c->sql);
    return statement;
}

static void put_columns(struct composer *c, uint64_t columns)
{
    for (int i = 0, put = 0; (size_t)i < c->table->column_count; i++) {
        if (!(columns & SELECT_BIT(i)))
            continue;
        buf_put_c(&c->sql, put++ > 0 ? ", " : "");
        put_column(c, i);
    }
}

static void put_page(struct composer *c, const struct select *s)
{
    buf_put_c(&c->sql, "SELECT ");
    put_columns(c, s->columns);
    buf_put_c(&c->sql, " FROM \"");
    buf_put_str(&c->sql, s->table->name);
    buf_put_c(&c->sql, "\" AS t");
    put_where(c, s, true);
    put_order(c, s, " ORDER BY ");
    if (s->limit == 0)
        return;
    buf_put_c(&c->sql, " LIMIT ");
    buf_put_u64(&c->sql, s->limit);
}

#define PARENTS "unnest($1::uuid[]) WITH ORDINALITY AS p(id, n)"

static void put_page_of_each(struct composer *c, const struct select *s)
{
    assert(column_of(s->table, s->each_column)->type == SCHEMA_UUID);
    c->params = 1;
    buf_put_c(&c->sql, "SELECT ");
    put_columns(c, s->columns);
    buf_put_c(&c->sql, ", p.n FROM " PARENTS " CROSS JOIN LATERAL (");
    put_page(c, s);
    buf_put_c(&c->sql, ") AS t ORDER BY p.n");
    for (size_t i = 0; i < s->order_count; i++)
        assert(s->columns & SELECT_BIT(s->orders[i].column));
    put_order(c, s, ", ");
}

const struct db_statement *select_statement(struct arena *a, const struct select *s)
{
    struct composer c = { .table = s->table };
    assert(s->columns != 0 && s->table->column_count <= 64);
    assert((s->after == NULL && s->until == NULL) || s->order_count > 0);
    buf_init(&c.sql, 0);
    if (s->parents != NULL)
        put_page_of_each(&c, s);
    else
        put_page(&c, s);
    return composed(&c, a);
}

const struct db_statement *select_count_statement(struct arena *a, const struct select *s,
                                                  size_t count_max)
{
    struct composer c = { .table = s->table, .params = s->parents != NULL ? 1 : 0 };
    buf_init(&c.sql, 0);
    buf_printf(&c.sql, "SELECT %s FROM (SELECT FROM \"%.*s\" AS t",
               s->parents != NULL ? "(SELECT count(*)" : "count(*)", STR_FMT(s->table->name));
    put_where(&c, s, false);
    buf_printf(&c.sql, " LIMIT %zu) AS found", count_max);
    if (s->parents != NULL)
        buf_put_c(&c.sql, ") FROM " PARENTS " ORDER BY p.n");
    return composed(&c, a);
}

/* Each label by a count of its own, which can stop early and choose its own index. All share the
 * filter's parameters. */
const struct db_statement *select_label_counts_statement(struct arena *a, const struct select *s,
                                                         int column, size_t count_max)
{
    const struct schema_enum *labels = column_of(s->table, column)->enumeration;
    struct composer c = { .table = s->table };
    assert(s->parents == NULL);
    buf_init(&c.sql, 0);
    for (size_t i = 0; i < labels->label_count; i++) {
        const struct select_filter label = { .op = SELECT_IN_LABELS,
                                             .column = column,
                                             .labels = UINT32_C(1) << i };
        c.params = 0;
        buf_printf(&c.sql, "%s(SELECT count(*) FROM (SELECT FROM \"%.*s\" AS t WHERE ",
                   i == 0 ? "SELECT " : ", ", STR_FMT(s->table->name));
        put_filter(&c, &label);
        if (s->filter != NULL) {
            buf_put_c(&c.sql, " AND ");
            put_filter(&c, s->filter);
        }
        buf_printf(&c.sql, " LIMIT %zu) AS found)", count_max);
    }
    return composed(&c, a);
}

/* ── values ── */

/* %, _ and \ stand for themselves. */
static struct str pattern_of(struct arena *a, struct str text, bool is_at_end)
{
    char *pattern = arena_alloc(a, text.len * 2 + 3);
    size_t len = 0;
    pattern[len++] = '%';
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '%' || text.ptr[i] == '_' || text.ptr[i] == '\\')
            pattern[len++] = '\\';
        pattern[len++] = text.ptr[i];
    }
    if (!is_at_end)
        pattern[len++] = '%';
    return str_of(pattern, len);
}

/* The bytes of the eight digits at the end; none where there are no such digits: no id has that. */
static struct str tail_of(struct arena *a, struct str text)
{
    enum { DIGITS = 2 * TAIL_BYTES };
    if (text.len < DIGITS)
        return STR("\\x");
    struct str digits = str_from(text, text.len - DIGITS);
    for (size_t i = 0; i < DIGITS; i++)
        if (!(digits.ptr[i] >= '0' && digits.ptr[i] <= '9') &&
            !(digits.ptr[i] >= 'a' && digits.ptr[i] <= 'f'))
            return STR("\\x");
    return arena_printf(a, "\\x%.*s", STR_FMT(digits));
}

static void bind_filter(struct db_args *args, const struct select_filter *f)
{
    switch (f->op) {
    case SELECT_ALL:
    case SELECT_ANY:
    case SELECT_NOT:
        for (size_t i = 0; i < f->item_count; i++)
            bind_filter(args, &f->items[i]);
        break;
    case SELECT_IN:
        db_args_literals(args, f->values, f->value_count);
        break;
    case SELECT_ENDS_WITH:
        db_args_text(args, tail_of(args->arena, f->value));
        [[fallthrough]];
    case SELECT_CONTAINS:
        db_args_text(args, pattern_of(args->arena, f->value, f->op == SELECT_ENDS_WITH));
        break;
    case SELECT_EQ:
    case SELECT_EQ_NOCASE:
    case SELECT_LESS:
    case SELECT_GREATER:
    case SELECT_JSON_CONTAINS:
        db_args_text(args, f->value);
        break;
    case SELECT_IS_NULL:
    case SELECT_IN_LABELS:
        break;
    case SELECT_OP_COUNT:
        assert(!"an operator");
    }
}

const struct db_args *select_count_args(struct arena *a, const struct select *s)
{
    struct db_args *args = db_args_create(a);
    if (s->parents != NULL)
        db_args_uuids(args, s->parents, s->parent_count);
    if (s->filter != NULL)
        bind_filter(args, s->filter);
    return args;
}

const struct db_args *select_args(struct arena *a, const struct select *s)
{
    struct db_args *args = db_args_create(a);
    if (s->parents != NULL)
        db_args_uuids(args, s->parents, s->parent_count);
    if (s->filter != NULL)
        bind_filter(args, s->filter);
    for (size_t i = 0; s->after != NULL && i < s->order_count; i++)
        db_args_text(args, s->after[i]);
    for (size_t i = 0; s->until != NULL && i < s->order_count; i++)
        db_args_text(args, s->until[i]);
    return args;
}
