#include "gateway/record.h"

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/request.h"

struct record *record_rows(struct arena *a, const struct schema_table *table, struct db_rows *rows,
                           uint64_t columns)
{
    size_t count = db_rows_count(rows);
    struct record *records = arena_new_array(a, count, struct record);
    db_rows_keep(rows, a);
    for (size_t i = 0; i < count; i++)
        records[i] = (struct record){ .table = table, .rows = rows, .row = i, .columns = columns };
    return records;
}

struct record *record_of_cells(struct arena *a, const struct schema_table *table,
                               const struct str *cells)
{
    struct record *record = arena_new(a, struct record);
    *record = (struct record){ .table = table,
                               .cells = cells,
                               .given = SELECT_BIT(table->column_count) - 1,
                               .is_fresh = true };
    return record;
}

struct str record_cell(const struct record *record, int column)
{
    if (record->given & SELECT_BIT(column))
        return record->cells[column];
    assert(record->rows != NULL);
    return db_rows_cell(record->rows, record->row, select_position(record->columns, column));
}

struct uuid record_uuid(const struct record *record, int column)
{
    struct uuid id = { 0 };
    bool is_uuid = uuid_parse(record_cell(record, column), &id);
    assert(is_uuid);
    return id;
}

int64_t record_time(const struct record *record, int column)
{
    int64_t wall_us = 0;
    bool is_time = db_time_parse(record_cell(record, column), &wall_us);
    assert(is_time);
    return wall_us;
}

int64_t record_i64(const struct record *record, int column)
{
    int64_t value = 0;
    bool is_number = str_to_i64(record_cell(record, column), &value);
    assert(is_number);
    return value;
}

int record_label(const struct record *record, int column)
{
    const struct schema_enum *enumeration = record->table->columns[column].enumeration;
    int label = schema_label_of(enumeration, record_cell(record, column));
    assert(label >= 0);
    return label;
}

uint32_t record_label_bit(enum schema_public_enum enumeration, struct str name)
{
    const struct schema_enum *labels = &schema_public.enums[enumeration];
    for (size_t label = 0; label < labels->label_count; label++)
        if (str_eq(labels->labels[label].name, name))
            return UINT32_C(1) << label;
    return 0;
}

/* ── cells ── */

/* RFC 3339 but for the space and the offset, as db_time_parse reads it. */
struct str record_cell_of_time(struct arena *a, int64_t wall_us)
{
    char *text = arena_alloc(a, CLOCK_TEXT_MAX + sizeof "+00");
    clock_format(wall_us, text);
    size_t len = strlen(text);
    char *date_end = memchr(text, 'T', len);
    assert(date_end != NULL && text[len - 1] == 'Z');
    *date_end = ' ';
    memcpy(text + len - 1, "+00", sizeof "+00");
    return str_of(text, len + 2);
}

struct str record_cell_of_uuid(struct arena *a, struct uuid id)
{
    char *text = arena_alloc(a, UUID_TEXT_LEN + 1);
    uuid_format(id, text);
    return str_of(text, UUID_TEXT_LEN);
}

struct str record_cell_of_uuids(struct arena *a, const struct uuid *ids, size_t count)
{
    char *text = arena_alloc(a, count * (UUID_TEXT_LEN + 1) + 3);
    size_t len = 0;
    text[len++] = '{';
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            text[len++] = ',';
        uuid_format(ids[i], text + len);
        len += UUID_TEXT_LEN;
    }
    text[len++] = '}';
    return str_of(text, len);
}

struct str record_cell_of_i64(struct arena *a, int64_t value)
{
    return arena_printf(a, "%lld", (long long)value);
}

static_assert((int)COL_tasks_COUNT <= (int)RECORD_COLUMNS_MAX, "tasks can be kept");
static_assert((int)COL_jobs_COUNT <= (int)RECORD_COLUMNS_MAX, "jobs can be kept");

