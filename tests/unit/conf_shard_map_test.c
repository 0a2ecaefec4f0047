#include "conf/shard_map.h"

#include <stdio.h>

#include "test.h"

static struct shard_map must_read(const char *text)
{
    struct shard_map map;
    struct err e;
    if (!shard_map_read(str_of_c(text), &map, &e))
        fail_msg("%s", e.message);
    return map;
}

static void assert_refused(const char *text, const char *message)
{
    struct shard_map map;
    struct err e = { 0 };
    assert_false(shard_map_read(str_of_c(text), &map, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_string_equal(e.message, message);
}

static void no_text_is_shard_0_alone(void **state)
{
    (void)state;
    struct shard_map map = must_read("");
    assert_int_equal(map.shard_count, 1);
    assert_int_equal(shard_map_of_queue(&map, STR("email")), 0);
    assert_int_equal(shard_map_of_queue(&map, STR("")), 0);
}

static void queues_have_their_shard_and_all_others_are_of_shard_0(void **state)
{
    (void)state;
    struct shard_map map = must_read("2: reports ;1:email, bulk");
    assert_int_equal(map.shard_count, 3);
    assert_int_equal(shard_map_of_queue(&map, STR("email")), 1);
    assert_int_equal(shard_map_of_queue(&map, STR("bulk")), 1);
    assert_int_equal(shard_map_of_queue(&map, STR("reports")), 2);
    assert_int_equal(shard_map_of_queue(&map, STR("report")), 0);
    assert_int_equal(shard_map_of_queue(&map, STR("default")), 0);
}

static void a_shard_may_have_lost_its_queues(void **state)
{
    (void)state;
    struct shard_map map = must_read("1:;2:reports");
    assert_int_equal(map.shard_count, 3);
    assert_int_equal(map.queue_count, 1);
}

static void a_name_may_hold_a_colon(void **state)
{
    (void)state;
    struct shard_map map = must_read("1:mail:out");
    assert_int_equal(shard_map_of_queue(&map, STR("mail:out")), 1);
}

static void refuses_what_is_no_map(void **state)
{
    (void)state;
    const char *const number = "entry 1 does not begin with a shard's number, 1 to 15, and a colon";
    assert_refused("email", number);
    assert_refused(":email", number);
    assert_refused("x:email", number);
    assert_refused("-1:email", number);
    assert_refused("0:email", number);
    assert_refused("16:email", number);
    assert_refused("18446744073709551617:email", number);
    assert_refused("1:email;",
                   "entry 2 does not begin with a shard's number, 1 to 15, and a colon");
    assert_refused("1:a;1:b", "shard 1 is given twice");
    assert_refused("1:a;3:b", "shard 2 is missing: numbers go from 1 without a gap");
    assert_refused("1:a,b;2:b", "queue \"b\" is given twice");
    assert_refused("1:a,a", "queue \"a\" is given twice");
    assert_refused("1:a,,b", "shard 1: a queue's name has 1 to 200 bytes of UTF-8");
    assert_refused("1:\xff", "shard 1: a queue's name has 1 to 200 bytes of UTF-8");
}

static void takes_as_many_queues_as_its_limit_and_no_more(void **state)
{
    (void)state;
    static char text[2048] = "1:";
    struct shard_map map;
    struct err e;
    size_t len = 2;
    for (int i = 0; i < SHARD_MAP_QUEUES_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%sq%d", i ? "," : "", i);
    assert_true(shard_map_read(str_of(text, len), &map, &e));
    assert_int_equal(map.queue_count, SHARD_MAP_QUEUES_MAX);
    assert_int_equal(shard_map_of_queue(&map, STR("q255")), 1);
    (void)snprintf(text + len, sizeof text - len, ",more");
    assert_refused(text, "more than 256 queues");
}

static void takes_as_many_shards_as_its_limit(void **state)
{
    (void)state;
    struct shard_texts texts;
    struct err e;
    const char *text = "1:a;2:a;3:a;4:a;5:a;6:a;7:a;8:a;9:a;10:a;11:a;12:a;13:a;14:a;15:last";
    assert_true(shard_texts_read(str_of_c(text), &texts, &e));
    assert_int_equal(texts.shard_count, SHARD_MAP_SHARDS_MAX);
    assert_str(texts.texts[15], "last");
}

static void texts_are_found_by_shard(void **state)
{
    (void)state;
    struct shard_texts texts;
    struct err e;
    const char *text = "2:unix:/run/x ; 1:http://a:8081,http://b:8081";
    assert_true(shard_texts_read(str_of_c(text), &texts, &e));
    assert_int_equal(texts.shard_count, 3);
    assert_str(texts.texts[0], "");
    assert_str(texts.texts[1], "http://a:8081,http://b:8081");
    assert_str(texts.texts[2], "unix:/run/x");
    assert_true(shard_texts_read(STR(""), &texts, &e));
    assert_int_equal(texts.shard_count, 1);
}

static void a_text_is_picked_or_there_are_none_at_all(void **state)
{
    (void)state;
    struct shard_texts texts;
    struct str text = { 0 };
    struct err e;
    assert_true(shard_texts_read(STR("1:a;2:b"), &texts, &e));
    assert_true(shard_texts_pick(&texts, "shard-urls", 2, &text, &e));
    assert_str(text, "b");
    assert_false(shard_texts_pick(&texts, "shard-urls", 3, &text, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_string_equal(e.message, "shard-urls has no shard 3");
    assert_true(shard_texts_pick(&texts, "shard-urls", 0, &text, &e));
    assert_str(text, "");
    assert_true(shard_texts_read(STR(""), &texts, &e));
    assert_true(shard_texts_pick(&texts, "shard-urls", 15, &text, &e));
    assert_str(text, "");
}

static void texts_may_be_secrets_and_are_not_quoted(void **state)
{
    (void)state;
    struct shard_texts texts;
    struct err e;
    assert_false(shard_texts_read(STR("postgres://u:secret@h/d"), &texts, &e));
    assert_string_equal(e.message,
                        "entry 1 does not begin with a shard's number, 1 to 15, and a colon");
    assert_false(shard_texts_read(STR("1: "), &texts, &e));
    assert_string_equal(e.message, "shard 1 has nothing behind its number");
}

static void a_map_needs_the_shards_that_it_speaks_of(void **state)
{
    (void)state;
    struct shard_map map = must_read("1:a;2:b");
    struct err e;
    assert_true(shard_map_fits(&map, 3, &e));
    assert_true(shard_map_fits(&map, 4, &e));
    assert_false(shard_map_fits(&map, 2, &e));
    assert_string_equal(e.message, "shard-queues speaks of shard 2, and there are 2 shards");
}

static void a_shard_is_named_also_without_queues(void **state)
{
    (void)state;
    struct shard_map map = must_read("1:;2:b");
    struct err e;
    for (size_t shard = 0; shard < 3; shard++)
        assert_true(shard_map_names(&map, shard, &e));
    assert_false(shard_map_names(&map, 3, &e));
    assert_string_equal(e.message,
                        "shard-queues does not name shard 3 (\"3:\" where it is to have no queue)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_text_is_shard_0_alone),
        cmocka_unit_test(queues_have_their_shard_and_all_others_are_of_shard_0),
        cmocka_unit_test(a_shard_may_have_lost_its_queues),
        cmocka_unit_test(a_name_may_hold_a_colon),
        cmocka_unit_test(refuses_what_is_no_map),
        cmocka_unit_test(takes_as_many_queues_as_its_limit_and_no_more),
        cmocka_unit_test(takes_as_many_shards_as_its_limit),
        cmocka_unit_test(texts_are_found_by_shard),
        cmocka_unit_test(a_text_is_picked_or_there_are_none_at_all),
        cmocka_unit_test(texts_may_be_secrets_and_are_not_quoted),
        cmocka_unit_test(a_map_needs_the_shards_that_it_speaks_of),
        cmocka_unit_test(a_shard_is_named_also_without_queues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
