#include "gateway/figures.h"

#include "store/public/stats.h"

struct figures figures_none(void)
{
    return (struct figures){ .wait_max_s = -1, .run_max_s = -1 };
}

/* "{0,12,3}"; the buckets behind the last one are empty. */
void figures_add_cell(struct histogram *h, struct str cell)
{
    int64_t number = 0;
    size_t bucket = 0;
    for (size_t i = 1; i < cell.len && bucket < HISTOGRAM_BUCKETS; i++) {
        char c = cell.ptr[i];
        if (c >= '0' && c <= '9') {
            number = number * 10 + (c - '0');
        } else {
            h->counts[bucket++] += number;
            number = 0;
        }
    }
}

static void add_max(double *max_s, const struct db_rows *rows, size_t row, size_t column)
{
    if (!db_rows_is_null(rows, row, column))
        *max_s = max_of(*max_s, db_rows_double(rows, row, column));
}

void figures_add_row(struct figures *f, const struct db_rows *rows, size_t row)
{
    f->created += db_rows_i64(rows, row, STATS_ROLLUP_CREATED);
    f->completed += db_rows_i64(rows, row, STATS_ROLLUP_COMPLETED);
    f->failed += db_rows_i64(rows, row, STATS_ROLLUP_FAILED);
    figures_add_cell(&f->wait, db_rows_text(rows, row, STATS_ROLLUP_WAIT));
    figures_add_cell(&f->run, db_rows_text(rows, row, STATS_ROLLUP_RUN));
    add_max(&f->wait_max_s, rows, row, STATS_ROLLUP_WAIT_MAX);
    add_max(&f->run_max_s, rows, row, STATS_ROLLUP_RUN_MAX);
}

static struct gql_value share_of(int64_t part, int64_t whole)
{
    return whole > 0 ? gql_float((double)part / (double)whole) : gql_null();
}

struct gql_value figures_success_rate(const struct figures *f)
{
    return share_of(f->completed, f->completed + f->failed);
}

struct gql_value figures_failure_rate(const struct figures *f)
{
    return share_of(f->failed, f->completed + f->failed);
}

struct gql_value figures_quantile(const struct histogram *h, double max_s, double q)
{
    double value_s;
    if (!histogram_quantile(h, q, &value_s))
        return gql_null();
    return gql_float(max_s >= 0 ? min_of(value_s, max_s) : value_s);
}

struct gql_value figures_count(int64_t count)
{
    return gql_int(min_of(count, (int64_t)INT32_MAX));
}
