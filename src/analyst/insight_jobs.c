/* Jobs: runs that are overdue, and jobs that fail again and again. */
#include "analyst/insights_priv.h"

#include <math.h>

#include "analyst/chance.h"
#include "analyst/words.h"

enum {
    OVERDUE_MIN_S = 120, /* the scheduler looks every second; a restart takes a few */
    OVERDUE_GRAVE_S = 3'600,
    FAILURES_IN_A_ROW_MIN = 3,
    NAMED_MAX = 3, /* overdue jobs told one by one; more are one insight */
};

static double overdue_s(const struct facts *f, const struct facts_job *job)
{
    bool can_run = str_eq_c(job->status, "active") && job->next_run_us > 0;
    return can_run ? (double)(f->now_us - job->next_run_us) / 1e6 : 0;
}

static struct str schedule_of(struct insight_list *list, const struct facts_job *job)
{
    enum { SCHEDULE_BYTES_MAX = 80 };
    if (str_is_empty(job->schedule))
        return STR("");
    struct str text = words_quoted(list->arena, job->schedule, SCHEDULE_BYTES_MAX);
    return arena_printf(list->arena, " (%.*s%s%.*s)", STR_FMT(text),
                        str_is_empty(job->time_zone) ? "" : ", ", STR_FMT(job->time_zone));
}

static void tell_overdue(struct insight_list *list, const struct facts_job *job, double late_s)
{
    struct arena *a = list->arena;
    struct insight *in = insights_add(
        list, INSIGHT_MISSED_RUN, late_s >= OVERDUE_GRAVE_S ? INSIGHT_CRITICAL : INSIGHT_WARNING,
        CHANCE_CONFIDENCE_MAX);
    if (in == NULL)
        return;
    struct str name = insights_name(list, job->name), late = words_duration(a, late_s);
    struct str when = words_time(a, job->next_run_us), schedule = schedule_of(list, job);
    in->title = arena_printf(a, "Job %.*s is %.*s late", STR_FMT(name), STR_FMT(late));
    in->description = arena_printf(a, "It%.*s was due at %.*s and has not begun.",
                                   STR_FMT(schedule), STR_FMT(when));
    in->weight = 1 + late_s / 3'600;
    tree_text(&in->data, "job_id", job->id);
    tree_text(&in->data, "job", job->name);
    tree_number(&in->data, "late_seconds", late_s);
    insight_advise(in, STR("Check that the worker service runs and leads: it alone starts jobs."));
    insight_advise(in,
                   arena_printf(a, "Trigger %.*s by hand if its run cannot wait.", STR_FMT(name)));
}

static void tell_all_overdue(struct insight_list *list, size_t count, double latest_s)
{
    struct arena *a = list->arena;
    struct insight *in =
        insights_add(list, INSIGHT_MISSED_RUN, INSIGHT_CRITICAL, CHANCE_CONFIDENCE_MAX);
    if (in == NULL)
        return;
    struct str jobs = words_things(a, (int64_t)count, "job", NULL),
               late = words_duration(a, latest_s);
    in->title = arena_printf(a, "%.*s are overdue", STR_FMT(jobs));
    in->description = arena_printf(a,
                                   "The one that waits longest was due %.*s ago. So many at once "
                                   "mean that no scheduler works.",
                                   STR_FMT(late));
    in->weight = (double)count;
    tree_number(&in->data, "jobs", (double)count);
    tree_number(&in->data, "late_seconds", latest_s);
    insight_advise(in, STR("Check that the worker service runs and leads: it alone starts jobs."));
}

static void tell_failing(struct insight_list *list, const struct facts_job *job)
{
    struct arena *a = list->arena;
    bool has_stopped = str_eq_c(job->status, "failed");
    double in_a_row = (double)job->consecutive_failures;
    /* That it fails more often than not: the posterior of k failures of k, an even prior. */
    double confidence = has_stopped ? CHANCE_CONFIDENCE_MAX : 1 - exp2(-(in_a_row + 1));
    struct insight *in = insights_add(list, INSIGHT_MISSED_RUN,
                                      has_stopped ? INSIGHT_CRITICAL : INSIGHT_WARNING, confidence);
    if (in == NULL)
        return;
    struct str name = insights_name(list, job->name), schedule = schedule_of(list, job);
    struct str runs = words_things(a, job->consecutive_failures, "run", NULL);
    in->title =
        has_stopped
            ? arena_printf(a, "Job %.*s has failed and starts no more", STR_FMT(name))
            : arena_printf(a, "Job %.*s: the last %.*s failed", STR_FMT(name), STR_FMT(runs));
    in->description =
        has_stopped ? arena_printf(a,
                                   "It%.*s reached its limit after %.*s that failed one after "
                                   "the other.",
                                   STR_FMT(schedule), STR_FMT(runs))
                    : arena_printf(a, "%.*s%.*s has not succeeded since.", STR_FMT(name),
                                   STR_FMT(schedule));
    in->weight = in_a_row;
    tree_text(&in->data, "job_id", job->id);
    tree_text(&in->data, "job", job->name);
    tree_number(&in->data, "consecutive_failures", in_a_row);
    insight_advise(in, arena_printf(a, "Read the error of the last run of %.*s.", STR_FMT(name)));
    if (has_stopped)
        insight_advise(in, arena_printf(a, "Resume %.*s once the cause is gone.", STR_FMT(name)));
}

void insights_of_jobs(struct insight_list *list)
{
    const struct facts *f = list->facts;
    size_t overdue = 0;
    double latest_s = 0;
    for (size_t i = 0; i < f->job_count; i++) {
        double late_s = overdue_s(f, &f->jobs[i]);
        overdue += late_s >= OVERDUE_MIN_S;
        latest_s = fmax(latest_s, late_s);
    }
    if (overdue > NAMED_MAX)
        tell_all_overdue(list, overdue, latest_s);
    for (size_t i = 0; i < f->job_count; i++) {
        const struct facts_job *job = &f->jobs[i];
        double late_s = overdue_s(f, job);
        if (late_s >= OVERDUE_MIN_S && overdue <= NAMED_MAX)
            tell_overdue(list, job, late_s);
        if (str_eq_c(job->status, "failed") ||
            (job->consecutive_failures >= FAILURES_IN_A_ROW_MIN && str_eq_c(job->status, "active")))
            tell_failing(list, job);
    }
}
