#include "rules/cron.h"

#include "base/arena.h"
#include "base/clock.h"
#include "rules/zone.h"
#include "test.h"

static struct cron parse(const char *text)
{
    struct cron cron;
    struct err e;
    if (!cron_parse(str_of_c(text), STR(""), 0, &cron, &e))
        fail_msg("\"%s\": %s", text, err_text(&e));
    return cron;
}

static struct zone *load(const char *name)
{
    struct zone *zone;
    struct err e;
    if (!zone_load(str_of_c(name), &zone, &e))
        fail_msg("%s: %s", name, err_text(&e));
    return zone;
}

static int64_t instant(const char *text)
{
    int64_t us;
    if (!clock_parse(str_of_c(text), &us))
        fail_msg("not a time: %s", text);
    return us;
}

/* `expected` has instants with one space between them; "never" ends it. */
static void check_next(const char *schedule, const char *zone_text, const char *after,
                       const char *expected)
{
    struct cron cron = parse(schedule);
    scoped(zone_destroyp) struct zone *zone = load(zone_text);
    struct str rest = str_of_c(expected), one;
    int64_t at_us = instant(after);
    while (rest.len > 0) {
        char got[CLOCK_TEXT_MAX] = "never";
        (void)str_cut(rest, ' ', &one, &rest);
        if (one.len == 0 || one.ptr + one.len == expected + strlen(expected))
            rest = STR("");
        if (cron_next(&cron, zone, at_us, &at_us))
            clock_format(at_us, got);
        struct str shown = str_of_c(got); /* "2026-…:00.000000Z" as "2026-…:00Z" */
        if (shown.len > 20 && str_ends_with(shown, STR(".000000Z"))) {
            got[shown.len - 8] = 'Z';
            shown.len -= 7;
        }
        if (!str_eq(shown, one))
            fail_msg("\"%s\" in %s after %s: %.*s, expected %.*s", schedule, zone_text, after,
                     STR_FMT(shown), STR_FMT(one));
    }
}

struct case_next {
    const char *schedule, *zone, *after, *expected;
};

static void check_all(const struct case_next *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_next(cases[i].schedule, cases[i].zone, cases[i].after, cases[i].expected);
}

