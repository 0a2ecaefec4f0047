/* What is said of tasks. */
#include "ai/talk_priv.h"

#include "analyst/template.h"
#include "base/clock.h"

static const struct {
    enum intent_status status;
    const char *field, *alias, *name; /* of TaskCounts, TaskStatus */
    const char *words;
} statuses[] = {
    { INTENT_PENDING, "pending", "pending", "PENDING", "pending" },
    { INTENT_IN_PROGRESS, "inProgress", "inProgress", "IN_PROGRESS", "in progress" },
    { INTENT_COMPLETED, "completed", "completed", "COMPLETED", "completed" },
    { INTENT_FAILED, "failed", "failed", "FAILED", "failed" },
};

static bool wants(const struct talk *t, size_t status)
{
    return t->intent.statuses == 0 || t->intent.statuses & statuses[status].status;
}

/* ── filters ── */

static struct json_value text_of_time(struct talk *t, int64_t at_us)
{
    char text[CLOCK_TEXT_MAX];
    clock_format(at_us, text);
    return json_of_string(arena_copy(t->arena, str_of_c(text)));
}

static struct json_value list_of(struct talk *t, struct str text)
{
    struct json_value *item = arena_new(t->arena, struct json_value);
    *item = json_of_string(text);
    return json_of_items(item, 1);
}

/* A TaskFilter of the window, with a status and a type; empty ones are left out. */
static struct json_value filter_of(struct talk *t, const char *status, struct str type)
{
    const struct intent_window *w = &t->intent.window;
    struct tree filter = tree_create(t->arena);
    if (status != NULL)
        tree_put(&filter, STR("status"), list_of(t, str_of_c(status)));
    if (!str_is_empty(type))
        tree_put(&filter, STR("type"), list_of(t, type));
    if (w->is_given)
        tree_put(&filter, STR("createdAfter"), text_of_time(t, w->from_us));
    if (w->to_us != 0)
        tree_put(&filter, STR("createdBefore"), text_of_time(t, w->to_us));
    return tree_value(&filter);
}

/* Asks for the figures first where the question names a type; true once that is settled. */
static bool settle_type(struct talk *t, struct str *ret_type, enum talk_next *ret_next)
{
    const struct json_value *stats, *type;
    *ret_type = STR("");
    if (t->intent.name_count == 0)
        return true;
    if (t->question_count == 0) {
        talk_ask_stats(t);
        *ret_next = TALK_ASK;
        return false;
    }
    *ret_next = TALK_DONE;
    stats = talk_at(talk_data(t, 0), "dashboardStats");
    if (stats == NULL || talk_find_type(t, stats, &type) != TALK_TYPE_FOUND)
        return false;
    *ret_type = talk_text(type, "type");
    return true;
}

/* "email tasks", "tasks". */
static struct str tasks_of(struct talk *t, struct str type)
{
    struct str name = talk_quote(t, type);
    return str_is_empty(type) ? STR("tasks") : arena_printf(t->arena, "%.*s tasks", STR_FMT(name));
}

/* ── counts ── */

static const char *const counts_query =
    "query($pending: TaskFilter, $inProgress: TaskFilter, $completed: TaskFilter, "
    "$failed: TaskFilter) { "
    "pending: tasks(filter: $pending, first: 1) { totalCount totalCountIsExact } "
    "inProgress: tasks(filter: $inProgress, first: 1) { totalCount totalCountIsExact } "
    "completed: tasks(filter: $completed, first: 1) { totalCount totalCountIsExact } "
    "failed: tasks(filter: $failed, first: 1) { totalCount totalCountIsExact } }";

static void ask_counts(struct talk *t, struct str type)
{
    struct tree variables = tree_create(t->arena);
    for (size_t i = 0; i < countof(statuses); i++)
        tree_put(&variables, str_of_c(statuses[i].alias), filter_of(t, statuses[i].name, type));
    talk_ask(t, "tasks by status", counts_query, tree_value(&variables));
}

