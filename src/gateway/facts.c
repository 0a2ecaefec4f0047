#include "gateway/facts.h"

#include "analyst/histogram.h"
#include "base/clock.h"
#include "json/writer.h"
#include "store/public/facts.h"

enum { HOUR_S = 3'600, FACTS_BYTES_MAX = 16 << 20 };

/* What is read, in this order; later ones ask for the types that the first one gave. */
enum part { TYPES, ROLLUPS, TOTALS, JOBS, ERRORS, OLDEST, PART_COUNT };

struct gathering {
    struct gateway_loop *loop;
    struct arena *arena;
    int hours;
    int64_t now_us, from_us; /* wall; from_us is a whole hour */
    int64_t deadline_us;
    facts_fn *fn;
    void *owner;
    struct str *types; /* sorted as the database sorts: as its rows come */
    size_t type_count;
    enum part part;
    struct db_rows *rows[PART_COUNT];
};

/* ── writing ── */

/* "{1,0,3}"; what is shorter than a histogram ends with zeroes. */
static bool add_histogram(struct str text, struct histogram *histogram)
{
    struct histogram h = *histogram;
    int64_t count;
    struct str inner = text.len > 2 ? str_of(text.ptr + 1, text.len - 2) : STR(""), item;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS && !str_is_empty(inner); i++) {
        (void)str_cut(inner, ',', &item, &inner);
        if (!str_to_i64(item, &count))
            return false;
        h.counts[i] += count;
    }
    *histogram = h;
    return true;
}

struct figure {
    const char *key;
    int column;
    double quantile; /* of a histogram; below 0: a plain number, 0 where nothing happened */
};

static const struct figure figures[] = {
    { "created", FACTS_ROLLUPS_CREATED, -1 },   { "completed", FACTS_ROLLUPS_COMPLETED, -1 },
    { "failed", FACTS_ROLLUPS_FAILED, -1 },     { "wait_p50_s", FACTS_ROLLUPS_WAIT, 0.5 },
    { "wait_p99_s", FACTS_ROLLUPS_WAIT, 0.99 }, { "run_p50_s", FACTS_ROLLUPS_RUN, 0.5 },
    { "run_p99_s", FACTS_ROLLUPS_RUN, 0.99 },
};

/* Of the rows `from` to `to`, one a shard. */
static void write_figure(struct json_writer *w, const struct figure *figure,
                         const struct db_rows *rows, size_t from, size_t to)
{
    struct histogram h = { 0 };
    double seconds = 0;
    int64_t sum = 0;
    bool is_read = true;
    for (size_t row = from; row < to; row++) {
        if (figure->quantile < 0)
            sum += db_rows_i64(rows, row, (size_t)figure->column);
        else
            is_read = add_histogram(db_rows_text(rows, row, (size_t)figure->column), &h) && is_read;
    }
    if (figure->quantile < 0)
        json_write_i64(w, sum);
    else if (is_read && histogram_quantile(&h, figure->quantile, &seconds))
        json_write_double(w, seconds);
    else
        json_write_null(w);
}

/* Rows `from` to `to` are the hours of one type, some of them missing. */
static void write_buckets(struct json_writer *w, const struct gathering *g,
                          const struct figure *figure, size_t from, size_t to)
{
    const struct db_rows *rows = g->rows[ROLLUPS];
    json_key(w, str_of_c(figure->key));
    json_begin_array(w);
    for (int64_t bucket = 0; bucket < g->hours; bucket++) {
        size_t end = from;
        while (end < to && db_rows_i64(rows, end, FACTS_ROLLUPS_BUCKET) == bucket)
            end++;
        write_figure(w, figure, rows, from, end);
        from = end;
    }
    json_end_array(w);
}

