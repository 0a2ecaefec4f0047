/*
 * Random schedules in all zones of the system, against an oracle that shares nothing with
 * src/rules: it takes local time from the C library, walks through it minute by minute (second by
 * second where the clock changes), and asks of each local time whether the schedule, kept as the
 * pieces it was made of, lists it. Compared are 200 firings or those of five years, whichever is
 * less; of schedules with seconds those of two days around a change of the clock.
 *
 * Usage: rules_sweep_test [COUNT [SEED]]
 */
#include "test.h"

#include <ftw.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "rules/cron.h"
#include "rules/words.h"
#include "rules/zone.h"

enum {
    COUNT_DEFAULT = 500,
    ITEMS_MAX = 3,
    ZONES_MAX = 2'000,
    FIRINGS_MAX = 200,
    DAY_S = 86'400,
    SHOWN_BEFORE_S = 3 * DAY_S,
    HORIZON_S = 5 * 365 * DAY_S,
    SECONDS_HORIZON_S = 2 * DAY_S,
    EVERY_STEPS_MAX = 1'000,
    FIRST_YEAR_S = -1'262'304'000, /* 1930 */
};
#define LAST_YEAR_S INT64_C(5'680'281'600) /* 2150 */

/* ── chance ── */

static uint64_t chance_state;

static uint64_t chance(void) /* xorshift64* */
{
    chance_state ^= chance_state >> 12;
    chance_state ^= chance_state << 25;
    chance_state ^= chance_state >> 27;
    return chance_state * UINT64_C(2685821657736338717);
}

static void seed_chance(uint64_t seed)
{
    chance_state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    for (int warm = 0; warm < 4; warm++)
        (void)chance();
}

static int between(int from, int to)
{
    return from + (int)((chance() >> 11) % (uint64_t)(to - from + 1));
}

static bool one_in(int n)
{
    return between(1, n) == 1;
}

/* ── schedules, as pieces ── */

enum kind { STAR, VALUE, RANGE, FROM, LAST, LAST_WORKDAY, NEAR, NTH, LAST_WEEKDAY };

struct item {
    enum kind kind;
    int a, b, step;
};

struct schedule {
    struct item items[CRON_FIELD_COUNT][ITEMS_MAX];
    int counts[CRON_FIELD_COUNT];
    bool has_seconds;
    char text[256];
};

static const int field_min[] = { 0, 0, 0, 1, 1, 0 };
static const int field_max[] = { 59, 59, 23, 31, 12, 6 };

static struct item make_item(int field)
{
    int min = field_min[field], max = field_max[field] + (field == CRON_WEEKDAY ? 1 : 0);
    struct item item = { VALUE, between(min, max), between(min, max), 1 };
    if (field == CRON_DAY && one_in(3)) {
        item.kind = (enum kind)between(LAST, NEAR);
        return item;
    }
    if (field == CRON_WEEKDAY && one_in(3)) {
        item.kind = one_in(2) ? NTH : LAST_WEEKDAY;
        item.b = between(1, 5);
        return item;
    }
    item.kind = (enum kind)between(STAR, FROM);
    if (item.kind != VALUE && one_in(2))
        item.step = between(1, one_in(2) ? 5 : field_max[field]);
    if (item.kind == FROM && item.step == 1)
        item.kind = VALUE;
    return item;
}

static void put_value(struct buf *out, int field, int value)
{
    static const char *const months[] = { "",    "jan", "FEB", "Mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec" };
    static const char *const weekdays[] = { "sun", "MON", "Tue", "wed", "thu", "fri", "sat" };
    if (field == CRON_MONTH && one_in(3))
        buf_put_c(out, months[value]);
    else if (field == CRON_WEEKDAY && value < 7 && one_in(3))
        buf_put_c(out, weekdays[value]);
    else
        buf_put_i64(out, value);
}

static void put_item(struct buf *out, int field, const struct item *item)
{
    switch (item->kind) {
    case STAR:
        buf_put_char(out, '*');
        break;
    case LAST:
        buf_put_c(out, "L");
        return;
    case LAST_WORKDAY:
        buf_put_c(out, "LW");
        return;
    case VALUE:
    case FROM:
    case RANGE:
    case NEAR:
    case NTH:
    case LAST_WEEKDAY:
        put_value(out, field, item->a);
    }
    if (item->kind == RANGE) {
        buf_put_char(out, '-');
        put_value(out, field, item->b);
    } else if (item->kind == NEAR) {
        buf_put_char(out, 'W');
    } else if (item->kind == NTH) {
        buf_printf(out, "#%d", item->b);
    } else if (item->kind == LAST_WEEKDAY) {
        buf_put_char(out, 'L');
    }
    if (item->step > 1)
        buf_printf(out, "/%d", item->step);
}

