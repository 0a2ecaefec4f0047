/*
 * rows: what a statement answered, in the server's text form. Cells are not copied: a cell's str
 * points into the answer and lives as long as somebody holds it.
 * Thread: the one that received them.
 */
#pragma once
#include "base/arena.h"
#include "base/map.h"
#include "base/str.h"
#include "base/uuid.h"

struct db_rows;

void db_rows_ref(struct db_rows *rows);
void db_rows_unref(struct db_rows *rows); /* accepts NULL */
static inline void db_rows_unrefp(struct db_rows **rows)
{
    db_rows_unref(*rows);
}
/* Holds the rows until the arena is reset or destroyed: its request's answer may point into them.
 */
void db_rows_keep(struct db_rows *rows, struct arena *a);

[[nodiscard]] size_t db_rows_count(const struct db_rows *rows);
[[nodiscard]] size_t db_rows_columns(const struct db_rows *rows);
/* The column's index, or -1. */
[[nodiscard]] int db_rows_column(const struct db_rows *rows, const char *name);
[[nodiscard]] const char *db_rows_column_name(const struct db_rows *rows, size_t column);
/* Its type, as the server numbers it: enum db_oid, and many more. */
[[nodiscard]] uint32_t db_rows_column_oid(const struct db_rows *rows, size_t column);
/* Rows that INSERT, UPDATE, DELETE, MERGE or SELECT worked on. */
[[nodiscard]] uint64_t db_rows_affected(const struct db_rows *rows);

[[nodiscard]] bool db_rows_is_null(const struct db_rows *rows, size_t row, size_t column);
/* Ends in NUL; empty for null. */
[[nodiscard]] struct str db_rows_text(const struct db_rows *rows, size_t row, size_t column);
/* The same, but `ptr` NULL for null. */
[[nodiscard]] struct str db_rows_cell(const struct db_rows *rows, size_t row, size_t column);

/*
 * Typed reads of a column that the schema says is not null and of that type: anything else is a
 * bug between the statement and its reader, and asserts.
 */
[[nodiscard]] bool db_rows_bool(const struct db_rows *rows, size_t row, size_t column);
[[nodiscard]] int64_t db_rows_i64(const struct db_rows *rows, size_t row, size_t column);
[[nodiscard]] double db_rows_double(const struct db_rows *rows, size_t row, size_t column);
[[nodiscard]] struct uuid db_rows_uuid(const struct db_rows *rows, size_t row, size_t column);
/* A timestamptz as Unix time in microseconds. */
[[nodiscard]] int64_t db_rows_time(const struct db_rows *rows, size_t row, size_t column);

/* Which row has which id in its first column: the row + 1, by the id's bytes; of several rows
 * with one id, the last. `rows` may be NULL. Owns: the caller. */
[[nodiscard]] struct map *db_rows_by_id(const struct db_rows *rows);

/* timestamptz as DateStyle ISO prints it ("2026-11-23 08:30:00.25+00"); no infinity, no BC. */
[[nodiscard]] bool db_time_parse(struct str text, int64_t *ret_wall_us);

/*
 * A one-dimensional array ("{a,\"b c\",NULL}") as strings in the arena; null elements have
 * `ptr == NULL`. False where the text is none.
 */
[[nodiscard]] bool db_array_parse(struct arena *a, struct str text, struct str **ret_items,
                                  size_t *ret_count);
