/* Lines that wait, ride, and ride again; and the end of an output. */
#include "runner/tail.h"
#include "runner/task_log.h"

#include "test.h"

/* What one call would carry. */
static const char *carried(struct task_log *log)
{
    static struct buf text;
    buf_clear(&text);
    struct json_writer w = json_writer_to(&text);
    task_log_write(log, &w);
    buf_put(&text, "", 1);
    return text.ptr;
}

#define A "{\"stream\":\"stdout\",\"text\":\"a\",\"at_us\":1}"
#define B "{\"stream\":\"stderr\",\"text\":\"b \\\"\",\"at_us\":2}"

static void lines_ride_again_until_they_have_arrived(void **state)
{
    (void)state;
    struct task_log *log = task_log_create();
    assert_true(task_log_is_empty(log) && task_log_is_empty(NULL));
    task_log_add(log, STR("stdout"), STR("a"), 1);
    assert_string_equal(carried(log), "[" A "]");
    task_log_add(log, STR("stderr"), STR("b \""), 2);
    assert_string_equal(carried(log), "[" A "," B "]");
    assert_false(task_log_is_empty(log));
    task_log_arrived(log);
    assert_true(task_log_is_empty(log));
    assert_string_equal(carried(log), "[]");
    task_log_destroy(log);
}

static void what_rides_is_not_told_by_the_end_as_well(void **state)
{
    (void)state;
    struct task_log *log = task_log_create();
    task_log_add(log, STR("stdout"), STR("a"), 1);
    assert_int_equal(task_log_out(log).len, 0);
    (void)carried(log);
    assert_true(str_eq_c(task_log_out(log), A));
    assert_int_equal(task_log_rest(log).len, 0);
    task_log_add(log, STR("stderr"), STR("b \""), 2);
    assert_true(str_eq_c(task_log_rest(log), B));
    task_log_destroy(log);
}

static void what_rode_in_vain_is_told_by_the_end(void **state)
{
    (void)state;
    struct task_log *log = task_log_create();
    task_log_add(log, STR("stdout"), STR("a"), 1);
    (void)carried(log);
    task_log_add(log, STR("stderr"), STR("b \""), 2);
    task_log_came_back(log); /* the heartbeat had no answer */
    task_log_arrived(log);   /* another one, which carried nothing of this */
    assert_true(str_eq_c(task_log_rest(log), A "," B));
    task_log_destroy(log);
}

static void a_flood_is_bounded_and_its_end_is_kept(void **state)
{
    (void)state;
    enum { LINES = 100'000 };
    struct task_log *log = task_log_create();
    char text[32];
    for (int i = 1; i <= LINES; i++) {
        int len = snprintf(text, sizeof text, "line %d", i);
        task_log_add(log, STR("stdout"), str_of(text, (size_t)len), i);
        if (i % 1000 == 0) /* the worker is away */
            (void)carried(log);
    }
    const char *all = carried(log);
    assert_non_null(strstr(all, "line 100000"));
    assert_in_range(strlen(all), TASK_LOG_BYTES / 2, TASK_LOG_BYTES + 2);
    assert_int_equal(strncmp(all, "[{\"stream\":", 11), 0);
    task_log_destroy(log);
}

static void a_long_line_is_cut_between_characters(void **state)
{
    (void)state;
    struct task_log *log = task_log_create();
    struct buf line;
    buf_init(&line, 0);
    for (int i = 0; i < TASK_LOG_LINE_BYTES; i++)
        buf_put_c(&line, i == 0 ? "x" : "\xc3\xbc");
    task_log_add(log, STR("s"), buf_str(&line), 1);
    struct str told = task_log_rest(log);
    assert_true(str_is_utf8(told));
    assert_int_equal(told.len, strlen("{\"stream\":\"s\",\"text\":\"\",\"at_us\":1}") +
                                   TASK_LOG_LINE_BYTES - 1);
    buf_clear(&line);
    task_log_destroy(log);
}

static void the_end_of_an_output_is_valid_text(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(0);
    struct tail tail;
    tail_init(&tail);
    assert_true(str_eq_c(tail_text(a, &tail), ""));
    tail_add(&tail, str_of("a\0\xff\xc3", 4));
    tail_add(&tail, STR("\xbc\n the last \n\n"));
    assert_true(str_eq_c(tail_text(a, &tail), "a\xef\xbf\xbd\xef\xbf\xbd\xc3\xbc\n the last \n\n"));
    assert_true(str_eq_c(tail_last_line(a, &tail), "the last"));
    assert_false(tail.is_cut);
    for (int i = 0; i < 3 * TAIL_BYTES; i++)
        tail_add(&tail, STR("\xc3\xbc"));
    assert_true(tail.is_cut && tail.bytes.len <= (size_t)2 * TAIL_BYTES);
    assert_int_equal(tail_text(a, &tail).len, TAIL_BYTES);
    tail_add(&tail, STR("x")); /* the cut goes through a character now */
    assert_int_equal(tail_text(a, &tail).len, TAIL_BYTES - 1);
    assert_true(str_is_utf8(tail_text(a, &tail)));
    tail_clear(&tail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_ride_again_until_they_have_arrived),
        cmocka_unit_test(what_rides_is_not_told_by_the_end_as_well),
        cmocka_unit_test(what_rode_in_vain_is_told_by_the_end),
        cmocka_unit_test(a_flood_is_bounded_and_its_end_is_kept),
        cmocka_unit_test(a_long_line_is_cut_between_characters),
        cmocka_unit_test(the_end_of_an_output_is_valid_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
