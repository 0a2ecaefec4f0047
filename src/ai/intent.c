#include "ai/intent.h"

#include "analyst/words.h"
#include "base/clock.h"
#include "base/uuid.h"

/* ── concepts ── */

enum concept {
    NOTHING = 0, /* small words that change nothing */
    TASK = 1 << 0,
    JOB = 1 << 1,
    USER = 1 << 2,
    COUNT = 1 << 3,
    PENDING = 1 << 4,
    RUNNING = 1 << 5,
    DONE = 1 << 6,
    FAILED = 1 << 7,
    RATE = 1 << 8,
    WHY = 1 << 9,
    LATEST = 1 << 10,
    TIME = 1 << 11,
    WAIT = 1 << 12,
    PACE = 1 << 13,
    NEXT = 1 << 14,
    PAUSED = 1 << 15,
    HEALTH = 1 << 16,
    HELLO = 1 << 17,
    HELP = 1 << 18,
    THANKS = 1 << 19,
    CHANGE = 1 << 20,
    GENERAL = 1 << 21,
    OLDEST = 1 << 22,
    LIST = 1 << 23,
    ID = 1 << 24,
    WINDOW = 1 << 25,
};

struct word {
    const char *text;
    unsigned concepts;
};

static const struct word words[] = {
    { "task", TASK },
    { "tasks", TASK },
    { "work", TASK },
    { "items", TASK },
    { "messages", TASK },
    { "job", JOB },
    { "jobs", JOB },
    { "cron", JOB },
    { "crons", JOB },
    { "cronjob", JOB },
    { "cronjobs", JOB },
    { "schedule", JOB },
    { "schedules", JOB },
    { "user", USER },
    { "users", USER },
    { "people", USER },
    { "accounts", USER },
    { "members", USER },
    { "many", COUNT },
    { "count", COUNT },
    { "counts", COUNT },
    { "number", COUNT },
    { "total", COUNT },
    { "amount", COUNT },
    { "much", COUNT },
    { "pending", PENDING },
    { "waiting", PENDING | WAIT },
    { "queued", PENDING },
    { "queue", PENDING },
    { "backlog", PENDING | OLDEST },
    { "outstanding", PENDING },
    { "unfinished", PENDING },
    { "ready", PENDING },
    { "scheduled", PENDING },
    { "stuck", PENDING | OLDEST },
    { "running", RUNNING },
    { "progress", RUNNING },
    { "executing", RUNNING },
    { "processing", RUNNING },
    { "active", RUNNING },
    { "currently", RUNNING },
    { "completed", DONE },
    { "complete", DONE },
    { "done", DONE },
    { "finished", DONE },
    { "finish", DONE },
    { "succeeded", DONE },
    { "succeed", DONE },
    { "successful", DONE },
    { "success", DONE },
    { "processed", DONE },
    { "failed", FAILED },
    { "fail", FAILED },
    { "fails", FAILED },
    { "failing", FAILED },
    { "failure", FAILED },
    { "failures", FAILED },
    { "error", FAILED },
    { "errors", FAILED },
    { "broken", FAILED },
    { "crashed", FAILED },
    { "crash", FAILED },
    { "dead", FAILED },
    { "problem", FAILED },
    { "problems", FAILED },
    { "wrong", FAILED },
    { "exceptions", FAILED },
    { "rate", RATE },
    { "rates", RATE },
    { "percentage", RATE },
    { "percent", RATE },
    { "ratio", RATE },
    { "share", RATE },
    { "why", WHY },
    { "reason", WHY },
    { "reasons", WHY },
    { "cause", WHY },
    { "causes", WHY },
    { "caused", WHY },
    { "latest", LATEST },
    { "recent", LATEST },
    { "recently", LATEST },
    { "newest", LATEST },
    { "long", TIME },
    { "duration", TIME },
    { "durations", TIME },
    { "latency", TIME },
    { "slow", TIME },
    { "slowest", TIME },
    { "slower", TIME },
    { "fast", TIME },
    { "runtime", TIME },
    { "takes", TIME },
    { "wait", WAIT },
    { "waits", WAIT },
    { "throughput", PACE },
    { "pace", PACE },
    { "speed", PACE },
    { "load", PACE },
    { "traffic", PACE },
    { "next", NEXT },
    { "upcoming", NEXT },
    { "due", NEXT },
    { "soon", NEXT },
    { "paused", PAUSED },
    { "disabled", PAUSED },
    { "suspended", PAUSED },
    { "inactive", PAUSED },
    { "health", HEALTH },
    { "healthy", HEALTH },
    { "system", HEALTH },
    { "services", HEALTH },
    { "service", HEALTH },
    { "database", HEALTH },
    { "worker", HEALTH },
    { "alive", HEALTH },
    { "up", HEALTH },
    { "down", HEALTH },
    { "version", HEALTH },
    { "hi", HELLO },
    { "hello", HELLO },
    { "hey", HELLO },
    { "greetings", HELLO },
    { "morning", HELLO },
    { "evening", HELLO },
    { "help", HELP },
    { "examples", HELP },
    { "capabilities", HELP },
    { "commands", HELP },
    { "thanks", THANKS },
    { "thank", THANKS },
    { "thx", THANKS },
    { "overview", GENERAL },
    { "summary", GENERAL },
    { "summarise", GENERAL },
    { "summarize", GENERAL },
    { "status", GENERAL },
    { "dashboard", GENERAL },
    { "happening", GENERAL },
    { "everything", GENERAL },
    { "things", GENERAL },
    { "going", GENERAL },
    { "oldest", OLDEST },
    { "list", LIST },
    { "show", LIST },
    { "which", LIST },
    { "what", LIST },
    { "whats", LIST },
    { "any", LIST },
    { "anything", LIST },
};

