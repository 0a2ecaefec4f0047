#include "analyst/template.h"

#include "test.h"

static void texts_give_their_templates(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } pairs[] = {
        { "no user 4711", "no user <n>" },
        { "no user -3.5e10 in 12 ms, 1,234 left", "no user <n> in <n> ms, <n> left" },
        { "took 30s of 5MiB on worker-12", "took <n>s of <n>MiB on worker-<n>" },
        { "task 0192f1f3-6b5c-7c3e-9d1a-2f4b6c8d0e1f lost", "task <id> lost" },
        { "commit 8d21c27ab at 0xdeadBEEF", "commit <hex> at <hex>" },
        { "deadbeef is a word, 12345678 a number", "deadbeef is a word, <n> a number" },
        { "open /srv/data/a-1.db: No such file", "open <path>: No such file" },
        { "cannot read ./x.json or ~/y or C:\\Temp\\a.txt",
          "cannot read <path> or <path> or <path>" },
        { "10 req/second and/or more", "<n> req/second and/or more" },
        { "GET https://api.example.org/v1/users?id=3 failed.", "GET <url> failed." },
        { "connect to 10.0.0.12:5432 and [::1]:80, fe80::1",
          "connect to <address> and <address>, <address>" },
        { "mail to ada.l+x@mail.example.org bounced", "mail to <email> bounced" },
        { "at 2026-11-23T06:37:10.123456Z and 2026-11-23 06:37:10+01:00 and 2026-11-23",
          "at <time> and <time> and <time>" },
        { "key 'abc' of \"users\" can't be `null`", "key <text> of <text> can't be <text>" },
        { "it's the users' own", "it's the users' own" },
        { "HTTP 503 from server 17", "HTTP 503 from server <n>" },
        { "status code: 404", "status code: 404" },
        { "exit code 137, signal 9, error 1234567", "exit code 137, signal 9, error <n>" },
        { "  spaces \t and\n second line", "spaces and" },
        { "\n\nfirst that says something\nmore", "first that says something" },
        { "Traceback (most recent call last):\n  File \"a.py\", line 3\nValueError: bad 7",
          "ValueError: bad <n>" },
        { "", "(no text)" },
        { " \n ", "(no text)" },
        { "größe 12 überschritten", "größe <n> überschritten" },
        { "time 12:30:45", "time <n>:<n>:<n>" },
    };
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    for (size_t i = 0; i < countof(pairs); i++)
        assert_str(template_of(a, str_of_c(pairs[i].text)), pairs[i].expected);
}

static void errors_of_one_kind_share_a_template(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    for (int i = 0; i < 100; i++) {
        struct str text = arena_printf(a, "no route to 10.0.%d.%d after %d ms (try %d): \"x%d\"", i,
                                       i * 2, i * 37, i % 5, i);
        assert_str(template_of(a, text), "no route to <address> after <n> ms (try <n>): <text>");
    }
}

static void long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    static char text[3 * TEMPLATE_INPUT_BYTES];
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "é", 2);
    for (size_t shift = 0; shift < 2; shift++) {
        struct str found = template_of(a, str_of(text + 2 * shift, sizeof text - 2 * shift));
        assert_true(found.len <= TEMPLATE_BYTES_MAX && found.len > TEMPLATE_BYTES_MAX - 4);
        assert_true(str_is_utf8(found));
        assert_true(str_ends_with(found, STR("…")));
    }
    for (size_t len = TEMPLATE_BYTES_MAX - 8; len < TEMPLATE_BYTES_MAX + 8; len++) {
        memset(text, 'x', len);
        struct str found = template_of(a, str_of(text, len));
        assert_int_equal(found.len, min_of(len, (size_t)TEMPLATE_BYTES_MAX));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_give_their_templates),
        cmocka_unit_test(errors_of_one_kind_share_a_template),
        cmocka_unit_test(long_texts_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
