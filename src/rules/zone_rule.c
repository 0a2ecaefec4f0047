/* The TZ string that ends a TZif file, and the changes that it makes each year. */
#include "rules/civil.h"
#include "rules/zone_priv.h"

enum {
    HOURS_MAX = 167, /* RFC 9636 section 3.3.2: a change may lie up to a week away from its day */
    DEFAULT_CHANGE_S = 2 * CIVIL_HOUR_S,
    YEARS_AROUND = 2, /* a change a week away from its day may fall into the next year */
    CHANGES_MAX = 2 * (2 * YEARS_AROUND + 1),
};

struct cursor {
    struct str rest;
};

static char peek(const struct cursor *c)
{
    return c->rest.len > 0 ? c->rest.ptr[0] : '\0';
}

static bool accept(struct cursor *c, char wanted)
{
    if (c->rest.len == 0 || c->rest.ptr[0] != wanted)
        return false;
    c->rest = str_from(c->rest, 1);
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool read_number(struct cursor *c, int min, int max, int *ret_value)
{
    int value = 0, digits = 0;
    for (; is_digit(peek(c)) && digits < 4; digits++, c->rest = str_from(c->rest, 1))
        value = value * 10 + (peek(c) - '0');
    if (digits == 0 || is_digit(peek(c)) || value < min || value > max)
        return false;
    *ret_value = value;
    return true;
}

/* "CET" or "<+03>"; what it says is of no use here. */
static bool skip_name(struct cursor *c)
{
    size_t len = 0;
    bool is_quoted = accept(c, '<');
    for (char p = peek(c); is_letter(p) || (is_quoted && (is_digit(p) || p == '+' || p == '-'));
         p = peek(c)) {
        c->rest = str_from(c->rest, 1);
        len++;
    }
    return len >= 3 && (!is_quoted || accept(c, '>'));
}

/* [+-]hh[:mm[:ss]] */
static bool read_time(struct cursor *c, int hours_max, int32_t *ret_s)
{
    int hours, minutes = 0, seconds = 0;
    bool is_negative = accept(c, '-');
    if (!is_negative)
        (void)accept(c, '+');
    if (!read_number(c, 0, hours_max, &hours))
        return false;
    if (accept(c, ':') && !read_number(c, 0, 59, &minutes))
        return false;
    if (accept(c, ':') && !read_number(c, 0, 59, &seconds))
        return false;
    int32_t value = hours * CIVIL_HOUR_S + minutes * CIVIL_MINUTE_S + seconds;
    *ret_s = is_negative ? -value : value;
    return true;
}

/* The string counts west of Greenwich as positive. */
static bool read_offset(struct cursor *c, int32_t *ret_offset_s)
{
    int32_t west_s;
    if (!read_time(c, 24, &west_s))
        return false;
    *ret_offset_s = -west_s;
    return true;
}

static bool read_change(struct cursor *c, struct zone_change *ret)
{
    struct zone_change change = { .kind = ZONE_CHANGE_DAY, .time_s = DEFAULT_CHANGE_S };
    if (!accept(c, ','))
        return false;
    if (accept(c, 'M')) {
        change.kind = ZONE_CHANGE_WEEKDAY;
        if (!read_number(c, 1, 12, &change.month) || !accept(c, '.') ||
            !read_number(c, 1, 5, &change.week) || !accept(c, '.') ||
            !read_number(c, 0, 6, &change.day))
            return false;
    } else {
        bool is_julian = accept(c, 'J');
        change.kind = is_julian ? ZONE_CHANGE_JULIAN : ZONE_CHANGE_DAY;
        if (!read_number(c, is_julian ? 1 : 0, 365, &change.day))
            return false;
    }
    if (accept(c, '/') && !read_time(c, HOURS_MAX, &change.time_s))
        return false;
    *ret = change;
    return true;
}

static bool read_daylight(struct cursor *c, struct zone_rule *rule)
{
    rule->has_daylight = true;
    rule->daylight_s = rule->standard_s + CIVIL_HOUR_S;
    if (!skip_name(c))
        return false;
    if (peek(c) != ',' && !read_offset(c, &rule->daylight_s))
        return false;
    return read_change(c, &rule->begin) && read_change(c, &rule->end);
}

bool zone_rule_parse(struct str text, struct zone_rule *ret_rule, struct err *e)
{
    struct cursor c = { text };
    struct zone_rule rule = { 0 };
    bool is_read = skip_name(&c) && read_offset(&c, &rule.standard_s) &&
                   (c.rest.len == 0 || read_daylight(&c, &rule));
    if (!is_read || c.rest.len > 0)
        return err_set(e, ERR_INVALID, "its rule for later times is malformed at byte %zu",
                       text.len - c.rest.len + 1);
    *ret_rule = rule;
    return true;
}

static int64_t change_day(const struct zone_change *change, int64_t year)
{
    int64_t first = civil_day(year, 1, 1);
    if (change->kind == ZONE_CHANGE_DAY)
        return first + change->day;
    if (change->kind == ZONE_CHANGE_JULIAN) /* day 60 is March 1 in every year */
        return first + change->day - 1 + (civil_is_leap(year) && change->day >= 60 ? 1 : 0);
    int64_t month_first = civil_day(year, change->month, 1);
    int first_match =
        (change->day - civil_weekday(month_first) + CIVIL_WEEK_DAYS) % CIVIL_WEEK_DAYS;
    int day = first_match + (change->week - 1) * CIVIL_WEEK_DAYS;
    if (day >= civil_days_in_month(year, change->month))
        day -= CIVIL_WEEK_DAYS;
    return month_first + day;
}

static int64_t change_at_s(const struct zone_change *change, int64_t year, int32_t offset_before_s)
{
    return change_day(change, year) * CIVIL_DAY_S + change->time_s - offset_before_s;
}

struct change {
    int64_t at_s;
    bool is_begin;
};

/* Of two changes at one moment the beginning stands: daylight saving time all the year is written
 * as an end that meets the next beginning. */
static int compare_changes(const void *left, const void *right)
{
    const struct change *a = left, *b = right;
    if (a->at_s != b->at_s)
        return a->at_s < b->at_s ? -1 : 1;
    return (int)a->is_begin - (int)b->is_begin;
}

struct zone_span zone_rule_span(const struct zone_rule *rule, int64_t utc_s)
{
    struct change changes[CHANGES_MAX];
    struct zone_span span = { INT64_MIN, INT64_MAX, rule->standard_s };
    size_t count = 0;
    if (!rule->has_daylight)
        return span;
    int64_t year = civil_of_s(utc_s).year;
    for (int64_t y = year - YEARS_AROUND; y <= year + YEARS_AROUND; y++) {
        changes[count++] = (struct change){ change_at_s(&rule->begin, y, rule->standard_s), true };
        changes[count++] = (struct change){ change_at_s(&rule->end, y, rule->daylight_s), false };
    }
    qsort(changes, count, sizeof changes[0], compare_changes);
    size_t after = 0; /* the first change that is to come */
    while (after < count && changes[after].at_s <= utc_s)
        after++;
    assert(after > 0 && after < count);
    return (struct zone_span){
        .from_s = changes[after - 1].at_s,
        .until_s = changes[after].at_s,
        .offset_s = changes[after - 1].is_begin ? rule->daylight_s : rule->standard_s,
    };
}
