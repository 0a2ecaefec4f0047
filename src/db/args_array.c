/* Arrays in the server's binary form: a header, then each element after its length, all big-endian.
 * Source: PostgreSQL, array_recv in arrayfuncs.c, and the *_recv function of each element. */
#include <endian.h>

#include "base/buf.h"
#include "base/clock.h"
#include "db/rows.h"
#include "db/statement_priv.h"

enum {
    HEADER_BYTES = 20,
    LENGTH_BYTES = 4,
    NULL_LENGTH = -1,
    EPOCH_S = 946'684'800, /* 2000-01-01 UTC, from which timestamptz counts */
};

struct array {
    struct db_args *args;
    unsigned char *start, *at;
};

static void put_i32(struct array *array, int64_t value)
{
    uint32_t big = htobe32((uint32_t)value);
    memcpy(array->at, &big, sizeof big);
    array->at += sizeof big;
}

static void put_i64(struct array *array, int64_t value)
{
    uint64_t big = htobe64((uint64_t)value);
    memcpy(array->at, &big, sizeof big);
    array->at += sizeof big;
}

static void put_bytes(struct array *array, const void *bytes, size_t len)
{
    if (len > 0)
        memcpy(array->at, bytes, len);
    array->at += len;
}

/* `bytes`: of the elements together, without their lengths. */
static struct array begin_array(struct db_args *args, enum db_oid element, size_t count,
                                size_t bytes)
{
    struct array array = { .args = args };
    array.start = array.at = arena_alloc(args->arena, HEADER_BYTES + count * LENGTH_BYTES + bytes);
    put_i32(&array, count > 0); /* dimensions */
    put_i32(&array, 1);         /* there may be nulls */
    put_i32(&array, element);
    if (count > 0) {
        put_i32(&array, (int64_t)count);
        put_i32(&array, 1); /* the first element's number */
    }
    return array;
}

static void end_array(const struct array *array)
{
    args_add(array->args, (const char *)array->start, (size_t)(array->at - array->start));
}

static void put_text(struct array *array, struct str value)
{
    struct str text = args_has_nul(array->args, value) ? (struct str){ 0 } : value;
    put_i32(array, (int64_t)text.len);
    put_bytes(array, text.ptr, text.len);
}

static void put_uuid(struct array *array, struct uuid value)
{
    put_i32(array, sizeof value.bytes);
    put_bytes(array, value.bytes, sizeof value.bytes);
}

static void put_int4(struct array *array, int64_t value)
{
    assert(value >= INT32_MIN && value <= INT32_MAX);
    put_i32(array, sizeof(int32_t));
    put_i32(array, value);
}

static void put_int8(struct array *array, int64_t value)
{
    put_i32(array, sizeof(int64_t));
    put_i64(array, value);
}

static void put_float8(struct array *array, double value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_int8(array, bits);
}

static void put_time(struct array *array, int64_t wall_us)
{
    put_int8(array, wall_us - EPOCH_S * (int64_t)CLOCK_S);
}

static size_t bytes_of(const struct str *values, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += values[i].len;
    return bytes;
}

void db_args_texts(struct db_args *args, const struct str *values, size_t count)
{
    struct array array = begin_array(args, DB_OID_TEXT, count, bytes_of(values, count));
    for (size_t i = 0; i < count; i++)
        put_text(&array, values[i]);
    end_array(&array);
}

void db_args_bools(struct db_args *args, const bool *values, size_t count)
{
    struct array array = begin_array(args, DB_OID_BOOL, count, count);
    for (size_t i = 0; i < count; i++) {
        put_i32(&array, 1);
        put_bytes(&array, values[i] ? "\1" : "\0", 1);
    }
    end_array(&array);
}

#define DEFINE_ARRAY(name, type, oid, put, element_bytes)                                          \
    void db_args_##name(struct db_args *args, const type *values, size_t count)                    \
    {                                                                                              \
        struct array array = begin_array(args, oid, count, count * (element_bytes));               \
        for (size_t i = 0; i < count; i++)                                                         \
            put(&array, values[i]);                                                                \
        end_array(&array);                                                                         \
    }                                                                                              \
    static_assert(true, "needs a semicolon")