static void lists_ranges_steps_and_names_fire(void **state)
{
    static const struct case_next cases[] = {
        { "0 3 * * *", "UTC", "2026-11-28T03:00:00Z", "2026-11-29T03:00:00Z" },
        { "0 3 * * *", "UTC", "2026-11-28T02:59:59.999999Z", "2026-11-28T03:00:00Z" },
        { "*/15 * * * *", "UTC", "2026-01-01T00:00:01Z",
          "2026-01-01T00:15:00Z 2026-01-01T00:30:00Z 2026-01-01T00:45:00Z 2026-01-01T01:00:00Z" },
        { "5/20 1,4-5 * * *", "UTC", "2026-01-01T01:30:00Z",
          "2026-01-01T01:45:00Z 2026-01-01T04:05:00Z" },
        { "0 0 * jan,MAR Mon", "UTC", "2026-01-26T00:00:00Z", "2026-03-02T00:00:00Z" },
        { "0 0 * * 7", "UTC", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z" },
        { "0 0 * * 5-7", "UTC", "2026-11-26T00:00:00Z",
          "2026-11-27T00:00:00Z 2026-11-28T00:00:00Z 2026-11-29T00:00:00Z 2026-12-04T00:00:00Z" },
        { "30 5 0 * * *", "UTC", "2026-11-28T00:05:30Z", "2026-11-29T00:05:30Z" },
        { "*/20 * * * * *", "UTC", "2026-11-28T23:59:41Z",
          "2026-11-29T00:00:00Z 2026-11-29T00:00:20Z" },
        { "\t0  0 1 1 *  ", "UTC", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z" },
        { "0 0 ? * ?", "UTC", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z" },
    };
    (void)state;
    check_all(cases, countof(cases));
}

static void ranges_go_over_the_end_of_their_field(void **state)
{
    static const struct case_next cases[] = {
        { "0 22-1 * * *", "UTC", "2026-01-01T21:00:00Z",
          "2026-01-01T22:00:00Z 2026-01-01T23:00:00Z 2026-01-02T00:00:00Z 2026-01-02T01:00:00Z "
          "2026-01-02T22:00:00Z" },
        { "0 0 * * fri-mon", "UTC", "2026-11-26T00:00:00Z",
          "2026-11-27T00:00:00Z 2026-11-28T00:00:00Z 2026-11-29T00:00:00Z 2026-11-30T00:00:00Z "
          "2026-12-04T00:00:00Z" },
        { "0 0 1 nov-feb *", "UTC", "2026-02-01T00:00:00Z",
          "2026-11-01T00:00:00Z 2026-12-01T00:00:00Z 2027-01-01T00:00:00Z" },
        { "0 20-2/3 * * *", "UTC", "2026-01-01T00:00:00Z",
          "2026-01-01T02:00:00Z 2026-01-01T20:00:00Z 2026-01-01T23:00:00Z" },
    };
    (void)state;
    check_all(cases, countof(cases));
}

/* Vixie's rule: one day field that begins with a star makes it AND, none makes it OR. */
static void day_fields_follow_the_rule_of_vixie(void **state)
{
    static const struct case_next cases[] = {
        { "0 0 13 * fri", "UTC", "2026-11-01T00:00:00Z",
          "2026-11-06T00:00:00Z 2026-11-13T00:00:00Z 2026-11-20T00:00:00Z 2026-11-27T00:00:00Z "
          "2026-12-04T00:00:00Z 2026-12-11T00:00:00Z 2026-12-13T00:00:00Z" },
        { "0 0 */2 * fri", "UTC", "2026-11-01T00:00:00Z",
          "2026-11-13T00:00:00Z 2026-11-27T00:00:00Z 2026-12-11T00:00:00Z" },
        { "0 0 13 * *,fri", "UTC", "2026-11-01T00:00:00Z", "2026-11-13T00:00:00Z" },
        { "0 0 1-31 * fri", "UTC", "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z" },
        { "0 0 ? * fri", "UTC", "2026-11-01T00:00:00Z", "2026-11-06T00:00:00Z" },
    };
    (void)state;
    check_all(cases, countof(cases));
}

static void the_last_and_the_nearest_day_fire(void **state)
{
    static const struct case_next cases[] = {
        { "0 0 L * *", "UTC", "2028-01-31T00:00:00Z", "2028-02-29T00:00:00Z 2028-03-31T00:00:00Z" },
        { "0 0 LW * *", "UTC", "2026-01-01T00:00:00Z",
          "2026-01-30T00:00:00Z 2026-02-27T00:00:00Z 2026-03-31T00:00:00Z" },
        /* 2026-08-15 is a Saturday, 2026-11-15 a Sunday */
        { "0 0 15W 8,11 *", "UTC", "2026-08-01T00:00:00Z",
          "2026-08-14T00:00:00Z 2026-11-16T00:00:00Z" },
        /* never into another month: 2026-08-01 is a Saturday, 2026-05-31 a Sunday */
        { "0 0 1W 8 *", "UTC", "2026-01-01T00:00:00Z", "2026-08-03T00:00:00Z" },
        { "0 0 31W 5-6 *", "UTC", "2026-01-01T00:00:00Z",
          "2026-05-29T00:00:00Z 2027-05-31T00:00:00Z" },
        { "0 0 * * mon#2", "UTC", "2026-11-01T00:00:00Z",
          "2026-11-09T00:00:00Z 2026-12-14T00:00:00Z" },
        { "0 0 * * 7#5", "UTC", "2026-11-01T00:00:00Z",
          "2026-11-29T00:00:00Z 2027-01-31T00:00:00Z" },
        { "30 2 * * friL", "UTC", "2026-11-01T00:00:00Z",
          "2026-11-27T02:30:00Z 2026-12-25T02:30:00Z" },
        { "0 0 L,15 * *", "UTC", "2026-02-01T00:00:00Z",
          "2026-02-15T00:00:00Z 2026-02-28T00:00:00Z" },
        { "0 0 L * 5L", "UTC", "2026-11-01T00:00:00Z",
          "2026-11-27T00:00:00Z 2026-11-30T00:00:00Z" },
    };
    (void)state;
    check_all(cases, countof(cases));
}

/* Europe/Berlin 2027: 02:00 becomes 03:00 on March 28, 03:00 becomes 02:00 on October 31. */
static void a_fixed_schedule_fires_once_at_clock_changes(void **state)
{
    static const struct case_next cases[] = {
        { "30 2 * * *", "Europe/Berlin", "2027-03-27T12:00:00Z",
          "2027-03-28T01:00:00Z 2027-03-29T00:30:00Z" },
        { "0,30 2-3 * * *", "Europe/Berlin", "2027-03-27T12:00:00Z",
          "2027-03-28T01:00:00Z 2027-03-28T01:30:00Z 2027-03-29T00:00:00Z" },
        { "30 2 * * *", "Europe/Berlin", "2027-10-30T12:00:00Z",
          "2027-10-31T00:30:00Z 2027-11-01T01:30:00Z" },
        { "0 3 * * *", "Europe/Berlin", "2027-10-30T12:00:00Z",
          "2027-10-31T02:00:00Z 2027-11-01T02:00:00Z" },
        { "15 30 2 * * *", "Europe/Berlin", "2027-03-27T12:00:00Z",
          "2027-03-28T01:00:00Z 2027-03-29T00:30:15Z" },
        /* half an hour only */
        { "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z",
          "2026-10-03T15:30:00Z 2026-10-04T15:15:00Z" },
        /* a whole day that never was, and one that was there twice */
        { "0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z",
          "2011-12-30T10:00:00Z 2012-12-29T22:00:00Z" },
        { "0 12 * * *", "Pacific/Kwajalein", "1969-09-29T13:00:00Z",
          "1969-09-30T01:00:00Z 1969-10-02T00:00:00Z" },
    };
    (void)state;
    check_all(cases, countof(cases));
}

static void a_wildcard_schedule_fires_at_every_real_minute(void **state)
{
    static const struct case_next cases[] = {
        { "*/30 2 * * *", "Europe/Berlin", "2027-03-27T12:00:00Z",
          "2027-03-29T00:00:00Z 2027-03-29T00:30:00Z" },
        { "*/30 2 * * *", "Europe/Berlin", "2027-10-30T12:00:00Z",
          "2027-10-31T00:00:00Z 2027-10-31T00:30:00Z 2027-10-31T01:00:00Z 2027-10-31T01:30:00Z "
          "2027-11-01T01:00:00Z" },
        { "30 * * * *", "Europe/Berlin", "2027-03-28T00:00:00Z",
          "2027-03-28T00:30:00Z 2027-03-28T01:30:00Z" },
        { "@hourly", "Europe/Berlin", "2027-10-31T00:30:00Z",
          "2027-10-31T01:00:00Z 2027-10-31T02:00:00Z 2027-10-31T03:00:00Z" },
        { "0 */2 * * *", "Europe/Berlin", "2027-10-30T23:00:00Z",
          "2027-10-31T00:00:00Z 2027-10-31T01:00:00Z 2027-10-31T03:00:00Z" },
    };
    (void)state;
    check_all(cases, countof(cases));
}

static void what_cannot_come_is_never(void **state)
{
    static const struct case_next cases[] = {
        { "0 0 30 2 *", "UTC", "2026-01-01T00:00:00Z", "never" },
        { "0 0 31 4,6,9,11 *", "UTC", "2026-01-01T00:00:00Z", "never" },
        { "0 0 31W 2 *", "UTC", "2026-01-01T00:00:00Z", "never" },
        { "* 2 * 3 sunL", "Europe/Berlin", "2026-11-28T00:00:00Z", "never" },
        { "0 0 29 2 *", "UTC", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z" },
        { "0 0 */28 2 mon#5", "UTC", "2072-03-01T00:00:00Z", "2112-02-29T00:00:00Z" },
        { "0 0 1 1 *", "UTC", "9998-06-01T00:00:00Z", "9999-01-01T00:00:00Z never" },
        { "* * * * *", "UTC", "9999-12-31T23:59:00Z", "never" },
    };
    struct cron cron = parse("* * * * *");
    scoped(zone_destroyp) struct zone *utc = zone_create_utc();
    int64_t us = 7;
    (void)state;
    check_all(cases, countof(cases));
    assert_false(cron_next(&cron, utc, INT64_MAX, &us));
    assert_int_equal(us, 7);
    assert_true(cron_next(&cron, utc, INT64_MIN, &us));
    assert_int_equal(us, (ZONE_S_MIN + 60) * CLOCK_S);
}

static void named_schedules_stand_for_their_fields(void **state)
{
    static const struct case_next cases[] = {
        { "@daily", "UTC", "2026-11-28T05:00:00Z", "2026-11-29T00:00:00Z" },
        { "@midnight", "Asia/Tokyo", "2026-11-28T05:00:00Z", "2026-11-28T15:00:00Z" },
        { "@weekly", "UTC", "2026-11-28T05:00:00Z", "2026-11-29T00:00:00Z 2026-12-06T00:00:00Z" },
        { "@monthly", "UTC", "2026-11-28T05:00:00Z", "2026-12-01T00:00:00Z" },
        { "@Yearly", "UTC", "2026-11-28T05:00:00Z", "2027-01-01T00:00:00Z" },
        { " @annually ", "UTC", "2026-11-28T05:00:00Z", "2027-01-01T00:00:00Z" },
    };
    (void)state;
    check_all(cases, countof(cases));
}

static void every_counts_from_its_anchor(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } durations[] = { { "@every 90s", 90 },           { "@every 5m", 300 },
                      { "@every 1h30m", 5'400 },      { "@EVERY  2H1S ", 7'201 },
                      { "@every 1d", 86'400 },        { "@every 1s", 1 },
                      { "@every 366d", 366 * 86'400 } };
    scoped(zone_destroyp) struct zone *berlin = load("Europe/Berlin");
    (void)state;
    for (size_t i = 0; i < countof(durations); i++) {
        struct cron cron;
        struct err e;
        int64_t us, anchor_us = instant("2026-11-28T00:00:00.25Z");
        int64_t every_us = durations[i].seconds * CLOCK_S;
        if (!cron_parse(str_of_c(durations[i].text), STR(""), anchor_us, &cron, &e))
            fail_msg("%s: %s", durations[i].text, err_text(&e));
        assert_int_equal(cron.every_s, durations[i].seconds);
        assert_true(cron_next(&cron, berlin, anchor_us, &us));
        assert_int_equal(us, anchor_us + every_us);
        assert_true(cron_next(&cron, berlin, anchor_us - 1, &us));
        assert_int_equal(us, anchor_us);
        assert_true(cron_next(&cron, berlin, anchor_us + 10 * every_us + 1, &us));
        assert_int_equal(us, anchor_us + 11 * every_us);
    }
}

static void a_hash_spreads_and_stays(void **state)
{
    struct cron one, again, other;
    struct err e;
    uint64_t minutes = 0;
    (void)state;
    assert_true(cron_parse(STR("H H * * *"), STR("job-1"), 0, &one, &e));
    assert_true(cron_parse(STR("H H * * *"), STR("job-1"), 0, &again, &e));
    assert_memory_equal(one.at, again.at, sizeof one.at);
    assert_true(one.is_hashed && one.is_fixed);
    /* pinned: a job must not move when the program is updated */
    assert_int_equal(__builtin_ctzll(one.at[CRON_MINUTE]), 5);
    assert_int_equal(__builtin_ctzll(one.at[CRON_HOUR]), 18);
    for (int i = 0; i < 1'000; i++) {
        char seed[16];
        (void)snprintf(seed, sizeof seed, "job-%d", i);
        assert_true(cron_parse(STR("H H(9-17) H H/4 H"), str_of_c(seed), 0, &other, &e));
        for (int f = CRON_MINUTE; f < CRON_FIELD_COUNT; f++)
            assert_int_equal(__builtin_popcountll(other.at[f]), f == CRON_MONTH ? 3 : 1);
        assert_int_equal(other.at[CRON_HOUR] & ~UINT64_C(0x3fe00), 0);
        assert_int_equal(other.at[CRON_DAY] & ~UINT64_C(0x1ffffffe), 0); /* 1 to 28 */
        minutes |= other.at[CRON_MINUTE];
        assert_true(cron_parse(STR("H(0-29)/10,H(30-59) * * * *"), str_of_c(seed), 0, &other, &e));
        assert_int_equal(__builtin_popcountll(other.at[CRON_MINUTE] & 0x3fffffff), 3);
        assert_int_equal(__builtin_popcountll(other.at[CRON_MINUTE] >> 30), 1);
    }
    assert_int_equal(minutes, UINT64_C(0xfffffffffffffff)); /* every minute got its share */
}

static void errors_name_field_and_column(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "61 * * * *", "minute field, column 1: expected a number from 0 to 59, found \"61\"" },
        { "0 24 * * *", "hour field, column 3: expected a number from 0 to 23, found \"24\"" },
        { "0 1-24 * * *", "hour field, column 5: expected a number from 0 to 23, found \"24\"" },
        { "0 0 0 * *",
          "day of month field, column 5: expected a number from 1 to 31, found \"0\"" },
        { "0 0 * foo *",
          "month field, column 7: expected a number from 1 to 12 or JAN to DEC, found \"foo\"" },
        { "0 0 * * 1,8", "day of week field, column 11: expected a number from 0 to 7 or SUN to "
                         "SAT, found \"8\"" },
        { "*/0 * * * *", "minute field, column 3: expected a step from 1 to 59, found \"0\"" },
        { "*/90 * * * *", "minute field, column 3: expected a step from 1 to 59, found \"90\"" },
        { "1-/2 * * * *", "minute field, column 3: expected a number from 0 to 59, found \"/2\"" },
        { "1, * * * *", "minute field, column 3: expected a number from 0 to 59, found its end" },
        { ",1 * * * *", "minute field, column 1: expected a number from 0 to 59, found \",\"" },
        { "1x * * * *",
          "minute field, column 2: expected \",\" or the end of the field, found \"x\"" },
        { "? * * * *", "minute field, column 1: expected a number from 0 to 59, found \"?\"" },
        { "* * * * 1#6", "day of week field, column 11: expected which one of the month, from 1 to "
                         "5, found \"6\"" },
        { "* * 1L * *",
          "day of month field, column 6: expected \",\" or the end of the field, found \"L\"" },
        { "* * 0W * *",
          "day of month field, column 5: expected a number from 1 to 31, found \"0W\"" },
        { "H(5 * * * *",
          "minute field, column 4: expected \"-\" and the end of the range, found its end" },
        { "H(9-5) * * * *", "minute field, column 5: expected an end that is not before the "
                            "range's start, found \"5)\"" },
        { "H(1-5 * * * *", "minute field, column 6: expected \")\", found its end" },
        { "* * * *",
          "day of week field, column 8: is missing; expected 5 fields (minute, hour, day of month, "
          "month, day of week), or 6 with seconds first" },
        { "", "minute field, column 1: is missing; expected 5 fields (minute, hour, day of month, "
              "month, day of week), or 6 with seconds first" },
        { "* * * * * * *",
          "column 13: expected the end after 6 fields (5, or 6 with seconds first)" },
        { "60 * * * * *", "second field, column 1: expected a number from 0 to 59, found \"60\"" },
        { "99999999999999999999 * * * *", "minute field, column 1: expected a number from 0 to 59, "
                                          "found \"99999999999999999999\"" },
        { " @reboot",
          "column 2: expected @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually or "
          "@every, found \"@reboot\"" },
        { "@every 5",
          "@every, column 8: expected a duration such as 90s, 5m or 1h30m, found \"5\"" },
        { "@every 5m1h",
          "@every, column 10: expected a duration such as 90s, 5m or 1h30m, found \"1h\"" },
        { "@every 0s", "@every, column 8: expected a duration from 1s to 366d, such as 1h30m" },
        { "@every 367d", "@every, column 8: expected a duration from 1s to 366d, such as 1h30m" },
        { "@every", "@every, column 7: expected a duration from 1s to 366d, such as 1h30m" },
        { "m\xc3\xb6n * * * *",
          "minute field, column 1: expected a number from 0 to 59, found \"m??n\"" },
    };
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        struct cron cron;
        struct err e;
        if (cron_parse(str_of_c(cases[i].text), STR(""), 0, &cron, &e))
            fail_msg("\"%s\" was accepted", cases[i].text);
        assert_int_equal(e.code, ERR_INVALID);
        assert_str(str_of_c(e.message), cases[i].message);
    }
}

static void a_schedule_has_a_length(void **state)
{
    char text[CRON_TEXT_MAX + 2];
    struct cron cron;
    struct err e;
    (void)state;
    memset(text, ' ', sizeof text);
    memcpy(text, "0 0 * * *", 9);
    assert_true(cron_parse(str_of(text, CRON_TEXT_MAX), STR(""), 0, &cron, &e));
    assert_false(cron_parse(str_of(text, CRON_TEXT_MAX + 1), STR(""), 0, &cron, &e));
    assert_str(str_of_c(e.message), "column 501: a schedule has at most 500 characters");
}

static void clock_changes_are_told(void **state)
{
    static const struct {
        const char *schedule, *at;
        enum cron_shift_kind kind;
        const char *local, *from, *to;
    } cases[] = {
        { "30 2 * * *", "2027-03-28T01:00:00Z", CRON_SHIFT_MOVED, "2027-03-28T02:30:00Z",
          "2027-03-28T02:00:00Z", "2027-03-28T03:00:00Z" },
        { "30 2 * * *", "2027-10-31T00:30:00Z", CRON_SHIFT_ONCE, "2027-10-31T02:30:00Z",
          "2027-10-31T03:00:00Z", "2027-10-31T02:00:00Z" },
        { "*/30 * * * *", "2027-10-31T01:30:00Z", CRON_SHIFT_AGAIN, "2027-10-31T02:30:00Z",
          "2027-10-31T03:00:00Z", "2027-10-31T02:00:00Z" },
        { "*/30 * * * *", "2027-03-28T01:00:00Z", CRON_SHIFT_SKIPPED, "2027-03-28T03:00:00Z",
          "2027-03-28T02:00:00Z", "2027-03-28T03:00:00Z" },
        { "*/30 * * * *", "2027-03-28T01:30:00Z", CRON_SHIFT_NONE, "2027-03-28T03:30:00Z", NULL,
          NULL },
        { "0 3 * * *", "2027-03-28T01:00:00Z", CRON_SHIFT_NONE, "2027-03-28T03:00:00Z", NULL,
          NULL },
        { "0 3 * * *", "2027-10-31T02:00:00Z", CRON_SHIFT_NONE, "2027-10-31T03:00:00Z", NULL,
          NULL },
    };
    scoped(zone_destroyp) struct zone *berlin = load("Europe/Berlin");
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        struct cron cron = parse(cases[i].schedule);
        struct cron_shift shift = cron_shift_of(&cron, berlin, instant(cases[i].at));
        assert_int_equal(shift.kind, cases[i].kind);
        assert_int_equal(shift.local_s * CLOCK_S, instant(cases[i].local));
        if (cases[i].from == NULL)
            continue;
        assert_int_equal(shift.change_from_local_s * CLOCK_S, instant(cases[i].from));
        assert_int_equal(shift.change_to_local_s * CLOCK_S, instant(cases[i].to));
    }
}

static void warnings_tell_what_was_hardly_meant(void **state)
{
    static const struct {
        const char *schedule;
        unsigned warnings;
    } cases[] = {
        { "0 3 * * *", 0 },
        { "0 0 30 2 *", CRON_WARN_NEVER },
        { "* * * * * *", CRON_WARN_EVERY_SECOND },
        { "@every 1s", CRON_WARN_EVERY_SECOND },
        { "@every 2s", 0 },
        { "0 0 1 * mon", CRON_WARN_EITHER_DAY },
        { "0 0 */2 * mon", CRON_WARN_BOTH_DAYS },
        { "H 3 * * *", CRON_WARN_HASHED },
    };
    scoped(zone_destroyp) struct zone *utc = zone_create_utc();
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        struct cron cron = parse(cases[i].schedule);
        assert_int_equal(cron_warnings(&cron, utc, instant("2026-11-28T00:00:00Z")),
                         cases[i].warnings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_ranges_steps_and_names_fire),
        cmocka_unit_test(ranges_go_over_the_end_of_their_field),
        cmocka_unit_test(day_fields_follow_the_rule_of_vixie),
        cmocka_unit_test(the_last_and_the_nearest_day_fire),
        cmocka_unit_test(a_fixed_schedule_fires_once_at_clock_changes),
        cmocka_unit_test(a_wildcard_schedule_fires_at_every_real_minute),
        cmocka_unit_test(what_cannot_come_is_never),
        cmocka_unit_test(named_schedules_stand_for_their_fields),
        cmocka_unit_test(every_counts_from_its_anchor),
        cmocka_unit_test(a_hash_spreads_and_stays),
        cmocka_unit_test(errors_name_field_and_column),
        cmocka_unit_test(a_schedule_has_a_length),
        cmocka_unit_test(clock_changes_are_told),
        cmocka_unit_test(warnings_tell_what_was_hardly_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