/* What asks for a change when it stands where a sentence gives an order. */
static const char *const orders[] = {
    "cancel",  "retry",  "rerun",   "delete",  "remove", "create", "add",     "start",
    "trigger", "resume", "restart", "kill",    "stop",   "pause",  "enqueue", "run",
    "update",  "change", "edit",    "disable", "enable", "make",   "clear",   "purge"
};

static const char *const small_words[] = {
    "a",       "an",         "the",      "is",        "are",     "was",        "were",
    "be",      "been",       "do",       "does",      "did",     "has",        "have",
    "had",     "there",      "how",      "in",        "on",      "at",         "of",
    "for",     "to",         "and",      "or",        "with",    "by",         "me",
    "my",      "i",          "you",      "we",        "our",     "us",         "it",
    "its",     "that",       "this",     "these",     "those",   "please",     "can",
    "could",   "would",      "tell",     "give",      "get",     "see",        "know",
    "want",    "right",      "now",      "currently", "so",      "far",        "all",
    "still",   "just",       "about",    "some",      "from",    "then",       "than",
    "today",   "yesterday",  "last",     "past",      "hour",    "hours",      "day",
    "days",    "week",       "weeks",    "minute",    "minutes", "since",      "per",
    "when",    "who",        "will",     "not",       "no",      "yes",        "ok",
    "okay",    "good",       "who",      "status",    "type",    "types",      "kind",
    "exist",   "exists",     "run",      "runs",      "ran",     "average",    "typical",
    "usual",   "usually",    "normally", "take",      "time",    "times",      "ago",
    "most",    "more",       "less",     "also",      "what",    "your",       "month",
    "im",      "id",         "up",       "ones",      "one",     "mean",       "median",
    "every",   "currently",  "into",     "out",       "during",  "within",     "between",
    "moment",  "present",    "everyone", "hows",      "wheres",  "registered", "exactly",
    "overall", "altogether", "come",     "came",      "new",     "like",       "look",
    "looking",
};

/* ── words of a text ── */

struct reading {
    struct arena *arena;
    struct str words[INTENT_WORDS_MAX]; /* lowered */
    bool is_used[INTENT_WORDS_MAX];     /* understood, or small */
    size_t count;
    unsigned concepts;
    bool is_order;
    struct intent intent;
};

static bool is_of_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80 ||
           c == '-' || c == '_' || c == '.' || c == ':' || c == '/';
}

static void split(struct reading *r, struct str text)
{
    text = str_first(text, INTENT_TEXT_BYTES_MAX);
    char *lowered = arena_new_array(r->arena, text.len + 1, char);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\'') /* what's */
            continue;
        lowered[len++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    for (size_t i = 0; i < len && r->count < INTENT_WORDS_MAX;) {
        size_t from = i;
        while (i < len && is_of_word(lowered[i]))
            i++;
        size_t to = i;
        while (to > from && strchr(".:-/", lowered[to - 1]) != NULL)
            to--;
        if (to > from)
            r->words[r->count++] = str_of(lowered + from, to - from);
        if (i == from)
            i++;
    }
}

