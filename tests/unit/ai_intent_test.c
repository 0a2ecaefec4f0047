#include "ai/intent.h"

#include "base/clock.h"
#include "test.h"

static const int64_t now_us = 1'764'336'000LL * CLOCK_S; /* 2025-11-28 13:20 UTC */

static struct intent understand(struct arena *a, const char *text)
{
    return intent_of(a, str_of_c(text), str_of_c(""), now_us);
}

static void knows_many_phrasings(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum intent_kind kind;
    } phrasings[] = {
        { "How many tasks are pending?", INTENT_COUNTS },
        { "how many tasks failed today", INTENT_COUNTS },
        { "number of completed email tasks in the last 24 hours", INTENT_COUNTS },
        { "count tasks", INTENT_COUNTS },
        { "tasks", INTENT_COUNTS },
        { "how many are waiting", INTENT_COUNTS },
        { "how many tasks are in progress right now?", INTENT_COUNTS },
        { "how many tsaks are pendng", INTENT_COUNTS },
        { "how many tasks do we have", INTENT_COUNTS },
        { "show me pending tasks", INTENT_COUNTS },
        { "what is in the queue", INTENT_COUNTS },
        { "What is the success rate?", INTENT_RATE },
        { "failure rate of email last week", INTENT_RATE },
        { "what percentage of tasks fail", INTENT_RATE },
        { "what's the failiure rate", INTENT_RATE },
        { "What failed last?", INTENT_FAILURES },
        { "why did tasks fail?", INTENT_FAILURES },
        { "why are email tasks failing", INTENT_FAILURES },
        { "show me the latest errors", INTENT_FAILURES },
        { "any errors?", INTENT_FAILURES },
        { "is anything wrong", INTENT_FAILURES },
        { "what are the most common failures", INTENT_FAILURES },
        { "list failed tasks", INTENT_FAILURES },
        { "recent failures", INTENT_FAILURES },
        { "How long do tasks take?", INTENT_DURATION },
        { "how long do tasks wait", INTENT_DURATION },
        { "what is the latency of email", INTENT_DURATION },
        { "which tasks are slow", INTENT_DURATION },
        { "how long does email take on average", INTENT_DURATION },
        { "what is the throughput", INTENT_THROUGHPUT },
        { "how many tasks per minute", INTENT_THROUGHPUT },
        { "how fast are we, tasks per minute?", INTENT_THROUGHPUT },
        { "how old is the oldest pending task", INTENT_OLDEST },
        { "is there a backlog?", INTENT_OLDEST },
        { "are tasks stuck?", INTENT_OLDEST },
        { "what is running now?", INTENT_RUNNING },
        { "show running tasks", INTENT_RUNNING },
        { "what runs now", INTENT_RUNNING },
        { "what runs at the moment?", INTENT_RUNNING },
        { "how are we doing on pending work", INTENT_COUNTS },
        { "did anything fail today?", INTENT_FAILURES },
        { "why did the last email fail", INTENT_FAILURES },
        { "most recent failed task", INTENT_FAILURES },
        { "average duration of thumbnails", INTENT_DURATION },
        { "are any jobs disabled", INTENT_JOBS },
        { "show the schedule", INTENT_JOBS },
        { "number of accounts", INTENT_USERS },
        { "is everything ok?", INTENT_OVERVIEW },
        { "Wie viele Aufgaben gibt es?", INTENT_UNKNOWN },
        { "drop table tasks; --", INTENT_COUNTS },
        { "which tasks are in progress", INTENT_RUNNING },
        { "what's running", INTENT_RUNNING },
        { "which jobs exist", INTENT_JOBS },
        { "list jobs", INTENT_JOBS },
        { "how many jobs are there", INTENT_JOBS },
        { "which jobs are paused?", INTENT_JOBS },
        { "did any job fail", INTENT_JOBS },
        { "when does nightly run next", INTENT_JOBS },
        { "what runs next", INTENT_JOBS },
        { "upcoming cron jobs", INTENT_JOBS },
        { "when is the next run of the backup job", INTENT_JOBS },
        { "how many users are there", INTENT_USERS },
        { "who are our users", INTENT_USERS },
        { "is the system healthy?", INTENT_HEALTH },
        { "system health", INTENT_HEALTH },
        { "is the worker up", INTENT_HEALTH },
        { "are all services up?", INTENT_HEALTH },
        { "what version is this", INTENT_HEALTH },
        { "give me an overview", INTENT_OVERVIEW },
        { "how are things?", INTENT_OVERVIEW },
        { "what's going on", INTENT_OVERVIEW },
        { "status", INTENT_OVERVIEW },
        { "hello", INTENT_GREETING },
        { "Hi!", INTENT_GREETING },
        { "good morning", INTENT_GREETING },
        { "thanks a lot", INTENT_THANKS },
        { "help", INTENT_HELP },
        { "what can you do?", INTENT_HELP },
        { "what can i ask", INTENT_HELP },
        { "cancel all tasks", INTENT_CHANGE },
        { "please retry the failed tasks", INTENT_CHANGE },
        { "can you delete the nightly job", INTENT_CHANGE },
        { "pause nightly", INTENT_CHANGE },
        { "what is the meaning of life", INTENT_UNKNOWN },
        { "write me a poem", INTENT_UNKNOWN },
        { "will it rain in Paris", INTENT_UNKNOWN },
        { "", INTENT_UNKNOWN },
        { "???", INTENT_UNKNOWN },
    };
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    size_t wrong = 0;
    for (size_t i = 0; i < countof(phrasings); i++) {
        struct intent found = understand(a, phrasings[i].text);
        if (found.kind == phrasings[i].kind)
            continue;
        print_message("# \"%s\": %s, expected %s\n", phrasings[i].text,
                      intent_kind_name(found.kind), intent_kind_name(phrasings[i].kind));
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

static void reads_statuses_and_kinds_of_jobs(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    assert_int_equal(understand(a, "how many tasks are pending").statuses, INTENT_PENDING);
    assert_int_equal(understand(a, "how many failed or completed?").statuses,
                     INTENT_FAILED | INTENT_COMPLETED);
    assert_int_equal(understand(a, "how many tasks are in progress").statuses, INTENT_IN_PROGRESS);
    assert_int_equal(understand(a, "count tasks").statuses, 0);
    assert_int_equal(understand(a, "which jobs are paused").jobs, INTENT_JOBS_PAUSED);
    assert_int_equal(understand(a, "failed jobs").jobs, INTENT_JOBS_FAILED);
    assert_int_equal(understand(a, "when does nightly run next").jobs, INTENT_JOBS_NEXT);
    assert_int_equal(understand(a, "list jobs").jobs, INTENT_JOBS_ALL);
    assert_true(understand(a, "how long do tasks wait").wants_waits);
    assert_false(understand(a, "how long do tasks run").wants_waits);
}

static void reads_windows_of_time(void **state)
{
    (void)state;
    const int64_t midnight_us = now_us - (13 * 3'600 + 20 * 60) * (int64_t)CLOCK_S;
    static const struct {
        const char *text;
        int64_t seconds;
        const char *words;
    } spans[] = {
        { "how many tasks failed in the last 24 hours", 86'400, "in the last 1 day" },
        { "failures in the past hour", 3'600, "in the last 1 h" },
        { "failures 30m", 1'800, "in the last 30 min" },
        { "tasks of the last 2 days", 172'800, "in the last 2 days" },
        { "tasks this week", 604'800, "in the last 7 days" },
        { "tasks of the last 999999999 weeks", 90 * 86'400, "in the last 90 days" },
    };
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    for (size_t i = 0; i < countof(spans); i++) {
        struct intent_window w = understand(a, spans[i].text).window;
        assert_true(w.is_given);
        assert_int_equal(w.from_us, now_us - spans[i].seconds * CLOCK_S);
        assert_int_equal(w.to_us, 0);
        assert_str(w.text, spans[i].words);
    }
    struct intent_window today = understand(a, "how many failed today").window;
    assert_int_equal(today.from_us, midnight_us);
    struct intent_window yesterday = understand(a, "how many failed yesterday").window;
    assert_int_equal(yesterday.from_us, midnight_us - 86'400LL * CLOCK_S);
    assert_int_equal(yesterday.to_us, midnight_us);
    assert_false(understand(a, "how many failed").window.is_given);
    assert_false(understand(a, "what failed last").window.is_given);
}

static void keeps_words_it_does_not_know_as_names(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct intent in = understand(a, "How many Send-Invoice tasks failed today?");
    assert_int_equal(in.name_count, 1);
    assert_str(in.names[0], "send-invoice");
    assert_int_equal(understand(a, "how many tasks are pending right now?").name_count, 0);
    in = understand(a, "tell me of task 0192F1F3-6B5C-7C3E-9D1A-2F4B6C8D0E1F");
    assert_int_equal(in.kind, INTENT_TASK);
    assert_str(in.id, "0192f1f3-6b5c-7c3e-9d1a-2f4b6c8d0e1f");
    assert_int_equal(understand(a, "job 0192f1f3-6b5c-7c3e-9d1a-2f4b6c8d0e1f").kind, INTENT_JOB);
}

static void takes_the_last_question_up_again(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct str before = STR("how many email tasks failed today?");
    struct intent in = intent_of(a, STR("and yesterday?"), before, now_us);
    assert_int_equal(in.kind, INTENT_COUNTS);
    assert_int_equal(in.statuses, INTENT_FAILED);
    assert_str(in.names[0], "email");
    assert_str(in.window.text, "yesterday (UTC)");
    in = intent_of(a, STR("and reports?"), before, now_us);
    assert_int_equal(in.kind, INTENT_COUNTS);
    assert_str(in.names[0], "reports");
    assert_int_equal(intent_of(a, STR("and yesterday?"), STR(""), now_us).kind, INTENT_UNKNOWN);
    assert_int_equal(intent_of(a, STR("and yesterday?"), STR("cancel email"), now_us).kind,
                     INTENT_UNKNOWN);
}

static void reads_long_and_strange_texts_within_bounds(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(4 << 20);
    static char text[20'000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 2 ? ' ' : 'q';
    struct intent in = intent_of(a, str_of(text, sizeof text), str_of(text, sizeof text), now_us);
    assert_int_equal(in.kind, INTENT_UNKNOWN);
    assert_int_equal(in.name_count, INTENT_NAMES_MAX);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 7);
    (void)intent_of(a, str_of(text, sizeof text), STR(""), now_us);
    assert_true(arena_used(a) < 1 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_many_phrasings),
        cmocka_unit_test(reads_statuses_and_kinds_of_jobs),
        cmocka_unit_test(reads_windows_of_time),
        cmocka_unit_test(keeps_words_it_does_not_know_as_names),
        cmocka_unit_test(takes_the_last_question_up_again),
        cmocka_unit_test(reads_long_and_strange_texts_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
