/*
 * table: data as people send it, rows of objects or a bare array of numbers, made into columns of
 * numbers over time. Times and numeric fields are found by themselves where they are not named.
 * Pure. Errors name the JSON path: "data[3].value: is not a number".
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "json/json.h"

enum {
    TABLE_ROWS_MAX = 100'000,
    TABLE_COLUMNS_MAX = 16,
    TABLE_FIELDS_MAX = 200,     /* of a row, numbers or not */
    TABLE_CELLS_MAX = 400'000,  /* rows times columns */
    TABLE_ROWS_LOOKED_AT = 100, /* to find out which fields there are */
};

struct table_column {
    struct str name;
    double *values; /* NaN: missing */
    size_t missing;
};

struct table {
    size_t row_count;
    int64_t *at_us; /* ascending; NULL: there are no times */
    struct str time_field;
    int64_t step_s;   /* between neighbours, where all are about equally far apart; else 0 */
    size_t gap_count; /* rows put in, with all values missing, where times are left out */
    bool was_sorted;  /* false: the rows came in another order */
    struct table_column columns[TABLE_COLUMNS_MAX];
    size_t column_count;
};

/*
 * `time_field` empty: found by itself, or none. `value_fields` none: every numeric field, the first
 * TABLE_COLUMNS_MAX of them. Times are RFC 3339, "2026-11-23 06:37:10" and "2026-11-23" (UTC), or
 * Unix time in seconds, milliseconds or microseconds, told apart by their size.
 *
 * Errors: INVALID and LIMIT, naming the place.
 */
[[nodiscard]] bool table_read(struct arena *a, const struct json_value *data, struct str time_field,
                              const struct str *value_fields, size_t value_field_count,
                              struct table *ret_table, struct err *e);