static void make_schedule(struct schedule *s)
{
    struct buf out;
    buf_init(&out, 0);
    *s = (struct schedule){ .has_seconds = one_in(5) };
    for (int field = s->has_seconds ? CRON_SECOND : CRON_MINUTE; field < CRON_FIELD_COUNT;
         field++) {
        int count = one_in(3) ? between(2, ITEMS_MAX) : 1;
        bool is_star = field > CRON_HOUR && !one_in(3);
        for (int i = 0; i < count; i++) {
            struct item *item = &s->items[field][s->counts[field]++];
            *item = is_star ? (struct item){ STAR, 0, 0, 1 } : make_item(field);
            buf_put_c(&out, i > 0 ? "," : field > CRON_SECOND && out.len > 0 ? " " : "");
            put_item(&out, field, item);
            if (is_star)
                break;
        }
    }
    assert_true(out.len < sizeof s->text);
    memcpy(s->text, out.ptr, out.len);
    s->text[out.len] = '\0';
    buf_clear(&out);
}

/* ── does a local time match ── */

static int month_days(const struct tm *tm)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int year = tm->tm_year + 1900;
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[tm->tm_mon] + (tm->tm_mon == 1 && is_leap ? 1 : 0);
}

static bool is_workday(const struct tm *tm, int day)
{
    int weekday = ((tm->tm_wday + day - tm->tm_mday) % 7 + 7) % 7;
    return weekday >= 1 && weekday <= 5;
}

/* The workday of the month with the least distance to `wanted`. */
static int nearest_workday(const struct tm *tm, int wanted)
{
    int best = -1;
    for (int day = 1; day <= month_days(tm); day++)
        if (is_workday(tm, day) && (best < 0 || abs(day - wanted) < abs(best - wanted)))
            best = day;
    return wanted <= month_days(tm) ? best : -1;
}

/* Walks from a to b, over the end of the field where b lies before a. */
static bool range_has(int field, const struct item *item, int value)
{
    int max = field_max[field], at = item->a, count = 0;
    if (field == CRON_WEEKDAY && item->a <= item->b)
        max = 7;
    else if (field == CRON_WEEKDAY && at == 7)
        at = 0;
    for (;; count++) {
        bool is_same = at == value || (field == CRON_WEEKDAY && at == 7 && value == 0);
        if (is_same && count % item->step == 0)
            return true;
        if (at == item->b)
            return false;
        at = at == max ? field_min[field] : at + 1;
    }
}

static bool item_has(int field, const struct item *item, const struct tm *tm, int value)
{
    int weekday = item->a % 7;
    switch (item->kind) {
    case STAR:
        return (value - field_min[field]) % item->step == 0;
    case VALUE:
        return value == item->a || (field == CRON_WEEKDAY && item->a == 7 && value == 0);
    case FROM:
        if (field == CRON_WEEKDAY && item->a == 7)
            return value == 0;
        return value >= item->a && (value - item->a) % item->step == 0;
    case RANGE:
        return range_has(field, item, value);
    case LAST:
        return value == month_days(tm);
    case LAST_WORKDAY:
        return value == nearest_workday(tm, month_days(tm));
    case NEAR:
        return value == nearest_workday(tm, item->a);
    case NTH:
        return value == weekday && (tm->tm_mday + 6) / 7 == item->b;
    case LAST_WEEKDAY:
        return value == weekday && tm->tm_mday + 7 > month_days(tm);
    }
    return false;
}

static bool field_has(const struct schedule *s, int field, const struct tm *tm)
{
    const int values[] = { tm->tm_sec,  tm->tm_min,     tm->tm_hour,
                           tm->tm_mday, tm->tm_mon + 1, tm->tm_wday };
    if (field == CRON_SECOND && !s->has_seconds)
        return tm->tm_sec == 0;
    for (int i = 0; i < s->counts[field]; i++)
        if (item_has(field, &s->items[field][i], tm, values[field]))
            return true;
    return false;
}

static bool begins_with_star(const struct schedule *s, int field)
{
    return s->items[field][0].kind == STAR;
}

static bool day_has(const struct schedule *s, const struct tm *tm)
{
    if (!field_has(s, CRON_MONTH, tm))
        return false;
    bool by_date = field_has(s, CRON_DAY, tm), by_weekday = field_has(s, CRON_WEEKDAY, tm);
    if (begins_with_star(s, CRON_DAY) || begins_with_star(s, CRON_WEEKDAY))
        return by_date && by_weekday;
    return by_date || by_weekday;
}

