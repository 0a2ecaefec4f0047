#include "rules/civil.h"

enum {
    CYCLE_YEARS = 400, /* after which the calendar repeats, weekdays included */
    CYCLE_DAYS = 146'097,
    EPOCH_DAYS = 719'162, /* from 0001-01-01 to 1970-01-01 */
    EPOCH_WEEKDAY = 4,    /* a Thursday */
    CYCLES_MOVED = 10,    /* so that no year is below 1 while it is computed with */
};

/* Days of a common year before its month. */
static const int days_before_month[] = { 0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };

bool civil_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int civil_days_in_month(int64_t year, int month)
{
    assert(month >= 1 && month <= 12);
    if (month == 2)
        return civil_is_leap(year) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/* From 0001-01-01; the year is 1 or more. */
static int64_t days_before_year(int64_t year)
{
    int64_t past = year - 1;
    return past * 365 + past / 4 - past / 100 + past / 400;
}

int64_t civil_day(int64_t year, int month, int day)
{
    int64_t moved = year + (int64_t)CYCLES_MOVED * CYCLE_YEARS;
    assert(year >= CIVIL_YEAR_MIN);
    int64_t days = days_before_year(moved) + days_before_month[month] + day - 1;
    if (month > 2 && civil_is_leap(moved))
        days++;
    return days - EPOCH_DAYS - (int64_t)CYCLES_MOVED * CYCLE_DAYS;
}

static int64_t modulo(int64_t value, int64_t divisor)
{
    int64_t rest = value % divisor;
    return rest < 0 ? rest + divisor : rest;
}

int civil_weekday(int64_t day)
{
    return (int)modulo(day + EPOCH_WEEKDAY, CIVIL_WEEK_DAYS);
}

static void set_date(struct civil *c, int64_t day)
{
    int64_t days = day + EPOCH_DAYS + (int64_t)CYCLES_MOVED * CYCLE_DAYS;
    assert(days >= 0);
    int64_t year = days * CYCLE_YEARS / CYCLE_DAYS + 1; /* right, or off by one */
    if (days_before_year(year) > days)
        year--;
    if (days_before_year(year + 1) <= days)
        year++;
    int rest = (int)(days - days_before_year(year));
    int month = 1;
    while (rest >= civil_days_in_month(year, month))
        rest -= civil_days_in_month(year, month++);
    c->year = year - (int64_t)CYCLES_MOVED * CYCLE_YEARS;
    c->month = month;
    c->day = rest + 1;
}

struct civil civil_of_s(int64_t second)
{
    struct civil c;
    int64_t time = modulo(second, CIVIL_DAY_S);
    set_date(&c, (second - time) / CIVIL_DAY_S);
    c.hour = (int)(time / CIVIL_HOUR_S);
    c.minute = (int)(time / CIVIL_MINUTE_S % 60);
    c.second = (int)(time % 60);
    return c;
}

int64_t civil_to_s(const struct civil *c)
{
    return civil_day(c->year, c->month, c->day) * CIVIL_DAY_S + (int64_t)c->hour * CIVIL_HOUR_S +
           (int64_t)c->minute * CIVIL_MINUTE_S + c->second;
}
