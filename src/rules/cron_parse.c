/* The grammar of schedules; docs/cron.md states it. */
#include "rules/cron.h"

#include "rules/cron_priv.h"
#include "rules/hash_priv.h"
#include "rules/shown_priv.h"

const struct cron_field_rule cron_fields[CRON_FIELD_COUNT] = {
    [CRON_SECOND] = { "second", 0, 59, 59 }, [CRON_MINUTE] = { "minute", 0, 59, 59 },
    [CRON_HOUR] = { "hour", 0, 23, 23 },     [CRON_DAY] = { "day of month", 1, 31, 31 },
    [CRON_MONTH] = { "month", 1, 12, 12 },   [CRON_WEEKDAY] = { "day of week", 0, 6, 7 },
};

enum {
    HASHED_DAY_MAX = 28, /* "H" alone as a day of month: one that every month has */
    NUMBER_DIGITS_MAX = 6,
    WEEKS_MAX = 5, /* in which a weekday can come within a month */
};

/* Where parsing stands, within one field. */
struct reader {
    struct str text; /* the whole schedule */
    size_t at, end;  /* of the field: the rest of it */
    enum cron_field field;
    struct str seed;
    int item; /* number within the field */
    struct cron *cron;
    struct err *e;
};

static char peek(const struct reader *r)
{
    return r->at < r->end ? r->text.ptr[r->at] : '\0';
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool accept(struct reader *r, char wanted)
{
    if (r->at >= r->end || upper(r->text.ptr[r->at]) != wanted)
        return false;
    r->at++;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n'; /* as str_trim */
}

/* ── errors ── */

/* "…, found "xy"": up to the next comma. */
static bool unexpected(struct reader *r, size_t at, const char *expected)
{
    size_t end = at;
    while (end < r->end && r->text.ptr[end] != ',')
        end++;
    struct str found = str_of(r->text.ptr + at, end - at);
    if (found.len == 0 && at < r->end)
        found = str_of(r->text.ptr + at, 1);
    if (found.len == 0)
        return err_set(r->e, ERR_INVALID, "%s field, column %zu: expected %s, found its end",
                       cron_fields[r->field].name, at + 1, expected);
    return err_set(r->e, ERR_INVALID, "%s field, column %zu: expected %s, found \"%s\"",
                   cron_fields[r->field].name, at + 1, expected, shown(found).text);
}

static bool expected_value(struct reader *r, size_t at)
{
    const struct cron_field_rule *rule = &cron_fields[r->field];
    static const char *const names[CRON_FIELD_COUNT] = {
        [CRON_MONTH] = " or JAN to DEC", [CRON_WEEKDAY] = " or SUN to SAT"
    };
    char text[64];
    (void)snprintf(text, sizeof text, "a number from %d to %d%s", rule->min, rule->read_max,
                   names[r->field] ? names[r->field] : "");
    return unexpected(r, at, text);
}

/* ── pieces ── */

static bool read_digits(struct reader *r, int *ret_value)
{
    int value = 0, digits = 0;
    for (; is_digit(peek(r)) && digits < NUMBER_DIGITS_MAX; digits++)
        value = value * 10 + (r->text.ptr[r->at++] - '0');
    *ret_value = value;
    return digits > 0 && !is_digit(peek(r));
}

static bool read_name(struct reader *r, int *ret_value)
{
    static const char months[] = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC";
    static const char weekdays[] = "SUNMONTUEWEDTHUFRISAT";
    const char *names = r->field == CRON_MONTH ? months : weekdays;
    if ((r->field != CRON_MONTH && r->field != CRON_WEEKDAY) || r->end - r->at < 3)
        return false;
    char name[3];
    for (size_t i = 0; i < sizeof name; i++)
        name[i] = upper(r->text.ptr[r->at + i]);
    for (int i = 0; names[3 * i] != '\0'; i++)
        if (memcmp(names + 3 * i, name, sizeof name) == 0) {
            r->at += sizeof name;
            *ret_value = cron_fields[r->field].min + i;
            return true;
        }
    return false;
}

static bool read_value(struct reader *r, int *ret_value)
{
    const struct cron_field_rule *rule = &cron_fields[r->field];
    size_t start = r->at;
    bool is_read = is_digit(peek(r)) ? read_digits(r, ret_value) : read_name(r, ret_value);
    if (!is_read || *ret_value < rule->min || *ret_value > rule->read_max)
        return expected_value(r, start);
    return true;
}

/* "/n", or nothing: 1. */
static bool read_step(struct reader *r, int *ret_step)
{
    int max = cron_fields[r->field].read_max;
    char expected[48];
    *ret_step = 1;
    if (!accept(r, '/'))
        return true;
    size_t start = r->at;
    if (read_digits(r, ret_step) && *ret_step >= 1 && *ret_step <= max)
        return true;
    (void)snprintf(expected, sizeof expected, "a step from 1 to %d", max);
    return unexpected(r, start, expected);
}

static void add(struct reader *r, int value)
{
    if (r->field == CRON_WEEKDAY && value == 7)
        value = 0;
    r->cron->at[r->field] |= UINT64_C(1) << value;
}

/* `to` below `from` goes over the end of the field: "fri-mon", "22-2". */
static void add_range(struct reader *r, int from, int to, int step)
{
    const struct cron_field_rule *rule = &cron_fields[r->field];
    int size = rule->max - rule->min + 1;
    if (from > to) {
        if (r->field == CRON_WEEKDAY && from == 7)
            from = 0; /* "7-2" begins on Sunday */
        else
            to += size;
    }
    for (int value = from; value <= to; value += step)
        add(r, value > rule->read_max ? value - size : value);
}

/* ── items ── */

static uint64_t hash_item(const struct reader *r)
{
    return rule_hash(r->seed, (uint64_t)r->field * 100 + (uint64_t)r->item);
}

/* After "H": "(a-b)" and "/n". One value of the range, or every nth from a hashed start. */
static bool read_hashed(struct reader *r)
{
    const struct cron_field_rule *rule = &cron_fields[r->field];
    int from = rule->min, to = rule->max, step;
    bool has_range = accept(r, '(');
    if (has_range) {
        if (!read_value(r, &from))
            return false;
        if (!accept(r, '-'))
            return unexpected(r, r->at, "\"-\" and the end of the range");
        size_t start = r->at;
        if (!read_value(r, &to))
            return false;
        if (to < from)
            return unexpected(r, start, "an end that is not before the range's start");
        if (!accept(r, ')'))
            return unexpected(r, r->at, "\")\"");
    }
    bool has_step = peek(r) == '/';
    if (!read_step(r, &step))
        return false;
    r->cron->is_hashed = true;
    if (has_step) {
        add_range(r, from + (int)(hash_item(r) % (uint64_t)min_of(step, to - from + 1)), to, step);
        return true;
    }
    if (r->field == CRON_DAY && !has_range)
        to = HASHED_DAY_MAX;
    add(r, from + (int)(hash_item(r) % (uint64_t)(to - from + 1)));
    return true;
}

/* After a weekday: "#n" or "L". */
static bool read_weekday_special(struct reader *r, int weekday, bool *ret_is_special)
{
    int week = 0;
    *ret_is_special = true;
    if (accept(r, 'L')) {
        r->cron->last_weekdays |= (uint8_t)(1U << (weekday % 7));
        return true;
    }
    *ret_is_special = accept(r, '#');
    if (!*ret_is_special)
        return true;
    size_t start = r->at;
    if (!read_digits(r, &week) || week < 1 || week > WEEKS_MAX)
        return unexpected(r, start, "which one of the month, from 1 to 5");
    r->cron->weekday_nth[weekday % 7] |= (uint8_t)(1U << week);
    return true;
}

/* "a", "a-b", "a-b/n", "a/n" and what may follow a day. */
static bool read_from_value(struct reader *r)
{
    int from, to, step;
    bool is_special = false;
    if (!read_value(r, &from))
        return false;
    if (r->field == CRON_DAY && accept(r, 'W')) {
        r->cron->near_days |= UINT32_C(1) << from;
        return true;
    }
    if (r->field == CRON_WEEKDAY && !read_weekday_special(r, from, &is_special))
        return false;
    if (is_special)
        return true;
    to = from;
    if (accept(r, '-')) {
        if (!read_value(r, &to))
            return false;
    } else if (peek(r) == '/') {
        to = max_of(from, cron_fields[r->field].max);
    }
    if (!read_step(r, &step))
        return false;
    add_range(r, from, to, step);
    return true;
}

static bool read_item(struct reader *r)
{
    const struct cron_field_rule *rule = &cron_fields[r->field];
    bool is_day = r->field == CRON_DAY || r->field == CRON_WEEKDAY;
    int step;
    if (accept(r, '*')) {
        if (!read_step(r, &step))
            return false;
        add_range(r, rule->min, rule->max, step);
        return true;
    }
    if (is_day && r->item == 0 && r->end - r->at == 1 && accept(r, '?')) {
        add_range(r, rule->min, rule->max, 1);
        return true;
    }
    if (accept(r, 'H'))
        return read_hashed(r);
    if (r->field == CRON_DAY && accept(r, 'L')) {
        if (accept(r, 'W'))
            r->cron->has_last_workday = true;
        else
            r->cron->has_last_day = true;
        return true;
    }
    return read_from_value(r);
}

static bool read_field(struct reader *r)
{
    for (r->item = 0;; r->item++) {
        if (!read_item(r))
            return false;
        if (r->at == r->end)
            return true;
        if (!accept(r, ','))
            return unexpected(r, r->at, "\",\" or the end of the field");
    }
}

/* ── the whole ── */

/* Cuts at white space; counts all fields, keeps the first six. */
static size_t split(struct str text, size_t ret_from[CRON_FIELD_COUNT + 1],
                    size_t ret_to[CRON_FIELD_COUNT + 1])
{
    size_t count = 0, at = 0;
    for (;;) {
        while (at < text.len && is_space(text.ptr[at]))
            at++;
        if (at == text.len)
            return count;
        size_t from = at;
        while (at < text.len && !is_space(text.ptr[at]))
            at++;
        if (count <= CRON_FIELD_COUNT) {
            ret_from[count] = from;
            ret_to[count] = at;
        }
        count++;
    }
}

static bool parse_fields(struct str text, struct str seed, struct cron *cron, struct err *e)
{
    size_t from[CRON_FIELD_COUNT + 1], to[CRON_FIELD_COUNT + 1];
    size_t count = split(text, from, to);
    if (count > CRON_FIELD_COUNT)
        return err_set(e, ERR_INVALID,
                       "column %zu: expected the end after 6 fields (5, or 6 with seconds first)",
                       from[CRON_FIELD_COUNT] + 1);
    if (count < CRON_FIELD_COUNT - 1)
        return err_set(e, ERR_INVALID,
                       "%s field, column %zu: is missing; expected 5 fields (minute, hour, day of "
                       "month, month, day of week), or 6 with seconds first",
                       cron_fields[count + 1].name, text.len + 1);
    cron->has_seconds = count == CRON_FIELD_COUNT;
    if (!cron->has_seconds)
        cron->at[CRON_SECOND] = 1;
    for (size_t i = 0; i < count; i++) {
        enum cron_field field = (enum cron_field)(cron->has_seconds ? i : i + 1);
        struct reader r = { text, from[i], to[i], field, seed, 0, cron, e };
        bool is_star = text.ptr[from[i]] == '*' || text.ptr[from[i]] == '?';
        if (!read_field(&r))
            return false;
        if (field == CRON_MINUTE)
            cron->is_fixed = !is_star;
        else if (field == CRON_HOUR)
            cron->is_fixed &= !is_star;
        else if (field == CRON_DAY)
            cron->is_day_star = is_star;
        else if (field == CRON_WEEKDAY)
            cron->is_weekday_star = is_star;
    }
    return true;
}

/* "1h30m", from byte `at` of the text on: each unit once, the larger first. */
static bool parse_every(struct str text, size_t at, int64_t *ret_every_s, struct err *e)
{
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = { { 'D', 86'400 }, { 'H', 3'600 }, { 'M', 60 }, { 'S', 1 } };
    int64_t total_s = 0;
    size_t unit = 0, start = at;
    while (at < text.len) {
        struct reader r = { .text = text, .at = at, .end = text.len };
        int number;
        bool is_read = read_digits(&r, &number);
        while (unit < countof(units) && !accept(&r, units[unit].letter))
            unit++;
        if (!is_read || unit == countof(units))
            return err_set(e, ERR_INVALID,
                           "@every, column %zu: expected a duration such as 90s, 5m or 1h30m, "
                           "found \"%s\"",
                           at + 1, shown(str_from(text, at)).text);
        total_s += number * units[unit++].seconds;
        at = r.at;
    }
    if (total_s < 1 || total_s > CRON_EVERY_S_MAX)
        return err_set(e, ERR_INVALID,
                       "@every, column %zu: expected a duration from 1s to %dd, such as 1h30m",
                       start + 1, CRON_EVERY_S_MAX / 86'400);
    *ret_every_s = total_s;
    return true;
}

static bool parse_named(struct str text, struct str seed, struct cron *cron, struct err *e)
{
    static const struct {
        const char *name;
        struct str fields;
    } names[] = {
        { "@hourly", { "0 * * * *", 9 } },   { "@daily", { "0 0 * * *", 9 } },
        { "@midnight", { "0 0 * * *", 9 } }, { "@weekly", { "0 0 * * 0", 9 } },
        { "@monthly", { "0 0 1 * *", 9 } },  { "@yearly", { "0 0 1 1 *", 9 } },
        { "@annually", { "0 0 1 1 *", 9 } },
    };
    size_t start = 0;
    while (is_space(text.ptr[start]))
        start++;
    struct str name = str_trim(text);
    for (size_t i = 0; i < countof(names); i++)
        if (str_eq_nocase(name, str_of_c(names[i].name)))
            return parse_fields(names[i].fields, seed, cron, e);
    struct str every = STR("@every");
    if (str_eq_nocase(str_first(name, every.len), every) &&
        (name.len == every.len || is_space(name.ptr[every.len]))) {
        size_t at = start + every.len;
        while (at < text.len && is_space(text.ptr[at]))
            at++;
        return parse_every(str_first(text, start + name.len), at, &cron->every_s, e);
    }
    return err_set(e, ERR_INVALID,
                   "column %zu: expected @hourly, @daily, @midnight, @weekly, @monthly, @yearly, "
                   "@annually or @every, found \"%s\"",
                   start + 1, shown(name).text);
}

bool cron_parse(struct str text, struct str seed, int64_t anchor_us, struct cron *ret_cron,
                struct err *e)
{
    struct cron cron = { .anchor_us = anchor_us };
    struct str trimmed = str_trim(text);
    if (text.len > CRON_TEXT_MAX)
        return err_set(e, ERR_INVALID, "column %d: a schedule has at most %d characters",
                       CRON_TEXT_MAX + 1, CRON_TEXT_MAX);
    if (!str_is_empty(trimmed) && trimmed.ptr[0] == '@') {
        if (!parse_named(text, seed, &cron, e))
            return false;
    } else if (!parse_fields(text, seed, &cron, e)) {
        return false;
    }
    *ret_cron = cron;
    return true;
}
