#include "rules/cron.h"

#include "base/clock.h"
#include "rules/civil.h"
#include "rules/cron_priv.h"
#include "rules/zone.h"

enum {
    SUNDAY = 0,
    SATURDAY = 6,
    /* A stretch of local time that ended longer ago than this cannot reach into the present one:
     * two offsets differ by 51 hours at most. */
    LOOK_BACK_S = 3 * CIVIL_DAY_S,
    DAYS_A_YEAR_MAX = 366,
};

/* ── one month ── */

/* The day of `month_first_weekday`'s month that "nW" names. */
static int near_day(int day, int month_days, int month_first_weekday)
{
    int weekday = (month_first_weekday + day - 1) % CIVIL_WEEK_DAYS;
    if (weekday == SATURDAY)
        return day > 1 ? day - 1 : day + 2;
    if (weekday == SUNDAY)
        return day < month_days ? day + 1 : day - 2;
    return day;
}

static uint64_t days_by_date(const struct cron *cron, int month_days, int first_weekday)
{
    uint64_t days = cron->at[CRON_DAY];
    if (cron->has_last_day)
        days |= UINT64_C(1) << month_days;
    if (cron->has_last_workday)
        days |= UINT64_C(1) << near_day(month_days, month_days, first_weekday);
    for (int day = 1; day <= month_days && cron->near_days != 0; day++)
        if (cron->near_days >> day & 1)
            days |= UINT64_C(1) << near_day(day, month_days, first_weekday);
    return days;
}

static uint64_t days_by_weekday(const struct cron *cron, int month_days, int first_weekday)
{
    uint64_t days = 0;
    for (int day = 1; day <= month_days; day++) {
        int weekday = (first_weekday + day - 1) % CIVIL_WEEK_DAYS;
        int week = (day - 1) / CIVIL_WEEK_DAYS + 1;
        bool is_last = day + CIVIL_WEEK_DAYS > month_days;
        if (cron->at[CRON_WEEKDAY] >> weekday & 1 || cron->weekday_nth[weekday] >> week & 1 ||
            (is_last && cron->last_weekdays >> weekday & 1))
            days |= UINT64_C(1) << day;
    }
    return days;
}

/* Vixie's rule: where a day field begins with "*" both must match, else one is enough. */
static uint64_t days_of_month(const struct cron *cron, int64_t year, int month)
{
    int month_days = civil_days_in_month(year, month);
    int first_weekday = civil_weekday(civil_day(year, month, 1));
    uint64_t by_date = days_by_date(cron, month_days, first_weekday);
    uint64_t by_weekday = days_by_weekday(cron, month_days, first_weekday);
    uint64_t days =
        cron->is_day_star || cron->is_weekday_star ? by_date & by_weekday : by_date | by_weekday;
    return days & cron_bits(1, month_days);
}

/* ── local time ── */

/* The lowest listed value that is not below `from`; -1: none. */
static int bit_from(uint64_t bits, int from)
{
    uint64_t left = from > 63 ? 0 : bits & ~UINT64_C(0) << from;
    return left != 0 ? __builtin_ctzll(left) : -1;
}

static void begin_month(struct civil *c, int64_t year, int month)
{
    *c = (struct civil){ year, month, 1, 0, 0, 0 };
}

static void begin_next_month(struct civil *c)
{
    begin_month(c, c->month == 12 ? c->year + 1 : c->year, c->month == 12 ? 1 : c->month + 1);
}

/* Moves to the next listed time within the day, which may be `c` itself. */
static bool find_time(const struct cron *cron, struct civil *c)
{
    int second = bit_from(cron->at[CRON_SECOND], c->second);
    int minute = bit_from(cron->at[CRON_MINUTE], second < 0 ? c->minute + 1 : c->minute);
    int hour = bit_from(cron->at[CRON_HOUR], minute < 0 ? c->hour + 1 : c->hour);
    if (hour < 0)
        return false;
    if (hour != c->hour)
        minute = bit_from(cron->at[CRON_MINUTE], 0);
    if (hour != c->hour || minute != c->minute)
        second = bit_from(cron->at[CRON_SECOND], 0);
    c->hour = hour;
    c->minute = minute;
    c->second = second;
    return true;
}

