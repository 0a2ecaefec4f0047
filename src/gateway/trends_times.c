/* Durations of the buckets of a trend, as stats_trend_times gives them. */
#include <math.h>

#include "gateway/figures.h"
#include "gateway/trends_priv.h"

bool trend_times_next(struct str *rest, size_t bucket_count, size_t *ret_bucket,
                      struct str *ret_cell)
{
    while (rest->len > 0) {
        struct str number, numbers;
        uint64_t bucket;
        if (!str_cut(*rest, '{', &number, rest) || !str_cut(*rest, '}', &numbers, rest))
            return false;
        if (!str_to_u64(number, &bucket) || bucket >= bucket_count)
            continue;
        *ret_bucket = (size_t)bucket;
        *ret_cell = str_of(numbers.ptr - 1, numbers.len + 2); /* with its braces */
        return true;
    }
    return false;
}

void trend_times_add(struct trend_times *times, struct arena *a, struct str cell)
{
    if (times->cell.ptr == NULL) {
        times->cell = cell;
        return;
    }
    if (times->added == NULL) {
        times->added = arena_new(a, struct histogram);
        figures_add_cell(times->added, times->cell);
    }
    figures_add_cell(times->added, cell);
}

double trend_times_quantile(const struct trend_times *times, double q)
{
    struct histogram one = { 0 };
    double value_s;
    if (times->added == NULL && times->cell.ptr != NULL)
        figures_add_cell(&one, times->cell);
    return histogram_quantile(times->added != NULL ? times->added : &one, q, &value_s)
               ? value_s
               : (double)NAN;
}
