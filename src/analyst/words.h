/*
 * words: numbers and durations as people read them, for every sentence that the analyst writes:
 * "12,345", "3.4 %", "2 min 5 s", "1 task". Pure; texts live in the arena.
 */
#pragma once
#include "base/arena.h"

/* Whole numbers with commas: "-12,345". */
[[nodiscard]] struct str words_count(struct arena *a, int64_t value);
/* Three significant digits, and all of the digits before the point: "0.0123", "4.57", "12,345".
 * "unknown" where it is not finite. */
[[nodiscard]] struct str words_number(struct arena *a, double value);
/* Of a share from 0 to 1: "3.4 %", "45 %", "0 %", "<0.1 %". */
[[nodiscard]] struct str words_percent(struct arena *a, double share);
/* The two largest units: "350 ms", "2.5 s", "2 min 5 s", "3 h", "4 days 2 h". */
[[nodiscard]] struct str words_duration(struct arena *a, double seconds);
/* "1 task", "12,345 tasks"; `plural` NULL: the noun and an s. */
[[nodiscard]] struct str words_things(struct arena *a, int64_t count, const char *noun,
                                      const char *plural);
/* "2026-11-23 06:37 UTC". */
[[nodiscard]] struct str words_time(struct arena *a, int64_t wall_us);
/*
 * A text of somebody else, to be quoted within a sentence: at most `max_bytes`, on one line,
 * without control characters, backticks and links that a page would follow; cut ones end in "…".
 */
[[nodiscard]] struct str words_quoted(struct arena *a, struct str text, size_t max_bytes);
