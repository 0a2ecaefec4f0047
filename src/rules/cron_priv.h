/* cron_priv: the fields of a schedule, for cron.c, cron_parse.c and words.c. */
#pragma once
#include "rules/cron.h"

struct cron_field_rule {
    const char *name;
    int min, max;
    int read_max; /* a weekday may be 7 */
};
extern const struct cron_field_rule cron_fields[CRON_FIELD_COUNT];

/* All values from `min` to `max`. */
static inline uint64_t cron_bits(int min, int max)
{
    return (~UINT64_C(0) << min) & (~UINT64_C(0) >> (63 - max));
}

static inline bool cron_field_is_full(const struct cron *cron, enum cron_field field)
{
    return cron->at[field] == cron_bits(cron_fields[field].min, cron_fields[field].max);
}
