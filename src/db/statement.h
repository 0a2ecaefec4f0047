/*
 * statement: SQL with a name, and the values it is run with. Fixed statements are constants that
 * tools/sqlgen makes of .sql files; store/select.c composes the others and names them by
 * db_statement_compose. Values travel apart from the SQL: single ones as text, the server's own
 * form, arrays in its binary form, which it need not read letter by letter.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"

enum {
    DB_PARAMS_MAX = 64,
    DB_NAME_MAX = 63, /* bytes of a prepared statement's name: NAMEDATALEN - 1 */
};

/*
 * Two statements of one name must have one text: the name is what a connection remembers as
 * prepared, and what logs, metrics and errors say.
 */
struct db_statement {
    const char *name;
    const char *sql;
    const uint32_t *oids; /* one a parameter; 0 leaves it to the server */
    uint16_t param_count;
    bool is_composed; /* a connection forgets these, the least recently used first */
};

/* What sqlgen makes of one .sql file, for tests that prepare them all. */
struct db_statement_list {
    const char *source;
    const struct db_statement *const *items;
    size_t count;
};

/* A statement in the arena, copied from `sql` and named "composed_" and a digest of it. */
[[nodiscard]] const struct db_statement *
db_statement_compose(struct arena *a, struct str sql, const uint32_t *oids, size_t param_count);

/* The server's numbers of its own types, which never change. Source: pg_type.dat. */
enum db_oid {
    DB_OID_BOOL = 16,
    DB_OID_BYTEA = 17,
    DB_OID_INT8 = 20,
    DB_OID_INT2 = 21,
    DB_OID_INT4 = 23,
    DB_OID_TEXT = 25,
    DB_OID_JSON = 114,
    DB_OID_FLOAT8 = 701,
    DB_OID_BOOL_ARRAY = 1000,
    DB_OID_INT4_ARRAY = 1007,
    DB_OID_TEXT_ARRAY = 1009,
    DB_OID_INT8_ARRAY = 1016,
    DB_OID_FLOAT8_ARRAY = 1022,
    DB_OID_TIMESTAMPTZ = 1184,
    DB_OID_TIMESTAMPTZ_ARRAY = 1185,
    DB_OID_UUID = 2950,
    DB_OID_UUID_ARRAY = 2951,
    DB_OID_JSONB = 3802,
};

/*
 * args: the values of one execution, in the order of $1, $2, …. What cannot be sent (U+0000 in a
 * text, one value too many) is remembered and told by the call that would send it.
 */
struct db_args {
    struct arena *arena; /* holds the values; NULL only while there are none */
    size_t count;
    struct err failure; /* code ERR_NONE: none */
    const char *values[DB_PARAMS_MAX];
    int lengths[DB_PARAMS_MAX]; /* of those in binary form; 0: a text, which ends in NUL */
};

/* In the arena. The values live as long as it does. */
[[nodiscard]] struct db_args *db_args_create(struct arena *a);

void db_args_null(struct db_args *args);
void db_args_text(struct db_args *args, struct str value); /* text, enum, json, numeric, date, … */
void db_args_bool(struct db_args *args, bool value);
void db_args_i64(struct db_args *args, int64_t value); /* int2 and int4 too */
void db_args_double(struct db_args *args, double value);
void db_args_uuid(struct db_args *args, struct uuid value);
void db_args_time(struct db_args *args, int64_t wall_us);   /* timestamptz */
void db_args_bytes(struct db_args *args, struct str value); /* bytea */

/* One-dimensional arrays; an element that `values[i].ptr == NULL` and len 0 is the empty text. The
 * parameter's type must be the array's: text[], uuid[], int4[], int8[], bool[], float8[],
 * timestamptz[]. */
void db_args_texts(struct db_args *args, const struct str *values, size_t count);
void db_args_uuids(struct db_args *args, const struct uuid *values, size_t count);
void db_args_i32s(struct db_args *args, const int64_t *values, size_t count);
void db_args_i64s(struct db_args *args, const int64_t *values, size_t count);
void db_args_bools(struct db_args *args, const bool *values, size_t count);
void db_args_doubles(struct db_args *args, const double *values, size_t count);
void db_args_times(struct db_args *args, const int64_t *wall_us, size_t count);
/* An array of any other type, an enum's say, by the texts of its elements. */
void db_args_literals(struct db_args *args, const struct str *values, size_t count);
/*
 * An array by the server's texts of its elements, with nulls (`ptr == NULL`). INVALID is remembered
 * for a text that is none of the kind.
 */
enum db_cells {
    DB_CELLS_TEXT,
    DB_CELLS_UUID,
    DB_CELLS_INT4,
    DB_CELLS_INT8,
    DB_CELLS_FLOAT8,
    DB_CELLS_TIMESTAMPTZ
};
void db_args_cells(struct db_args *args, enum db_cells kind, const struct str *cells, size_t count);

/* NULL is SQL's null; for the parameters that a .sql file marks with '?'. */
void db_args_text_or_null(struct db_args *args, const struct str *value);
void db_args_bool_or_null(struct db_args *args, const bool *value);
void db_args_i64_or_null(struct db_args *args, const int64_t *value);
void db_args_double_or_null(struct db_args *args, const double *value);
void db_args_uuid_or_null(struct db_args *args, const struct uuid *value);
void db_args_time_or_null(struct db_args *args, const int64_t *wall_us);
void db_args_bytes_or_null(struct db_args *args, const struct str *value);

/* Whether `args` (NULL: none) may be sent with `statement`: INVALID and LIMIT for bad values. */
[[nodiscard]] bool db_args_check(const struct db_args *args, const struct db_statement *statement,
                                 struct err *e);
