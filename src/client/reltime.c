#include "client/reltime.h"

#include "base/clock.h"

enum { MINUTE = 60, HOUR = 3'600, DAY = 86'400, TWO_UNITS = 2 };

void reltime_format(int64_t at_us, int64_t now_us, char ret_text[RELTIME_TEXT_MAX])
{
    int64_t seconds = (at_us > now_us ? at_us - now_us : now_us - at_us) / CLOCK_S;
    long long count = seconds < MINUTE            ? seconds
                      : seconds < HOUR            ? seconds / MINUTE
                      : seconds < TWO_UNITS * DAY ? seconds / HOUR
                                                  : seconds / DAY;
    char unit = seconds < MINUTE            ? 's'
                : seconds < HOUR            ? 'm'
                : seconds < TWO_UNITS * DAY ? 'h'
                                            : 'd';
    if (seconds == 0)
        snprintf(ret_text, RELTIME_TEXT_MAX, "now");
    else if (at_us > now_us)
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
