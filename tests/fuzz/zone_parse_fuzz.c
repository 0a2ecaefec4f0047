/* Files of time zones: refused, or their spans meet and a schedule can be run in them. */
#include "base/clock.h"
#include "rules/cron.h"
#include "rules/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zone *zone = NULL;
    struct cron cron;
    struct err e;
    int64_t at_us = 0;
    if (!zone_parse(STR("Fuzz/Zone"), str_of((const char *)data, size), &zone, &e)) {
        assert(e.code == ERR_INVALID || e.code == ERR_LIMIT);
        return 0;
    }
    struct zone_span span = zone_span(zone, INT64_MIN);
    for (int i = 0; i < 100 && span.until_s <= ZONE_S_MAX; i++) {
        struct zone_span next = zone_span(zone, span.until_s);
        assert(next.from_s <= span.until_s && next.until_s > span.until_s);
        span = next;
    }
    if (cron_parse(STR("30 2 * * *"), STR(""), 0, &cron, &e))
        for (int i = 0; i < 50; i++) {
            int64_t before_us = at_us;
            if (!cron_next(&cron, zone, at_us, &at_us))
                break;
            assert(at_us > before_us);
            (void)cron_shift_of(&cron, zone, at_us);
        }
    zone_destroy(zone);
    return 0;
}
