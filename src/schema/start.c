#include "schema/start.h"

#include "base/clock.h"
#include "base/log.h"

enum { RETRY_FIRST_MS = 50, RETRY_MAX_MS = 1'000, LOOK_MS = 20 };

void schema_report_to_log(enum schema_report kind, struct str text, void *owner)
{
    (void)owner;
    switch (kind) {
    case SCHEMA_REPORT_DONE:
        log_info("schema.changed", "what=%s", log_quote(text));
        break;
    case SCHEMA_REPORT_NOTE:
        log_info("schema.note", "what=%s", log_quote(text));
        break;
    case SCHEMA_REPORT_MISSING:
        log_error("schema.missing", "what=%s", log_quote(text));
        break;
    case SCHEMA_REPORT_SQL:
        log_error("schema.to-write", "migration=%s", log_quote(text));
        break;
    case SCHEMA_REPORT_WAIT:
        log_info("schema.waiting", "for=%s", log_quote(text));
        break;
    }
}

static bool passes_by_waiting(const struct err *e)
{
    return e->code == ERR_UNAVAILABLE || e->code == ERR_TIMEOUT;
}

static void wait_ms(const atomic_bool *is_cancelled, int64_t delay_ms)
{
    int64_t until_us = clock_mono_us() + delay_ms * CLOCK_MS;
    while (clock_mono_us() < until_us && !atomic_load(is_cancelled))
        thrd_sleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1'000'000 }, NULL);
}

bool schema_try_until(schema_try_fn *attempt, void *owner, int64_t wait_us,
                      const atomic_bool *is_cancelled, struct err *e)
{
    int64_t deadline_us = clock_mono_us() + wait_us;
    bool is_told = false;
    for (int64_t delay_ms = RETRY_FIRST_MS;;
         delay_ms = min_of(delay_ms * 2, (int64_t)RETRY_MAX_MS)) {
        if (attempt(owner, e))
            return true;
        if (!passes_by_waiting(e) || clock_mono_us() >= deadline_us || atomic_load(is_cancelled))
            return false;
        if (!is_told)
            log_warn("start.waiting", "reason=%s", log_quote(str_of_c(err_text(e))));
        is_told = true;
        wait_ms(is_cancelled, delay_ms);
    }
}
