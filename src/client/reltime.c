#include "client/reltime.h"

#include "base/clock.h"

enum { MINUTE = 60, HOUR = 3'600, DAY = 86'400, TWO_UNITS = 2 };

/* What has been is told in whole units; what comes in the nearest: one second after "in 2h" is not
 * "in 1h". */
static long long units(int64_t seconds, int64_t unit, bool is_ahead)
{
    return (long long)((seconds + (is_ahead ? unit / 2 : 0)) / unit);
}

void reltime_format(int64_t at_us, int64_t now_us, char ret_text[RELTIME_TEXT_MAX])
{
    bool is_ahead = at_us > now_us;
    int64_t seconds = (is_ahead ? at_us - now_us : now_us - at_us) / CLOCK_S;
    long long minutes = units(seconds, MINUTE, is_ahead), hours = units(seconds, HOUR, is_ahead);
    long long count = seconds < MINUTE                   ? seconds
                      : minutes < HOUR / MINUTE          ? minutes
                      : hours < TWO_UNITS * (DAY / HOUR) ? hours
                                                         : units(seconds, DAY, is_ahead);
    char unit = seconds < MINUTE                   ? 's'
                : minutes < HOUR / MINUTE          ? 'm'
                : hours < TWO_UNITS * (DAY / HOUR) ? 'h'
                                                   : 'd';
    if (seconds == 0)
        snprintf(ret_text, RELTIME_TEXT_MAX, "now");
    else if (is_ahead)
        snprintf(ret_text, RELTIME_TEXT_MAX, "in %lld%c", count, unit);
    else
        snprintf(ret_text, RELTIME_TEXT_MAX, "%lld%c ago", count, unit);
}

static void put_two(char ret_text[RELTIME_TEXT_MAX], int64_t seconds, int64_t unit, char name,
                    int64_t smaller, char smaller_name)
{
    snprintf(ret_text, RELTIME_TEXT_MAX, "%lld%c %lld%c", (long long)(seconds / unit), name,
             (long long)(seconds % unit / smaller), smaller_name);
}

void reltime_span(int64_t span_us, char ret_text[RELTIME_TEXT_MAX])
{
    int64_t seconds = span_us / CLOCK_S;
    if (span_us < CLOCK_S)
        snprintf(ret_text, RELTIME_TEXT_MAX, "%lldms",
                 (long long)(max_of(span_us, (int64_t)0) / CLOCK_MS));
    else if (seconds < MINUTE)
        snprintf(ret_text, RELTIME_TEXT_MAX, "%lld.%llds", (long long)seconds,
                 (long long)(span_us % CLOCK_S / (CLOCK_S / 10)));
    else if (seconds < HOUR)
        put_two(ret_text, seconds, MINUTE, 'm', 1, 's');
    else if (seconds < DAY)
        put_two(ret_text, seconds, HOUR, 'h', MINUTE, 'm');
    else
        put_two(ret_text, seconds, DAY, 'd', HOUR, 'h');
}
