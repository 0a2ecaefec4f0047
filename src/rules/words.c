#include "rules/words.h"

#include "base/buf.h"
#include "rules/civil.h"
#include "rules/cron_priv.h"

enum {
    TIMES_MAX = 6, /* that are told one by one: "at 03:00, 09:00 and 15:00" */
    RUN_MIN = 3,   /* values in a row that are told by their ends: "1 to 3" */
    VALUES_MAX = 64,
};

static const char *const month_names[] = { "",        "January",  "February", "March",  "April",
                                           "May",     "June",     "July",     "August", "September",
                                           "October", "November", "December" };
static const char *const weekday_names[] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                             "Thursday", "Friday", "Saturday" };

/* ── lists ── */

/* What a field lists, in order. */
struct values {
    int items[VALUES_MAX];
    int count;
};

static struct values values_of(uint64_t bits)
{
    struct values v = { .count = 0 };
    for (int i = 0; i < VALUES_MAX; i++)
        if (bits >> i & 1)
            v.items[v.count++] = i;
    return v;
}

static bool is_run(const struct values *v)
{
    return v->count > 0 && v->items[v->count - 1] - v->items[0] == v->count - 1;
}

/* The distance between neighbours where it is the same all around the field, else 0. */
static int even_step(const struct values *v, int size)
{
    if (v->count < 2 || size % v->count != 0)
        return 0;
    int step = size / v->count;
    for (int i = 1; i < v->count; i++)
        if (v->items[i] - v->items[i - 1] != step)
            return 0;
    return step;
}

/* ", " or, before the last of several, another word. */
struct joiner {
    struct buf *out;
    int left;         /* that are to come */
    const char *last; /* before the last one */
    bool has_first;
};

static void join(struct joiner *j)
{
    j->left--;
    if (j->has_first)
        buf_put_c(j->out, j->left == 0 ? j->last : ", ");
    j->has_first = true;
}

typedef void put_fn(struct buf *out, int value);

static void put_number(struct buf *out, int value)
{
    buf_put_i64(out, value);
}

static void put_ordinal(struct buf *out, int value)
{
    bool is_teen = value / 10 == 1;
    const char *ending = is_teen           ? "th"
                         : value % 10 == 1 ? "st"
                         : value % 10 == 2 ? "nd"
                         : value % 10 == 3 ? "rd"
                                           : "th";
    buf_printf(out, "the %d%s", value, ending);
}

static void put_month(struct buf *out, int value)
{
    buf_put_c(out, month_names[value]);
}

static void put_weekday(struct buf *out, int value)
{
    buf_put_c(out, weekday_names[value % CIVIL_WEEK_DAYS]);
}

/* How long the row of neighbours from `at` on is; one that is too short to be told by its ends
 * counts as 1. */
static int run_length(const struct values *v, int at)
{
    int end = at + 1;
    while (end < v->count && v->items[end] == v->items[end - 1] + 1)
        end++;
    return end - at >= RUN_MIN ? end - at : 1;
}

static int group_count(const struct values *v)
{
    int groups = 0;
    for (int i = 0; i < v->count; i += run_length(v, i))
        groups++;
    return groups;
}

/* "1, 2 and 5 to 9" */
static void put_groups(struct joiner *j, const struct values *v, put_fn *put)
{
    for (int i = 0; i < v->count;) {
        int length = run_length(v, i);
        join(j);
        put(j->out, v->items[i]);
        if (length > 1) {
            buf_put_c(j->out, " to ");
            put(j->out, v->items[i + length - 1]);
        }
        i += length;
    }
}

static void put_list(struct buf *out, const struct values *v, put_fn *put)
{
    struct joiner j = { out, group_count(v), " and ", false };
    put_groups(&j, v, put);
}

/* ── times of day ── */

struct clock_words {
    struct values seconds, minutes, hours;
    bool is_every_minute, is_every_hour;
};

static void put_clock(struct buf *out, int hour, int minute)
{
    buf_printf(out, "%02d:%02d", hour, minute);
}

static void put_times(struct buf *out, const struct clock_words *c)
{
    struct joiner j = { out, c->hours.count * c->minutes.count * c->seconds.count, " and ", false };
    bool has_seconds = c->seconds.count > 1 || c->seconds.items[0] != 0;
    buf_put_c(out, "at ");
    for (int h = 0; h < c->hours.count; h++)
        for (int m = 0; m < c->minutes.count; m++)
            for (int s = 0; s < c->seconds.count; s++) {
                join(&j);
                put_clock(out, c->hours.items[h], c->minutes.items[m]);
                if (has_seconds)
                    buf_printf(out, ":%02d", c->seconds.items[s]);
            }
}

