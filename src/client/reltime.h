/* reltime: times as people tell them. Pure. */
#pragma once
#include "base/base.h"

enum { RELTIME_TEXT_MAX = 32 };

/* "now", "5s ago", "in 3m", "2h ago", "in 4d": one unit, rounded down, of what comes to the
 * nearest.
 */
void reltime_format(int64_t at_us, int64_t now_us, char ret_text[RELTIME_TEXT_MAX]);
/* "120ms", "1.5s", "2m 5s", "3h 10m", "4d 2h". */
void reltime_span(int64_t span_us, char ret_text[RELTIME_TEXT_MAX]);
