/*
 * civil: days and dates of the Gregorian calendar, also before it was in use. A day is counted
 * from 1970-01-01. Years reach from CIVIL_YEAR_MIN on.
 */
#pragma once
#include "base/base.h"

enum { CIVIL_DAY_S = 86'400, CIVIL_HOUR_S = 3'600, CIVIL_MINUTE_S = 60, CIVIL_WEEK_DAYS = 7 };
enum { CIVIL_YEAR_MIN = -3'999 };

struct civil {
    int64_t year;
    int month, day; /* both from 1 */
    int hour, minute, second;
};

[[nodiscard]] bool civil_is_leap(int64_t year);
[[nodiscard]] int civil_days_in_month(int64_t year, int month);
[[nodiscard]] int64_t civil_day(int64_t year, int month, int day);
/* 0 is Sunday. */
[[nodiscard]] int civil_weekday(int64_t day);
/* The date and the time of day of a second counted from 1970-01-01T00:00. */
[[nodiscard]] struct civil civil_of_s(int64_t second);
[[nodiscard]] int64_t civil_to_s(const struct civil *c);