static void put_every(struct buf *out, int64_t count, const char *unit)
{
    if (count == 1)
        buf_printf(out, "every %s", unit);
    else
        buf_printf(out, "every %lld %ss", (long long)count, unit);
}

/* In the largest unit that fits: "every 90 seconds", "every 2 hours". */
static void put_duration(struct buf *out, int64_t every_s)
{
    if (every_s % CIVIL_HOUR_S == 0)
        put_every(out, every_s / CIVIL_HOUR_S, "hour");
    else if (every_s % CIVIL_MINUTE_S == 0)
        put_every(out, every_s / CIVIL_MINUTE_S, "minute");
    else
        put_every(out, every_s, "second");
}

/* "at minutes 1 and 7 of hours 3 to 5": any two lists. */
static void put_field_by_field(struct buf *out, const struct clock_words *c)
{
    bool has_seconds = c->seconds.count > 1 || c->seconds.items[0] != 0;
    buf_put_c(out, "at ");
    if (has_seconds) {
        buf_put_c(out, c->seconds.count == 60  ? "every second"
                       : c->seconds.count == 1 ? "second "
                                               : "seconds ");
        if (c->seconds.count < 60)
            put_list(out, &c->seconds, put_number);
        buf_put_c(out, " of ");
    }
    if (c->is_every_minute) {
        buf_put_c(out, "every minute");
    } else {
        buf_put_c(out, c->minutes.count == 1 ? "minute " : "minutes ");
        put_list(out, &c->minutes, put_number);
    }
    buf_put_c(out, " of ");
    if (c->is_every_hour) {
        buf_put_c(out, "every hour");
    } else {
        buf_put_c(out, c->hours.count == 1 ? "hour " : "hours ");
        put_list(out, &c->hours, put_number);
    }
}

/* "from 09:00 to 17:45": the first and the last time of a row of hours. */
static void put_window(struct buf *out, const struct clock_words *c)
{
    if (c->is_every_hour)
        return;
    buf_put_c(out, " from ");
    put_clock(out, c->hours.items[0], c->minutes.items[0]);
    buf_put_c(out, " to ");
    put_clock(out, c->hours.items[c->hours.count - 1], c->minutes.items[c->minutes.count - 1]);
}

/* Whole minutes that come at even distances; false: they have no such shape. */
static bool put_even(struct buf *out, const struct clock_words *c)
{
    int minutes = even_step(&c->minutes, 60), hours = even_step(&c->hours, 24);
    int minute = c->minutes.items[0];
    if (minutes > 0 && is_run(&c->hours)) {
        put_every(out, minutes, "minute");
        if (c->is_every_hour && minute > 0)
            buf_printf(out, " from minute %d of the hour on", minute);
        put_window(out, c);
        return true;
    }
    if (c->minutes.count != 1)
        return false;
    if (c->is_every_hour && minute > 0) {
        buf_printf(out, "at minute %d of every hour", minute);
        return true;
    }
    if (hours > 0 && c->hours.count > TIMES_MAX / 2) {
        put_every(out, hours, "hour");
        if (c->hours.items[0] > 0 || minute > 0) {
            buf_put_c(out, " from ");
            put_clock(out, c->hours.items[0], minute);
            buf_put_c(out, " on");
        }
        return true;
    }
    if (!is_run(&c->hours) || c->hours.count <= TIMES_MAX / 2)
        return false;
    put_every(out, 1, "hour");
    put_window(out, c);
    return true;
}

/* True when the words begin with "at", so that "every day" may stand before them. */
static bool put_clock_words(struct buf *out, const struct cron *cron)
{
    struct clock_words c = {
        values_of(cron->at[CRON_SECOND]),    values_of(cron->at[CRON_MINUTE]),
        values_of(cron->at[CRON_HOUR]),      cron_field_is_full(cron, CRON_MINUTE),
        cron_field_is_full(cron, CRON_HOUR),
    };
    bool is_whole_minute = cron->at[CRON_SECOND] == 1;
    int second_step = even_step(&c.seconds, 60);
    if (c.is_every_minute && c.is_every_hour && second_step > 0 && c.seconds.items[0] == 0) {
        put_every(out, second_step, "second");
        return false;
    }
    if (c.is_every_minute && c.is_every_hour && c.seconds.count == 1 && !is_whole_minute) {
        buf_printf(out, "at second %d of every minute", c.seconds.items[0]);
        return false;
    }
    int times = c.hours.count * c.minutes.count * c.seconds.count;
    if (times > TIMES_MAX / 2 && is_whole_minute && put_even(out, &c))
        return false;
    if (times <= TIMES_MAX) {
        put_times(out, &c);
        return true;
    }
    put_field_by_field(out, &c);
    return false;
}

