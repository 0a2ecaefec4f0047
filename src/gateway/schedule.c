/* Query.previewSchedule: what a schedule would do, without a job. */
#include "base/clock.h"
#include "gateway/await.h"
#include "gateway/bindings.h"
#include "rules/words.h"
#include "rules/zone_cache.h"

enum { RUNS_MAX = 100, RUNS_DEFAULT = 10 };

struct run {
    int64_t at_us;
    struct cron_shift shift;
};

struct preview {
    struct cron cron;
    unsigned warnings;
    struct run runs[RUNS_MAX];
    void *run_list[RUNS_MAX];
    size_t run_count;
};

/* An error of the argument `name`. */
static enum gql_next refuse(struct gql_step *step, const char *name, const struct err *why)
{
    struct err e;
    err_set(&e, why->code, "%s: %s", name, why->message);
    return gql_step_fail(step, &e);
}

static void plan_runs(struct preview *p, const struct zone *zone, int64_t now_us, size_t count)
{
    int64_t at_us = now_us;
    p->warnings = cron_warnings(&p->cron, zone, now_us);
    while (p->run_count < count && cron_next(&p->cron, zone, at_us, &at_us)) {
        struct run *run = &p->runs[p->run_count];
        *run = (struct run){ at_us, cron_shift_of(&p->cron, zone, at_us) };
        p->run_list[p->run_count++] = run;
    }
}

static enum gql_next resolve_preview(struct gql_step *step)
{
    const struct gql_value *zone_arg = gql_arg(step, "timeZone"), *count = gql_arg(step, "count");
    int64_t run_count = gql_is_null(count) ? RUNS_DEFAULT : count->integer;
    int64_t now_us = clock_wall_us();
    const struct zone *zone = NULL;
    struct preview *p = arena_new(step->arena, struct preview);
    struct err e;
    if (run_count < 1 || run_count > RUNS_MAX) {
        err_set(&e, ERR_INVALID, "count: must be 1 to %d, not %lld", RUNS_MAX,
                (long long)run_count);
        return gql_step_fail(step, &e);
    }
    if (!cron_parse(gql_arg(step, "schedule")->text, STR(""), now_us, &p->cron, &e))
        return refuse(step, "schedule", &e);
    if (!zone_cache_get(await_request(step)->loop->gateway->zones,
                        gql_is_null(zone_arg) ? STR("UTC") : zone_arg->text, &zone, &e))
        return refuse(step, "timeZone", &e);
    plan_runs(p, zone, now_us, (size_t)run_count);
    step->results[0] = gql_object(p);
    return GQL_DONE;
}

static void get_text(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct preview *p = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = gql_text(words_of_cron(r->arena, &p->cron));
}

static void get_runs(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    struct preview *p = parent;
    (void)f, (void)ctx;
    *ret_value = gql_objects(p->run_list, p->run_count);
}

static void get_warnings(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    const struct preview *p = parent;
    const struct request *r = ctx;
    struct gql_value *items = arena_new_array(r->arena, CRON_WARNING_COUNT, struct gql_value);
    size_t count = 0;
    (void)f;
    for (int i = 0; i < CRON_WARNING_COUNT; i++)
        if (p->warnings >> i & 1)
            items[count++] = gql_text(words_of_warning((enum cron_warning)(1U << i)));
    *ret_value = gql_list(items, count);
}

static void get_run_at(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct run *run = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_time(r->arena, run->at_us);
}

static void get_run_note(const struct gql_field *f, void *ctx, void *parent,
                         struct gql_value *ret_value)
{
    const struct run *run = parent;
    const struct request *r = ctx;
    (void)f;
    if (run->shift.kind != CRON_SHIFT_NONE)
        *ret_value = gql_text(words_of_shift(r->arena, &run->shift));
}

const struct gateway_binding bindings_schedule[] = {
    { "Query.previewSchedule", { .resolve = resolve_preview } },
    { "SchedulePreview.text", { .get = get_text } },
    { "SchedulePreview.runs", { .get = get_runs } },
    { "SchedulePreview.warnings", { .get = get_warnings } },
    { "PlannedRun.at", { .get = get_run_at } },
    { "PlannedRun.note", { .get = get_run_note } },
    { 0 },
};
