#include "cmd/up_log_priv.h"

#include "test.h"

/* The lines told, with '|' behind each. */
static void collect(void *owner, struct str line)
{
    struct buf *all = owner;
    buf_put_str(all, line);
    buf_put_char(all, '|');
}

struct fixture {
    struct up_lines lines;
    struct buf all;
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    up_lines_init(&f->lines);
    buf_init(&f->all, 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    up_lines_clear(&f->lines);
    buf_clear(&f->all);
    test_free(f);
    return 0;
}

static void feed(struct fixture *f, const char *bytes)
{
    up_lines_feed(&f->lines, str_of_c(bytes), collect, &f->all);
}

static void assert_told(struct fixture *f, const char *expected)
{
    buf_put_char(&f->all, '\0');
    assert_string_equal(f->all.ptr, expected);
    f->all.len--;
}

static void makes_lines_of_pieces(void **state)
{
    struct fixture *f = *state;
    feed(f, "one\ntw");
    assert_told(f, "one|");
    feed(f, "o");
    assert_told(f, "one|");
    feed(f, "\n\r\n\nthree\r\nfour");
    assert_told(f, "one|two|three|");
    up_lines_end(&f->lines, collect, &f->all);
    assert_told(f, "one|two|three|four|");
    up_lines_end(&f->lines, collect, &f->all);
    assert_told(f, "one|two|three|four|");
}

static void cuts_a_line_that_is_too_long_and_goes_on_with_the_next(void **state)
{
    struct fixture *f = *state;
    static char piece[1000];
    memset(piece, 'x', sizeof piece - 1);
    for (int i = 0; i < 40; i++)
        feed(f, piece);
    assert_true(f->lines.partial.len < UP_LINE_BYTES_MAX + sizeof piece);
    feed(f, "end\nnext\n");
    assert_int_equal(f->all.len, UP_LINE_BYTES_MAX + 1 + strlen("next|"));
    assert_true(str_ends_with(buf_str(&f->all), STR("xx|next|")));
}

static void knows_the_lines_of_our_log(void **state)
{
    (void)state;
    const char *const ours[] = {
        "ts=2026-11-23T06:37:10.123456Z level=info service=gateway event=gateway.ready port=8080",
        "{\"ts\":\"2026-11-23T06:37:10.123456Z\",\"level\":\"info\",\"service\":\"gateway\","
        "\"event\":\"a\"}",
        "06:37:10.123 info  gateway  gateway.ready port=8080",
    };
    const char *const others[] = {
        "ts=2026-11-23T06:37:10.123456Z level=info service=worker event=a",
        "ts=x said service and nothing more",
        "{\"ts\":\"2026-11-23T06:37:10.123456Z\",\"level\":\"info\",\"service\":\"gateway\",\"ev",
        "06:37:10.123 info  worker   a",
        "06:37:1",
        "windlass: src/base/arena.c:20: arena_alloc: Assertion `a' failed.",
        "==1==ERROR: AddressSanitizer",
        "",
    };
    for (size_t i = 0; i < countof(ours); i++)
        assert_true(up_log_is_ours(str_of_c(ours[i]), "gateway"));
    for (size_t i = 0; i < countof(others); i++)
        assert_false(up_log_is_ours(str_of_c(others[i]), "gateway"));
}

static void reads_postgres_messages(void **state)
{
    (void)state;
    struct up_postgres_line line;
    assert_true(up_postgres_parse(STR("42 00000 LOG:  database system is ready: now"), &line));
    assert_true(str_eq_c(line.pid, "42"));
    assert_true(str_eq_c(line.sqlstate, "00000"));
    assert_true(str_eq_c(line.severity, "LOG"));
    assert_true(str_eq_c(line.text, "database system is ready: now"));
    assert_false(up_postgres_parse(STR("\tand a second line"), &line));
    assert_false(up_postgres_parse(STR("postgres: could not access"), &line));
    assert_false(up_postgres_parse(STR(""), &line));
}

static void rates_postgres_messages(void **state)
{
    (void)state;
    const struct {
        const char *line;
        enum log_level level;
    } cases[] = {
        { "1 00000 LOG:  starting", LOG_INFO },
        { "1 01000 WARNING:  odd", LOG_WARN },
        { "1 23505 ERROR:  duplicate key value violates unique constraint \"u\"", LOG_DEBUG },
        { "1 57014 ERROR:  canceling statement due to statement timeout", LOG_DEBUG },
        { "1 XX001 ERROR:  invalid page in block 3 of relation base/1/2", LOG_WARN },
        { "1 53100 ERROR:  could not extend file: No space left on device", LOG_WARN },
        { "1 53100 PANIC:  could not write to file: No space left on device", LOG_ERROR },
        { "1 57P01 FATAL:  terminating connection due to administrator command", LOG_DEBUG },
        { "1 57P03 FATAL:  the database system is starting up", LOG_DEBUG },
        { "1 F0001 FATAL:  lock file \"postmaster.pid\" already exists", LOG_ERROR },
        { "1 28P01 FATAL:  password authentication failed for user \"x\"", LOG_ERROR },
        { "1 23505 DETAIL:  Key (lower(email))=(a@b.example) already exists.", LOG_DEBUG },
    };
    for (size_t i = 0; i < countof(cases); i++) {
        struct up_postgres_line line;
        assert_true(up_postgres_parse(str_of_c(cases[i].line), &line));
        assert_int_equal(up_postgres_level(&line), cases[i].level);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(makes_lines_of_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cuts_a_line_that_is_too_long_and_goes_on_with_the_next,
                                        set_up, tear_down),
        cmocka_unit_test(knows_the_lines_of_our_log),
        cmocka_unit_test(reads_postgres_messages),
        cmocka_unit_test(rates_postgres_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