/* "12 are pending", "3 have failed"; `is_exact` false: at least so many. */
static struct str one_count(struct talk *t, size_t status, int64_t count, bool is_exact)
{
    struct str number = words_count(t->arena, count);
    bool is_over =
        statuses[status].status == INTENT_COMPLETED || statuses[status].status == INTENT_FAILED;
    const char *verb = is_over ? (count == 1 ? "has" : "have") : (count == 1 ? "is" : "are");
    return arena_printf(t->arena, "%s%.*s %s %s", is_exact ? "" : "more than ", STR_FMT(number),
                        verb, statuses[status].words);
}

static void say_counts(struct talk *t, const int64_t *counts, const bool *is_exact)
{
    size_t told = 0, wanted = 0;
    for (size_t i = 0; i < countof(statuses); i++)
        wanted += wants(t, i);
    for (size_t i = 0; i < countof(statuses); i++) {
        if (!wants(t, i))
            continue;
        struct str text = one_count(t, i, counts[i], is_exact == NULL || is_exact[i]);
        const char *joint = told == 0 ? "" : told + 1 == wanted ? " and " : ", ";
        talk_say(t, "%s%.*s", joint, STR_FMT(text));
        told++;
    }
    talk_say(t, ".");
}

/* The types that have most of what was asked for. */
static void say_counts_by_type(struct talk *t, const struct json_value *types)
{
    enum { TOLD_MAX = 5 };
    struct {
        struct str type;
        int64_t count;
    } top[TOLD_MAX] = { 0 };
    for (size_t i = 0; types != NULL && types->type == JSON_ARRAY && i < types->item_count; i++) {
        int64_t count = 0;
        for (size_t s = 0; s < countof(statuses); s++)
            if (wants(t, s))
                count += talk_count(talk_at(&types->items[i], "counts"), statuses[s].field);
        for (size_t k = 0; k < TOLD_MAX && count > 0; k++)
            if (count > top[k].count) {
                memmove(&top[k + 1], &top[k], (TOLD_MAX - 1 - k) * sizeof top[0]);
                top[k].type = talk_text(&types->items[i], "type");
                top[k].count = count;
                break;
            }
    }
    if (top[1].count == 0)
        return; /* one type, or none */
    talk_say(t, "\nBy type:\n");
    for (size_t k = 0; k < TOLD_MAX && top[k].count > 0; k++) {
        struct str name = talk_quote(t, top[k].type), count = words_count(t->arena, top[k].count);
        talk_say(t, "- %.*s: %.*s\n", STR_FMT(name), STR_FMT(count));
    }
}

static void say_source(struct talk *t, const struct json_value *stats)
{
    if (str_eq_c(talk_text(stats, "source"), "CACHE"))
        talk_say(t, "\nThe Worker Service is out of reach: these figures are the last known ones.");
}

/* All tasks there are, whenever they were made: the counters know them. */
static enum talk_next counts_of_all(struct talk *t)
{
    const struct json_value *stats, *type = NULL, *counts;
    int64_t numbers[countof(statuses)];
    if (t->question_count == 0) {
        talk_ask_stats(t);
        return TALK_ASK;
    }
    stats = talk_at(talk_data(t, 0), "dashboardStats");
    if (stats == NULL || talk_find_type(t, stats, &type) == TALK_TYPE_UNKNOWN)
        return TALK_DONE;
    counts = type != NULL ? talk_at(type, "counts") : talk_at(stats, "tasks");
    for (size_t i = 0; i < countof(statuses); i++)
        numbers[i] = talk_count(counts, statuses[i].field);
    struct str tasks = tasks_of(t, type != NULL ? talk_text(type, "type") : STR(""));
    talk_say(t, "Of all %.*s, ", STR_FMT(tasks));
    say_counts(t, numbers, NULL);
    if (type == NULL)
        say_counts_by_type(t, talk_at(stats, "byType"));
    say_source(t, stats);
    return TALK_DONE;
}

