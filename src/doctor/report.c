#include "doctor/doctor.h"

struct doctor doctor_begin(const struct conf *conf, struct arena *a)
{
    return (struct doctor){ .conf = conf,
                            .arena = a,
                            .findings =
                                arena_new_array(a, DOCTOR_FINDINGS_MAX, struct doctor_finding),
                            .capacity = DOCTOR_FINDINGS_MAX };
}

const char *doctor_state_name(enum doctor_state state)
{
    static const char *const names[] = {
        [DOCTOR_OK] = "ok", [DOCTOR_WARNING] = "warning", [DOCTOR_FAILURE] = "failure"
    };
    return names[state];
}

static struct doctor_finding *next_finding(struct doctor *d, const char *check,
                                           enum doctor_state state, const char *cure)
{
    assert((state == DOCTOR_OK) == (cure == NULL));
    assert(d->count < d->capacity);
    struct doctor_finding *finding = &d->findings[d->count++];
    *finding = (struct doctor_finding){ .check = check, .state = state, .cure = str_of_c(cure) };
    return finding;
}

void doctor_report(struct doctor *d, const char *check, enum doctor_state state, const char *cure,
                   const char *detail, ...)
{
    struct doctor_finding *finding = next_finding(d, check, state, cure);
    va_list args;
    va_start(args, detail);
    finding->detail = arena_vprintf(d->arena, detail, args);
    va_end(args);
}

void doctor_report_err(struct doctor *d, const char *check, const struct err *e, const char *cure)
{
    next_finding(d, check, DOCTOR_FAILURE, cure)->detail =
        arena_copy(d->arena, str_of_c(e->message));
}