/* The first listed local time in [from_s, until_s): a month, then a day, then a time of day. */
static bool find_local(const struct cron *cron, int64_t from_s, int64_t until_s, int64_t *ret_s)
{
    struct civil c = civil_of_s(from_s);
    struct civil last = civil_of_s(until_s - 1);
    while (from_s < until_s &&
           (c.year < last.year || (c.year == last.year && c.month <= last.month))) {
        int month = bit_from(cron->at[CRON_MONTH], c.month);
        if (month < 0) {
            begin_month(&c, c.year + 1, 1);
            continue;
        }
        if (month != c.month)
            begin_month(&c, c.year, month);
        uint64_t days = days_of_month(cron, c.year, c.month);
        for (int day = bit_from(days, c.day); day >= 0; day = bit_from(days, day + 1)) {
            if (day != c.day)
                c.hour = c.minute = c.second = 0;
            c.day = day;
            if (find_time(cron, &c)) {
                *ret_s = civil_to_s(&c);
                return *ret_s < until_s;
            }
        }
        begin_next_month(&c);
    }
    return false;
}

/* ── clock changes ── */

/*
 * The stretches of one offset, one after the other, and how far the local clock had come before
 * each: `reached_s`. A stretch whose local start is beyond it leaves a gap; one whose local start
 * lies before it repeats what has been (a fold).
 */
struct walk {
    const struct zone *zone;
    struct zone_span span;
    int64_t reached_s; /* local */
};

static void walk_step(struct walk *w)
{
    w->reached_s = max_of(w->reached_s, w->span.until_s + w->span.offset_s);
    w->span = zone_span(w->zone, w->span.until_s);
}

static bool walk_is_over(const struct walk *w)
{
    return w->span.until_s > ZONE_S_MAX;
}

/* To the stretch that holds `utc_s`. */
static struct walk walk_to(const struct zone *zone, int64_t utc_s)
{
    struct walk w = { zone, zone_span(zone, utc_s - LOOK_BACK_S), INT64_MIN };
    while (!walk_is_over(&w) && w.span.until_s <= utc_s)
        walk_step(&w);
    return w;
}

static bool walk_has_gap(const struct walk *w)
{
    return w->reached_s > INT64_MIN && w->span.from_s + w->span.offset_s > w->reached_s;
}

/* The first firing of the stretch at or after `from_s`. */
static bool find_in_span(const struct cron *cron, const struct walk *w, int64_t from_s,
                         int64_t until_s, int64_t *ret_s)
{
    int64_t local_s, start_s = max_of(w->span.from_s, from_s);
    int64_t offset_s = w->span.offset_s;
    bool is_gap_due = cron->is_fixed && walk_has_gap(w) && w->span.from_s >= from_s;
    if (is_gap_due && find_local(cron, w->reached_s, w->span.from_s + offset_s, &local_s)) {
        *ret_s = w->span.from_s;
        return true;
    }
    int64_t local_from_s = start_s + offset_s;
    if (cron->is_fixed)
        local_from_s = max_of(local_from_s, w->reached_s); /* a fold's first pass only */
    if (!find_local(cron, local_from_s, min_of(w->span.until_s, until_s) + offset_s, &local_s))
        return false;
    *ret_s = local_s - offset_s;
    return true;
}

/* ── next ── */

static int64_t floor_s(int64_t us)
{
    return us / CLOCK_S - (us % CLOCK_S < 0 ? 1 : 0);
}

/* The lattice through the anchor. */
static bool next_of_every(const struct cron *cron, int64_t after_us, int64_t *ret_us)
{
    int64_t every_us = cron->every_s * CLOCK_S;
    int64_t since_us = (after_us - cron->anchor_us) % every_us;
    if (since_us < 0)
        since_us += every_us;
    *ret_us = after_us - since_us + every_us;
    return *ret_us <= ZONE_S_MAX * CLOCK_S;
}

