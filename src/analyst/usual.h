/*
 * usual: what a value should be by its history, and how odd it is. The season of the history is
 * taken into account where one is evident; wild values of the past do not widen what is usual; few
 * or dependent points make it harder to be odd (Student's distribution with as many degrees of
 * freedom as a MAD of so many independent points is worth).
 * Pure; scratch memory from the arena.
 */
#pragma once
#include "base/arena.h"

enum { USUAL_HISTORY_MIN = 8 }; /* points that must be there */

struct usual {
    double expected, scale;
    double z;      /* how many scales above, or below, it is */
    double p;      /* one-sided: chance alone is so far off, to that side, so often */
    size_t period; /* of the season that was taken into account, or 0 */
};

/*
 * Judges `value`, which stands at `index` (at least `count`) of the series whose points before are
 * `history`. `scale_min` is the least spread that is believed, in the unit of the values. False
 * where there is too little history.
 */
[[nodiscard]] bool usual_judge(struct arena *a, const double *history, size_t count, int64_t step_s,
                               size_t index, double value, double scale_min,
                               struct usual *ret_usual);