static bool is_small(struct str word)
{
    for (size_t i = 0; i < countof(small_words); i++)
        if (str_eq_c(word, small_words[i]))
            return true;
    return false;
}

static bool is_order_word(struct str word)
{
    for (size_t i = 0; i < countof(orders); i++)
        if (str_eq_c(word, orders[i]))
            return true;
    return false;
}

/* The known word that is nearest, with one wrong letter from five on, two from eight on. */
static unsigned concepts_of(struct str word)
{
    enum { LETTERS_MIN = 4, FAR = 3 };
    size_t nearest = FAR;
    unsigned found = NOTHING;
    for (size_t i = 0; i < countof(words); i++)
        if (str_eq_c(word, words[i].text))
            return words[i].concepts;
    if (word.len < LETTERS_MIN || is_small(word) || is_order_word(word))
        return NOTHING;
    for (size_t i = 0; i < countof(words); i++) {
        struct str known = str_of_c(words[i].text);
        size_t allowed = known.len >= 8 ? 2 : known.len >= 5 ? 1 : 0;
        size_t distance = str_distance(word, known, allowed);
        if (distance <= allowed && distance < nearest) {
            nearest = distance;
            found = words[i].concepts;
        }
    }
    return found;
}

static bool is_word(const struct reading *r, size_t i, const char *text)
{
    return i < r->count && str_eq_c(r->words[i], text);
}

static bool has_word(const struct reading *r, const char *text)
{
    for (size_t i = 0; i < r->count; i++)
        if (is_word(r, i, text))
            return true;
    return false;
}

/* ── windows of time ── */