static struct tm fields_of(int64_t local_s)
{
    time_t t = local_s;
    struct tm tm;
    assert_non_null(gmtime_r(&t, &tm));
    return tm;
}

static bool schedule_has(const struct schedule *s, int64_t local_s)
{
    struct tm tm = fields_of(local_s);
    for (int field = CRON_HOUR; field >= CRON_SECOND; field--)
        if (!field_has(s, field, &tm))
            return false;
    return day_has(s, &tm);
}

/* ── the oracle ── */

struct oracle {
    const struct schedule *schedule;
    bool is_fixed;
    int64_t shown_s; /* the latest local second that the clock has shown */
    int64_t from_s;  /* firings before it do not count */
    int64_t firings[FIRINGS_MAX];
    size_t count;
};

static int64_t offset_s(int64_t utc_s)
{
    time_t t = utc_s;
    struct tm tm;
    assert_non_null(localtime_r(&t, &tm));
    return tm.tm_gmtoff;
}

static void fire(struct oracle *o, int64_t utc_s)
{
    if (utc_s >= o->from_s && o->count < FIRINGS_MAX)
        o->firings[o->count++] = utc_s;
}

/* Any local second after `after_s` up to `until_s`. Without seconds only whole minutes can match.
 */
static bool any_matches(const struct oracle *o, int64_t after_s, int64_t until_s)
{
    for (int64_t s = after_s + 1; s <= until_s; s++) {
        if (!o->schedule->has_seconds && s % 60 != 0)
            continue;
        if (schedule_has(o->schedule, s))
            return true;
    }
    return false;
}

/* One second: a wildcard schedule asks for the local time, a fixed one whether the clock has just
 * come to, or jumped over, a local time that it never showed. */
static void second(struct oracle *o, int64_t utc_s, int64_t offset)
{
    int64_t local_s = utc_s + offset;
    int64_t after_s = o->is_fixed ? o->shown_s : local_s - 1;
    if (utc_s >= o->from_s && any_matches(o, after_s, local_s))
        fire(o, utc_s);
    o->shown_s = local_s > o->shown_s ? local_s : o->shown_s;
}

/* A minute within which the clock does not change: only whole local minutes are asked for. */
static void quiet_minute(struct oracle *o, int64_t utc_s, int64_t offset)
{
    for (int64_t s = utc_s; s < utc_s + 60; s++)
        if (o->schedule->has_seconds || (s + offset) % 60 == 0)
            second(o, s, offset);
    int64_t last_s = utc_s + 59 + offset;
    o->shown_s = last_s > o->shown_s ? last_s : o->shown_s;
}

/* The clock does not change within the day that begins there; no zone changes back within an hour.
 */
static bool is_quiet_day(int64_t utc_s)
{
    int64_t offset = offset_s(utc_s);
    for (int64_t t = utc_s; t <= utc_s + DAY_S; t += DAY_S / 24)
        if (offset_s(t) != offset)
            return false;
    return true;
}

/* One whose local days are not listed is passed over. */
static void quiet_day(struct oracle *o, int64_t utc_s, int64_t offset)
{
    struct tm first = fields_of(utc_s + offset), last = fields_of(utc_s + offset + DAY_S - 1);
    if (day_has(o->schedule, &first) || day_has(o->schedule, &last)) {
        for (int64_t t = utc_s; t < utc_s + DAY_S && o->count < FIRINGS_MAX; t += 60)
            quiet_minute(o, t, offset);
        return;
    }
    int64_t last_s = utc_s + DAY_S - 1 + offset;
    o->shown_s = last_s > o->shown_s ? last_s : o->shown_s;
}

static void changing_day(struct oracle *o, int64_t utc_s)
{
    int64_t before = offset_s(utc_s - 1);
    for (int64_t t = utc_s; t < utc_s + DAY_S && o->count < FIRINGS_MAX; t += 60) {
        int64_t after = offset_s(t + 59);
        if (before == after)
            quiet_minute(o, t, before);
        else
            for (int64_t s = t; s < t + 60; s++)
                second(o, s, offset_s(s));
        before = after;
    }
}

static void run_oracle(struct oracle *o, int64_t until_s)
{
    int64_t begin_s = o->from_s - SHOWN_BEFORE_S;
    o->shown_s = begin_s - 1 + offset_s(begin_s - 1);
    for (int64_t t = begin_s; t < until_s && o->count < FIRINGS_MAX; t += DAY_S) {
        if (is_quiet_day(t))
            quiet_day(o, t, offset_s(t));
        else
            changing_day(o, t);
    }
}

