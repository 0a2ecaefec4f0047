/*
 * For other implementations to be compared with: reads "SECONDS<TAB>SCHEDULE" a line, writes the
 * five firings in UTC after that time, as seconds from 1970 with spaces between, or "never".
 */
#include "base/clock.h"
#include "rules/cron.h"
#include "rules/zone.h"

enum { FIRINGS = 5 };

static bool answer(struct str line, const struct zone *utc)
{
    struct str number, schedule;
    struct cron cron;
    struct err e;
    int64_t at_s, at_us;
    if (!str_cut(line, '\t', &number, &schedule) || !str_to_i64(number, &at_s))
        return false;
    if (!cron_parse(schedule, STR(""), 0, &cron, &e)) {
        printf("%s\n", e.message);
        return true;
    }
    at_us = at_s * CLOCK_S;
    for (int i = 0; i < FIRINGS && cron_next(&cron, utc, at_us, &at_us); i++)
        printf("%s%lld", i > 0 ? " " : "", (long long)(at_us / CLOCK_S));
    printf("%s\n", at_us == at_s * CLOCK_S ? "never" : "");
    return true;
}

int main(void)
{
    char line[1024];
    struct zone *utc = zone_create_utc();
    bool is_good = true;
    while (is_good && fgets(line, sizeof line, stdin) != NULL)
        is_good = answer(str_trim(str_of_c(line)), utc);
    zone_destroy(utc);
    return is_good ? 0 : 1;
}