bool cron_next(const struct cron *cron, const struct zone *zone, int64_t after_us, int64_t *ret_us)
{
    int64_t bounded_us = max_of(after_us, ZONE_S_MIN * CLOCK_S);
    if (bounded_us >= ZONE_S_MAX * CLOCK_S)
        return false;
    if (cron->every_s > 0)
        return next_of_every(cron, bounded_us, ret_us);
    int64_t from_s = floor_s(bounded_us) + 1;
    int64_t until_s =
        min_of(from_s + (int64_t)CRON_YEARS_MAX * DAYS_A_YEAR_MAX * CIVIL_DAY_S, ZONE_S_MAX);
    struct walk w = walk_to(zone, from_s);
    for (;;) {
        int64_t found_s;
        if (find_in_span(cron, &w, from_s, until_s, &found_s)) {
            *ret_us = found_s * CLOCK_S;
            return true;
        }
        if (walk_is_over(&w) || w.span.until_s >= until_s)
            return false;
        walk_step(&w);
    }
}

/* ── what a change did ── */

/* The local time comes again after this stretch. */
static bool comes_again(struct walk w, int64_t local_s, int64_t at_s)
{
    int64_t change_s = w.span.until_s;
    if (walk_is_over(&w))
        return false;
    walk_step(&w);
    return change_s <= at_s + LOOK_BACK_S && local_s >= w.span.from_s + w.span.offset_s;
}

/* Of a wildcard schedule's first firing after a gap into which others would have fallen. */
static bool skips(const struct cron *cron, const struct walk *w, int64_t local_s)
{
    int64_t first_s, from_s = w->span.from_s + w->span.offset_s;
    return walk_has_gap(w) && find_local(cron, w->reached_s, from_s, &first_s) &&
           find_local(cron, from_s, local_s + 1, &first_s) && first_s == local_s;
}

struct cron_shift cron_shift_of(const struct cron *cron, const struct zone *zone, int64_t at_us)
{
    int64_t at_s = floor_s(at_us);
    struct walk w = walk_to(zone, at_s);
    int64_t local_s = at_s + w.span.offset_s;
    struct cron_shift shift = { .local_s = local_s };
    if (cron->every_s > 0)
        return shift;
    bool is_at_change = at_s == w.span.from_s;
    if (cron->is_fixed && is_at_change && walk_has_gap(&w) &&
        find_local(cron, w.reached_s, local_s, &shift.local_s)) {
        shift.kind = CRON_SHIFT_MOVED;
    } else if (!cron->is_fixed && local_s < w.reached_s) {
        shift.kind = CRON_SHIFT_AGAIN;
    } else if (!cron->is_fixed && skips(cron, &w, local_s)) {
        shift.kind = CRON_SHIFT_SKIPPED;
    } else if (cron->is_fixed && comes_again(w, local_s, at_s)) {
        shift.kind = CRON_SHIFT_ONCE;
        shift.change_from_local_s = w.span.until_s + w.span.offset_s;
        shift.change_to_local_s = zone_local_s(zone, w.span.until_s);
        return shift;
    }
    if (shift.kind != CRON_SHIFT_NONE) {
        shift.change_from_local_s = w.reached_s;
        shift.change_to_local_s = w.span.from_s + w.span.offset_s;
    }
    return shift;
}

/* ── warnings ── */

unsigned cron_warnings(const struct cron *cron, const struct zone *zone, int64_t after_us)
{
    unsigned warnings = 0;
    int64_t next_us;
    bool is_day_full = cron_field_is_full(cron, CRON_DAY);
    bool is_weekday_full = cron_field_is_full(cron, CRON_WEEKDAY);
    if (!cron_next(cron, zone, after_us, &next_us))
        warnings |= CRON_WARN_NEVER;
    if (cron->every_s > 0)
        return warnings | (cron->every_s == 1 ? CRON_WARN_EVERY_SECOND : 0U);
    if (cron_field_is_full(cron, CRON_SECOND) && cron_field_is_full(cron, CRON_MINUTE) &&
        cron_field_is_full(cron, CRON_HOUR))
        warnings |= CRON_WARN_EVERY_SECOND;
    if (!cron->is_day_star && !cron->is_weekday_star)
        warnings |= CRON_WARN_EITHER_DAY;
    else if (!is_day_full && !is_weekday_full)
        warnings |= CRON_WARN_BOTH_DAYS;
    return warnings | (cron->is_hashed ? CRON_WARN_HASHED : 0U);
}
