#include "analyst/table.h"

#include <math.h>

#include "analyst/missing.h"
#include "analyst/words.h"
#include "base/clock.h"

enum { SHOWN_NAME_BYTES = 60 };

/* ── times ── */

static bool time_of_text(struct str text, int64_t *ret_us)
{
    char padded[CLOCK_TEXT_MAX + 8];
    if (clock_parse(text, ret_us))
        return true;
    if (text.len < 10 || text.len > CLOCK_TEXT_MAX)
        return false;
    /* A date alone, or a time without its zone: UTC. */
    bool is_date = text.len == 10;
    int len = snprintf(padded, sizeof padded, "%.10s%s%.*sZ", text.ptr, is_date ? "T00:00:00" : "T",
                       is_date ? 0 : (int)text.len - 11, text.ptr + (is_date ? 0 : 11));
    bool has_gap = is_date || text.ptr[10] == ' ' || text.ptr[10] == 'T';
    return has_gap && clock_parse(str_of(padded, (size_t)len), ret_us);
}

/* Seconds until the year 5138, milliseconds beyond 1973, microseconds. */
static bool time_of_number(const struct json_value *v, int64_t *ret_us)
{
    const double seconds_below = 1e11, milliseconds_below = 1e14, microseconds_below = 4e18;
    double x;
    if (!json_to_double(v, &x) || fabs(x) >= microseconds_below)
        return false;
    double factor = fabs(x) < seconds_below ? 1e6 : fabs(x) < milliseconds_below ? 1e3 : 1;
    *ret_us = (int64_t)llround(x * factor);
    return true;
}

static bool time_of(const struct json_value *v, int64_t *ret_us)
{
    return (v->type == JSON_STRING && time_of_text(v->text, ret_us)) ||
           (v->type == JSON_NUMBER && time_of_number(v, ret_us));
}

/* ── which fields there are ── */

static bool sounds_like_time(struct str name)
{
    static const char *const names[] = { "t",         "ts",      "at",       "time",
                                         "timestamp", "date",    "datetime", "at_us",
                                         "at_ms",     "time_us", "time_ms",  "created_at",
                                         "createdAt", "created", "day",      "hour" };
    for (size_t i = 0; i < countof(names); i++)
        if (str_eq_nocase(name, str_of_c(names[i])))
            return true;
    return false;
}

/* The first value of that field that is there; NULL where the rows looked at hold none. */
static const struct json_value *sample_of(const struct json_value *data, struct str field)
{
    for (size_t i = 0; i < min_of(data->item_count, (size_t)TABLE_ROWS_LOOKED_AT); i++) {
        const struct json_value *v = json_get(&data->items[i], field);
        if (v != NULL && v->type != JSON_NULL)
            return v;
    }
    return NULL;
}

static bool is_time_field(struct str field, const struct json_value *v)
{
    const double unix_time_min = 1e8; /* a smaller number is rather a count */
    int64_t us;
    double x;
    if (!time_of(v, &us))
        return false;
    return v->type == JSON_STRING ||
           (sounds_like_time(field) && json_to_double(v, &x) && x >= unix_time_min);
}

static bool has_column(const struct table *t, struct str name)
{
    for (size_t i = 0; i < t->column_count; i++)
        if (str_eq(t->columns[i].name, name))
            return true;
    return false;
}

/* Fields whose first value is no number, so that none of their later ones makes a column. */
struct others {
    struct str names[TABLE_FIELDS_MAX];
    size_t count;
};

static bool is_other(const struct others *others, struct str field)
{
    for (size_t i = 0; i < others->count; i++)
        if (str_eq(others->names[i], field))
            return true;
    return false;
}

static void sort_field(struct table *t, struct others *others, struct str field,
                       const struct json_value *v)
{
    bool is_id = str_eq_nocase(field, STR("id")) || str_ends_with(field, STR("_id"));
    if (v->type == JSON_NULL || str_eq(field, t->time_field) || is_other(others, field) ||
        has_column(t, field) || others->count == TABLE_FIELDS_MAX)
        return;
    if (v->type == JSON_NUMBER && !is_id && t->column_count < TABLE_COLUMNS_MAX)
        t->columns[t->column_count++].name = field;
    else
        others->names[others->count++] = field;
}

/* The fields of the rows looked at, in the order in which they come up; the time first of all. */
static void find_fields(struct arena *a, const struct json_value *data, bool wants_time,
                        bool wants_values, struct table *t)
{
    struct others *others = arena_new(a, struct others);
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < min_of(data->item_count, (size_t)TABLE_ROWS_LOOKED_AT); i++) {
            const struct json_value *row = &data->items[i];
            for (size_t m = 0; row->type == JSON_OBJECT && m < row->member_count; m++) {
                const struct json_member *member = &row->members[m];
                if (pass == 0 && wants_time && str_is_empty(t->time_field) &&
                    is_time_field(member->key, &member->value))
                    t->time_field = member->key;
                if (pass == 1 && wants_values)
                    sort_field(t, others, member->key, &member->value);
            }
        }
}

