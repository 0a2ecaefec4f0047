/* What is said of jobs, users and the system. */
#include "ai/talk_priv.h"

#include "base/clock.h"

/* ── jobs ── */

#define JOB_FIELDS "id name schedule timeZone status taskType lastRun nextRun consecutiveFailures"
static const char *const jobs_query = "{ jobs { " JOB_FIELDS " } }";
static const char *const job_query = "query($id: ID!) { job(id: $id) { " JOB_FIELDS " } }";

static void say_job(struct talk *t, const struct json_value *job)
{
    struct str name = talk_quote(t, talk_text(job, "name"));
    struct str schedule = talk_quote(t, talk_text(job, "schedule"));
    struct str zone = talk_quote(t, talk_text(job, "timeZone"));
    struct str status = talk_text(job, "status");
    int64_t failures = talk_count(job, "consecutiveFailures");
    talk_say(t, "%.*s (%.*s, %.*s): %.*s", STR_FMT(name), STR_FMT(schedule), STR_FMT(zone),
             STR_FMT(status));
    if (talk_at(job, "nextRun") != NULL && str_eq_c(status, "ACTIVE")) {
        struct str next = talk_when(t, job, "nextRun");
        talk_say(t, ", next run %.*s", STR_FMT(next));
    }
    if (talk_at(job, "lastRun") != NULL) {
        struct str last = talk_when(t, job, "lastRun");
        talk_say(t, ", last run %.*s", STR_FMT(last));
    } else {
        talk_say(t, ", has never run");
    }
    if (failures > 0) {
        struct str runs = words_things(t->arena, failures, "run", NULL);
        talk_say(t, ", the last %.*s failed", STR_FMT(runs));
    }
}

static bool is_wanted(const struct talk *t, const struct json_value *job)
{
    struct str status = talk_text(job, "status");
    switch (t->intent.jobs) {
    case INTENT_JOBS_PAUSED:
        return str_eq_c(status, "PAUSED");
    case INTENT_JOBS_FAILED:
        return str_eq_c(status, "FAILED") || talk_count(job, "consecutiveFailures") > 0;
    case INTENT_JOBS_NEXT:
        return str_eq_c(status, "ACTIVE") && talk_at(job, "nextRun") != NULL;
    case INTENT_JOBS_ALL:
        break;
    }
    return true;
}

/* Jobs that are wanted, the next ones first where that is the question. */
static const struct json_value **choose_jobs(struct talk *t, const struct json_value *jobs,
                                             size_t *ret_count)
{
    const struct json_value **chosen =
        arena_new_array(t->arena, jobs->item_count + 1, const struct json_value *);
    size_t count = 0;
    for (size_t i = 0; i < jobs->item_count; i++)
        if (is_wanted(t, &jobs->items[i]))
            chosen[count++] = &jobs->items[i];
    for (size_t told = 0;
         t->intent.jobs == INTENT_JOBS_NEXT && told < min_of(count, (size_t)TALK_LIST_MAX); told++)
        for (size_t i = told + 1; i < count; i++) {
            int64_t one_us = INT64_MAX, other_us = INT64_MAX;
            (void)talk_time(chosen[told], "nextRun", &one_us);
            (void)talk_time(chosen[i], "nextRun", &other_us);
            if (other_us < one_us) {
                const struct json_value *swapped = chosen[told];
                chosen[told] = chosen[i];
                chosen[i] = swapped;
            }
        }
    *ret_count = count;
    return chosen;
}

static void say_jobs(struct talk *t, const struct json_value *jobs)
{
    static const char *const which[] = { [INTENT_JOBS_ALL] = "",
                                         [INTENT_JOBS_NEXT] = "will run",
                                         [INTENT_JOBS_PAUSED] = "paused",
                                         [INTENT_JOBS_FAILED] = "failing" };
    size_t count;
    const struct json_value **chosen = choose_jobs(t, jobs, &count);
    struct str all = words_things(t->arena, (int64_t)jobs->item_count, "job", NULL);
    const char *is = jobs->item_count == 1 ? "is" : "are";
    if (t->intent.jobs == INTENT_JOBS_ALL)
        talk_say(t, "There %s %.*s%s\n", is, STR_FMT(all), count > 0 ? ":" : ".");
    else if (count == 0)
        talk_say(t, "There %s %.*s, and none %s %s.", is, STR_FMT(all),
                 t->intent.jobs == INTENT_JOBS_NEXT ? "of them" : "is", which[t->intent.jobs]);
    else
        talk_say(t, "%zu of %.*s %s%s:\n", count, STR_FMT(all),
                 t->intent.jobs == INTENT_JOBS_NEXT ? ""
                 : count == 1                       ? "is "
                                                    : "are ",
                 which[t->intent.jobs]);
    for (size_t i = 0; i < min_of(count, (size_t)TALK_LIST_MAX); i++) {
        talk_say(t, "- ");
        say_job(t, chosen[i]);
        talk_say(t, "\n");
    }
    if (count > TALK_LIST_MAX)
        talk_say(t, "- and %zu more\n", count - TALK_LIST_MAX);
}

enum talk_next talk_jobs(struct talk *t)
{
    if (t->question_count == 0) {
        talk_ask(t, "jobs", jobs_query, json_of_null());
        return TALK_ASK;
    }
    const struct json_value *jobs = talk_at(talk_data(t, 0), "jobs");
    if (jobs == NULL || jobs->type != JSON_ARRAY)
        return TALK_DONE;
    const struct json_value *named = talk_find_named(t, jobs, "name");
    if (named != NULL) {
        talk_say(t, "Job ");
        say_job(t, named);
        talk_say(t, ".");
        return TALK_DONE;
    }
    if (t->intent.name_count > 0) {
        struct str asked = talk_quote(t, t->intent.names[0]);
        talk_say(t, "I know no job \"%.*s\". ", STR_FMT(asked));
    }
    say_jobs(t, jobs);
    return TALK_DONE;
}

