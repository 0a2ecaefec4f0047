/* doctor_mirror: has the gateway compare its copies of tasks and jobs with the worker's, and tells
 * how that ended. */
#include <time.h>

#include "base/clock.h"
#include "cmd/api_priv.h"
#include "cmd/doctor_priv.h"

enum { LOOK_MS = 200, WAIT_US = 600 * CLOCK_S };

#define AUDIT "mirror askedAt beganAt endedAt days rows missing extra wrong jobs counts error "

static bool has_ended(const struct json_value *audit, int64_t asked_us)
{
    int64_t began_us, ended_us;
    return api_time(audit, "beganAt", &began_us) && api_time(audit, "endedAt", &ended_us) &&
           began_us >= asked_us && ended_us >= began_us;
}

/* "2 missing, 1 wrong" */
static struct str damage_text(struct api *api, const struct json_value *audit)
{
    static const char *const kinds[][2] = {
        { "missing", "missing" }, { "extra", "extra" },        { "wrong", "wrong" },
        { "jobs", "of jobs" },    { "counts", "of counters" },
    };
    struct buf text;
    buf_init(&text, 0);
    for (size_t i = 0; i < countof(kinds); i++) {
        struct str number = api_text(audit, kinds[i][0]);
        if (number.len > 0 && !str_eq_c(number, "0"))
            buf_printf(&text, "%s%.*s %s", text.len > 0 ? ", " : "", STR_FMT(number), kinds[i][1]);
    }
    struct str copy = arena_copy(api->arena, buf_str(&text));
    buf_clear(&text);
    return copy;
}

/* "mirror" of "tasks", "mirror-1" of "tasks-1". */
static const char *check_name(struct api *api, const struct json_value *audit)
{
    struct str number = api_text(audit, "mirror");
    (void)str_cut(number, '-', &(struct str){ 0 }, &number);
    return number.len > 0
               ? arena_cstr(api->arena, arena_printf(api->arena, "mirror-%.*s", STR_FMT(number)))
               : "mirror";
}

static void report(struct doctor *d, struct api *api, const struct json_value *audit)
{
    const char *check = check_name(api, audit);
    struct str damage = damage_text(api, audit), error = api_text(audit, "error");
    struct str rows = api_text(audit, "rows"), days = api_text(audit, "days");
    if (error.len > 0)
        doctor_report(d, check, DOCTOR_FAILURE, "try again when the worker answers",
                      "it could not be compared with the worker: %.*s", STR_FMT(error));
    else if (damage.len > 0)
        doctor_report(d, check, DOCTOR_WARNING,
                      "nothing is left to be done; event=mirror.audit-damage in the gateway's log "
                      "says where. Who else writes to these tables, and was a backup restored?",
                      "the copies were not as the worker's, and have been mended: %.*s",
                      STR_FMT(damage));
    else
        doctor_report(d, check, DOCTOR_OK, NULL,
                      "the copies are as the worker's (%.*s tasks of %.*s days)", STR_FMT(rows),
                      STR_FMT(days));
}

/* When each of the mirrors was asked; what is told later need not be of the same ones. */
struct asked {
    struct str mirror;
    int64_t at_us;
};

static const struct json_value *find(const struct json_value *audits, struct str mirror)
{
    for (size_t i = 0; i < audits->item_count; i++)
        if (str_eq(api_text(&audits->items[i], "mirror"), mirror))
            return &audits->items[i];
    return NULL;
}

static bool is_waiting(const struct json_value *audits, const struct asked *asked, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct json_value *audit = find(audits, asked[i].mirror);
        if (audit == NULL || !has_ended(audit, asked[i].at_us))
            return true;
    }
    return false;
}

static bool read_asked(const struct json_value *audit, struct asked *ret_asked, struct err *e)
{
    ret_asked->mirror = api_text(audit, "mirror");
    if (!api_time(audit, "askedAt", &ret_asked->at_us))
        return err_set(e, ERR_INTERNAL, "the gateway does not say when it was asked");
    return true;
}

static bool run_audit(struct doctor *d, struct api *api, struct err *e)
{
    const struct json_value *data, *audits;
    int64_t until_us = clock_mono_us() + WAIT_US;
    if (!api_ask(api, "mutation { auditMirrors { " AUDIT "} }", &data, e))
        return false;
    audits = api_member(data, "auditMirrors");
    size_t count = audits->item_count;
    struct asked *asked = arena_new_array(api->arena, count, struct asked);
    for (size_t i = 0; i < count; i++)
        if (!read_asked(&audits->items[i], &asked[i], e))
            return false;
    while (is_waiting(audits, asked, count)) {
        if (clock_mono_us() > until_us)
            return err_set(e, ERR_TIMEOUT, "the comparison did not end in time");
        (void)nanosleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1'000'000 }, NULL);
        if (!api_ask(api, "{ mirrorAudits { " AUDIT "} }", &data, e))
            return false;
        audits = api_member(data, "mirrorAudits");
    }
    for (size_t i = 0; i < count; i++)
        report(d, api, find(audits, asked[i].mirror));
    return true;
}

void doctor_check_mirror(struct doctor *d)
{
    struct api api;
    struct err e;
    if (!api_begin(&api, d->conf, d->arena, &e) || !run_audit(d, &api, &e))
        doctor_report_err(d, "mirror", &e,
                          "start `windlass up`, and sign in with `windlass login` as an ADMIN, or "
                          "set WINDLASS_TOKEN");
    api_end(&api);
}
