#include "analyst/usual.h"

#include <math.h>

#include "analyst/chance.h"
#include "analyst/robust.h"
#include "analyst/season.h"

/* Independent points that n points of this memory are worth. */
static double worth(double n, double memory)
{
    double r = fmax(0, fmin(memory, 0.95));
    return n * (1 - r) / (1 + r);
}

bool usual_judge(struct arena *a, const double *history, size_t count, int64_t step_s, size_t index,
                 double value, double scale_min, struct usual *ret_usual)
{
    /* A MAD of n normal points varies as a standard deviation of 0.37 n. */
    const double mad_efficiency = 0.37;
    size_t named[SEASON_NAMED_MAX], kept;
    assert(index >= count);
    (void)robust_sorted(a, history, count, &kept);
    if (kept < USUAL_HISTORY_MIN || isnan(value))
        return false;
    struct season season = season_find(a, history, count, named, season_named(step_s, named));
    const double *rest = season_removed(a, &season, history, count);
    double level = robust_median(a, rest, count);
    double points = worth((double)kept, robust_memory(a, rest, count));
    double spread = fmax(robust_scale(a, rest, count, level), scale_min);
    size_t whole_cycles = season.period > 0 ? count / season.period : 0;
    double cycles = season.period > 0 ? (double)whole_cycles : points;
    /* The expected value is itself known only so well. */
    double scale = spread * sqrt(1 + 1.57 / fmax(1, fmin(points, cycles)));
    struct usual u = { .expected = level + season_at(&season, index),
                       .scale = scale,
                       .period = season.period };
    u.z = (value - u.expected) / scale;
    u.p = chance_student_above(fabs(u.z), fmax(1.5, mad_efficiency * (points - 1)));
    *ret_usual = u;
    return true;
}