enum talk_next talk_counts(struct talk *t)
{
    struct str type;
    enum talk_next next;
    if (!t->intent.window.is_given)
        return counts_of_all(t);
    if (!settle_type(t, &type, &next))
        return next;
    size_t asked = t->intent.name_count > 0 ? 1 : 0;
    if (t->question_count == asked) {
        ask_counts(t, type);
        return TALK_ASK;
    }
    const struct json_value *data = talk_data(t, asked);
    int64_t numbers[countof(statuses)];
    bool is_exact[countof(statuses)];
    if (data == NULL)
        return TALK_DONE;
    for (size_t i = 0; i < countof(statuses); i++) {
        const struct json_value *one = talk_at(data, statuses[i].alias);
        const struct json_value *exact = talk_at(one, "totalCountIsExact");
        numbers[i] = talk_count(one, "totalCount");
        is_exact[i] = exact == NULL || exact->boolean;
        numbers[i] -= !is_exact[i] && numbers[i] > 0; /* it is at least one more than the bound */
    }
    struct str tasks = tasks_of(t, type);
    talk_say(t, "Of the %.*s made %.*s, ", STR_FMT(tasks), STR_FMT(t->intent.window.text));
    say_counts(t, numbers, is_exact);
    return TALK_DONE;
}

/* ── figures: rate, duration, throughput, oldest ── */

/* The figures, asked for in the first step; NULL: `ret_next` is what to do. */
static const struct json_value *stats_of(struct talk *t, const struct json_value **ret_type,
                                         enum talk_next *ret_next)
{
    *ret_type = NULL;
    *ret_next = TALK_ASK;
    if (t->question_count == 0) {
        talk_ask_stats(t);
        return NULL;
    }
    *ret_next = TALK_DONE;
    const struct json_value *stats = talk_at(talk_data(t, 0), "dashboardStats");
    if (stats == NULL || talk_find_type(t, stats, ret_type) == TALK_TYPE_UNKNOWN)
        return NULL;
    return stats;
}

enum talk_next talk_rate(struct talk *t)
{
    const struct json_value *type, *stats;
    enum talk_next next;
    double rate, before;
    if ((stats = stats_of(t, &type, &next)) == NULL)
        return next;
    struct str window = talk_window(t);
    struct str tasks = tasks_of(t, type != NULL ? talk_text(type, "type") : STR(""));
    bool is_known = type != NULL ? talk_number(type, "failureRate", &rate)
                                 : talk_number(stats, "successRate", &rate);
    if (!is_known) {
        talk_say(t, "No %.*s finished %.*s, so there is no rate.", STR_FMT(tasks), STR_FMT(window));
        return TALK_DONE;
    }
    double success = type != NULL ? 1 - rate : rate;
    struct str good = words_percent(t->arena, success), bad = words_percent(t->arena, 1 - success);
    talk_say(t, "Of the %.*s that finished %.*s, %.*s succeeded and %.*s failed.", STR_FMT(tasks),
             STR_FMT(window), STR_FMT(good), STR_FMT(bad));
    if (type == NULL && talk_number(stats, "previous.successRate", &before)) {
        struct str was = words_percent(t->arena, before);
        talk_say(t, " In the period before it, %.*s succeeded.", STR_FMT(was));
    }
    say_source(t, stats);
    return TALK_DONE;
}

static bool say_percentiles(struct talk *t, const struct json_value *figures, const char *verb)
{
    double p50, p90, p99;
    if (!talk_number(figures, "p50", &p50))
        return false;
    struct str half = words_duration(t->arena, p50);
    talk_say(t, "half %s at most %.*s", verb, STR_FMT(half));
    if (talk_number(figures, "p90", &p90)) {
        struct str text = words_duration(t->arena, p90);
        talk_say(t, ", nine in ten at most %.*s", STR_FMT(text));
    }
    if (talk_number(figures, "p99", &p99)) {
        struct str text = words_duration(t->arena, p99);
        talk_say(t, ", 99 in a hundred at most %.*s", STR_FMT(text));
    }
    talk_say(t, ".");
    return true;
}

