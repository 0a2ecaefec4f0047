/*
 * record: what a Task or a Job is to its getters: a row of `tasks` or `jobs`, whoever told it. A
 * statement's row, which holds the columns that were selected; cells that were put together from
 * what the worker said; or both, and then what was told stands over what is stored.
 *
 * A field's binding says by RECORD_FIELD which columns it reads: its prepare collects them, and a
 * getter of a single column finds it by them.
 */
#pragma once
#include "gateway/bindings.h"
#include "store/select.h"

struct record {
    const struct schema_table *table;
    const struct db_rows *rows; /* NULL: none */
    size_t row;
    uint64_t columns; /* those of `rows`, a set as in store/select.h */
    /* One a column of the entity, in PostgreSQL's text form; ptr NULL: null. NULL: none. */
    const struct str *cells;
    uint64_t given; /* the columns that `cells` holds */
    bool is_fresh;  /* the worker said so just now: LIVE, whatever the feed's lag */
};

/* gql_binding.data of a field that reads these columns: SELECT_BIT(COL_tasks_id) | …. */
#define RECORD_FIELD(columns) ((void *)(uintptr_t)(columns))
static inline uint64_t record_field_columns(const struct gql_field *f)
{
    return (uint64_t)(uintptr_t)f->data;
}
/* Of a field that reads one. */
static inline int record_field_column(const struct gql_field *f)
{
    return __builtin_ctzll(record_field_columns(f));
}

/* All rows of an answer, in their order, as objects that live as long as the arena, which holds the
 * rows from now on. */
[[nodiscard]] struct record *record_rows(struct arena *a, const struct schema_table *table,
                                         struct db_rows *rows, uint64_t columns);
/* An object of cells alone, all columns given; for what the worker has just answered. */
[[nodiscard]] struct record *record_of_cells(struct arena *a, const struct schema_table *table,
                                             const struct str *cells);

/* The cell of a column that the record has; ptr NULL: null. */
[[nodiscard]] struct str record_cell(const struct record *record, int column);
[[nodiscard]] static inline bool record_is_null(const struct record *record, int column)
{
    return record_cell(record, column).ptr == NULL;
}
/* Typed reads, of a column of that type that is not null. */
[[nodiscard]] struct uuid record_uuid(const struct record *record, int column);
[[nodiscard]] int64_t record_time(const struct record *record, int column);
[[nodiscard]] int64_t record_i64(const struct record *record, int column);
/* The label's number, such as TASK_STATUS_PENDING. */
[[nodiscard]] int record_label(const struct record *record, int column);

/* The bit of a label, by what GraphQL calls it, in a set such as select_filter.labels; 0: none. */
[[nodiscard]] uint32_t record_label_bit(enum schema_public_enum enumeration, struct str name);

/* Cells in PostgreSQL's text form, for those who make records. An enum's is its label's `text`, a
 * bool's "t" or "f", a JSON value's its text. */
[[nodiscard]] struct str record_cell_of_time(struct arena *a, int64_t wall_us);
[[nodiscard]] struct str record_cell_of_uuid(struct arena *a, struct uuid id);
[[nodiscard]] struct str record_cell_of_uuids(struct arena *a, const struct uuid *ids,
                                              size_t count);
[[nodiscard]] struct str record_cell_of_i64(struct arena *a, int64_t value);

/* Cells that outlive what they came from, on the heap. Zeroed: none. */
enum { RECORD_COLUMNS_MAX = 40 };
struct record_kept {
    struct str cells[RECORD_COLUMNS_MAX];
    uint64_t given;
    size_t size_bytes;
};
/* Copies those of `given`, over what was there. */
void record_keep(struct record_kept *kept, const struct str *cells, uint64_t given);
void record_kept_clear(struct record_kept *kept);
/* Copies of its cells in the arena, for a record. */
[[nodiscard]] const struct str *record_kept_cells(const struct record_kept *kept, struct arena *a);

/* ── plans ── */

/* Adds the columns that the fields at the end of `path` below `f` read. The path is names of fields
 * up to a NULL, such as edges, node; aliases may make several; an empty one: those right below f.
 */
void record_collect(const struct gql_field *f, const char *const *path, uint64_t *columns);

/* What a prepare leaves for a field that reads records by their ids. */
struct record_plan {
    const struct schema_table *table;
    uint64_t columns;                  /* the id (column 0) always */
    const struct db_statement *by_ids; /* $1: uuid[]; in no order */
};
[[nodiscard]] struct record_plan *record_plan_of(const struct schema_table *table, uint64_t columns,
                                                 struct arena *plan_arena);
[[nodiscard]] struct db_step record_by_ids_step(const struct record_plan *plan, struct arena *a,
                                                const struct uuid *ids, size_t count);

/* ── the objects that records name by id: one statement for all parents of a level ── */

/* The ids in a column (UUID or UUID[]) of all parents, each once, and what was found of them. */
struct record_ids {
    struct uuid *items; /* sorted */
    void **objects;     /* NULL: not found (yet) */
    size_t count;
};
[[nodiscard]] struct record_ids *record_ids_of(struct arena *a, void *const *records, size_t count,
                                               int column);
/* Where the object of that one is kept; NULL: it is none of them. */
[[nodiscard]] void **record_ids_find(const struct record_ids *ids, struct uuid id);
/* The same of one of them. */
[[nodiscard]] void **record_ids_at(const struct record_ids *ids, struct uuid id);

/* Answers the field with the records that the column names, by the plan of the field itself: the
 * one or null, or the list of those that there are and that `keep` lets through (NULL: all). The
 * parents are records. */
typedef bool record_keep_fn(const struct record *record);
enum gql_next record_resolve_one(struct gql_step *step, int column);
enum gql_next record_resolve_many(struct gql_step *step, int column, record_keep_fn *keep);

/* ── getters, by the type of the one column that RECORD_FIELD names; null where it is ── */

gql_get_fn record_get_text, record_get_json, record_get_bool, record_get_time;
gql_get_fn record_get_enum; /* the label's name */
