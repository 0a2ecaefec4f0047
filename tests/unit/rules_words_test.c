#include "rules/words.h"

#include "base/clock.h"
#include "rules/zone.h"
#include "test.h"

static struct str words(struct arena *a, const char *text)
{
    struct cron cron;
    struct err e;
    if (!cron_parse(str_of_c(text), STR(""), 0, &cron, &e))
        fail_msg("\"%s\": %s", text, err_text(&e));
    return words_of_cron(a, &cron);
}

static void schedules_are_told_in_english(void **state)
{
    static const struct {
        const char *schedule, *words;
    } cases[] = {
        { "* * * * *", "every minute" },
        { "* * * * * *", "every second" },
        { "*/10 * * * * *", "every 10 seconds" },
        { "15 * * * * *", "at second 15 of every minute" },
        { "*/15 * * * *", "every 15 minutes" },
        { "5/15 * * * *", "every 15 minutes from minute 5 of the hour on" },
        { "0 * * * *", "every hour" },
        { "7 * * * *", "at minute 7 of every hour" },
        { "0 */2 * * *", "every 2 hours" },
        { "30 1/2 * * *", "every 2 hours from 01:30 on" },
        { "0 */8 * * *", "every day at 00:00, 08:00 and 16:00" },
        { "0 3 * * *", "every day at 03:00" },
        { "15 0 3 * * *", "every day at 03:00:15" },
        { "0,30 3 * * *", "every day at 03:00 and 03:30" },
        { "*/15 9-17 * * *", "every 15 minutes from 09:00 to 17:45" },
        { "* 3 * * *", "every minute from 03:00 to 03:59" },
        { "0 9-17 * * 1-5", "every hour from 09:00 to 17:00, Monday to Friday" },
        /* 56 to 0 are four minutes, not seven */
        { "*/7 * * * *", "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour" },
        { "1,7,9 3-5,8,22 * * *", "at minutes 1, 7 and 9 of hours 3 to 5, 8 and 22" },
        { "0 0 3 * * *", "every day at 03:00" },
        { "*/20 1-3 3 * * *", "at seconds 0, 20 and 40 of minutes 1 to 3 of hour 3" },
        { "* 5 3 * * *", "at every second of minute 5 of hour 3" },
        { "0 3 * * mon", "at 03:00 on every Monday" },
        { "0 3 * * sat,sun", "at 03:00 on every Saturday and every Sunday" },
        { "0 3 * * fri-sun", "at 03:00, Friday to Sunday" },
        { "0 3 * * 1-5", "at 03:00, Monday to Friday" },
        { "0 3 * jan,jul *", "every day in January and July at 03:00" },
        { "*/5 * * 6-8 *", "every 5 minutes in June to August" },
        { "0 3 1,15 * *", "at 03:00 on the 1st and the 15th of the month" },
        { "0 3 1-7,22,23 * *",
          "at 03:00 on the 1st to the 7th, the 22nd and the 23rd of the month" },
        { "0 0 1 1 *", "at 00:00 on the 1st of January" },
        { "30 2 LW * *", "at 02:30 on the last weekday of the month" },
        { "30 2 L 3,6 *", "at 02:30 on the last day of March and June" },
        { "30 2 15W * *", "at 02:30 on the weekday nearest to the 15th of the month" },
        { "30 2 * * friL", "at 02:30 on the last Friday of the month" },
        { "30 2 * * tue#2", "at 02:30 on the second Tuesday of the month" },
        { "30 2 * 5 tue#2,fri", "at 02:30 on every Friday and the second Tuesday of May" },
        { "0 0 13 * fri", "at 00:00 on the 13th of the month, and on every Friday" },
        { "0 0 13 2 fri", "at 00:00 on the 13th of February, and on every Friday of February" },
        { "0 0 1 * fri#3",
          "at 00:00 on the 1st of the month, and on the third Friday of the month" },
        { "0 0 */10 * mon,fri",
          "at 00:00 on the 1st, the 11th, the 21st and the 31st of the month when that is a Monday "
          "or a Friday" },
        { "0 0 1-31 * fri", "every day at 00:00" },
        { "@weekly", "at 00:00 on every Sunday" },
        { "@every 90s", "every 90 seconds" },
        { "@every 1h30m", "every 90 minutes" },
        { "@every 1d", "every 24 hours" },
        { "@every 1h", "every hour" },
    };
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 16);
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        struct str got = words(a, cases[i].schedule);
        if (!str_eq_c(got, cases[i].words))
            fail_msg("\"%s\" is told as \"%.*s\", expected \"%s\"", cases[i].schedule, STR_FMT(got),
                     cases[i].words);
    }
}

static void clock_changes_are_told_in_english(void **state)
{
    static const struct {
        const char *schedule, *zone, *at, *words;
    } cases[] = {
        { "30 2 * * *", "Europe/Berlin", "2027-03-28T01:00:00Z",
          "02:30 does not exist: the clock goes forward from 02:00 to 03:00, and it runs right "
          "then" },
        { "30 2 * * *", "Europe/Berlin", "2027-10-31T00:30:00Z",
          "02:30 comes twice: the clock goes back from 03:00 to 02:00, and it runs the first time "
          "only" },
        { "*/30 * * * *", "Europe/Berlin", "2027-10-31T01:30:00Z",
          "the clock went back from 03:00 to 02:00: 02:30 comes a second time" },
        { "*/30 * * * *", "Europe/Berlin", "2027-03-28T01:00:00Z",
          "the clock goes forward from 02:00 to 03:00: runs in between are skipped" },
        { "0 12 30 12 *", "Pacific/Apia", "2011-12-30T10:00:00Z",
          "2011-12-30 12:00 does not exist: the clock goes forward from 2011-12-30 00:00 to "
          "2011-12-31 00:00, and it runs right then" },
        { "0 3 * * *", "Europe/Berlin", "2027-03-28T01:00:00Z", "" },
    };
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 16);
    (void)state;
    for (size_t i = 0; i < countof(cases); i++) {
        struct cron cron;
        struct err e;
        struct zone *zone = NULL;
        int64_t at_us = 0;
        assert_true(cron_parse(str_of_c(cases[i].schedule), STR(""), 0, &cron, &e));
        assert_true(zone_load(str_of_c(cases[i].zone), &zone, &e));
        assert_true(clock_parse(str_of_c(cases[i].at), &at_us));
        struct cron_shift shift = cron_shift_of(&cron, zone, at_us);
        assert_str(words_of_shift(a, &shift), cases[i].words);
        zone_destroy(zone);
    }
}

static void every_warning_has_words(void **state)
{
    (void)state;
    for (unsigned bit = CRON_WARN_NEVER; bit <= CRON_WARN_HASHED; bit <<= 1)
        assert_true(words_of_warning((enum cron_warning)bit).len > 0);
    assert_str(words_of_warning(CRON_WARN_NEVER), "never runs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules_are_told_in_english),
        cmocka_unit_test(clock_changes_are_told_in_english),
        cmocka_unit_test(every_warning_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
