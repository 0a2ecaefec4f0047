/* Durations of the buckets of a trend, as stats_trend_times gives them. */
#include <math.h>

#include "base/clock.h"
#include "base/hex.h"
#include "gateway/figures.h"
#include "gateway/trends_priv.h"

/* timestamptz_send: microseconds since 2000, eight bytes in hex, the highest first. */
enum { AT_DIGITS = 16, EPOCH_2000_S = 946'684'800 };

bool trend_times_next(struct str *rest, int64_t *ret_at_us)
{
    uint64_t at_us = 0;
    if (rest->len < AT_DIGITS)
        return false;
    for (size_t i = 0; i < AT_DIGITS; i++)
        at_us = at_us << 4 | (uint64_t)hex_digit(rest->ptr[i]);
    *rest = str_from(*rest, AT_DIGITS);
    *ret_at_us = (int64_t)at_us + (int64_t)EPOCH_2000_S * CLOCK_S;
    return true;
}

bool trend_times_cell(struct str *rest, struct str *ret_cell)
{
    struct str numbers, behind;
    if (!str_cut(*rest, '}', &numbers, &behind))
        return false;
    *ret_cell = str_of(numbers.ptr, numbers.len + 1);
    *rest = behind;
    return true;
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