static void write_series(struct json_writer *w, const struct gathering *g)
{
    const struct db_rows *rows = g->rows[ROLLUPS];
    size_t count = db_rows_count(rows);
    json_key_c(w, "series");
    json_begin_array(w);
    for (size_t from = 0, to = 0; from < count; from = to) {
        struct str type = db_rows_text(rows, from, FACTS_ROLLUPS_TYPE);
        while (to < count && str_eq(db_rows_text(rows, to, FACTS_ROLLUPS_TYPE), type))
            to++;
        json_begin_object(w);
        json_key_c(w, "type");
        json_write_string(w, type);
        for (size_t i = 0; i < countof(figures); i++)
            write_buckets(w, g, &figures[i], from, to);
        json_end_object(w);
    }
    json_end_array(w);
}

enum column_kind { COLUMN_TEXT, COLUMN_NUMBER };
struct column {
    const char *key;
    enum column_kind kind;
};

/* Rows as objects whose members are the columns, in their order. */
static void write_rows(struct json_writer *w, const char *key, const struct db_rows *rows,
                       const struct column *columns, size_t column_count)
{
    json_key(w, str_of_c(key));
    json_begin_array(w);
    for (size_t row = 0; row < db_rows_count(rows); row++) {
        json_begin_object(w);
        for (size_t c = 0; c < column_count; c++) {
            json_key(w, str_of_c(columns[c].key));
            if (db_rows_is_null(rows, row, c))
                json_write_null(w);
            else if (columns[c].kind == COLUMN_TEXT)
                json_write_string(w, db_rows_text(rows, row, c));
            else
                json_write_i64(w, db_rows_i64(rows, row, c));
        }
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_facts(struct json_writer *w, const struct gathering *g)
{
    static const struct column totals[] = {
        [FACTS_TOTALS_TYPE] = { "type", COLUMN_TEXT },
        [FACTS_TOTALS_PENDING] = { "pending", COLUMN_NUMBER },
        [FACTS_TOTALS_IN_PROGRESS] = { "in_progress", COLUMN_NUMBER },
        [FACTS_TOTALS_COMPLETED] = { "completed", COLUMN_NUMBER },
        [FACTS_TOTALS_FAILED] = { "failed", COLUMN_NUMBER },
    };
    static const struct column jobs[] = {
        [FACTS_JOBS_ID] = { "id", COLUMN_TEXT },
        [FACTS_JOBS_NAME] = { "name", COLUMN_TEXT },
        [FACTS_JOBS_STATUS] = { "status", COLUMN_TEXT },
        [FACTS_JOBS_SCHEDULE] = { "schedule", COLUMN_TEXT },
        [FACTS_JOBS_TIME_ZONE] = { "time_zone", COLUMN_TEXT },
        [FACTS_JOBS_LAST_RUN] = { "last_run_us", COLUMN_NUMBER },
        [FACTS_JOBS_NEXT_RUN] = { "next_run_us", COLUMN_NUMBER },
        [FACTS_JOBS_CONSECUTIVE_FAILURES] = { "consecutive_failures", COLUMN_NUMBER },
    };
    static const struct column errors[] = {
        [FACTS_ERRORS_TYPE] = { "type", COLUMN_TEXT },
        [FACTS_ERRORS_TEMPLATE] = { "template", COLUMN_TEXT },
        [FACTS_ERRORS_COUNT] = { "count", COLUMN_NUMBER },
        [FACTS_ERRORS_FIRST_AT] = { "first_at_us", COLUMN_NUMBER },
        [FACTS_ERRORS_LAST_AT] = { "last_at_us", COLUMN_NUMBER },
    };
    json_begin_object(w);
    json_key_c(w, "bucket_s");
    json_write_i64(w, HOUR_S);
    json_key_c(w, "from_us");
    json_write_i64(w, g->from_us);
    json_key_c(w, "now_us");
    json_write_i64(w, g->now_us);
    json_key_c(w, "oldest_pending_s");
    if (db_rows_count(g->rows[OLDEST]) == 0 || db_rows_is_null(g->rows[OLDEST], 0, 0))
        json_write_null(w);
    else
        json_write_double(w, db_rows_double(g->rows[OLDEST], 0, 0));
    write_series(w, g);
    write_rows(w, "totals", g->rows[TOTALS], totals, countof(totals));
    write_rows(w, "jobs", g->rows[JOBS], jobs, countof(jobs));
    write_rows(w, "errors", g->rows[ERRORS], errors, countof(errors));
    json_end_object(w);
}

/* ── reading ── */

static void finish(struct gathering *g)
{
    struct buf out;
    struct json_writer w = json_writer_to(&out);
    struct err e;
    buf_init(&out, FACTS_BYTES_MAX);
    write_facts(&w, g);
    bool is_good = !out.failed;
    struct str json = is_good ? arena_copy(g->arena, buf_str(&out)) : STR("");
    buf_clear(&out);
    if (is_good) {
        g->fn(g->owner, json, NULL);
        return;
    }
    err_set(&e, ERR_LIMIT, "facts are longer than %d bytes", FACTS_BYTES_MAX);
    g->fn(g->owner, json, &e);
}

static struct db_step step_of(const struct gathering *g)
{
    switch (g->part) {
    case TYPES:
        return facts_types_step(g->arena, g->from_us, FACTS_SERIES_MAX);
    case ROLLUPS:
        return facts_rollups_step(g->arena, g->types, g->type_count, g->from_us);
    case TOTALS:
        return facts_totals_step(g->arena, g->types, g->type_count);
    case JOBS:
        return facts_jobs_step(g->arena, FACTS_JOBS_TOLD_MAX);
    case ERRORS:
        return facts_errors_step(g->arena, FACTS_ERRORS_TOLD_MAX);
    case OLDEST:
    case PART_COUNT:
        break;
    }
    return facts_oldest_step(g->arena);
}

static void read_types(struct gathering *g)
{
    const struct db_rows *rows = g->rows[TYPES];
    g->type_count = db_rows_count(rows);
    g->types = arena_new_array(g->arena, g->type_count, struct str);
    for (size_t i = 0; i < g->type_count; i++)
        g->types[i] = db_rows_text(rows, i, 0);
}

static bool ask(struct gathering *g, struct err *e);

static void replied(void *owner, const struct db_reply *reply)
{
    struct gathering *g = owner;
    if (reply->err != NULL) {
        struct err e = *reply->err;
        err_in(&e, "gather facts");
        g->fn(g->owner, STR(""), &e);
        return;
    }
    g->rows[g->part] = reply->rows[0];
    db_rows_keep(reply->rows[0], g->arena);
    if (g->part == TYPES)
        read_types(g);
    struct err e;
    g->part++;
    if (g->part == PART_COUNT)
        finish(g);
    else if (!ask(g, &e))
        g->fn(g->owner, STR(""), &e);
}

static bool ask(struct gathering *g, struct err *e)
{
    struct db_step step = step_of(g);
    const struct db_call call = { .lane = DB_LANE_SLOW,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = g->deadline_us,
                                  .fn = replied,
                                  .owner = g };
    return db_pool_call(g->loop->pool, &call, NULL, e) || err_in(e, "gather facts");
}

bool facts_gather(struct gateway_loop *loop, struct arena *a, int hours, int64_t deadline_us,
                  facts_fn *fn, void *owner, struct err *e)
{
    const int64_t hour_us = (int64_t)HOUR_S * CLOCK_S;
    struct gathering *g = arena_new(a, struct gathering);
    assert(hours > 0 && hours <= FACTS_HOURS_MAX);
    *g = (struct gathering){ .loop = loop,
                             .arena = a,
                             .hours = hours,
                             .now_us = clock_wall_us(),
                             .deadline_us = deadline_us,
                             .fn = fn,
                             .owner = owner };
    g->from_us = g->now_us / hour_us * hour_us - (hours - 1) * hour_us;
    return ask(g, e);
}