static const struct {
    const char *names[4];
    int64_t span_s;
} units[] = {
    { { "minute", "minutes", "min", "m" }, 60 },
    { { "hour", "hours", "hrs", "h" }, 3'600 },
    { { "day", "days", "d", NULL }, 86'400 },
    { { "week", "weeks", "w", NULL }, 7 * 86'400 },
    { { "month", "months", NULL, NULL }, 30 * 86'400 },
};

static int64_t unit_of(struct str word)
{
    for (size_t i = 0; i < countof(units); i++)
        for (size_t k = 0; k < 4 && units[i].names[k] != NULL; k++)
            if (str_eq_c(word, units[i].names[k]))
                return units[i].span_s;
    return 0;
}

static void set_span(struct reading *r, const struct intent_window *window, size_t from, size_t to)
{
    r->intent.window = *window;
    r->intent.window.is_given = true;
    r->concepts |= WINDOW;
    for (size_t i = from; i <= to; i++)
        r->is_used[i] = true;
}

static void set_last(struct reading *r, int64_t number, int64_t unit_s, int64_t now_us, size_t from,
                     size_t to)
{
    enum { NUMBER_MAX = 10'000, SPAN_MAX_S = 90 * 86'400 };
    int64_t bounded = min_of(number, (int64_t)NUMBER_MAX);
    int64_t span_s = min_of(bounded * unit_s, (int64_t)SPAN_MAX_S);
    if (number < 1)
        return;
    struct str words_of_span = words_duration(r->arena, (double)span_s);
    const struct intent_window window = { .from_us = now_us - span_s * CLOCK_S,
                                          .text = arena_printf(r->arena, "in the last %.*s",
                                                               STR_FMT(words_of_span)) };
    set_span(r, &window, from, to);
}

/* "last 24 hours", "past day", "24h", "last 7 d"; a bare "last week" is seven days. */
static bool read_last(struct reading *r, size_t i, int64_t now_us)
{
    bool has_last = is_word(r, i, "last") || is_word(r, i, "past");
    size_t at = i + has_last;
    int64_t number = 1;
    if (at >= r->count)
        return false;
    struct str word = r->words[at];
    size_t digits = 0;
    while (digits < word.len && word.ptr[digits] >= '0' && word.ptr[digits] <= '9')
        digits++;
    bool has_number = digits > 0 && str_to_i64(str_first(word, digits), &number);
    if (has_number && digits < word.len && unit_of(str_from(word, digits)) > 0) {
        set_last(r, number, unit_of(str_from(word, digits)), now_us, i, at);
        return true;
    }
    if (has_number && digits == word.len && at + 1 < r->count && unit_of(r->words[at + 1]) > 0) {
        set_last(r, number, unit_of(r->words[at + 1]), now_us, i, at + 1);
        return true;
    }
    if (!has_number && has_last && unit_of(word) > 0) {
        set_last(r, 1, unit_of(word), now_us, i, at);
        return true;
    }
    return false;
}

static void read_window(struct reading *r, int64_t now_us)
{
    int64_t midnight_us = now_us - now_us % CLOCK_DAY_US;
    for (size_t i = 0; i < r->count && !r->intent.window.is_given; i++) {
        const struct intent_window today = { .from_us = midnight_us,
                                             .text = STR("since midnight UTC") };
        const struct intent_window yesterday = { .from_us = midnight_us - CLOCK_DAY_US,
                                                 .to_us = midnight_us,
                                                 .text = STR("yesterday (UTC)") };
        if (is_word(r, i, "today"))
            set_span(r, &today, i, i);
        else if (is_word(r, i, "yesterday"))
            set_span(r, &yesterday, i, i);
        else if (is_word(r, i, "this") && i + 1 < r->count && unit_of(r->words[i + 1]) >= 3'600)
            set_last(r, 1, unit_of(r->words[i + 1]), now_us, i, i + 1);
        else
            (void)read_last(r, i, now_us);
    }
}

/* ── concepts of a text ── */

/* "cancel …", "please retry …", "can you delete …", "i want to create …". */
static bool gives_order(const struct reading *r)
{
    static const char *const openings[] = { "please", "can", "could", "would", "you",  "i",
                                            "want",   "to",  "will",  "now",   "just", "need",
                                            "go",     "and", "lets",  "id",    "like", "hey" };
    size_t i = 0;
    for (bool is_opening = true; is_opening && i < r->count;) {
        is_opening = false;
        for (size_t k = 0; k < countof(openings); k++)
            is_opening = is_opening || str_eq_c(r->words[i], openings[k]);
        i += is_opening;
    }
    return i < r->count && is_order_word(r->words[i]);
}

static void read_id(struct reading *r, size_t i)
{
    struct uuid id;
    char text[UUID_TEXT_LEN + 1];
    if (!uuid_parse(r->words[i], &id))
        return;
    uuid_format(id, text);
    r->intent.id = arena_copy(r->arena, str_of_c(text));
    r->concepts |= ID;
    r->is_used[i] = true;
}

static void read_concepts(struct reading *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->is_used[i])
            continue;
        read_id(r, i);
        unsigned found = concepts_of(r->words[i]);
        r->concepts |= found;
        r->is_used[i] = r->is_used[i] || found != NOTHING || is_small(r->words[i]);
    }
    for (size_t i = 0; i + 1 < r->count; i++) {
        if (is_word(r, i, "per") && unit_of(r->words[i + 1]) > 0)
            r->concepts |= PACE;
        if (is_word(r, i, "can") && (is_word(r, i + 1, "you") || is_word(r, i + 1, "i")) &&
            (is_word(r, i + 2, "do") || is_word(r, i + 2, "ask") || is_word(r, i + 2, "answer")))
            r->concepts |= HELP;
        if (is_word(r, i, "last") || (is_word(r, i, "most") && is_word(r, i + 1, "recent")))
            r->concepts |= r->is_used[i] ? 0U : (unsigned)LATEST;
    }
    if ((has_word(r, "run") || has_word(r, "runs")) &&
        (has_word(r, "now") || has_word(r, "moment")))
        r->concepts |= RUNNING;
    if (is_word(r, 0, "when") || (is_word(r, 0, "and") && is_word(r, 1, "when")))
        r->concepts |= NEXT;
}

static void keep_names(struct reading *r)
{
    for (size_t i = 0; i < r->count && r->intent.name_count < INTENT_NAMES_MAX; i++)
        if (!r->is_used[i] && !is_order_word(r->words[i]))
            r->intent.names[r->intent.name_count++] = r->words[i];
}

/* ── rules: the first one that fits ── */

struct rule {
    enum intent_kind kind;
    unsigned all, any, none; /* any 0: nothing more is needed */
};

static const struct rule rules[] = {
    { INTENT_JOB, ID | JOB, 0, TASK },
    { INTENT_TASK, ID, 0, 0 },
    { INTENT_HELP, HELP, 0, TASK | JOB | FAILED },
    { INTENT_USERS, USER, 0, TASK | JOB },
    { INTENT_RATE, RATE, FAILED | DONE | TASK, JOB },
    { INTENT_FAILURES, FAILED | WHY, 0, JOB },
    { INTENT_FAILURES, FAILED, LATEST, JOB | COUNT },
    { INTENT_JOBS, JOB, 0, TASK },
    { INTENT_JOBS, NEXT, LIST | RUNNING, FAILED | TIME },
    { INTENT_JOBS, NEXT, 0, TASK | FAILED | TIME | PENDING | WAIT },
    { INTENT_OLDEST, OLDEST, 0, FAILED | COUNT },
    { INTENT_THROUGHPUT, PACE, 0, FAILED },
    { INTENT_DURATION, TIME, 0, FAILED },
    { INTENT_DURATION, WAIT, 0, COUNT | PENDING | FAILED },
    { INTENT_COUNTS, COUNT, TASK | PENDING | RUNNING | DONE | FAILED, 0 },
    { INTENT_RUNNING, RUNNING, 0, PENDING | FAILED | HEALTH },
    { INTENT_FAILURES, FAILED, 0, JOB | PENDING | DONE | RUNNING },
    { INTENT_COUNTS, PENDING, 0, 0 },
    { INTENT_COUNTS, DONE, 0, 0 },
    { INTENT_COUNTS, FAILED, 0, JOB },
    { INTENT_COUNTS, TASK, 0, GENERAL | HEALTH },
    { INTENT_HEALTH, HEALTH, 0, 0 },
    { INTENT_OVERVIEW, GENERAL, 0, 0 },
    { INTENT_THANKS, THANKS, 0, 0 },
    { INTENT_GREETING, HELLO, 0, 0 },
};

static enum intent_kind choose(const struct reading *r)
{
    if (gives_order(r) && !(r->concepts & (COUNT | WHY)))
        return INTENT_CHANGE;
    for (size_t i = 0; i < countof(rules); i++) {
        const struct rule *rule = &rules[i];
        if ((r->concepts & rule->all) == rule->all && !(r->concepts & rule->none) &&
            (rule->any == 0 || r->concepts & rule->any))
            return rule->kind;
    }
    return INTENT_UNKNOWN;
}

static unsigned statuses_of(unsigned concepts)
{
    return (concepts & PENDING ? (unsigned)INTENT_PENDING : 0) |
           (concepts & RUNNING ? (unsigned)INTENT_IN_PROGRESS : 0) |
           (concepts & DONE ? (unsigned)INTENT_COMPLETED : 0) |
           (concepts & FAILED ? (unsigned)INTENT_FAILED : 0);
}

static void read_all(struct reading *r, struct str text, int64_t now_us)
{
    split(r, text);
    read_window(r, now_us);
    read_concepts(r);
    keep_names(r);
    r->intent.kind = choose(r);
    r->intent.statuses = statuses_of(r->concepts);
    r->intent.wants_waits = (r->concepts & WAIT) != 0;
    r->intent.jobs = r->concepts & PAUSED   ? INTENT_JOBS_PAUSED
                     : r->concepts & FAILED ? INTENT_JOBS_FAILED
                     : r->concepts & NEXT   ? INTENT_JOBS_NEXT
                                            : INTENT_JOBS_ALL;
}

struct intent intent_of(struct arena *a, struct str text, struct str before, int64_t now_us)
{
    struct reading *r = arena_new(a, struct reading);
    r->arena = a;
    read_all(r, text, now_us);
    /* "and yesterday?", "and email?": the last question again, for that time or that name. */
    bool is_follow_up = r->intent.kind == INTENT_UNKNOWN && r->count <= 4 &&
                        (r->concepts & WINDOW || is_word(r, 0, "and")) && !str_is_empty(before);
    if (!is_follow_up)
        return r->intent;
    struct reading *first = arena_new(a, struct reading);
    first->arena = a;
    read_all(first, before, now_us);
    if (r->intent.window.is_given)
        first->intent.window = r->intent.window;
    if (r->intent.name_count > 0) {
        first->intent.name_count = r->intent.name_count;
        memcpy(first->intent.names, r->intent.names, sizeof r->intent.names);
    }
    return first->intent.kind == INTENT_CHANGE ? r->intent : first->intent;
}

const char *intent_kind_name(enum intent_kind kind)
{
    static const char *const names[INTENT_KIND_COUNT] = {
        "unknown", "greeting", "thanks", "help",     "change",   "task",
        "job",     "counts",   "rate",   "failures", "duration", "throughput",
        "oldest",  "running",  "jobs",   "users",    "health",   "overview",
    };
    assert(kind < INTENT_KIND_COUNT);
    return names[kind];
}