static bool check_named(struct arena *a, const struct json_value *data, struct str field,
                        const char *option, struct err *e)
{
    if (sample_of(data, field) != NULL)
        return true;
    struct str shown = words_quoted(a, field, SHOWN_NAME_BYTES);
    return err_set(e, ERR_INVALID, "%s: the first %d rows hold no \"%.*s\"", option,
                   TABLE_ROWS_LOOKED_AT, STR_FMT(shown));
}

static bool choose_fields(struct arena *a, const struct json_value *data,
                          const struct str *value_fields, size_t count, struct table *t,
                          struct err *e)
{
    if (!str_is_empty(t->time_field) && !check_named(a, data, t->time_field, "time_field", e))
        return false;
    if (count > TABLE_COLUMNS_MAX)
        return err_set(e, ERR_LIMIT, "value_fields: has more than %d items", TABLE_COLUMNS_MAX);
    for (size_t i = 0; i < count; i++) {
        char option[32];
        snprintf(option, sizeof option, "value_fields[%zu]", i);
        if (!check_named(a, data, value_fields[i], option, e))
            return false;
        if (!has_column(t, value_fields[i]))
            t->columns[t->column_count++].name = value_fields[i];
    }
    find_fields(a, data, str_is_empty(t->time_field), count == 0, t);
    return t->column_count > 0 || err_set(e, ERR_INVALID, "data: holds no field with numbers");
}

/* ── rows ── */

static bool read_cell(struct arena *a, const struct json_value *v, size_t row, struct str name,
                      struct table_column *c, struct err *e)
{
    c->values[row] = MISSING;
    if (v == NULL || v->type == JSON_NULL) {
        c->missing++;
        return true;
    }
    if (v->type == JSON_NUMBER && json_to_double(v, &c->values[row]))
        return true;
    struct str shown = words_quoted(a, name, SHOWN_NAME_BYTES);
    return err_set(e, ERR_INVALID, "data[%zu]%s%.*s: is %s", row, str_is_empty(name) ? "" : ".",
                   STR_FMT(shown), v->type == JSON_NUMBER ? "too large" : "not a number");
}

static bool read_time(struct arena *a, const struct json_value *row, size_t index, struct table *t,
                      struct err *e)
{
    const struct json_value *v = json_get(row, t->time_field);
    if (v != NULL && time_of(v, &t->at_us[index]))
        return true;
    struct str shown = words_quoted(a, t->time_field, SHOWN_NAME_BYTES);
    return err_set(e, ERR_INVALID, "data[%zu].%.*s: is %s", index, STR_FMT(shown),
                   v == NULL ? "missing" : "not a time");
}

static bool read_rows(struct arena *a, const struct json_value *data, struct table *t,
                      struct err *e)
{
    bool has_time = !str_is_empty(t->time_field);
    t->row_count = data->item_count;
    t->at_us = has_time ? arena_new_array(a, t->row_count, int64_t) : NULL;
    for (size_t k = 0; k < t->column_count; k++)
        t->columns[k].values = arena_new_array(a, t->row_count, double);
    for (size_t i = 0; i < t->row_count; i++) {
        const struct json_value *row = &data->items[i];
        if (row->type != JSON_OBJECT)
            return err_set(e, ERR_INVALID, "data[%zu]: is not an object, as the first row is", i);
        if (row->member_count > TABLE_FIELDS_MAX)
            return err_set(e, ERR_LIMIT, "data[%zu]: has more than %d fields", i, TABLE_FIELDS_MAX);
        if (has_time && !read_time(a, row, i, t, e))
            return false;
        for (size_t k = 0; k < t->column_count; k++)
            if (!read_cell(a, json_get(row, t->columns[k].name), i, t->columns[k].name,
                           &t->columns[k], e))
                return false;
    }
    return true;
}

static bool read_numbers(struct arena *a, const struct json_value *data, struct table *t,
                         struct err *e)
{
    struct table_column *c = &t->columns[0];
    t->row_count = data->item_count;
    t->column_count = 1;
    *c = (struct table_column){ STR("value"), arena_new_array(a, t->row_count, double), 0 };
    for (size_t i = 0; i < t->row_count; i++)
        if (!read_cell(a, &data->items[i], i, STR(""), c, e))
            return false;
    return true;
}

/* ── in order of time, evenly spaced ── */

struct stamped {
    int64_t at_us;
    size_t row;
};

static int compare_stamped(const void *one, const void *other)
{
    struct stamped x, y;
    memcpy(&x, one, sizeof x);
    memcpy(&y, other, sizeof y);
    if (x.at_us != y.at_us)
        return x.at_us < y.at_us ? -1 : 1;
    return x.row < y.row ? -1 : 1;
}

