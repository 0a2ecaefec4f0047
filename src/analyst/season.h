/*
 * season: whether a series repeats itself, and how. A period is believed only when the shape of
 * the first cycles explains the later ones, so that noise which happens to correlate is not.
 * Pure; scratch memory from the arena.
 */
#pragma once
#include "base/arena.h"

enum {
    SEASON_CYCLES_MIN = 3,  /* a period needs to be seen so often */
    SEASON_LAG_MAX = 2'048, /* longer periods are looked for only where the caller names them */
    SEASON_POINTS_SEARCHED = 8'192, /* in longer series only named periods are tried */
};

struct season {
    size_t period;         /* in points; 0: none is evident */
    const double *profile; /* what each phase adds to the level; its median is 0 */
    double strength;       /* the share of the later cycles' variance that it explains, 0 to 1 */
};

/*
 * `named` are periods that would make sense (a day, a week), tried before any other.
 * Cost: points times lags, both bounded as above.
 */
[[nodiscard]] struct season season_find(struct arena *a, const double *values, size_t count,
                                        const size_t *named, size_t named_count);
/* The values less the season; 0 is what a point of no season has taken away. */
[[nodiscard]] double *season_removed(struct arena *a, const struct season *s, const double *values,
                                     size_t count);
[[nodiscard]] static inline double season_at(const struct season *s, size_t index)
{
    return s->period > 0 ? s->profile[index % s->period] : 0;
}
/* The points in a day and in a week, where they are whole numbers; how many were put. */
enum { SEASON_NAMED_MAX = 3 };
[[nodiscard]] size_t season_named(int64_t step_s, size_t ret_periods[SEASON_NAMED_MAX]);
