#include "client/table.h"

#include "test.h"

static const struct table_column columns[] = {
    { .title = "ID" },
    { .title = "TRY", .is_right = true },
    { .title = "DETAIL", .shrinks_to = 4 },
};

struct drawn {
    struct arena *arena;
    struct table *table;
    struct buf text;
};

static int set_up(void **state)
{
    struct drawn *d = test_calloc(1, sizeof *d);
    d->arena = arena_create(SIZE_MAX);
    d->table = table_create(d->arena, columns, countof(columns));
    buf_init(&d->text, 0);
    *state = d;
    return 0;
}

static int tear_down(void **state)
{
    struct drawn *d = *state;
    buf_clear(&d->text);
    arena_destroy(d->arena);
    test_free(d);
    return 0;
}

static void add(struct drawn *d, const char *id, const char *try, const char *detail)
{
    table_add(d->table, (struct table_cell[]){ { str_of_c(id), TABLE_PLAIN },
                                               { str_of_c(try), TABLE_PLAIN },
                                               { str_of_c(detail), TABLE_BAD } });
}

#define draws(d, expected, ...)                                                                    \
    do {                                                                                           \
        buf_reset(&(d)->text);                                                                     \
        table_put(&(d)->text, (d)->table, &(const struct table_options){ __VA_ARGS__ });           \
        assert_str(buf_str(&(d)->text), expected);                                                 \
    } while (0)

static void columns_are_aligned_by_what_a_terminal_shows(void **state)
{
    struct drawn *d = *state;
    add(d, "a", "1", "ok");
    add(d, "日本", "12", "cafe\xcc\x81 closed");
    add(d, "b", "3", "");
    assert_int_equal(table_row_count(d->table), 3);
    draws(d,
          "ID    TRY  DETAIL\n"
          "a       1  ok\n"
          "日本   12  cafe\xcc\x81 closed\n"
          "b       3\n",
          .has_titles = true);
    draws(d, "a      1  ok\n日本  12  cafe\xcc\x81 closed\nb      3\n");
}

static void a_narrow_terminal_shrinks_what_may_shrink(void **state)
{
    struct drawn *d = *state;
    add(d, "abcd", "1", "a long story");
    draws(d, "abcd  1  a long story\n", .width = 21);
    draws(d, "abcd  1  a long sto…\n", .width = 20);
    draws(d, "abcd  1  a l…\n", .width = 13);
    draws(d, "abcd  1  a …\n", .width = 12); /* it shrinks no more: the line ends */
    draws(d, "abcd  1\n", .width = 8);
    draws(d, "ab…\n", .width = 3);
}

static void a_wide_letter_is_not_cut_in_two(void **state)
{
    struct drawn *d = *state;
    add(d, "x", "1", "日本語です");
    draws(d, "x  1  日本…\n", .width = 11);
    draws(d, "x  1  日本…\n", .width = 12);
    draws(d, "x  1  日本語…\n", .width = 13);
}

static void colour_surrounds_the_text_alone(void **state)
{
    struct drawn *d = *state;
    add(d, "x", "1", "no");
    draws(d, "x  1  \033[31mno\033[0m\n", .has_colour = true);
    draws(d, "x  1  no\n");
}

static void what_strangers_wrote_cannot_steer_the_terminal(void **state)
{
    static const char turned[] = { '\xe2', '\x80', '\xae', '\0' }; /* right to left from here */
    struct drawn *d = *state;
    char text[64];
    snprintf(text, sizeof text, "a\033[2Jb\nc\xc2\x9b-%s-\xff", turned);
    add(d, "x", "1", text);
    draws(d, "x  1  a\xef\xbf\xbd[2Jb c\xef\xbf\xbd-\xef\xbf\xbd-\xef\xbf\xbd\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(columns_are_aligned_by_what_a_terminal_shows, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_narrow_terminal_shrinks_what_may_shrink, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_wide_letter_is_not_cut_in_two, set_up, tear_down),
        cmocka_unit_test_setup_teardown(colour_surrounds_the_text_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_strangers_wrote_cannot_steer_the_terminal, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
