/*
 * cron: when a schedule fires. A schedule is five fields (minute, hour, day of month, month, day of
 * week), six with seconds first, a name such as @daily, or "@every 90s". docs/cron.md is its
 * grammar and tells what clock changes do. Nothing here reads a clock.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct zone;

enum cron_field {
    CRON_SECOND,
    CRON_MINUTE,
    CRON_HOUR,
    CRON_DAY,
    CRON_MONTH,
    CRON_WEEKDAY, /* 0 is Sunday */
    CRON_FIELD_COUNT
};

enum {
    CRON_TEXT_MAX = 500,             /* bytes of a schedule */
    CRON_EVERY_S_MAX = 366 * 86'400, /* of "@every" */
    CRON_YEARS_MAX = 400,            /* that are searched: then the calendar repeats */
};

/* A parsed schedule; a value, copied freely. */
struct cron {
    uint64_t at[CRON_FIELD_COUNT]; /* bit n: the field lists n */
    /* What the day fields can say beyond lists; bit n again. */
    uint32_t near_days;     /* "nW": the Monday to Friday nearest to day n, in the same month */
    uint8_t weekday_nth[7]; /* "d#n": of weekday d the nth */
    uint8_t last_weekdays;  /* "dL": the last weekday d of the month */
    bool has_last_day;      /* "L" */
    bool has_last_workday;  /* "LW": the last Monday to Friday */

    bool has_seconds; /* six fields */
    bool is_day_star; /* the field begins with "*" (or "?") */
    bool is_weekday_star;
    bool is_fixed;  /* neither minute nor hour begins with "*" */
    bool is_hashed; /* "H" stands in it: the seed decides */

    int64_t every_s;   /* of "@every", else 0; then nothing above counts */
    int64_t anchor_us; /* from which "@every" counts */
};

/*
 * `seed` decides what each "H" stands for, the same for the same seed everywhere: a job's id.
 * `anchor_us` is what "@every" counts from.
 *
 * Errors:  INVALID, naming field and column (from 1): "hour field, column 4: expected a number from
 *          0 to 23, found \"24\"".
 */
[[nodiscard]] bool cron_parse(struct str text, struct str seed, int64_t anchor_us,
                              struct cron *ret_cron, struct err *e);

/*
 * The first firing after `after_us`; false when there is none within CRON_YEARS_MAX years (or
 * before the year 10000): the schedule never runs again.
 * Cost: a microsecond or so; at worst, where nothing is found, a millisecond.
 */
[[nodiscard]] bool cron_next(const struct cron *cron, const struct zone *zone, int64_t after_us,
                             int64_t *ret_us);

/* What a clock change did to a firing. */
enum cron_shift_kind {
    CRON_SHIFT_NONE,
    CRON_SHIFT_MOVED,   /* fixed: its time of day does not exist; it fires right after the gap */
    CRON_SHIFT_SKIPPED, /* wildcard: firings before this one fell into a gap */
    CRON_SHIFT_ONCE,    /* fixed: its time of day comes twice; this is the first */
    CRON_SHIFT_AGAIN,   /* wildcard: this time of day was there before */
};
struct cron_shift {
    enum cron_shift_kind kind;
    int64_t local_s;             /* the time of day that the schedule means */
    int64_t change_from_local_s, /* the clock goes from here … */
        change_to_local_s;       /* … to here */
};

/* `at_us` is a firing, as cron_next gave it. */
[[nodiscard]] struct cron_shift cron_shift_of(const struct cron *cron, const struct zone *zone,
                                              int64_t at_us);

/* What whoever writes a schedule may not have meant; bits. */
enum cron_warning {
    CRON_WARN_NEVER = 1 << 0, /* it does not run after the time asked for */
    CRON_WARN_EVERY_SECOND = 1 << 1,
    CRON_WARN_EITHER_DAY = 1 << 2, /* both day fields are set, and either is enough */
    CRON_WARN_BOTH_DAYS = 1 << 3,  /* both are set, and one begins with "*": both must match */
    CRON_WARN_HASHED = 1 << 4,     /* "H" depends on the seed */
};
enum { CRON_WARNING_COUNT = 5 };
[[nodiscard]] unsigned cron_warnings(const struct cron *cron, const struct zone *zone,
                                     int64_t after_us);