/* ── days ── */

static int bit_count(uint64_t bits)
{
    return __builtin_popcountll(bits);
}

/* "of the month" or "of January and July" */
static void put_of_months(struct buf *out, const struct cron *cron)
{
    struct values months = values_of(cron->at[CRON_MONTH]);
    if (cron_field_is_full(cron, CRON_MONTH)) {
        buf_put_c(out, " of the month");
        return;
    }
    buf_put_c(out, " of ");
    put_list(out, &months, put_month);
}

/* "the 1st, the 15th and the last day" */
static void put_dates(struct buf *out, const struct cron *cron)
{
    struct values days = values_of(cron->at[CRON_DAY]), near = values_of(cron->near_days);
    struct joiner j = { out,
                        group_count(&days) + near.count + cron->has_last_day +
                            cron->has_last_workday,
                        " and ", false };
    put_groups(&j, &days, put_ordinal);
    for (int i = 0; i < near.count; i++) {
        join(&j);
        buf_put_c(out, "the weekday nearest to ");
        put_ordinal(out, near.items[i]);
    }
    if (cron->has_last_workday) {
        join(&j);
        buf_put_c(out, "the last weekday");
    }
    if (cron->has_last_day) {
        join(&j);
        buf_put_c(out, "the last day");
    }
}

/* From Monday on; Sunday is 7. */
static struct values weekdays_of(const struct cron *cron)
{
    uint64_t days = cron->at[CRON_WEEKDAY];
    return values_of((days & ~UINT64_C(1)) | (days & 1) << CIVIL_WEEK_DAYS);
}

static int nth_count(const struct cron *cron)
{
    int count = bit_count(cron->last_weekdays);
    for (int day = 0; day < CIVIL_WEEK_DAYS; day++)
        count += bit_count(cron->weekday_nth[day]);
    return count;
}

/* "every Monday, the second Tuesday and the last Friday"; `article` is "every " or "a ". */
static void put_weekdays(struct joiner *j, const struct cron *cron, const char *article)
{
    static const char *const nth[] = { "", "first", "second", "third", "fourth", "fifth" };
    struct values days = weekdays_of(cron);
    j->left = days.count + nth_count(cron);
    for (int i = 0; i < days.count; i++) {
        join(j);
        buf_put_c(j->out, article);
        put_weekday(j->out, days.items[i]);
    }
    for (int day = 0; day < CIVIL_WEEK_DAYS; day++)
        for (int week = 1; week < (int)countof(nth); week++)
            if (cron->weekday_nth[day] >> week & 1) {
                join(j);
                buf_printf(j->out, "the %s %s", nth[week], weekday_names[day]);
            }
    for (int day = 0; day < CIVIL_WEEK_DAYS; day++)
        if (cron->last_weekdays >> day & 1) {
            join(j);
            buf_printf(j->out, "the last %s", weekday_names[day]);
        }
}

static void put_in_months(struct buf *out, const struct cron *cron)
{
    struct values months = values_of(cron->at[CRON_MONTH]);
    if (cron_field_is_full(cron, CRON_MONTH))
        return;
    buf_put_c(out, " in ");
    put_list(out, &months, put_month);
}

static void put_weekday_words(struct buf *out, const struct cron *cron)
{
    struct values days = weekdays_of(cron);
    struct joiner j = { out, 0, " and ", false };
    if (nth_count(cron) == 0 && days.count >= RUN_MIN && is_run(&days)) {
        buf_put_c(out, ", ");
        put_list(out, &days, put_weekday);
        put_in_months(out, cron);
        return;
    }
    buf_put_c(out, " on ");
    put_weekdays(&j, cron, "every ");
    if (nth_count(cron) > 0)
        put_of_months(out, cron);
    else
        put_in_months(out, cron);
}

/* Both day fields say something: either is enough, or, by the star, both must hold. */
static void put_both_days(struct buf *out, const struct cron *cron, bool must_both)
{
    struct joiner j = { out, 0, must_both ? " or " : " and ", false };
    buf_put_c(out, " on ");
    put_dates(out, cron);
    put_of_months(out, cron);
    buf_put_c(out, must_both ? " when that is " : ", and on ");
    put_weekdays(&j, cron, must_both ? "a " : "every ");
    if (nth_count(cron) > 0 || (!must_both && !cron_field_is_full(cron, CRON_MONTH)))
        put_of_months(out, cron);
}

