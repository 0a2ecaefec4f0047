#include "gateway/shards.h"

#include "gateway/lease_shard.h"
#include "test.h"

static const char id[] = "0198b0a0-1234-7abc-8def-0123456789ab";

static struct gateway gateway_of(size_t shard_count, const char *queues)
{
    struct gateway gw = { .shard_count = shard_count };
    struct err e;
    assert_true(shard_map_read(str_of_c(queues), &gw.shards, &e));
    return gw;
}

static void queues_that_nobody_names_are_of_shard_0(void **state)
{
    (void)state;
    struct gateway gw = gateway_of(3, "1:email,bulk;2:reports");
    assert_int_equal(shards_of_queue(&gw, STR("bulk")), 1);
    assert_int_equal(shards_of_queue(&gw, STR("reports")), 2);
    assert_int_equal(shards_of_queue(&gw, STR("default")), 0);
    assert_int_equal(shards_of_number(&gw, 2), 2);
    assert_int_equal(shards_of_number(&gw, 3), 0);
    assert_int_equal(shards_of_number(&gw, -1), 0);
    assert_true(str_eq_c(shards_cell(15), "15"));
}

static void a_cursor_has_a_number_a_shard(void **state)
{
    (void)state;
    struct gateway gw = gateway_of(3, "");
    struct shards_cursor cursor;
    char text[SHARDS_CURSOR_MAX];
    assert_true(shards_cursor_parse(&gw, STR("2:9,0:17"), &cursor));
    assert_true(cursor.seqs[0] == 17 && cursor.seqs[1] == 0 && cursor.seqs[2] == 9);
    shards_cursor_write(&gw, &cursor, text);
    assert_string_equal(text, "0:17,2:9");
    gw.shard_count = GATEWAY_SHARDS_MAX;
    for (size_t i = 0; i < gw.shard_count; i++)
        cursor.seqs[i] = INT64_MAX;
    shards_cursor_write(&gw, &cursor, text); /* the longest that there is */
    assert_true(shards_cursor_parse(&gw, str_of_c(text), &cursor));
    assert_true(cursor.seqs[15] == INT64_MAX);
    memset(&cursor, 0, sizeof cursor);
    shards_cursor_write(&gw, &cursor, text);
    assert_string_equal(text, "");
}

static void what_is_no_cursor_is_refused(void **state)
{
    static const char *const texts[] = { "",     "0",       "0:",  ":1",   "0:1,",
                                         "0:-1", "0:1,0:2", "3:1", "-1:1", "0:1;1:1" };
    struct gateway gw = gateway_of(3, "");
    struct shards_cursor cursor;
    (void)state;
    for (size_t i = 0; i < countof(texts); i++)
        assert_false(shards_cursor_parse(&gw, str_of_c(texts[i]), &cursor));
}

static void a_session_says_its_shard(void **state)
{
    (void)state;
    size_t shard = 9;
    struct str inside;
    char text[64];
    assert_true(lease_shard_of_session(str_of_c(id), 1, &shard, &inside));
    assert_true(shard == 0 && str_eq_c(inside, id));
    snprintf(text, sizeof text, "2.%s", id);
    assert_true(lease_shard_of_session(str_of_c(text), 3, &shard, &inside));
    assert_true(shard == 2 && str_eq_c(inside, id));
    assert_false(lease_shard_of_session(str_of_c(text), 2, &shard, &inside));
    text[0] = '0'; /* a second name of the same */
    assert_false(lease_shard_of_session(str_of_c(text), 3, &shard, &inside));
    assert_false(lease_shard_of_session(STR("1."), 3, &shard, &inside));
    assert_false(lease_shard_of_session(STR(""), 3, &shard, &inside));
}

static void a_body_goes_on_without_the_shard(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 16);
    struct lease_shard where;
    struct err e;
    struct str body = arena_printf(a, "{\"session\":\"1.%s\",\"n\":1.50e3,\"x\":\"1.%s\"}", id, id);
    struct str wanted = arena_printf(a, "{\"session\":\"%s\",\"n\":1.50e3,\"x\":\"1.%s\"}", id, id);
    assert_true(lease_shard_read(a, body, 2, &where, &e));
    assert_true(where.shard == 1 && str_eq(where.body, wanted));
    assert_true(lease_shard_read(a, body, 1, &where, &e)); /* its worker knows none of that name */
    assert_true(where.shard == 0 && where.body.ptr == body.ptr);
    assert_true(lease_shard_read(a, STR("no json"), 2, &where, &e));
    assert_true(str_eq_c(where.body, "no json"));
    assert_true(lease_shard_read(a, STR("[1]"), 2, &where, &e));
    assert_false(lease_shard_read(a, STR("{\"session\":\"7.x\"}"), 2, &where, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

static bool read_opening(struct arena *a, struct str body, size_t shard_count,
                         struct lease_shard *ret_where, struct err *e)
{
    return lease_shard_read_opening(a, body, lease_shard_parse(a, body), shard_count, ret_where, e);
}

static void an_opening_names_a_shard_that_there_is(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 16);
    struct lease_shard where;
    struct err e;
    assert_true(read_opening(a, STR("{\"shard\":1,\"types\":{}}"), 2, &where, &e));
    assert_true(where.shard == 1 && str_eq_c(where.body, "{\"types\":{}}"));
    assert_true(read_opening(a, STR("{\"types\":{}}"), 2, &where, &e));
    assert_int_equal(where.shard, 0);
    assert_true(read_opening(a, STR("{\"shard\":null}"), 2, &where, &e));
    assert_true(where.shard == 0 && str_eq_c(where.body, "{}"));
    static const char *const wrong[] = { "{\"shard\":2}", "{\"shard\":-1}", "{\"shard\":1.5}",
                                         "{\"shard\":\"1\"}" };
    for (size_t i = 0; i < countof(wrong); i++) {
        assert_false(read_opening(a, str_of_c(wrong[i]), 2, &where, &e));
        assert_string_equal(e.message, "shard: must be 0 to 1, see GET /v1/shards");
    }
    struct str answer = lease_shard_answer(a, 1, STR("{\"session\":\"s\",\"secret\":\"x\"}"));
    assert_true(str_eq_c(answer, "{\"session\":\"1.s\",\"secret\":\"x\"}"));
    assert_true(str_eq_c(lease_shard_list(a, 2), "{\"shards\":[{\"shard\":0},{\"shard\":1}]}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queues_that_nobody_names_are_of_shard_0),
        cmocka_unit_test(a_cursor_has_a_number_a_shard),
        cmocka_unit_test(what_is_no_cursor_is_refused),
        cmocka_unit_test(a_session_says_its_shard),
        cmocka_unit_test(a_body_goes_on_without_the_shard),
        cmocka_unit_test(an_opening_names_a_shard_that_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
