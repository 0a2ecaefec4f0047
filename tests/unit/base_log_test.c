#include "base/log.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "test.h"

/* What `log_info` wrote in the format. */
static void capture(enum log_format format, char *ret_line, size_t size, const char *value)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    log_setup("tester", LOG_INFO, format);
    log_info("thing.done", "n=%d who=%s", 3, log_quote(str_of_c(value)));
    log_debug("thing.hidden", "n=%d", 4);
    log_relay(STR("ts=1 what another process said"));
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    ssize_t got = read(ends[0], ret_line, size - 1);
    close(ends[0]);
    assert_true(got > 0);
    ret_line[got] = '\0';
}

static void writes_logfmt(void **state)
{
    (void)state;
    char line[1024];
    capture(LOG_FORMAT_LOGFMT, line, sizeof line, "a \"b\"\n=c");
    assert_non_null(strstr(line, " level=info service=tester event=thing.done n=3 "
                                 "who=\"a \\\"b\\\"\\n=c\"\n"));
    assert_null(strstr(line, "hidden"));
    assert_non_null(strstr(line, "\nts=1 what another process said\n"));
}

static void writes_one_json_object_a_line(void **state)
{
    (void)state;
    char line[1024];
    capture(LOG_FORMAT_JSON, line, sizeof line, "a \"b\"\x01");
    assert_int_equal(line[0], '{');
    assert_non_null(
        strstr(line, "\"event\":\"thing.done\",\"n\":\"3\",\"who\":\"a \\\"b\\\"\\u0001\"}\n"));
}

static void leaves_plain_values_unquoted(void **state)
{
    (void)state;
    assert_string_equal(log_quote(STR("plain")), "plain");
    assert_string_equal(log_quote(STR("")), "\"\"");
}

/* What has come through the pipe by now. */
static size_t arrived(int fd, char *text, size_t size)
{
    ssize_t got = read(fd, text, size - 1);
    text[max_of(got, 0)] = '\0';
    return (size_t)max_of(got, 0);
}

static void holds_lines_back_until_they_are_released_or_worse_comes(void **state)
{
    static char text[8 * PIPE_BUF];
    int ends[2];
    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    log_setup("tester", LOG_INFO, LOG_FORMAT_LOGFMT);
    log_hold();
    log_info("first", "n=%d", 1);
    bool is_held = arrived(ends[0], text, sizeof text) == 0;
    log_warn("second", "n=%d", 2);
    (void)arrived(ends[0], text, sizeof text);
    const char *first = strstr(text, "event=first"), *second = strstr(text, "event=second");
    bool is_in_order = first && second && first < second;
    for (int i = 0; i < 100; i++) /* more than are kept at once */
        log_info("many", "n=%d", i);
    bool is_bounded = arrived(ends[0], text, sizeof text) > 0;
    log_release();
    log_info("last", "n=%d", 3);
    (void)arrived(ends[0], text, sizeof text);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[0]);
    close(ends[1]);
    assert_true(is_held && is_in_order && is_bounded);
    assert_non_null(strstr(text, "event=many n=99\n"));
    assert_non_null(strstr(text, "event=last"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_logfmt),
        cmocka_unit_test(writes_one_json_object_a_line),
        cmocka_unit_test(leaves_plain_values_unquoted),
        cmocka_unit_test(holds_lines_back_until_they_are_released_or_worse_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
