#include "ai/talk_priv.h"

#include <math.h>

#include "base/clock.h"

const char *const talk_stats_query =
    "query($window: String) { dashboardStats(window: $window) { "
    "tasks { total pending inProgress completed failed } "
    "jobs { total active paused failed } "
    "throughputPerMinute successRate oldestPendingSeconds "
    "waitSeconds { p50 p90 p99 } runSeconds { p50 p90 p99 } "
    "byType { type counts { total pending inProgress completed failed } "
    "runSeconds { p50 p90 p99 } failureRate } "
    "previous { throughputPerMinute successRate } source } }";

/* ── making ── */

void talk_say(struct talk *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct str text = arena_vprintf(t->arena, fmt, args);
    va_end(args);
    buf_put_str(t->out, text);
}

struct str talk_quote(struct talk *t, struct str text)
{
    return words_quoted(t->arena, text, TALK_QUOTE_BYTES_MAX);
}

void talk_ask(struct talk *t, const char *label, const char *query, struct json_value variables)
{
    assert(t->question_count < TALK_QUESTIONS_MAX);
    t->questions[t->question_count++] =
        (struct talk_question){ .label = label, .query = query, .variables = variables };
}

static void say_failure(struct talk *t, const struct talk_question *q)
{
    struct str message = talk_quote(t, q->message);
    struct str role = str_is_empty(t->user_role) ? STR("role") : t->user_role;
    if (str_eq_c(q->code, "FORBIDDEN"))
        talk_say(t, "You may not see that as %.*s: %.*s.", STR_FMT(role), STR_FMT(message));
    else if (str_eq_c(q->code, "TIMEOUT"))
        talk_say(t, "The gateway took too long to answer; please ask again.");
    else if (str_ends_with(q->code, STR("UNAVAILABLE")))
        talk_say(t, "I cannot look that up now: %.*s.", STR_FMT(message));
    else
        talk_say(t, "The gateway did not answer that: %.*s.",
                 STR_FMT(str_is_empty(message) ? STR("no reason was given") : message));
}

const struct json_value *talk_data(struct talk *t, size_t question)
{
    assert(question < t->question_count && t->questions[question].is_answered);
    if (t->questions[question].data == NULL)
        say_failure(t, &t->questions[question]);
    return t->questions[question].data;
}

/* ── reading ── */

const struct json_value *talk_at(const struct json_value *v, const char *path)
{
    struct str rest = str_of_c(path), key;
    while (v != NULL && rest.len > 0) {
        (void)str_cut(rest, '.', &key, &rest);
        v = json_get(v, key);
    }
    return v == NULL || v->type == JSON_NULL ? NULL : v;
}

int64_t talk_count(const struct json_value *v, const char *path)
{
    const struct json_value *found = talk_at(v, path);
    int64_t count;
    bool is_count = found != NULL && found->type == JSON_NUMBER && json_to_i64(found, &count);
    return is_count ? count : 0;
}

bool talk_number(const struct json_value *v, const char *path, double *ret_value)
{
    const struct json_value *found = talk_at(v, path);
    return found != NULL && found->type == JSON_NUMBER && json_to_double(found, ret_value);
}

struct str talk_text(const struct json_value *v, const char *path)
{
    const struct json_value *found = talk_at(v, path);
    return found != NULL && found->type == JSON_STRING ? found->text : STR("");
}

bool talk_time(const struct json_value *v, const char *path, int64_t *ret_us)
{
    return clock_parse(talk_text(v, path), ret_us);
}

struct str talk_when(struct talk *t, const struct json_value *v, const char *path)
{
    int64_t at_us;
    if (!talk_time(v, path, &at_us))
        return STR("at an unknown time");
    double seconds = (double)(t->now_us - at_us) / 1e6;
    struct str span = words_duration(t->arena, fabs(seconds));
    return seconds >= 0 ? arena_printf(t->arena, "%.*s ago", STR_FMT(span))
                        : arena_printf(t->arena, "in %.*s", STR_FMT(span));
}

/* ── figures, types and names ── */

