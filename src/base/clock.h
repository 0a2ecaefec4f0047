/*
 * clock: what time it is, and RFC 3339. All times are int64_t microseconds: Unix time in UTC for
 * the wall clock, since an unknown start for the monotonic one.
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

enum { CLOCK_MS = 1000, CLOCK_S = 1000 * 1000 };
#define CLOCK_DAY_US INT64_C(86'400'000'000)

[[nodiscard]] int64_t clock_wall_us(void);
/* Never goes back and never jumps; for deadlines and durations. */
[[nodiscard]] int64_t clock_mono_us(void);

/* "2026-11-23T06:37:10.123456Z" with its NUL; years 0001 to 9999. Source: RFC 3339. */
enum { CLOCK_TEXT_MAX = 32 };
void clock_format(int64_t wall_us, char ret_text[CLOCK_TEXT_MAX]);

/* Any RFC 3339 date-time whose year in UTC is 0001 to 9999, offset included; finer fractions than
 * microseconds are cut off. */
[[nodiscard]] bool clock_parse(struct str text, int64_t *ret_wall_us);
