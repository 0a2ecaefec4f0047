#include "gateway/checkup.h"

#include "base/clock.h"
#include "base/mem.h"
#include "doctor/doctor.h"
#include "gateway/await.h"
#include "gateway/bindings.h"
#include "gateway/health.h"
#include "io/offload.h"
#include "io/timer.h"

enum { WAIT_MS_MAX = 10'000, SERVICES_MAX = HEALTH_PARTS_MAX };

/* What one run found; read only once it is made. */
struct report {
    atomic_size_t refs;
    struct gateway_loop *loop; /* whose arena it is */
    struct arena *arena;
    struct doctor doctor;
};

struct checkup {
    struct gateway *gw;
    struct gateway_loop *home;
    struct io_offload *offload;
    struct list waiters;    /* struct waiter; of the home loop */
    struct report *running; /* NULL: none */
};

/* One who asks. He is freed when the report comes, which may be long after his answer. */
struct waiter {
    struct list link;
    struct checkup *checkup;
    struct gateway_loop *loop;
    struct gql_step *step; /* NULL: answered already */
    struct io_timer *timer;
    struct report *report;
};

/* ── reports ── */

static void free_report(void *owner)
{
    struct report *report = owner;
    gateway_arena_done(report->loop, report->arena, false);
}

/* Arenas go back where they came from. Thread: any. */
static void report_unref(void *owned)
{
    struct report *report = owned;
    if (atomic_fetch_sub(&report->refs, 1) == 1)
        io_loop_post(report->loop->io, free_report, report);
}

static void check_on_thread(void *owner)
{
    struct report *report = owner;
    struct doctor *d = &report->doctor;
    doctor_check_settings(d);
    doctor_check_clock(d);
    doctor_check_limits(d);
    doctor_check_data(d);
    doctor_check_server(d, conf_cstr(d->conf, CONF_DATABASE_URL));
}

/* ── at home ── */

static void tell(void *owner);

static void checked(void *owner)
{
    struct report *report = owner;
    struct checkup *checkup = report->loop->gateway->checkup;
    checkup->running = NULL;
    for (struct list *node; (node = list_pop(&checkup->waiters)) != NULL;) {
        struct waiter *waiter = container_of(node, struct waiter, link);
        waiter->report = report;
        atomic_fetch_add(&report->refs, 1);
        io_loop_post(waiter->loop->io, tell, waiter);
    }
    report_unref(report);
}

static void join(void *owner)
{
    struct waiter *waiter = owner;
    struct checkup *checkup = waiter->checkup;
    struct err e;
    list_push(&checkup->waiters, &waiter->link);
    if (checkup->running != NULL)
        return;
    struct arena *a = gateway_arena(checkup->home, false);
    struct report *report = arena_new(a, struct report);
    report->loop = checkup->home;
    report->arena = a;
    report->doctor = doctor_begin(checkup->gw->conf, a);
    atomic_init(&report->refs, 1);
    checkup->running = report;
    bool is_queued = io_offload_submit(checkup->offload, check_on_thread, checked, report, &e);
    assert(is_queued); /* it is the only one */
}

/* ── at the asker's ── */

/* As the loop knows them: the gateway and the database were checked more closely. */
static void check_services(struct doctor *d, const struct gateway_loop *loop)
{
    static const char *const services[] = { "worker", "ai" };
    struct health health;
    health_look(loop, d->arena, &health);
    for (size_t i = 0; i < health.part_count; i++) {
        const struct health_part *part = &health.parts[i];
        if (strcmp(part->name, services[0]) != 0 && strcmp(part->name, services[1]) != 0)
            continue;
        if (part->status == HEALTH_UP)
            doctor_report(d, part->name, DOCTOR_OK, NULL, "it answers%s%.*s",
                          str_is_empty(part->detail) ? "" : "; ", STR_FMT(part->detail));
        else
            doctor_report(d, part->name,
                          part->status == HEALTH_DOWN ? DOCTOR_FAILURE : DOCTOR_WARNING,
                          "when it lasts, its lines in the log of `windlass up` say more", "%.*s",
                          STR_FMT(part->detail));
    }
}

static void answer(struct waiter *waiter)
{
    struct gql_step *step = take(waiter->step);
    const struct report *report = waiter->report;
    struct doctor own = doctor_begin(waiter->loop->gateway->conf, step->arena);
    size_t count = 0;
    io_timer_destroy(take(waiter->timer));
    if (report == NULL)
        doctor_report(&own, "checks", DOCTOR_FAILURE,
                      "see systemHealth, and the logs of the database and of this machine",
                      "they did not end in time: the database or a disk does not answer");
    check_services(&own, waiter->loop);
    size_t checked_count = report != NULL ? report->doctor.count : 0;
    void **objects = arena_new_array(step->arena, checked_count + own.count, void *);
    for (size_t i = 0; i < checked_count; i++)
        objects[count++] = &report->doctor.findings[i];
    for (size_t i = 0; i < own.count; i++)
        objects[count++] = &own.findings[i];
    step->results[0] = gql_objects(objects, count);
    gql_step_finish(step);
}

static void tell(void *owner)
{
    struct waiter *waiter = owner;
    if (waiter->step != NULL) {
        arena_defer(waiter->step->arena, report_unref, waiter->report);
        answer(waiter);
    } else {
        report_unref(waiter->report);
    }
    mem_free(waiter);
}

static void time_is_over(void *owner)
{
    answer(owner);
}

static enum gql_next resolve_doctor(struct gql_step *step)
{
    const struct request *r = await_request(step);
    int64_t left_ms = (r->deadline_us - AWAIT_MARGIN_US - clock_mono_us()) / CLOCK_MS;
    int64_t wait_ms = min_of(left_ms, (int64_t)WAIT_MS_MAX);
    struct waiter *waiter = mem_new(struct waiter);
    waiter->checkup = r->loop->gateway->checkup;
    waiter->loop = r->loop;
    waiter->step = step;
    waiter->timer = io_timer_create(r->loop->io, time_is_over, waiter);
    list_init(&waiter->link);
    io_timer_start(waiter->timer, max_of(wait_ms, (int64_t)0));
    io_loop_post(waiter->checkup->home->io, join, waiter);
    return GQL_WAIT;
}

/* ── the process's ── */

struct checkup *checkup_create(struct gateway *gw)
{
    struct checkup *checkup = mem_new(struct checkup);
    checkup->gw = gw;
    checkup->home = &gw->loops[0];
    checkup->offload = io_offload_create(checkup->home->io, 1, 1);
    list_init(&checkup->waiters);
    return checkup;
}

void checkup_destroy(struct checkup *checkup)
{
    if (checkup == NULL)
        return;
    assert(checkup->running == NULL && list_is_empty(&checkup->waiters));
    io_offload_destroy(checkup->offload);
    mem_free(checkup);
}

/* ── DoctorCheck ── */

static void get_name(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct doctor_finding *finding = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(str_of_c(finding->check));
}

static void get_result(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    static const struct str names[] = { [DOCTOR_OK] = { "OK", 2 },
                                        [DOCTOR_WARNING] = { "WARNING", 7 },
                                        [DOCTOR_FAILURE] = { "FAILURE", 7 } };
    const struct doctor_finding *finding = parent;
    (void)f, (void)ctx;
    *ret_value = gql_enum(names[finding->state]);
}

static void get_detail(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct doctor_finding *finding = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(finding->detail);
}

static void get_cure(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct doctor_finding *finding = parent;
    (void)f, (void)ctx;
    if (finding->state != DOCTOR_OK)
        *ret_value = gql_text(finding->cure);
}

const struct gateway_binding bindings_checkup[] = {
    { "Query.doctor", { .resolve = resolve_doctor } },
    { "DoctorCheck.name", { .get = get_name } },
    { "DoctorCheck.result", { .get = get_result } },
    { "DoctorCheck.detail", { .get = get_detail } },
    { "DoctorCheck.cure", { .get = get_cure } },
    { 0 },
};