/* ── zones ── */

static struct str zones[ZONES_MAX];
static size_t zone_count;
static struct arena *zone_arena;
static const char *folder;

static int note_zone(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    struct str name = str_from(str_of_c(path), strlen(folder) + 1);
    char magic[4] = "";
    (void)stat, (void)ftw;
    if (type != FTW_F || zone_count == ZONES_MAX || str_starts_with(name, STR("right/")) ||
        str_starts_with(name, STR("posix/")) || str_eq_c(name, "localtime"))
        return 0;
    FILE *file = fopen(path, "rbe");
    if (file != NULL && fread(magic, 1, sizeof magic, file) == sizeof magic &&
        memcmp(magic, "TZif", sizeof magic) == 0)
        zones[zone_count++] = arena_copy(zone_arena, name);
    if (file != NULL)
        (void)fclose(file);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int find_zones(void **state)
{
    (void)state;
    folder = getenv("TZDIR") ? getenv("TZDIR") : "/usr/share/zoneinfo";
    zone_arena = arena_create(1 << 20);
    if (nftw(folder, note_zone, 16, 0) != 0)
        return -1;
    qsort(zones, zone_count, sizeof zones[0], compare_names);
    return 0;
}

static int forget_zones(void **state)
{
    (void)state;
    arena_destroy(zone_arena);
    return 0;
}

static void set_libc_zone(struct str name)
{
    char text[ZONE_NAME_MAX + 2];
    (void)snprintf(text, sizeof text, ":%.*s", STR_FMT(name));
    assert_int_equal(setenv("TZ", text, 1), 0);
    tzset();
}

/* ── one round ── */

/* Within a day and a half before a change of the clock, where the zone has one in the next years.
 */
static int64_t before_a_change(int64_t start_s)
{
    int64_t offset = offset_s(start_s);
    for (int64_t t = start_s; t < start_s + 400 * DAY_S; t += DAY_S / 4)
        if (offset_s(t) != offset)
            return t - between(0, DAY_S * 3 / 2);
    return start_s;
}

static int64_t pick_start(const struct schedule *s)
{
    int64_t start = FIRST_YEAR_S + (int64_t)(chance() % (uint64_t)(LAST_YEAR_S - FIRST_YEAR_S));
    return s->has_seconds || one_in(2) ? before_a_change(start) : start;
}

static void compare(const struct schedule *s, struct str zone_text, int64_t start_s,
                    int64_t horizon_s, uint64_t seed)
{
    static struct oracle o;
    struct cron cron;
    struct err e;
    struct zone *zone;
    int64_t at_us = start_s * CLOCK_S - 1, next_us;
    o = (struct oracle){ .schedule = s, .from_s = start_s };
    o.is_fixed = !begins_with_star(s, CRON_MINUTE) && !begins_with_star(s, CRON_HOUR);
    run_oracle(&o, start_s + horizon_s);
    if (!zone_load(zone_text, &zone, &e) || !cron_parse(str_of_c(s->text), STR(""), 0, &cron, &e))
        fail_msg("\"%s\" in %.*s: %s", s->text, STR_FMT(zone_text), err_text(&e));
    for (size_t i = 0; i < o.count; i++) {
        char expected[CLOCK_TEXT_MAX], got[CLOCK_TEXT_MAX] = "never";
        clock_format(o.firings[i] * CLOCK_S, expected);
        bool is_found = cron_next(&cron, zone, at_us, &next_us);
        if (is_found)
            clock_format(next_us, got);
        if (!is_found || next_us != o.firings[i] * CLOCK_S)
            fail_msg("\"%s\" in %.*s: firing %zu after %lld is %s, the oracle says %s (seed %llu)",
                     s->text, STR_FMT(zone_text), i, (long long)start_s, got, expected,
                     (unsigned long long)seed);
        struct cron_shift shift = cron_shift_of(&cron, zone, next_us);
        bool is_listed = schedule_has(s, zone_local_s(zone, next_us / CLOCK_S));
        if (!is_listed && shift.kind != CRON_SHIFT_MOVED)
            fail_msg("\"%s\" in %.*s: %s was moved, which nobody tells", s->text,
                     STR_FMT(zone_text), got);
        at_us = next_us;
    }
    if (o.count < FIRINGS_MAX && cron_next(&cron, zone, at_us, &next_us) &&
        next_us < (start_s + horizon_s) * CLOCK_S)
        fail_msg("\"%s\" in %.*s: %lld fires once more than the oracle says: start %lld horizon "
                 "%lld count %zu (seed %llu)",
                 s->text, STR_FMT(zone_text), (long long)next_us, (long long)start_s,
                 (long long)horizon_s, o.count, (unsigned long long)seed);
    zone_destroy(zone);
}

static unsigned long long sweep_count = COUNT_DEFAULT, sweep_seed = 20'260'101;

static void random_schedules_fire_as_the_oracle_says(void **state)
{
    (void)state;
    assert_true(zone_count > 100);
    for (unsigned long long i = 0; i < sweep_count; i++) {
        struct schedule s;
        uint64_t seed = sweep_seed + i;
        seed_chance(seed);
        struct str zone = zones[chance() % zone_count];
        make_schedule(&s);
        set_libc_zone(zone);
        compare(&s, zone, pick_start(&s), s.has_seconds ? SECONDS_HORIZON_S : HORIZON_S, seed);
    }
}

/* A duration of one to four units, the larger first. */
static int64_t make_duration(struct buf *out)
{
    static const struct {
        char unit;
        int seconds, max;
    } units[] = { { 'd', DAY_S, 90 }, { 'h', 3'600, 48 }, { 'm', 60, 90 }, { 's', 1, 90 } };
    int64_t seconds = 0;
    for (size_t i = 0; i < countof(units); i++) {
        if (!one_in(2) && (seconds > 0 || i + 1 < countof(units)))
            continue;
        int n = between(1, units[i].max);
        buf_printf(out, "%d%c", n, units[i].unit);
        seconds += (int64_t)n * units[i].seconds;
    }
    return seconds;
}

/* Counted from when the job was made, one after the other, whatever the clock of the zone shows. */
static void every_fires_at_each_step_from_its_anchor(void **state)
{
    (void)state;
    for (unsigned long long i = 0; i < sweep_count; i++) {
        struct buf text;
        struct cron cron;
        struct zone *zone;
        struct err e;
        int64_t next_us;
        seed_chance(sweep_seed + i);
        buf_init(&text, 0);
        buf_put_c(&text, "@every ");
        int64_t step_us = make_duration(&text) * CLOCK_S;
        int64_t anchor_us =
            (FIRST_YEAR_S + (int64_t)(chance() % (uint64_t)(LAST_YEAR_S - FIRST_YEAR_S))) * CLOCK_S;
        int64_t at_us = anchor_us + step_us * between(0, EVERY_STEPS_MAX) + between(0, CLOCK_S);
        int64_t expected_us = anchor_us;
        if (!zone_load(zones[chance() % zone_count], &zone, &e) ||
            !cron_parse(buf_str(&text), STR(""), anchor_us, &cron, &e))
            fail_msg("%.*s: %s", STR_FMT(buf_str(&text)), err_text(&e));
        for (int n = 0; n < FIRINGS_MAX; n++) {
            while (expected_us <= at_us)
                expected_us += step_us;
            if (!cron_next(&cron, zone, at_us, &next_us) || next_us != expected_us)
                fail_msg("%.*s: firing %d is %lld, %lld was expected (seed %llu)",
                         STR_FMT(buf_str(&text)), n, (long long)next_us, (long long)expected_us,
                         sweep_seed + i);
            at_us = next_us;
        }
        zone_destroy(zone);
        buf_clear(&text);
    }
}

/* Each zone's offset, at instants spread over its history and its future. */
static void every_zone_tells_the_offsets_of_the_c_library(void **state)
{
    (void)state;
    chance_state = sweep_seed | 1;
    for (size_t i = 0; i < zone_count; i++) {
        struct err e;
        struct zone *zone;
        set_libc_zone(zones[i]);
        if (!zone_load(zones[i], &zone, &e))
            fail_msg("%.*s: %s", STR_FMT(zones[i]), err_text(&e));
        for (int n = 0; n < 1'000; n++) {
            int64_t t = FIRST_YEAR_S + (int64_t)(chance() % (2 * (uint64_t)LAST_YEAR_S));
            if (zone_local_s(zone, t) - t != offset_s(t))
                fail_msg("%.*s at %lld: %lld, the C library says %lld", STR_FMT(zones[i]),
                         (long long)t, (long long)(zone_local_s(zone, t) - t),
                         (long long)offset_s(t));
        }
        zone_destroy(zone);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_zone_tells_the_offsets_of_the_c_library),
        cmocka_unit_test(random_schedules_fire_as_the_oracle_says),
        cmocka_unit_test(every_fires_at_each_step_from_its_anchor),
    };
    if (argc > 1)
        sweep_count = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        sweep_seed = strtoull(argv[2], NULL, 10);
    return cmocka_run_group_tests(tests, find_zones, forget_zones);
}