struct str words_of_cron(struct arena *a, const struct cron *cron)
{
    struct buf out, clock;
    bool must_both = cron->is_day_star || cron->is_weekday_star;
    bool is_day_full = cron_field_is_full(cron, CRON_DAY);
    bool is_weekday_full = cron_field_is_full(cron, CRON_WEEKDAY);
    bool is_every_day = must_both ? is_day_full && is_weekday_full : is_day_full || is_weekday_full;
    buf_init(&out, 0);
    buf_init(&clock, 0);
    if (cron->every_s > 0) {
        put_duration(&out, cron->every_s);
    } else if (put_clock_words(&clock, cron) && is_every_day) {
        buf_put_c(&out, "every day");
        put_in_months(&out, cron);
        buf_put_char(&out, ' ');
        buf_put_str(&out, buf_str(&clock));
    } else {
        buf_put_str(&out, buf_str(&clock));
        if (is_every_day)
            put_in_months(&out, cron);
        else if (must_both && is_day_full)
            put_weekday_words(&out, cron);
        else if (must_both && is_weekday_full) {
            buf_put_c(&out, " on ");
            put_dates(&out, cron);
            put_of_months(&out, cron);
        } else
            put_both_days(&out, cron, must_both);
    }
    struct str words = arena_copy(a, buf_str(&out));
    buf_clear(&out);
    buf_clear(&clock);
    return words;
}

/* ── clock changes ── */

/* "02:30", with seconds where there are any, with the date where the change crosses days. */
static struct str moment(struct arena *a, int64_t local_s, bool has_date)
{
    struct civil c = civil_of_s(local_s);
    struct str date = STR(""), second = STR("");
    if (has_date)
        date = arena_printf(a, "%04lld-%02d-%02d ", (long long)c.year, c.month, c.day);
    if (c.second != 0)
        second = arena_printf(a, ":%02d", c.second);
    return arena_printf(a, "%.*s%02d:%02d%.*s", STR_FMT(date), c.hour, c.minute, STR_FMT(second));
}

static bool crosses_days(const struct cron_shift *shift)
{
    int64_t from = shift->change_from_local_s, to = shift->change_to_local_s;
    int64_t apart = from < to ? to - from : from - to;
    return apart >= CIVIL_DAY_S || civil_of_s(from).day != civil_of_s(to).day;
}

struct str words_of_shift(struct arena *a, const struct cron_shift *shift)
{
    bool has_date = crosses_days(shift);
    struct str from = moment(a, shift->change_from_local_s, has_date);
    struct str to = moment(a, shift->change_to_local_s, has_date);
    struct str at = moment(a, shift->local_s, has_date);
    switch (shift->kind) {
    case CRON_SHIFT_NONE:
        return STR("");
    case CRON_SHIFT_MOVED:
        return arena_printf(a,
                            "%.*s does not exist: the clock goes forward from %.*s to %.*s, and it "
                            "runs right then",
                            STR_FMT(at), STR_FMT(from), STR_FMT(to));
    case CRON_SHIFT_SKIPPED:
        return arena_printf(a,
                            "the clock goes forward from %.*s to %.*s: runs in between are skipped",
                            STR_FMT(from), STR_FMT(to));
    case CRON_SHIFT_ONCE:
        return arena_printf(a,
                            "%.*s comes twice: the clock goes back from %.*s to %.*s, and it runs "
                            "the first time only",
                            STR_FMT(at), STR_FMT(from), STR_FMT(to));
    case CRON_SHIFT_AGAIN:
        return arena_printf(a, "the clock went back from %.*s to %.*s: %.*s comes a second time",
                            STR_FMT(from), STR_FMT(to), STR_FMT(at));
    }
    return STR("");
}

struct str words_of_warning(enum cron_warning warning)
{
    switch (warning) {
    case CRON_WARN_NEVER:
        return STR("never runs");
    case CRON_WARN_EVERY_SECOND:
        return STR("runs every second");
    case CRON_WARN_EITHER_DAY:
        return STR("both day fields are set: it runs on a day that either of them names");
    case CRON_WARN_BOTH_DAYS:
        return STR("both day fields are set and one begins with *: it runs only on days that both "
                   "of them name");
    case CRON_WARN_HASHED:
        return STR("H is spread by the job's id: another job with this schedule runs at another "
                   "time");
    }
    return STR("");
}
