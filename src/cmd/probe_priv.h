/* probe: asks a service whether it is ready, for `health` and `doctor`. */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum { PROBE_TEXT_MAX = 120, PROBE_DEADLINE_MS = 5'000 };

struct probe {
    int status;                      /* 200: ready */
    char reason[PROBE_TEXT_MAX + 1]; /* the answer's first line */
};

/*
 * `where` is the whole URL to ask, or "unix:/path" of a socket, whose /readyz is asked. Blocks, for
 * PROBE_DEADLINE_MS at most.
 *
 * Errors: INVALID for `where`; UNAVAILABLE, TIMEOUT when no answer came.
 */
[[nodiscard]] bool probe_ask(struct str where, struct probe *ret_probe, struct err *e);
