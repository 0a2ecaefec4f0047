/* Schedules as people may type them: refused with a place, or told in words and never stuck, each
 * firing after the one before. */
#include "base/clock.h"
#include "rules/cron.h"
#include "rules/words.h"
#include "rules/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create(1 << 20);
    struct zone *zone = NULL;
    struct cron cron;
    struct err e;
    struct str text = arena_copy(a, str_of((const char *)data, size));
    if (!zone_load(STR("Europe/Berlin"), &zone, &e))
        zone = zone_create_utc();
    if (cron_parse(text, STR("seed"), 0, &cron, &e)) {
        int64_t at_us = (INT64_C(1'774'000'000) + (int64_t)size) * CLOCK_S, next_us;
        assert(words_of_cron(a, &cron).len > 0);
        (void)cron_warnings(&cron, zone, at_us);
        for (int i = 0; i < 20 && cron_next(&cron, zone, at_us, &next_us); i++, at_us = next_us) {
            struct cron_shift shift = cron_shift_of(&cron, zone, next_us);
            assert(next_us > at_us);
            assert((words_of_shift(a, &shift).len > 0) == (shift.kind != CRON_SHIFT_NONE));
        }
    } else {
        assert(e.code == ERR_INVALID);
        assert(strstr(e.message, "column ") != NULL);
    }
    zone_destroy(zone);
    arena_destroy(a);
    return 0;
}
