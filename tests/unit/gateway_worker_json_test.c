#include "gateway/worker_json.h"

#include "test.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_create(1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

static const struct json_value *parse(const char *text)
{
    const struct json_value *value = NULL;
    struct err e;
    assert_true(json_parse(arena, str_of_c(text), &value, &e));
    return value;
}

static struct feed_event read_good(const char *text)
{
    struct feed_event event;
    struct err e;
    if (!worker_read_event(arena, parse(text), &event, &e))
        fail_msg("%s", e.message);
    return event;
}

static void refuses(const char *text, const char *word)
{
    struct feed_event event;
    struct err e;
    assert_false(worker_read_event(arena, parse(text), &event, &e));
    if (strstr(e.message, word) == NULL)
        fail_msg("%s", e.message);
}

#define ID "0192f1f3-6b5c-7c3e-9d1a-2f4b6c8d0e1f"

static bool tells(const struct feed_event *event, int column)
{
    return event->told & UINT64_C(1) << column;
}

static void a_finish_tells_its_status_its_time_and_its_version(void **state)
{
    (void)state;
    struct feed_event event = read_good(
        "{\"seq\": \"18\", \"at_us\": 1764336000250000, \"op\": \"finish\", \"task\": {\"id\": "
        "\"" ID
        "\", \"type\": \"email\", \"from\": \"in-progress\", \"state\": \"dead\", \"attempt\": 2,"
        " \"started_at_us\": 1764336000000000, \"finished_at_us\": 1764336000250000,"
        " \"result\": null, \"error\": \"no user 4711\", \"why\": {\"code\": \"QUARANTINED\"}}}");
    assert_int_equal(event.op, FEED_FINISH);
    assert_int_equal(event.seq, 18);
    assert_int_equal(event.from, TASK_STATUS_IN_PROGRESS);
    assert_int_equal(event.took_us, 250'000);
    assert_str(event.cells[COL_tasks_status], "failed");
    assert_str(event.cells[COL_tasks_version], "18");
    assert_str(event.cells[COL_tasks_finished_at], "2025-11-28 13:20:00.250000+00");
    assert_str(event.cells[COL_tasks_updated_at], "2025-11-28 13:20:00.250000+00");
    assert_str(event.cells[COL_tasks_error_template], "no user <n>");
    assert_str(event.cells[COL_tasks_why], "{\"code\":\"QUARANTINED\"}");
    assert_true(tells(&event, COL_tasks_result));
    assert_null(event.cells[COL_tasks_result].ptr);
    assert_false(tells(&event, COL_tasks_payload));
}

static void a_start_waits_since_it_could_have_run_and_moves_no_due_time(void **state)
{
    (void)state;
    struct feed_event event = read_good(
        "{\"seq\": \"7\", \"at_us\": 500, \"op\": \"start\", \"task\": {\"id\": \"" ID
        "\", \"type\": \"x\", \"attempt\": 1, \"started_at_us\": 500, \"run_at_us\": 200}}");
    assert_int_equal(event.took_us, 300);
    assert_str(event.cells[COL_tasks_state], "running");
    assert_str(event.cells[COL_tasks_status], "in-progress");
    assert_false(tells(&event, COL_tasks_run_at));
    assert_true(tells(&event, COL_tasks_why));
}

static void an_empty_text_is_not_null_and_a_null_where_none_may_be_tells_nothing(void **state)
{
    (void)state;
    struct worker_row row;
    struct err e;
    assert_true(worker_read_task(arena,
                                 parse("{\"id\": \"" ID "\", \"type\": \"x\", \"error\": \"\", "
                                       "\"max_attempts\": null, \"unknown\": [1]}"),
                                 &row, &e));
    assert_non_null(row.cells[COL_tasks_error].ptr);
    assert_int_equal(row.cells[COL_tasks_error].len, 0);
    assert_false(row.told & UINT64_C(1) << COL_tasks_max_attempts);
    worker_complete_row(&schema_public.tables[TABLE_tasks], row.cells);
    for (size_t c = 0; c < COL_tasks_COUNT; c++)
        assert_true(row.cells[c].ptr != NULL ||
                    schema_public.tables[TABLE_tasks].columns[c].is_nullable);
    assert_str(row.cells[COL_tasks_accepted], "t");
}

static void drops_name_ids_or_a_range_and_what_left(void **state)
{
    (void)state;
    struct feed_event ids = read_good("{\"seq\": \"1\", \"op\": \"drop\", \"ids\": [\"" ID
                                      "\"], \"counts\": [{\"type\": \"a\", \"status\": "
                                      "\"completed\", \"count\": 3}]}");
    assert_int_equal(ids.id_count, 1);
    assert_false(ids.is_range);
    assert_int_equal(ids.counts[0].count, 3);
    assert_int_equal(ids.counts[0].status, TASK_STATUS_COMPLETED);
    struct feed_event range =
        read_good("{\"seq\": \"2\", \"op\": \"drop\", \"range\": {\"from\": \"" ID
                  "\", \"to\": \"" ID "\"}, \"counts\": []}");
    assert_true(range.is_range);
}

static void what_is_wrong_with_an_event_is_named_and_its_number_kept(void **state)
{
    (void)state;
    struct feed_event event;
    struct err e;
    refuses("{\"op\": \"add\"}", "seq");
    refuses("{\"seq\": 5, \"op\": \"add\"}", "seq");
    refuses("{\"seq\": \"5\", \"op\": \"explode\"}", "op");
    refuses("{\"seq\": \"5\", \"op\": \"add\"}", "object");
    refuses("{\"seq\": \"5\", \"op\": \"add\", \"task\": {\"type\": \"x\"}}", "id");
    refuses("{\"seq\": \"5\", \"op\": \"add\", \"task\": {\"id\": \"" ID "\"}}", "state");
    refuses("{\"seq\": \"5\", \"op\": \"note\", \"task\": {\"id\": \"" ID "\"}}", "type");
    refuses("{\"seq\": \"5\", \"op\": \"note\", \"task\": {\"id\": \"" ID
            "\", \"type\": \"x\", \"state\": \"lost\"}}",
            "state");
    refuses("{\"seq\": \"5\", \"op\": \"finish\", \"task\": {\"id\": \"" ID
            "\", \"type\": \"x\", \"state\": \"dead\"}}",
            "from");
#define NOTE(more)                                                                                 \
    "{\"seq\": \"5\", \"op\": \"note\", \"task\": {\"id\": \"" ID "\", \"type\": \"x\", " more "}" \
                                                                                               "}"
    refuses(NOTE("\"progress\": 1.5"), "progress: ");
    refuses(NOTE("\"progress\": -0.1"), "progress: ");
    refuses(NOTE("\"progress\": 1e999"), "progress: ");
    refuses(NOTE("\"queue\": \"\""), "queue: ");
    const char *long_key = arena_printf(arena, NOTE("\"idempotency_key\": \"%0501d\""), 0).ptr;
    refuses(long_key, "idempotency_key: ");
    (void)read_good(arena_printf(arena, NOTE("\"queue\": \"%0200d\", \"progress\": 1"), 0).ptr);
    refuses("{\"seq\": \"5\", \"op\": \"drop\", \"ids\": [7]}", "ids[0]");
    refuses("{\"seq\": \"5\", \"op\": \"job_gone\", \"id\": null}", "id");
    refuses("{\"seq\": \"5\", \"op\": \"type\", \"type\": \"email\"}", "no object");
    refuses("{\"seq\": \"5\", \"op\": \"queue\"}", "no object");
    assert_false(
        worker_read_event(arena, parse("{\"seq\": \"5\", \"op\": \"explode\"}"), &event, &e));
    assert_int_equal(event.seq, 5);
}

static void types_and_queues_are_events(void **state)
{
    struct feed_event event = read_good(
        "{\"seq\": \"5\", \"op\": \"type\", \"type\": {\"type\": \"email\"}, \"actor\": \"ada\"}");
    (void)state;
    assert_int_equal(event.op, FEED_TYPE);
    assert_true(str_eq_c(json_get_c(event.object, "type")->text, "email"));
    event = read_good("{\"seq\": \"6\", \"op\": \"queue\", \"queue\": {\"queue\": \"slow\"}}");
    assert_int_equal(event.op, FEED_QUEUE);
    assert_true(str_eq_c(json_get_c(event.object, "queue")->text, "slow"));
}

static void cursors_are_of_one_shard(void **state)
{
    (void)state;
    char text[WORKER_CURSOR_MAX];
    int64_t seq = 0;
    assert_true(worker_parse_cursor(STR("0:17"), 0, &seq));
    assert_int_equal(seq, 17);
    assert_false(worker_parse_cursor(STR(""), 0, &seq));
    assert_false(worker_parse_cursor(STR("0:"), 0, &seq));
    assert_false(worker_parse_cursor(STR("0:-1"), 0, &seq));
    assert_false(worker_parse_cursor(STR("1:17"), 0, &seq));
    assert_false(worker_parse_cursor(STR("0:17,1:4"), 0, &seq));
    assert_true(worker_parse_cursor(STR("15:4"), 15, &seq) && seq == 4);
    assert_false(worker_parse_cursor(STR("1:4"), 15, &seq));
    worker_format_cursor(0, INT64_MAX, text);
    assert_string_equal(text, "0:9223372036854775807");
}

static bool read_created(const char *text, struct str *cells, struct err *e)
{
    memset(cells, 0, COL_tasks_COUNT * sizeof *cells);
    return worker_read_created(arena, parse(text), cells, e);
}

static void what_the_worker_decided_of_a_new_task_stands_over_what_was_guessed(void **state)
{
    (void)state;
    struct str *cells = arena_new_array(arena, COL_tasks_COUNT, struct str);
    struct err e;
    assert_true(read_created("{\"version\": \"19\", \"state\": \"scheduled\", \"max_attempts\": 5, "
                             "\"timeout_s\": 300, \"run_at_us\": 1764336001000000, "
                             "\"created_at_us\": 1764336000000000, \"of_later\": 1}",
                             cells, &e));
    assert_true(str_eq_c(cells[COL_tasks_version], "19"));
    assert_true(str_eq_c(cells[COL_tasks_max_attempts], "5"));
    assert_true(str_eq_c(cells[COL_tasks_state], "scheduled"));
    assert_true(str_eq(cells[COL_tasks_created_at], cells[COL_tasks_updated_at]));
    assert_false(str_eq(cells[COL_tasks_run_at], cells[COL_tasks_updated_at]));
    assert_null(cells[COL_tasks_id].ptr);
}

static void what_tells_too_little_of_a_new_task_or_nonsense_is_refused_by_name(void **state)
{
    (void)state;
    struct str *cells = arena_new_array(arena, COL_tasks_COUNT, struct str);
    static const struct {
        const char *text, *word;
    } bad[] = {
        { "7", "created" },
        { "{}", "version, state and created_at_us are needed" },
        { "{\"version\": \"19\", \"state\": \"ready\"}", "are needed" },
        { "{\"version\": \"19\", \"created_at_us\": 1}", "are needed" },
        { "{\"version\": [], \"state\": \"ready\", \"created_at_us\": 1}", "version" },
        { "{\"version\": \"19\", \"state\": \"odd\", \"created_at_us\": 1}", "state" },
        { "{\"version\": \"19\", \"state\": \"ready\", \"created_at_us\": \"soon\"}",
          "created_at_us" },
    };
    for (size_t i = 0; i < countof(bad); i++) {
        struct err e = { 0 };
        assert_false(read_created(bad[i].text, cells, &e));
        if (!strstr(err_text(&e), bad[i].word))
            fail_msg("%s: %s", bad[i].text, err_text(&e));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finish_tells_its_status_its_time_and_its_version),
        cmocka_unit_test(a_start_waits_since_it_could_have_run_and_moves_no_due_time),
        cmocka_unit_test(an_empty_text_is_not_null_and_a_null_where_none_may_be_tells_nothing),
        cmocka_unit_test(drops_name_ids_or_a_range_and_what_left),
        cmocka_unit_test(what_is_wrong_with_an_event_is_named_and_its_number_kept),
        cmocka_unit_test(types_and_queues_are_events),
        cmocka_unit_test(cursors_are_of_one_shard),
        cmocka_unit_test(what_the_worker_decided_of_a_new_task_stands_over_what_was_guessed),
        cmocka_unit_test(what_tells_too_little_of_a_new_task_or_nonsense_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
