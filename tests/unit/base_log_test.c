#include "base/log.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_logfmt),
        cmocka_unit_test(writes_one_json_object_a_line),
        cmocka_unit_test(leaves_plain_values_unquoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
