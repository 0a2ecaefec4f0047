#include "db/rows.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "db/rows_priv.h"

struct db_rows {
    PGresult *result;
    size_t count, columns; /* as libpq tells: each cell is checked against them */
    size_t holders;
};

struct db_rows *db_rows_create(PGresult *result)
{
    struct db_rows *rows = mem_new(struct db_rows);
    *rows = (struct db_rows){ .result = result,
                              .count = (size_t)PQntuples(result),
                              .columns = (size_t)PQnfields(result),
                              .holders = 1 };
    return rows;
}

void db_rows_ref(struct db_rows *rows)
{
    assert(rows->holders > 0);
    rows->holders++;
}

void db_rows_unref(struct db_rows *rows)
{
    if (!rows)
        return;
    assert(rows->holders > 0);
    if (--rows->holders > 0)
        return;
    PQclear(rows->result);
    mem_free(rows);
}

static void let_go(void *rows)
{
    db_rows_unref(rows);
}

void db_rows_keep(struct db_rows *rows, struct arena *a)
{
    db_rows_ref(rows);
    arena_defer(a, let_go, rows);
}

size_t db_rows_count(const struct db_rows *rows)
{
    return rows->count;
}

size_t db_rows_columns(const struct db_rows *rows)
{
    return rows->columns;
}

int db_rows_column(const struct db_rows *rows, const char *name)
{
    size_t count = db_rows_columns(rows); /* PQfnumber would fold the name's case */
    for (size_t i = 0; i < count; i++)
        if (strcmp(db_rows_column_name(rows, i), name) == 0)
            return (int)i;
    return -1;
}

const char *db_rows_column_name(const struct db_rows *rows, size_t column)
{
    assert(column < db_rows_columns(rows));
    return PQfname(rows->result, (int)column);
}

uint32_t db_rows_column_oid(const struct db_rows *rows, size_t column)
{
    assert(column < db_rows_columns(rows));
    return PQftype(rows->result, (int)column);
}

uint64_t db_rows_affected(const struct db_rows *rows)
{
    uint64_t count = 0; /* PQcmdTuples is "" for other commands */
    return str_to_u64(str_of_c(PQcmdTuples(rows->result)), &count) ? count : 0;
}

static void assert_cell(const struct db_rows *rows, size_t row, size_t column)
{
    assert(row < rows->count);
    assert(column < rows->columns);
}

bool db_rows_is_null(const struct db_rows *rows, size_t row, size_t column)
{
    assert_cell(rows, row, column);
    return PQgetisnull(rows->result, (int)row, (int)column) != 0;
}

struct str db_rows_text(const struct db_rows *rows, size_t row, size_t column)
{
    assert_cell(rows, row, column);
    return str_of(PQgetvalue(rows->result, (int)row, (int)column),
                  (size_t)PQgetlength(rows->result, (int)row, (int)column));
}

struct str db_rows_cell(const struct db_rows *rows, size_t row, size_t column)
{
    struct str text = db_rows_text(rows, row, column);
    bool is_null = text.len == 0 && PQgetisnull(rows->result, (int)row, (int)column);
    return is_null ? (struct str){ 0 } : text;
}

bool db_rows_bool(const struct db_rows *rows, size_t row, size_t column)
{
    struct str text = db_rows_text(rows, row, column);
    assert(str_eq_c(text, "t") || str_eq_c(text, "f"));
    return text.ptr[0] == 't';
}

int64_t db_rows_i64(const struct db_rows *rows, size_t row, size_t column)
{
    int64_t value = 0;
    bool is_number = str_to_i64(db_rows_text(rows, row, column), &value);
    assert(is_number);
    return value;
}

double db_rows_double(const struct db_rows *rows, size_t row, size_t column)
{
    double value = 0;
    bool is_number = str_to_double(db_rows_text(rows, row, column), &value);
    assert(is_number);
    return value;
}

struct uuid db_rows_uuid(const struct db_rows *rows, size_t row, size_t column)
{
    struct uuid value = { 0 };
    bool is_uuid = uuid_parse(db_rows_text(rows, row, column), &value);
    assert(is_uuid);
    return value;
}

