/*
 * spans: which roll-ups make up a period. A period is a range of time; days, hours and minutes are
 * put together so that few rows cover it exactly.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "store/public/stats.h"

enum { SPAN_MINUTE_S = 60, SPAN_HOUR_S = 3'600, SPAN_DAY_S = 86'400, SPAN_WEEK_S = 604'800 };

/* minutes, hours, days, hours, minutes */
enum { SPANS_RANGES_MAX = 5 };

/* The ranges of [from_us, to_us), whose ends are full minutes; how many were put. */
size_t spans_cover(int64_t from_us, int64_t to_us, struct stats_range ret_ranges[SPANS_RANGES_MAX]);

/* The last time that is a whole number of spans, at or before that one. A week begins on Monday. */
[[nodiscard]] int64_t spans_floor(int64_t wall_us, int64_t span_s);

/* "30m", "24h", "7d": a minute to 90 days. Errors: INVALID, naming what is allowed. */
[[nodiscard]] bool spans_read_window(struct str text, int64_t *ret_window_s, struct err *e);

/*
 * The period that ends now and is `window_s` long, and the one of the same length before it. They
 * begin at a full minute; those of 12 hours and more at a full hour, of 30 days and more at a full
 * day, and so are longer by what is left of it.
 */
struct spans_period {
    int64_t from_us, to_us;
    struct stats_range ranges[SPANS_RANGES_MAX];
    size_t range_count;
};
void spans_periods(int64_t now_us, int64_t window_s, struct spans_period *ret_now,
                   struct spans_period *ret_before);

/*
 * The spans of errors (60, 300, 3,600, 86,400 and 864,000 seconds) from the beginning of a window up
 * to now, the last of which now is in; how many ranges were put. It begins at a full minute; of 30
 * minutes and more at five full ones, of 12 hours and more at a full hour, of ten days and more at a
 * full day.
 */
enum { SPANS_OF_ERRORS = 5 };
size_t spans_of_errors(int64_t now_us, int64_t window_s,
                       struct stats_range ret_ranges[SPANS_OF_ERRORS]);
