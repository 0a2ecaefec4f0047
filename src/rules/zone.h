/*
 * zone: a time zone: which offset from UTC holds when. Zones come from the system's compiled
 * database (package tzdata, or the folder that TZDIR names); UTC needs no file. A zone is read
 * only once it is made, so threads may share it.
 * Source: RFC 9636 (TZif, versions 1 to 4); POSIX.1-2017 8.3 (the footer's TZ string).
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum {
    ZONE_NAME_MAX = 100,           /* bytes */
    ZONE_FILE_BYTES_MAX = 1 << 16, /* the largest of 2026 has 3.5 KiB */
    ZONE_OFFSET_S_MAX = 93'599,    /* RFC 9636 section 3.2: -24:59:59 to +25:59:59 */
    ZONE_OFFSET_S_MIN = -89'999,
};
/* The seconds that are dealt with: years 1 to 9999. Beyond them the nearest one stands in. */
#define ZONE_S_MIN INT64_C(-62'135'596'800)
#define ZONE_S_MAX INT64_C(253'402'300'799)

struct zone;

/* A stretch of time with one offset. */
struct zone_span {
    int64_t from_s, until_s; /* UTC; `from_s` belongs to it, `until_s` does not */
    int32_t offset_s;        /* to be added to UTC */
};

/*
 * Loads the zone of that name, such as "Europe/Berlin".
 *
 * Errors:  INVALID: no such name, or one that could lead out of the folder; UNAVAILABLE: the file
 *          cannot be read.
 * Owns:    the caller, zone_destroy.   Cost: a file of a few KiB; keep what was loaded.
 */
[[nodiscard]] bool zone_load(struct str name, struct zone **ret_zone, struct err *e);

/* The same from the bytes of a TZif file. Errors: INVALID, saying what is wrong with it. */
[[nodiscard]] bool zone_parse(struct str name, struct str bytes, struct zone **ret_zone,
                              struct err *e);
void zone_destroy(struct zone *z); /* accepts NULL */
DEFINE_SCOPED(zone);

/* A zone without a file, for tests and for "UTC". */
[[nodiscard]] struct zone *zone_create_utc(void);

[[nodiscard]] struct str zone_name(const struct zone *z);

/* The stretch that holds `utc_s`; stretches next to each other may have the same offset. The first
 * and the last one reach far beyond ZONE_S_MIN and ZONE_S_MAX. */
[[nodiscard]] struct zone_span zone_span(const struct zone *z, int64_t utc_s);

/* Local time as seconds from 1970-01-01T00:00 on the zone's own clock. */
[[nodiscard]] int64_t zone_local_s(const struct zone *z, int64_t utc_s);