enum talk_next talk_duration(struct talk *t)
{
    const struct json_value *type, *stats;
    enum talk_next next;
    if ((stats = stats_of(t, &type, &next)) == NULL)
        return next;
    struct str window = talk_window(t);
    struct str tasks = tasks_of(t, type != NULL ? talk_text(type, "type") : STR(""));
    talk_say(t, "Of the %.*s that ran %.*s, ", STR_FMT(tasks), STR_FMT(window));
    bool is_told = false;
    if (type == NULL && t->intent.wants_waits) {
        is_told = say_percentiles(t, talk_at(stats, "waitSeconds"), "waited");
    } else {
        is_told = say_percentiles(t, talk_at(type != NULL ? type : stats, "runSeconds"), "ran");
        if (t->intent.wants_waits)
            talk_say(t, " How long they waited is not counted by type.");
        else if (type == NULL && is_told) {
            talk_say(t, " Of their waits before that, ");
            if (!say_percentiles(t, talk_at(stats, "waitSeconds"), "were"))
                talk_say(t, "nothing is known.");
        }
    }
    if (!is_told)
        talk_say(t, "nothing is known: none finished.");
    say_source(t, stats);
    return TALK_DONE;
}

enum talk_next talk_throughput(struct talk *t)
{
    const struct json_value *type, *stats;
    enum talk_next next;
    double pace, before;
    if ((stats = stats_of(t, &type, &next)) == NULL)
        return next;
    if (!talk_number(stats, "throughputPerMinute", &pace)) {
        talk_say(t, "The throughput is not known.");
        return TALK_DONE;
    }
    struct str number = words_number(t->arena, pace), window = talk_window(t);
    talk_say(t, "%.*s tasks a minute finished %.*s", STR_FMT(number), STR_FMT(window));
    if (talk_number(stats, "previous.throughputPerMinute", &before)) {
        struct str was = words_number(t->arena, before);
        talk_say(t, ", %.*s in the period before it", STR_FMT(was));
    }
    talk_say(t, ".%s", type != NULL ? " It is counted over all types together." : "");
    say_source(t, stats);
    return TALK_DONE;
}

enum talk_next talk_oldest(struct talk *t)
{
    const struct json_value *type, *stats;
    enum talk_next next;
    double seconds;
    if ((stats = stats_of(t, &type, &next)) == NULL)
        return next;
    int64_t pending = talk_count(stats, "tasks.pending");
    struct str waiting = words_things(t->arena, pending, "task is", "tasks are");
    if (pending == 0 || !talk_number(stats, "oldestPendingSeconds", &seconds)) {
        talk_say(t, "%.*s pending, and none of them waits to be run.", STR_FMT(waiting));
    } else {
        struct str age = words_duration(t->arena, seconds);
        talk_say(t, "%.*s pending; the one that waits longest could have run %.*s ago.",
                 STR_FMT(waiting), STR_FMT(age));
    }
    say_counts_by_type(t, talk_at(stats, "byType"));
    say_source(t, stats);
    return TALK_DONE;
}

/* ── failures ── */

enum { FAILURES_READ = 50 };

static const char *const failures_query =
    "query($filter: TaskFilter) { tasks(filter: $filter, first: 50, orderBy: CREATED_DESC) { "
    "totalCount totalCountIsExact nodes { id type state error finishedAt why { text } } } }";

struct group {
    struct str type, template_text, error; /* the newest one's text */
    const struct json_value *newest;
    size_t count;
};

static struct str error_of(const struct json_value *task)
{
    struct str error = talk_text(task, "error");
    if (!str_is_empty(error))
        return error;
    return str_eq_c(talk_text(task, "state"), "CANCELLED") ? STR("cancelled")
                                                           : talk_text(task, "why.text");
}

static size_t group_failures(struct talk *t, const struct json_value *nodes, struct group *groups)
{
    size_t count = 0;
    for (size_t i = 0; i < min_of(nodes->item_count, (size_t)FAILURES_READ); i++) {
        const struct json_value *task = &nodes->items[i];
        struct str type = talk_text(task, "type"), error = error_of(task);
        struct str template_text = template_of(t->arena, error);
        size_t g = 0;
        while (g < count &&
               !(str_eq(groups[g].type, type) && str_eq(groups[g].template_text, template_text)))
            g++;
        if (g == count)
            groups[count++] = (struct group){ type, template_text, error, task, 0 };
        groups[g].count++;
    }
    return count;
}