struct map *db_rows_by_id(const struct db_rows *rows)
{
    struct map *numbers = map_create();
    for (size_t i = 0; rows && i < db_rows_count(rows); i++) {
        struct uuid id = db_rows_uuid(rows, i, 0);
        (void)map_put(numbers, uuid_bytes(&id), (void *)(i + 1));
    }
    return numbers;
}

int64_t db_rows_time(const struct db_rows *rows, size_t row, size_t column)
{
    int64_t value = 0;
    bool is_time = db_time_parse(db_rows_text(rows, row, column), &value);
    assert(is_time);
    return value;
}

/*
 * The server's form is RFC 3339 but for three things: a space for the T, an offset that may lack
 * its minutes ("+00"), and, before 1900 or so, an offset with seconds (local mean time).
 */
bool db_time_parse(struct str text, int64_t *ret_wall_us)
{
    enum { DATE_LEN = 10, DATE_TIME_LEN = 19, HOURS_LEN = 3, MINUTES_LEN = 6, SECONDS_LEN = 9 };
    char copy[64];
    if (text.len < DATE_TIME_LEN + HOURS_LEN || text.len + 3 > sizeof copy ||
        text.ptr[DATE_LEN] != ' ')
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[DATE_LEN] = 'T';
    size_t offset_at = text.len;
    while (offset_at > DATE_TIME_LEN && copy[offset_at - 1] != '+' && copy[offset_at - 1] != '-')
        offset_at--;
    if (offset_at <= DATE_TIME_LEN)
        return false;
    offset_at--;
    size_t len = text.len;
    int64_t seconds = 0;
    if (len - offset_at == HOURS_LEN) {
        struct str no_minutes = STR(":00");
        memcpy(copy + len, no_minutes.ptr, no_minutes.len);
        len += no_minutes.len;
    } else if (len - offset_at == SECONDS_LEN) {
        if (copy[offset_at + MINUTES_LEN] != ':' ||
            !str_to_i64(str_of(copy + offset_at + MINUTES_LEN + 1, 2), &seconds) || seconds < 0)
            return false;
        seconds = copy[offset_at] == '-' ? -seconds : seconds;
        len -= 3;
    }
    int64_t wall_us = 0;
    if (!clock_parse(str_of(copy, len), &wall_us))
        return false;
    *ret_wall_us = wall_us - seconds * CLOCK_S;
    return true;
}

/* One element from *at on; a quoted one has its escapes removed in place in `copy`. */
static bool take_item(char *copy, size_t len, size_t *at, struct str *ret_item)
{
    size_t i = *at;
    if (i < len && copy[i] == '"') {
        size_t start = ++i, end = start;
        while (i < len && copy[i] != '"') {
            i += copy[i] == '\\';
            if (i >= len)
                return false;
            copy[end++] = copy[i++];
        }
        if (i >= len)
            return false;
        copy[end] = '\0'; /* at most over the closing quote */
        *ret_item = str_of(copy + start, end - start);
        *at = i + 1;
        return true;
    }
    size_t start = i;
    while (i < len && copy[i] != ',' && copy[i] != '}') {
        if (copy[i] == '{' || copy[i] == '"' || copy[i] == '\\')
            return false;
        i++;
    }
    if (i == start)
        return false;
    struct str item = str_of(copy + start, i - start);
    *ret_item = str_eq_c(item, "NULL") ? (struct str){ 0 } : item;
    *at = i;
    return true;
}

bool db_array_parse(struct arena *a, struct str text, struct str **ret_items, size_t *ret_count)
{
    if (text.len < 2 || text.ptr[0] != '{')
        return false;
    char *copy = arena_cstr(a, text);
    size_t count_max = 1;
    for (size_t i = 0; i < text.len; i++)
        count_max += text.ptr[i] == ',';
    struct str *items = arena_new_array(a, count_max, struct str);
    size_t count = 0, at = 1;
    if (str_eq_c(text, "{}"))
        at = 2;
    while (at < text.len && count < count_max) {
        if (!take_item(copy, text.len, &at, &items[count++]) || at >= text.len)
            return false;
        if (copy[at] != ',' && copy[at] != '}')
            return false;
        if (copy[at++] == '}')
            break;
        if (at == text.len)
            return false;
    }
    if (at != text.len || copy[text.len - 1] != '}')
        return false;
    *ret_items = items;
    *ret_count = count;
    return true;
}
