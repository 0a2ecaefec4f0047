/*
 * breaker: keeps calls away from a peer that does not answer. CLOSED lets all through; after
 * `failures_max` failures in a row it is OPEN and refuses all, for a time that doubles with each
 * failed try up to a bound; then HALF_OPEN lets single probes through, until enough succeed.
 * Pure: the time is the caller's.
 */
#pragma once
#include "base/base.h"

struct http_breaker_options {
    unsigned failures_max;     /* 0: never opens */
    unsigned probes_needed;    /* successes in a row that close it again; at least 1 */
    int64_t open_us;           /* the first time of refusal */
    int64_t open_us_max;       /* what it doubles up to */
    int64_t probe_deadline_us; /* a probe that never reports is given up after it */
};

enum http_breaker_state { HTTP_BREAKER_CLOSED, HTTP_BREAKER_OPEN, HTTP_BREAKER_HALF_OPEN };

struct http_breaker {
    struct http_breaker_options options;
    enum http_breaker_state state;
    unsigned failures, probes_good;
    int64_t open_for_us;
    int64_t until_us; /* OPEN: when probes begin; HALF_OPEN: when the running probe is given up */
    bool is_probing;
};

void http_breaker_init(struct http_breaker *b, const struct http_breaker_options *options);
/* May a call start now? When true, its outcome must be reported. */
[[nodiscard]] bool http_breaker_allow(struct http_breaker *b, int64_t now_us);
void http_breaker_succeeded(struct http_breaker *b);
void http_breaker_failed(struct http_breaker *b, int64_t now_us);
/* The call ended without telling anything about the peer (it was cancelled). */
void http_breaker_forget(struct http_breaker *b);
/* For the caller's Retry-After: how long until a call could be let through; 0 is now. */
[[nodiscard]] int64_t http_breaker_wait_us(const struct http_breaker *b, int64_t now_us);