static const struct json_value *latest_of(const struct json_value *nodes)
{
    const struct json_value *latest = NULL;
    int64_t latest_us = INT64_MIN, at_us;
    for (size_t i = 0; i < nodes->item_count; i++)
        if (talk_time(&nodes->items[i], "finishedAt", &at_us) && at_us > latest_us) {
            latest_us = at_us;
            latest = &nodes->items[i];
        }
    return latest;
}

static void say_groups(struct talk *t, struct group *groups, size_t count)
{
    talk_say(t, "\nBy error:\n");
    for (size_t told = 0; told < min_of(count, (size_t)TALK_LIST_MAX); told++) {
        struct group *most = &groups[told];
        for (size_t g = told + 1; g < count; g++)
            if (groups[g].count > most->count)
                most = &groups[g];
        const struct group swapped = groups[told];
        groups[told] = *most;
        *most = swapped;
        struct str type = talk_quote(t, groups[told].type);
        struct str text = talk_quote(t, groups[told].template_text);
        struct str when = talk_when(t, groups[told].newest, "finishedAt");
        talk_say(t, "- %zu × %.*s: \"%.*s\" (the newest %.*s)\n", groups[told].count, STR_FMT(type),
                 STR_FMT(text), STR_FMT(when));
    }
    if (count > TALK_LIST_MAX)
        talk_say(t, "- and %zu other errors\n", count - TALK_LIST_MAX);
}

static void say_failures(struct talk *t, const struct json_value *tasks, struct str type)
{
    const struct json_value *nodes = talk_at(tasks, "nodes");
    const struct json_value *exact = talk_at(tasks, "totalCountIsExact");
    const struct intent_window *w = &t->intent.window;
    int64_t total = talk_count(tasks, "totalCount");
    struct str of = tasks_of(t, type);
    struct str window =
        w->is_given ? arena_printf(t->arena, " made %.*s", STR_FMT(w->text)) : STR("");
    if (nodes == NULL || nodes->type != JSON_ARRAY || nodes->item_count == 0) {
        talk_say(t, "None of the %.*s%.*s has failed.", STR_FMT(of), STR_FMT(window));
        return;
    }
    struct str number = words_count(t->arena, total);
    talk_say(t, "Of the %.*s%.*s, %s%.*s %s failed.", STR_FMT(of), STR_FMT(window),
             exact != NULL && !exact->boolean ? "at least " : "", STR_FMT(number),
             total == 1 ? "has" : "have");
    if (total > (int64_t)nodes->item_count)
        talk_say(t, " I looked at the %zu newest.", nodes->item_count);
    const struct json_value *latest = latest_of(nodes);
    if (latest != NULL) {
        struct str name = talk_quote(t, talk_text(latest, "type"));
        struct str error = talk_quote(t, error_of(latest));
        struct str when = talk_when(t, latest, "finishedAt");
        talk_say(t, " The last one, %.*s (%.*s), ended %.*s: \"%.*s\".", STR_FMT(name),
                 STR_FMT(talk_text(latest, "id")), STR_FMT(when), STR_FMT(error));
    }
    struct group *groups = arena_new_array(t->arena, FAILURES_READ, struct group);
    say_groups(t, groups, group_failures(t, nodes, groups));
}

enum talk_next talk_failures(struct talk *t)
{
    struct str type;
    enum talk_next next;
    if (!settle_type(t, &type, &next))
        return next;
    size_t asked = t->intent.name_count > 0 ? 1 : 0;
    if (t->question_count == asked) {
        struct tree variables = tree_create(t->arena);
        tree_put(&variables, STR("filter"), filter_of(t, "FAILED", type));
        talk_ask(t, "failed tasks", failures_query, tree_value(&variables));
        return TALK_ASK;
    }
    const struct json_value *data = talk_data(t, asked);
    if (data != NULL)
        say_failures(t, talk_at(data, "tasks"), type);
    return TALK_DONE;
}

/* ── what runs, and one task ── */

static const char *const running_query =
    "query($filter: TaskFilter) { tasks(filter: $filter, first: 10, orderBy: CREATED_ASC) { "
    "totalCount nodes { id type attempt startedAt progress } } }";