DEFINE_ARRAY(uuids, struct uuid, DB_OID_UUID, put_uuid, sizeof(struct uuid));
DEFINE_ARRAY(i32s, int64_t, DB_OID_INT4, put_int4, sizeof(int32_t));
DEFINE_ARRAY(i64s, int64_t, DB_OID_INT8, put_int8, sizeof(int64_t));
DEFINE_ARRAY(doubles, double, DB_OID_FLOAT8, put_float8, sizeof(double));
DEFINE_ARRAY(times, int64_t, DB_OID_TIMESTAMPTZ, put_time, sizeof(int64_t));

/* ── texts of other types ── */

/* Source: PostgreSQL's manual, "Array input and output syntax": all may be quoted. */
static void put_quoted(struct buf *b, struct str item)
{
    buf_put_char(b, '"');
    for (size_t i = 0; i < item.len; i++) {
        if (item.ptr[i] == '"' || item.ptr[i] == '\\')
            buf_put_char(b, '\\');
        buf_put_char(b, item.ptr[i]);
    }
    buf_put_char(b, '"');
}

void db_args_literals(struct db_args *args, const struct str *values, size_t count)
{
    struct buf b;
    buf_init(&b, 0);
    buf_put_char(&b, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_char(&b, ',');
        put_quoted(&b, values[i]);
    }
    buf_put_char(&b, '}');
    db_args_text(args, buf_str(&b));
    buf_clear(&b);
}

static bool put_cell(struct array *array, enum db_cells kind, struct str cell)
{
    struct uuid id;
    double real;
    int64_t whole;
    bool is_good = true;
    switch (kind) {
    case DB_CELLS_TEXT:
        put_text(array, cell);
        break;
    case DB_CELLS_UUID:
        if ((is_good = uuid_parse(cell, &id)))
            put_uuid(array, id);
        break;
    case DB_CELLS_INT4:
        is_good = str_to_i64(cell, &whole) && whole >= INT32_MIN && whole <= INT32_MAX;
        if (is_good)
            put_int4(array, whole);
        break;
    case DB_CELLS_INT8:
        if ((is_good = str_to_i64(cell, &whole)))
            put_int8(array, whole);
        break;
    case DB_CELLS_FLOAT8:
        if ((is_good = str_to_double(cell, &real)))
            put_float8(array, real);
        break;
    case DB_CELLS_TIMESTAMPTZ:
        if ((is_good = db_time_parse(cell, &whole)))
            put_time(array, whole);
        break;
    }
    return is_good;
}

void db_args_cells(struct db_args *args, enum db_cells kind, const struct str *cells, size_t count)
{
    static const enum db_oid elements[] = {
        [DB_CELLS_TEXT] = DB_OID_TEXT,     [DB_CELLS_UUID] = DB_OID_UUID,
        [DB_CELLS_INT4] = DB_OID_INT4,     [DB_CELLS_INT8] = DB_OID_INT8,
        [DB_CELLS_FLOAT8] = DB_OID_FLOAT8, [DB_CELLS_TIMESTAMPTZ] = DB_OID_TIMESTAMPTZ,
    };
    size_t bytes = kind == DB_CELLS_TEXT ? bytes_of(cells, count) : count * sizeof(struct uuid);
    struct array array = begin_array(args, elements[kind], count, bytes);
    for (size_t i = 0; i < count; i++) {
        bool is_null = cells[i].ptr == NULL, is_put = !is_null && put_cell(&array, kind, cells[i]);
        if (!is_put)
            put_i32(&array, NULL_LENGTH);
        if (!is_put && !is_null && args->failure.code == ERR_NONE)
            err_set(&args->failure, ERR_INVALID, "\"%.*s\" is not of its column's type",
                    STR_FMT(str_first(cells[i], 40)));
    }
    end_array(&array);
}

const int *args_formats(const struct db_args *args, struct args_formats *ret_formats)
{
    for (size_t i = 0; args != NULL && i < args->count; i++)
        ret_formats->items[i] = args->lengths[i] > 0;
    return ret_formats->items;
}
