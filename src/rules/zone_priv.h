/* zone_priv: what zone.c, zone_file.c and zone_rule.c share. */
#pragma once
#include "rules/zone.h"

/* One of the two yearly changes of a TZ string. */
struct zone_change {
    enum { ZONE_CHANGE_JULIAN, ZONE_CHANGE_DAY, ZONE_CHANGE_WEEKDAY } kind;
    int day;         /* JULIAN 1 to 365 without February 29; DAY 0 to 365; WEEKDAY 0 to 6 */
    int month, week; /* WEEKDAY only; week 5 is the last */
    int32_t time_s;  /* local time of that day; may lie outside of it */
};

/* What holds after the last transition that a file lists. */
struct zone_rule {
    int32_t standard_s, daylight_s; /* offsets */
    bool has_daylight;
    struct zone_change begin, end; /* of daylight saving time */
};

struct zone_transition {
    int64_t at_s;
    int32_t offset_s;
};

struct zone {
    char name[ZONE_NAME_MAX + 1];
    int32_t first_offset_s; /* before the first transition */
    size_t transition_count;
    struct zone_transition *transitions; /* rising */
    bool has_rule;
    struct zone_rule rule;
};

/* "CET-1CEST,M3.5.0,M10.5.0/3". */
[[nodiscard]] bool zone_rule_parse(struct str text, struct zone_rule *ret_rule, struct err *e);
/* The span of the rule's yearly changes that holds `utc_s`. */
[[nodiscard]] struct zone_span zone_rule_span(const struct zone_rule *rule, int64_t utc_s);
