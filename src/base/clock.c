#include "base/clock.h"

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    if (clock_gettime(id, &now) != 0)
        base_abort("the system clock cannot be read");
    return (int64_t)now.tv_sec * CLOCK_S + now.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar.
 * Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

/* Source: the same, civil_from_days. */
static void civil_from_days(int64_t days, int64_t *ret_year, int64_t *ret_month, int64_t *ret_day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    *ret_day = day_of_year - (153 * month + 2) / 5 + 1;
    *ret_month = month < 10 ? month + 3 : month - 9;
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static void put_digits(char *at, uint32_t value, int count)
{
    while (count-- > 0) {
        at[count] = (char)('0' + value % 10);
        value /= 10;
    }
}

void clock_format(int64_t wall_us, char ret_text[CLOCK_TEXT_MAX])
{
    int64_t seconds = floor_div(wall_us, CLOCK_S);
    int64_t days = floor_div(seconds, 86400);
    int64_t in_day = seconds - days * 86400;
    int64_t year, month, day;
    civil_from_days(days, &year, &month, &day);
    memcpy(ret_text, "0000-00-00T00:00:00.000000Z", 28);
    put_digits(ret_text, (uint32_t)(year < 0 ? 0 : min_of(year, (int64_t)9999)), 4);
    put_digits(ret_text + 5, (uint32_t)month, 2);
    put_digits(ret_text + 8, (uint32_t)day, 2);
    put_digits(ret_text + 11, (uint32_t)in_day / 3600, 2);
    put_digits(ret_text + 14, (uint32_t)in_day / 60 % 60, 2);
    put_digits(ret_text + 17, (uint32_t)in_day % 60, 2);
    put_digits(ret_text + 20, (uint32_t)(wall_us - seconds * CLOCK_S), 6);
}

/* `count` digits at the front of `s`, which then begins behind them. */
static bool read_digits(struct str *s, size_t count, int64_t low, int64_t high, int64_t *ret_value)
{
    int64_t value = 0;
    if (s->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (s->ptr[i] < '0' || s->ptr[i] > '9')
            return false;
        value = value * 10 + (s->ptr[i] - '0');
    }
    if (value < low || value > high)
        return false;
    *s = str_of(s->ptr + count, s->len - count);
    *ret_value = value;
    return true;
}

static bool read_char(struct str *s, char wanted)
{
    if (s->len == 0 || s->ptr[0] != wanted)
        return false;
    *s = str_of(s->ptr + 1, s->len - 1);
    return true;
}

static bool read_fraction(struct str *s, int64_t *ret_us)
{
    *ret_us = 0;
    if (!read_char(s, '.'))
        return true;
    size_t digits = 0;
    int64_t unit = 100000;
    while (digits < s->len && s->ptr[digits] >= '0' && s->ptr[digits] <= '9') {
        *ret_us += (s->ptr[digits] - '0') * unit;
        unit /= 10;
        digits++;
    }
    *s = str_from(*s, digits);
    return digits > 0;
}

static bool read_offset(struct str *s, int64_t *ret_seconds)
{
    *ret_seconds = 0;
    if (read_char(s, 'Z') || read_char(s, 'z'))
        return true;
    int64_t sign = read_char(s, '+') ? 1 : read_char(s, '-') ? -1 : 0;
    int64_t hours = 0, minutes = 0;
    if (!sign || !read_digits(s, 2, 0, 23, &hours) || !read_char(s, ':') ||
        !read_digits(s, 2, 0, 59, &minutes))
        return false;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    int64_t next =
        month == 12 ? days_from_civil(year + 1, 1, 1) : days_from_civil(year, month + 1, 1);
    return next - days_from_civil(year, month, 1);
}

bool clock_parse(struct str s, int64_t *ret_wall_us)
{
    int64_t year, month, day, hour, minute, second, fraction_us, offset_s;
    if (!read_digits(&s, 4, 1, 9999, &year) || !read_char(&s, '-') ||
        !read_digits(&s, 2, 1, 12, &month) || !read_char(&s, '-') ||
        !read_digits(&s, 2, 1, 31, &day) || (day > 28 && day > days_in_month(year, month)))
        return false;
    if (!read_char(&s, 'T') && !read_char(&s, 't') && !read_char(&s, ' '))
        return false;
    if (!read_digits(&s, 2, 0, 23, &hour) || !read_char(&s, ':') ||
        !read_digits(&s, 2, 0, 59, &minute) || !read_char(&s, ':') ||
        !read_digits(&s, 2, 0, 60, &second)) /* 60: a leap second, as the second after */
        return false;
    if (!read_fraction(&s, &fraction_us) || !read_offset(&s, &offset_s) || s.len > 0)
        return false;
    int64_t seconds =
        days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset_s;
    if (seconds < days_from_civil(1, 1, 1) * 86400 ||
        seconds >= days_from_civil(10000, 1, 1) * 86400)
        return false; /* the offset led out of the years that have four digits */
    *ret_wall_us = seconds * CLOCK_S + fraction_us;
    return true;
}
