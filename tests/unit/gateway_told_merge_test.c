#include "gateway/told.h"

#include "base/buf.h"
#include "test.h"

enum { SHARDS = 3, NAMES = 10'000, ARENA_BYTES = 256 << 20 };

static const struct shard_map no_map = { .shard_count = 1 };

static const struct json_value *parse(struct arena *a, struct str text)
{
    const struct json_value *value;
    struct err e;
    assert_true(json_parse(a, text, &value, &e));
    return value;
}

static int64_t number_in(const struct json_value *object, const char *name)
{
    const struct json_value *v = json_get(object, str_of_c(name));
    int64_t number;
    assert_non_null(v);
    assert_true(json_to_i64(v, &number));
    return number;
}

/* Each shard tells of all names, in an order of its own. */
static const struct json_value *types_of(struct arena *a, size_t shard)
{
    struct buf text;
    buf_init(&text, 0);
    buf_put_c(&text, "{\"types\":[");
    for (size_t i = 0; i < NAMES; i++)
        buf_printf(&text, "%s{\"type\":\"t%zu\",\"max_running\":%zu,\"running\":%zu,\"waiting\":1}",
                   i > 0 ? "," : "", (i * 7 + shard) % NAMES, shard, shard + 1);
    buf_put_c(&text, "]}");
    const struct json_value *body = parse(a, arena_copy(a, buf_str(&text)));
    buf_clear(&text);
    return body;
}

static void as_many_types_as_there_may_be_are_one_list(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(ARENA_BYTES);
    const struct json_value *bodies[SHARDS];
    for (size_t i = 0; i < SHARDS; i++)
        bodies[i] = types_of(a, i);
    struct json_value all = told_merge(a, TOLD_TYPES, bodies, SHARDS, &no_map);
    const struct json_value *types = json_get_c(&all, "types");
    assert_int_equal(types->item_count, NAMES);
    for (size_t i = 0; i < NAMES; i++) {
        const struct json_value *type = &types->items[i];
        assert_true(str_eq(json_get_c(type, "type")->text,
                           arena_printf(a, "t%zu", i * 7 % NAMES))); /* as the first has them */
        assert_int_equal(number_in(type, "max_running"), 0);
        assert_int_equal(number_in(type, "running"), 1 + 2 + 3);
        assert_int_equal(number_in(type, "waiting"), SHARDS);
    }
}

static void what_one_shard_alone_has_comes_behind(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 16);
    const struct json_value *bodies[] = {
        parse(a, STR("{\"queues\":[{\"queue\":\"a\",\"oldest_waiting_us\":null,\"waiting\":0}]}")),
        parse(a, STR("{\"queues\":[{\"queue\":\"b\",\"oldest_waiting_us\":5,\"waiting\":2},"
                     "{\"queue\":\"a\",\"oldest_waiting_us\":9,\"waiting\":3}]}")),
        parse(a, STR("{\"queues\":[{\"queue\":\"b\",\"oldest_waiting_us\":4,\"waiting\":2}]}")),
    };
    struct json_value all = told_merge(a, TOLD_QUEUES, bodies, countof(bodies), &no_map);
    const struct json_value *queues = json_get_c(&all, "queues");
    assert_int_equal(queues->item_count, 2);
    assert_str(json_get_c(&queues->items[0], "queue")->text, "a");
    assert_int_equal(number_in(&queues->items[0], "oldest_waiting_us"), 9);
    assert_int_equal(number_in(&queues->items[0], "waiting"), 3);
    assert_str(json_get_c(&queues->items[1], "queue")->text, "b");
    assert_int_equal(number_in(&queues->items[1], "oldest_waiting_us"), 4);
    assert_int_equal(number_in(&queues->items[1], "waiting"), 4);
}

static void what_the_owner_of_a_queue_says_stands_first(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 16);
    const struct shard_map map = { .shard_count = 3,
                                   .queue_count = 1,
                                   .queues = { { STR("q"), 2 } } };
    const struct json_value *bodies[] = {
        parse(a, STR("{\"queues\":[{\"queue\":\"q\",\"is_paused\":false,\"waiting\":1}]}")),
        NULL,
        parse(a, STR("{\"queues\":[{\"queue\":\"q\",\"is_paused\":true,\"waiting\":2}]}")),
    };
    struct json_value all = told_merge(a, TOLD_QUEUES, bodies, countof(bodies), &map);
    const struct json_value *queues = json_get_c(&all, "queues");
    assert_int_equal(queues->item_count, 1);
    assert_true(json_get_c(&queues->items[0], "is_paused")->boolean);
    assert_int_equal(number_in(&queues->items[0], "waiting"), 3);
}

static void workers_are_apart_and_their_types_are_each_told_once(void **state)
{
    (void)state;
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 16);
    const struct json_value *bodies[] = {
        parse(a, STR("{\"workers\":[{\"name\":\"w\"}],\"task_types\":[\"b\",\"a\",\"\"]}")),
        parse(a, STR("{\"workers\":[{\"name\":\"w\"}],\"task_types\":[\"a\",\"c\",\"\"]}")),
    };
    struct json_value all = told_merge(a, TOLD_WORKERS, bodies, countof(bodies), &no_map);
    const struct json_value *types = json_get_c(&all, "task_types");
    assert_int_equal(json_get_c(&all, "workers")->item_count, 2);
    assert_int_equal(types->item_count, 4);
    assert_str(types->items[0].text, "b");
    assert_str(types->items[1].text, "a");
    assert_str(types->items[2].text, "");
    assert_str(types->items[3].text, "c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_types_as_there_may_be_are_one_list),
        cmocka_unit_test(what_one_shard_alone_has_comes_behind),
        cmocka_unit_test(what_the_owner_of_a_queue_says_stands_first),
        cmocka_unit_test(workers_are_apart_and_their_types_are_each_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