enum talk_next talk_running(struct talk *t)
{
    struct str type;
    enum talk_next next;
    if (!settle_type(t, &type, &next))
        return next;
    size_t asked = t->intent.name_count > 0 ? 1 : 0;
    if (t->question_count == asked) {
        struct tree variables = tree_create(t->arena);
        t->intent.window.is_given = false; /* what runs now, whenever it was made */
        t->intent.window.to_us = 0;
        tree_put(&variables, STR("filter"), filter_of(t, "IN_PROGRESS", type));
        talk_ask(t, "running tasks", running_query, tree_value(&variables));
        return TALK_ASK;
    }
    const struct json_value *tasks = talk_at(talk_data(t, asked), "tasks");
    const struct json_value *nodes = talk_at(tasks, "nodes");
    if (tasks == NULL || nodes == NULL)
        return TALK_DONE;
    struct str of = tasks_of(t, type),
               count = words_count(t->arena, talk_count(tasks, "totalCount"));
    if (nodes->item_count == 0) {
        talk_say(t, "None of the %.*s runs now.", STR_FMT(of));
        return TALK_DONE;
    }
    talk_say(t, "%.*s %s now.%s\n", STR_FMT(count), nodes->item_count == 1 ? "runs" : "run",
             talk_count(tasks, "totalCount") > (int64_t)nodes->item_count ? " The oldest of them:"
                                                                          : "");
    for (size_t i = 0; i < nodes->item_count; i++) {
        const struct json_value *task = &nodes->items[i];
        double progress;
        struct str name = talk_quote(t, talk_text(task, "type"));
        struct str since = talk_when(t, task, "startedAt");
        talk_say(t, "- %.*s (%.*s), attempt %lld, started %.*s", STR_FMT(name),
                 STR_FMT(talk_text(task, "id")), (long long)talk_count(task, "attempt"),
                 STR_FMT(since));
        if (talk_number(task, "progress", &progress))
            talk_say(t, ", %.*s done", STR_FMT(words_percent(t->arena, progress)));
        talk_say(t, "\n");
    }
    return TALK_DONE;
}

static const char *const task_query =
    "query($id: ID!) { task(id: $id) { id type status state queue priority attempt maxAttempts "
    "error progress runAt createdAt startedAt finishedAt why { text } } }";

static void say_task(struct talk *t, const struct json_value *task)
{
    struct str type = talk_quote(t, talk_text(task, "type"));
    struct str made = talk_when(t, task, "createdAt"),
               error = talk_quote(t, talk_text(task, "error"));
    struct str why = talk_quote(t, talk_text(task, "why.text"));
    talk_say(t, "Task %.*s is of the type %.*s and %.*s. It was made %.*s", STR_FMT(t->intent.id),
             STR_FMT(type), STR_FMT(talk_text(task, "state")), STR_FMT(made));
    if (talk_at(task, "startedAt") != NULL) {
        struct str began = talk_when(t, task, "startedAt");
        talk_say(t, ", last started %.*s", STR_FMT(began));
    }
    if (talk_at(task, "finishedAt") != NULL) {
        struct str ended = talk_when(t, task, "finishedAt");
        talk_say(t, ", ended %.*s", STR_FMT(ended));
    }
    talk_say(t, "; attempt %lld of %lld.", (long long)talk_count(task, "attempt"),
             (long long)talk_count(task, "maxAttempts"));
    if (!str_is_empty(why))
        talk_say(t, " Why: \"%.*s\".", STR_FMT(why));
    if (!str_is_empty(error))
        talk_say(t, " Its error: \"%.*s\".", STR_FMT(error));
}

enum talk_next talk_task(struct talk *t)
{
    if (t->question_count == 0) {
        struct tree variables = tree_create(t->arena);
        tree_text(&variables, "id", t->intent.id);
        talk_ask(t, "the task", task_query, tree_value(&variables));
        return TALK_ASK;
    }
    const struct json_value *data = talk_data(t, 0), *task = talk_at(data, "task");
    if (task != NULL)
        say_task(t, task);
    else if (data != NULL)
        talk_say(t, "There is no task with the id %.*s.", STR_FMT(t->intent.id));
    return TALK_DONE;
}
