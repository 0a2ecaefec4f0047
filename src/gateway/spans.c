#include "gateway/spans.h"

#include "base/clock.h"

enum { HOUR_GRAIN_FROM_S = 12 * SPAN_HOUR_S, DAY_GRAIN_FROM_S = 30 * SPAN_DAY_S };
enum { WINDOW_MAX_S = 90 * SPAN_DAY_S };

int64_t spans_floor(int64_t wall_us, int64_t span_s)
{
    /* 1970-01-01 was a Thursday. */
    const int64_t monday_us = span_s % SPAN_WEEK_S == 0 ? INT64_C(4) * SPAN_DAY_S * CLOCK_S : 0;
    int64_t span_us = span_s * CLOCK_S, into_us = (wall_us - monday_us) % span_us;
    return wall_us - (into_us < 0 ? into_us + span_us : into_us);
}

/* As many whole spans as lead from *at towards `to_us`. */
static size_t put_range(struct stats_range *range, int64_t span_s, int64_t *at_us, int64_t to_us)
{
    if (to_us <= *at_us)
        return 0;
    *range = (struct stats_range){ .span_s = span_s, .from_us = *at_us, .to_us = to_us };
    *at_us = to_us;
    return 1;
}

size_t spans_cover(int64_t from_us, int64_t to_us, struct stats_range ret_ranges[SPANS_RANGES_MAX])
{
    static const int64_t spans_s[] = { SPAN_MINUTE_S, SPAN_HOUR_S, SPAN_DAY_S };
    int64_t at_us = from_us;
    size_t count = 0;
    for (size_t i = 0; i + 1 < countof(spans_s); i++) { /* up to where longer ones can begin */
        int64_t next_s = spans_s[i + 1];
        int64_t up_us = spans_floor(at_us + next_s * CLOCK_S - 1, next_s);
        if (up_us > to_us)
            break;
        count += put_range(&ret_ranges[count], spans_s[i], &at_us, up_us);
    }
    for (size_t i = countof(spans_s); i-- > 0;) /* and down to the end */
        if (spans_floor(at_us, spans_s[i]) == at_us)
            count +=
                put_range(&ret_ranges[count], spans_s[i], &at_us, spans_floor(to_us, spans_s[i]));
    assert(at_us == to_us && count <= SPANS_RANGES_MAX);
    return count;
}

bool spans_read_window(struct str text, int64_t *ret_window_s, struct err *e)
{
    static const struct {
        char unit;
        int64_t span_s;
    } units[] = { { 'm', SPAN_MINUTE_S }, { 'h', SPAN_HOUR_S }, { 'd', SPAN_DAY_S } };
    int64_t number = 0;
    for (size_t i = 0; i < countof(units); i++) {
        if (text.len < 2 || text.len > 7 || text.ptr[text.len - 1] != units[i].unit ||
            !str_to_i64(str_first(text, text.len - 1), &number))
            continue;
        if (number < 1 || number * units[i].span_s > WINDOW_MAX_S)
            break;
        *ret_window_s = number * units[i].span_s;
        return true;
    }
    return err_set(e, ERR_INVALID,
                   "window: must be 1m to 90d: a number and m, h or d, such as "
                   "30m, 24h or 7d");
}

void spans_periods(int64_t now_us, int64_t window_s, struct spans_period *ret_now,
                   struct spans_period *ret_before)
{
    int64_t grain_s = window_s >= DAY_GRAIN_FROM_S    ? SPAN_DAY_S
                      : window_s >= HOUR_GRAIN_FROM_S ? SPAN_HOUR_S
                                                      : SPAN_MINUTE_S;
    int64_t from_us = spans_floor(now_us - window_s * CLOCK_S, grain_s);
    int64_t before_us = spans_floor(from_us - window_s * CLOCK_S, grain_s);
    /* Nothing has happened later than now, so the spans that now is in may end the period. */
    int64_t end_us = spans_floor(now_us, SPAN_MINUTE_S) + (int64_t)SPAN_MINUTE_S * CLOCK_S;
    for (int64_t span_s = SPAN_HOUR_S; span_s <= SPAN_DAY_S; span_s *= 24)
        if (spans_floor(now_us, span_s) >= from_us)
            end_us = spans_floor(now_us, span_s) + span_s * CLOCK_S;
    *ret_now = (struct spans_period){ .from_us = from_us, .to_us = now_us };
    ret_now->range_count = spans_cover(from_us, end_us, ret_now->ranges);
    *ret_before = (struct spans_period){ .from_us = before_us, .to_us = from_us };
    ret_before->range_count = spans_cover(before_us, from_us, ret_before->ranges);
}

/* Each some ten times as long as the one before: so few rows make any window, however many groups
 * there are. `from_s`: windows of that length and more begin with this span or a longer one. */
static const struct {
    int64_t span_s, from_s;
} error_spans[SPANS_OF_ERRORS] = {
    { SPAN_MINUTE_S, 0 },
    { 5 * SPAN_MINUTE_S, 30 * SPAN_MINUTE_S },
    { SPAN_HOUR_S, HOUR_GRAIN_FROM_S },
    { SPAN_DAY_S, 10 * SPAN_DAY_S },
    { 10 * SPAN_DAY_S, INT64_MAX },
};

size_t spans_of_errors(int64_t now_us, int64_t window_s,
                       struct stats_range ret_ranges[SPANS_OF_ERRORS])
{
    size_t first = 0, count = 0;
    while (window_s >= error_spans[first + 1].from_s)
        first++;
    int64_t at_us = spans_floor(now_us - window_s * CLOCK_S, error_spans[first].span_s);
    for (size_t i = first; i < SPANS_OF_ERRORS; i++) {
        int64_t span_s = error_spans[i].span_s, end_us = spans_floor(now_us, span_s);
        if (i + 1 < SPANS_OF_ERRORS) { /* up to where longer ones can begin */
            int64_t next_s = error_spans[i + 1].span_s;
            int64_t up_us = spans_floor(at_us + next_s * CLOCK_S - 1, next_s);
            if (up_us <= now_us) {
                count += put_range(&ret_ranges[count], span_s, &at_us, up_us);
                continue;
            }
        }
        count += put_range(&ret_ranges[count], span_s, &at_us, end_us + span_s * CLOCK_S);
        break;
    }
    return count;
}
