/* shown_priv: what a message may repeat of a user's text: a few characters, and only printable
 * ones. */
#pragma once
#include "base/str.h"

enum { SHOWN_MAX = 40 };

struct shown {
    char text[SHOWN_MAX + 4];
};

static inline struct shown shown(struct str s)
{
    struct shown shown = { "" };
    size_t len = s.len > SHOWN_MAX ? SHOWN_MAX : s.len;
    for (size_t i = 0; i < len; i++)
        shown.text[i] = s.ptr[i] >= ' ' && s.ptr[i] <= '~' ? s.ptr[i] : '?';
    if (s.len > len)
        memcpy(shown.text + len, "...", sizeof "...");
    return shown;
}
