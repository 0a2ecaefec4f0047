#include "http/breaker.h"

void http_breaker_init(struct http_breaker *b, const struct http_breaker_options *options)
{
    *b = (struct http_breaker){ .options = *options, .open_for_us = options->open_us };
}

static void open_breaker(struct http_breaker *b, int64_t now_us)
{
    b->state = HTTP_BREAKER_OPEN;
    b->until_us = now_us + b->open_for_us;
    b->open_for_us = min_of(b->open_for_us * 2, b->options.open_us_max);
    b->is_probing = false;
    b->probes_good = 0;
}

static bool start_probe(struct http_breaker *b, int64_t now_us)
{
    b->is_probing = true;
    b->until_us = now_us + b->options.probe_deadline_us;
    return true;
}

bool http_breaker_allow(struct http_breaker *b, int64_t now_us)
{
    switch (b->state) {
    case HTTP_BREAKER_CLOSED:
        return true;
    case HTTP_BREAKER_OPEN:
        if (now_us < b->until_us)
            return false;
        b->state = HTTP_BREAKER_HALF_OPEN;
        return start_probe(b, now_us);
    case HTTP_BREAKER_HALF_OPEN:
        if (b->is_probing && now_us < b->until_us)
            return false;
        return start_probe(b, now_us);
    }
    return false;
}

void http_breaker_succeeded(struct http_breaker *b)
{
    b->is_probing = false;
    if (b->state == HTTP_BREAKER_CLOSED) {
        b->failures = 0;
        return;
    }
    if (b->state != HTTP_BREAKER_HALF_OPEN || ++b->probes_good < b->options.probes_needed)
        return; /* OPEN: the late end of a call from before */
    struct http_breaker_options options = b->options;
    http_breaker_init(b, &options);
}

void http_breaker_failed(struct http_breaker *b, int64_t now_us)
{
    if (b->state == HTTP_BREAKER_OPEN || b->options.failures_max == 0)
        return;
    b->failures++;
    if (b->state == HTTP_BREAKER_HALF_OPEN || b->failures >= b->options.failures_max)
        open_breaker(b, now_us);
}

void http_breaker_forget(struct http_breaker *b)
{
    b->is_probing = false;
}

int64_t http_breaker_wait_us(const struct http_breaker *b, int64_t now_us)
{
    bool is_waiting = b->state == HTTP_BREAKER_OPEN || b->is_probing;
    return is_waiting ? max_of(b->until_us - now_us, (int64_t)0) : 0;
}