/* Moves the rows to where `to_row` says; rows nobody moves to are missing. */
static void place_rows(struct arena *a, struct table *t, const struct stamped *from,
                       const size_t *to_row, size_t row_count)
{
    for (size_t k = 0; k < t->column_count; k++) {
        double *values = arena_new_array(a, row_count, double);
        for (size_t i = 0; i < row_count; i++)
            values[i] = MISSING;
        for (size_t i = 0; i < t->row_count; i++)
            values[to_row ? to_row[i] : i] = t->columns[k].values[from[i].row];
        t->columns[k].values = values;
    }
}

static void sort_rows(struct arena *a, struct table *t)
{
    struct stamped *order = arena_new_array(a, t->row_count, struct stamped);
    t->was_sorted = true;
    for (size_t i = 0; i < t->row_count; i++) {
        order[i] = (struct stamped){ t->at_us[i], i };
        t->was_sorted = t->was_sorted && (i == 0 || t->at_us[i - 1] <= t->at_us[i]);
    }
    if (t->was_sorted)
        return;
    qsort(order, t->row_count, sizeof *order, compare_stamped);
    place_rows(a, t, order, NULL, t->row_count);
    for (size_t i = 0; i < t->row_count; i++)
        t->at_us[i] = order[i].at_us;
}

/* The step that most neighbours share; 0 where they do not agree. */
static int64_t common_step_us(struct arena *a, const struct table *t)
{
    const double agreement_min = 0.8, tolerance = 0.02;
    assert(t->row_count > 1);
    size_t count = t->row_count - 1, agreeing = 0;
    struct stamped *steps = arena_new_array(a, count, struct stamped);
    for (size_t i = 0; i < count; i++)
        steps[i] = (struct stamped){ t->at_us[i + 1] - t->at_us[i], i };
    qsort(steps, count, sizeof *steps, compare_stamped);
    int64_t step = steps[count / 2].at_us;
    for (size_t i = 0; i < count; i++)
        agreeing += fabs((double)(steps[i].at_us - step)) <= tolerance * (double)step;
    return step > 0 && (double)agreeing >= agreement_min * (double)count ? step : 0;
}

/* Puts rows where times are left out, so that a season keeps its step; not where too many are. */
static void fill_gaps(struct arena *a, struct table *t, int64_t step_us)
{
    enum { GROWTH_MAX = 2 };
    size_t *to_row = arena_new_array(a, t->row_count, size_t);
    struct stamped *from = arena_new_array(a, t->row_count, struct stamped);
    size_t at = 0;
    for (size_t i = 0; i < t->row_count; i++) {
        double steps = i == 0 ? 0 : (double)(t->at_us[i] - t->at_us[i - 1]) / (double)step_us;
        if (i > 0 && steps > (double)(t->row_count * GROWTH_MAX))
            return;
        at += i == 0 ? 0 : max_of((size_t)llround(steps), (size_t)1);
        to_row[i] = at;
        from[i] = (struct stamped){ t->at_us[i], i };
    }
    if (at + 1 > t->row_count * GROWTH_MAX || at + 1 == t->row_count)
        return;
    int64_t *times = arena_new_array(a, at + 1, int64_t);
    for (size_t i = 0, row = 0; i <= at; i++) {
        bool is_there = row < t->row_count && to_row[row] == i;
        times[i] = is_there ? t->at_us[row++] : times[i - 1] + step_us;
    }
    place_rows(a, t, from, to_row, at + 1);
    t->gap_count = at + 1 - t->row_count;
    t->row_count = at + 1;
    t->at_us = times;
}

bool table_read(struct arena *a, const struct json_value *data, struct str time_field,
                const struct str *value_fields, size_t value_field_count, struct table *ret_table,
                struct err *e)
{
    struct table t = { .time_field = time_field, .was_sorted = true };
    if (data == NULL || data->type != JSON_ARRAY)
        return err_set(e, ERR_INVALID, "data: is %s", data == NULL ? "missing" : "not an array");
    if (data->item_count == 0)
        return err_set(e, ERR_INVALID, "data: is empty");
    if (data->item_count > TABLE_ROWS_MAX)
        return err_set(e, ERR_LIMIT, "data: has more than %d rows", TABLE_ROWS_MAX);
    if (data->items[0].type != JSON_OBJECT) {
        if (!str_is_empty(time_field) || value_field_count > 0)
            return err_set(e, ERR_INVALID, "data[0]: is not an object, but fields were named");
        if (!read_numbers(a, data, &t, e))
            return false;
    } else {
        if (!choose_fields(a, data, value_fields, value_field_count, &t, e))
            return false;
        if (data->item_count * t.column_count > TABLE_CELLS_MAX)
            return err_set(e, ERR_LIMIT, "data: has more than %d numbers, name fewer value_fields",
                           TABLE_CELLS_MAX);
        if (!read_rows(a, data, &t, e))
            return false;
    }
    if (t.at_us != NULL && t.row_count > 2) {
        sort_rows(a, &t);
        int64_t step_us = common_step_us(a, &t);
        t.step_s = step_us / CLOCK_S;
        if (step_us > 0)
            fill_gaps(a, &t, step_us);
    }
    *ret_table = t;
    return true;
}