static void drop_cell(struct record_kept *kept, int column)
{
    kept->size_bytes -= kept->cells[column].len;
    mem_free((void *)(uintptr_t)kept->cells[column].ptr);
    kept->cells[column] = (struct str){ 0 };
}

void record_keep(struct record_kept *kept, const struct str *cells, uint64_t given)
{
    for (uint64_t left = given; left != 0; left &= left - 1) {
        int column = __builtin_ctzll(left);
        drop_cell(kept, column);
        if (cells[column].ptr == NULL)
            continue;
        kept->cells[column] = str_of(mem_cstr(cells[column]), cells[column].len);
        kept->size_bytes += cells[column].len;
    }
    kept->given |= given;
}

void record_kept_clear(struct record_kept *kept)
{
    for (uint64_t left = kept->given; left != 0; left &= left - 1)
        drop_cell(kept, __builtin_ctzll(left));
    kept->given = 0;
}

const struct str *record_kept_cells(const struct record_kept *kept, struct arena *a)
{
    struct str *cells = arena_new_array(a, RECORD_COLUMNS_MAX, struct str);
    for (uint64_t left = kept->given; left != 0; left &= left - 1) {
        int column = __builtin_ctzll(left);
        if (kept->cells[column].ptr != NULL)
            cells[column] = arena_copy(a, kept->cells[column]);
    }
    return cells;
}

/* ── plans ── */

void record_collect(const struct gql_field *f, const char *const *path, uint64_t *columns)
{
    const struct gql_selection *sel = f->selection;
    for (uint32_t s = 0; sel != NULL && s < sel->count; s++)
        for (uint32_t i = 0; i < sel->sets[s]->count; i++) {
            const struct gql_field *child = sel->sets[s]->fields[i];
            if (*path == NULL)
                *columns |= record_field_columns(child);
            else if (str_eq_c(child->name, *path))
                record_collect(child, path + 1, columns);
        }
}

struct record_plan *record_plan_of(const struct schema_table *table, uint64_t columns,
                                   struct arena *plan_arena)
{
    static const struct select_filter by_ids = { .op = SELECT_IN, .column = 0 };
    struct record_plan *plan = arena_new(plan_arena, struct record_plan);
    plan->table = table;
    plan->columns = columns | SELECT_BIT(0);
    const struct select select = { .table = table, .columns = plan->columns, .filter = &by_ids };
    plan->by_ids = select_statement(plan_arena, &select);
    return plan;
}

struct db_step record_by_ids_step(const struct record_plan *plan, struct arena *a,
                                  const struct uuid *ids, size_t count)
{
    struct db_args *args = db_args_create(a);
    db_args_uuids(args, ids, count);
    return (struct db_step){ plan->by_ids, args };
}

/* ── getters ── */

static struct str cell_of(const struct gql_field *f, const void *parent)
{
    return record_cell(parent, record_field_column(f));
}

void record_get_text(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    struct str cell = cell_of(f, parent);
    (void)ctx;
    if (cell.ptr != NULL)
        *ret_value = gql_text(cell);
}

/* What PostgreSQL prints of int4, int8, finite float8 and jsonb is JSON already. */
void record_get_json(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    struct str cell = cell_of(f, parent);
    (void)ctx;
    if (cell.ptr != NULL)
        *ret_value = gql_raw(cell);
}

void record_get_bool(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    (void)ctx;
    *ret_value = gql_bool(str_eq(cell_of(f, parent), STR("t")));
}

void record_get_time(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct request *r = ctx;
    struct str cell = cell_of(f, parent);
    if (cell.ptr != NULL)
        *ret_value = binding_time_cell(r->arena, cell);
}

void record_get_enum(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct record *record = parent;
    int column = record_field_column(f);
    (void)ctx;
    *ret_value = gql_enum(
        record->table->columns[column].enumeration->labels[record_label(record, column)].name);
}