enum { DAY_MINUTES = 1'440 };

/* As dashboardStats takes it; the figures have no end but now. */
static struct str stats_window(struct talk *t)
{
    const struct intent_window *w = &t->intent.window;
    if (!w->is_given)
        return STR("24h");
    int64_t minutes = (t->now_us - w->from_us) / (60LL * CLOCK_S);
    if (minutes < 1)
        minutes = 1;
    if (minutes >= 2 * DAY_MINUTES)
        return arena_printf(t->arena, "%lldd",
                            (long long)((minutes + DAY_MINUTES - 1) / DAY_MINUTES));
    return arena_printf(t->arena, "%lldm", (long long)minutes);
}

void talk_ask_stats(struct talk *t)
{
    struct tree variables = tree_create(t->arena);
    tree_text(&variables, "window", stats_window(t));
    talk_ask(t, "figures of tasks and jobs", talk_stats_query, tree_value(&variables));
}

struct str talk_window(struct talk *t)
{
    const struct intent_window *w = &t->intent.window;
    if (!w->is_given)
        return STR("in the last 24 h");
    return w->to_us != 0 ? STR("since yesterday (UTC)") : w->text;
}

/* "Send_Invoice" is "send-invoice" is "send invoice"; an s at the end is let go. */
static struct str plain_name(struct arena *a, struct str name)
{
    char *plain = arena_new_array(a, name.len + 1, char);
    size_t len = 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c != '-' && c != '_' && c != '.' && c != ' ')
            plain[len++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    if (len > 3 && plain[len - 1] == 's')
        len--;
    return str_of(plain, len);
}

static bool is_named(struct arena *a, struct str asked, struct str name)
{
    enum { LETTERS_MIN = 5 };
    struct str one = plain_name(a, asked), other = plain_name(a, name);
    if (str_is_empty(one) || str_is_empty(other))
        return false;
    return str_eq(one, other) || (other.len >= LETTERS_MIN && str_distance(one, other, 1) <= 1);
}

const struct json_value *talk_find_named(const struct talk *t, const struct json_value *list,
                                         const char *path)
{
    for (size_t n = 0; list != NULL && list->type == JSON_ARRAY && n < t->intent.name_count; n++)
        for (size_t i = 0; i < list->item_count; i++)
            if (is_named(t->arena, t->intent.names[n], talk_text(&list->items[i], path)))
                return &list->items[i];
    return NULL;
}

static void say_types(struct talk *t, const struct json_value *types)
{
    size_t count = types != NULL && types->type == JSON_ARRAY ? types->item_count : 0;
    if (count == 0) {
        talk_say(t, "There are no tasks of any type yet.");
        return;
    }
    talk_say(t, "The types there are: ");
    for (size_t i = 0; i < min_of(count, (size_t)TALK_LIST_MAX); i++) {
        struct str name = talk_quote(t, talk_text(&types->items[i], "type"));
        talk_say(t, "%s%.*s", i > 0 ? ", " : "", STR_FMT(name));
    }
    if (count > TALK_LIST_MAX)
        talk_say(t, ", and %zu more", count - TALK_LIST_MAX);
    talk_say(t, ".");
}

enum talk_type talk_find_type(struct talk *t, const struct json_value *stats,
                              const struct json_value **ret_type)
{
    const struct json_value *types = talk_at(stats, "byType");
    if (t->intent.name_count == 0)
        return TALK_TYPE_NONE;
    *ret_type = talk_find_named(t, types, "type");
    if (*ret_type != NULL)
        return TALK_TYPE_FOUND;
    struct str asked = talk_quote(t, t->intent.names[0]);
    talk_say(t, "I know no task type \"%.*s\". ", STR_FMT(asked));
    say_types(t, types);
    return TALK_TYPE_UNKNOWN;
}

/* ── what needs no query ── */

#define EXAMPLES                                                                                   \
    "- How many tasks are pending?\n"                                                              \
    "- What failed in the last 24 hours, and why?\n"                                               \
    "- What is the success rate of email?\n"                                                       \
    "- How long do tasks wait?\n"                                                                  \
    "- Which jobs run next?\n"                                                                     \
    "- Is the system healthy?\n"

static enum talk_next say_greeting(struct talk *t)
{
    struct str name = talk_quote(t, t->user_name);
    talk_say(t,
             "Hello%s%.*s. I answer questions about this installation from its live figures. For "
             "example:\n" EXAMPLES,
             str_is_empty(name) ? "" : " ", STR_FMT(name));
    return TALK_DONE;
}

static enum talk_next say_help(struct talk *t)
{
    talk_say(t,
             "I answer plain questions about tasks, jobs, users and the health of this "
             "installation; each answer shows the query that it rests on. For example:\n" EXAMPLES
             "You may add a task type (\"of email\") and a time (\"today\", \"in the last 2 "
             "hours\"), or give the id of a task. I do not change anything.");
    return TALK_DONE;
}

static enum talk_next say_thanks(struct talk *t)
{
    talk_say(t, "You are welcome.");
    return TALK_DONE;
}

static enum talk_next say_change(struct talk *t)
{
    talk_say(t,
             "I only look, I change nothing. Tasks are cancelled and retried on the page of "
             "tasks, jobs are made, paused and started on the page of jobs. I can tell you which "
             "ones it concerns: ask for example \"what failed today?\".");
    return TALK_DONE;
}

static enum talk_next say_unknown(struct talk *t)
{
    talk_say(t, "I did not understand that. I am not a language model: I know questions about "
                "tasks, jobs, users and the health of this installation. For example:\n" EXAMPLES);
    return TALK_DONE;
}

enum talk_next talk_step(struct talk *t)
{
    static talk_fn *const answers[INTENT_KIND_COUNT] = {
        [INTENT_UNKNOWN] = say_unknown,    [INTENT_GREETING] = say_greeting,
        [INTENT_THANKS] = say_thanks,      [INTENT_HELP] = say_help,
        [INTENT_CHANGE] = say_change,      [INTENT_TASK] = talk_task,
        [INTENT_JOB] = talk_job,           [INTENT_COUNTS] = talk_counts,
        [INTENT_RATE] = talk_rate,         [INTENT_FAILURES] = talk_failures,
        [INTENT_DURATION] = talk_duration, [INTENT_THROUGHPUT] = talk_throughput,
        [INTENT_OLDEST] = talk_oldest,     [INTENT_RUNNING] = talk_running,
        [INTENT_JOBS] = talk_jobs,         [INTENT_USERS] = talk_users,
        [INTENT_HEALTH] = talk_health,     [INTENT_OVERVIEW] = talk_overview,
    };
    return answers[t->intent.kind](t);
}
