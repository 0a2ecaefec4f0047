/*
 * words: a schedule in English, such as "every day at 03:00", and what a clock change did to a
 * firing. The words are always true of the schedule; where it has no common shape they tell it
 * field by field. Times are those of the schedule's zone.
 */
#pragma once
#include "base/arena.h"
#include "rules/cron.h"

[[nodiscard]] struct str words_of_cron(struct arena *a, const struct cron *cron);

/* Empty for CRON_SHIFT_NONE. */
[[nodiscard]] struct str words_of_shift(struct arena *a, const struct cron_shift *shift);

/* Of one bit of cron_warnings. */
[[nodiscard]] struct str words_of_warning(enum cron_warning warning);