enum talk_next talk_job(struct talk *t)
{
    if (t->question_count == 0) {
        struct tree variables = tree_create(t->arena);
        tree_text(&variables, "id", t->intent.id);
        talk_ask(t, "the job", job_query, tree_value(&variables));
        return TALK_ASK;
    }
    const struct json_value *data = talk_data(t, 0), *job = talk_at(data, "job");
    if (job != NULL) {
        talk_say(t, "Job ");
        say_job(t, job);
        talk_say(t, ".");
    } else if (data != NULL) {
        talk_say(t, "There is no job with the id %.*s.", STR_FMT(t->intent.id));
    }
    return TALK_DONE;
}

/* ── users ── */

enum talk_next talk_users(struct talk *t)
{
    if (t->question_count == 0) {
        talk_ask(t, "number of users", "{ users(first: 1) { totalCount } }", json_of_null());
        return TALK_ASK;
    }
    const struct json_value *users = talk_at(talk_data(t, 0), "users");
    int64_t count = talk_count(users, "totalCount");
    struct str number = words_things(t->arena, count, "user", NULL);
    if (users != NULL)
        talk_say(t, "There %s %.*s. Who they are is on the page of users.",
                 count == 1 ? "is" : "are", STR_FMT(number));
    return TALK_DONE;
}

/* ── health and overview ── */

static const char *const health_query =
    "{ systemHealth { status version startedAt services { name status detail since } } }";

static void say_health(struct talk *t, const struct json_value *health)
{
    const struct json_value *services = talk_at(health, "services");
    struct str status = talk_text(health, "status");
    size_t troubled = 0;
    talk_say(t, "The system is %s.",
             str_eq_c(status, "UP")         ? "up"
             : str_eq_c(status, "DEGRADED") ? "up, but something is wrong"
             : str_eq_c(status, "DOWN")     ? "down"
                                            : "in an unknown state");
    for (size_t i = 0; services != NULL && services->type == JSON_ARRAY &&
                       i < min_of(services->item_count, (size_t)TALK_LIST_MAX);
         i++) {
        const struct json_value *service = &services->items[i];
        struct str name = talk_quote(t, talk_text(service, "name"));
        struct str detail = talk_quote(t, talk_text(service, "detail"));
        struct str since = talk_when(t, service, "since");
        if (str_eq_c(talk_text(service, "status"), "UP"))
            continue;
        troubled++;
        talk_say(t, "\n- %.*s is %.*s, the last change %.*s%s%.*s", STR_FMT(name),
                 STR_FMT(talk_text(service, "status")), STR_FMT(since),
                 str_is_empty(detail) ? "" : ": ", STR_FMT(detail));
    }
    if (troubled == 0 && services != NULL && services->type == JSON_ARRAY)
        talk_say(t, " All %zu parts work.", services->item_count);
}

enum talk_next talk_health(struct talk *t)
{
    if (t->question_count == 0) {
        talk_ask(t, "health of the system", health_query, json_of_null());
        return TALK_ASK;
    }
    const struct json_value *health = talk_at(talk_data(t, 0), "systemHealth");
    if (health == NULL)
        return TALK_DONE;
    say_health(t, health);
    struct str version = talk_quote(t, talk_text(health, "version"));
    struct str since = talk_when(t, health, "startedAt");
    if (!str_is_empty(version))
        talk_say(t, "\nVersion %.*s, started %.*s.", STR_FMT(version), STR_FMT(since));
    return TALK_DONE;
}

static void say_figures(struct talk *t, const struct json_value *stats)
{
    double rate, oldest;
    struct str pending = words_count(t->arena, talk_count(stats, "tasks.pending"));
    struct str running = words_count(t->arena, talk_count(stats, "tasks.inProgress"));
    struct str window = talk_window(t);
    talk_say(t, "\nTasks: %.*s pending, %.*s in progress.", STR_FMT(pending), STR_FMT(running));
    if (talk_number(stats, "oldestPendingSeconds", &oldest)) {
        struct str age = words_duration(t->arena, oldest);
        talk_say(t, " The one that waits longest could have run %.*s ago.", STR_FMT(age));
    }
    if (talk_number(stats, "successRate", &rate)) {
        struct str good = words_percent(t->arena, rate);
        talk_say(t, " Of those that finished %.*s, %.*s succeeded.", STR_FMT(window),
                 STR_FMT(good));
    } else {
        talk_say(t, " None finished %.*s.", STR_FMT(window));
    }
    talk_say(t, "\nJobs: %lld active, %lld paused, %lld failed.",
             (long long)talk_count(stats, "jobs.active"),
             (long long)talk_count(stats, "jobs.paused"),
             (long long)talk_count(stats, "jobs.failed"));
}

enum talk_next talk_overview(struct talk *t)
{
    if (t->question_count == 0) {
        talk_ask(t, "health of the system", health_query, json_of_null());
        talk_ask_stats(t);
        return TALK_ASK;
    }
    const struct json_value *health = talk_at(talk_data(t, 0), "systemHealth");
    if (health != NULL)
        say_health(t, health);
    const struct json_value *stats = talk_at(talk_data(t, 1), "dashboardStats");
    if (stats != NULL)
        say_figures(t, stats);
    return TALK_DONE;
}
