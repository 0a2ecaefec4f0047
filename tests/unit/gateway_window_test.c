#include "gateway/window.h"

#include "gateway/worker_json.h"
#include "test.h"

/* ── batches as the feed makes them ── */

static struct feed_batch *batch_of(int64_t first, size_t count, const char *const *texts)
{
    struct arena *a = arena_create(1 << 20);
    struct feed_batch *batch = arena_new(a, struct feed_batch);
    batch->arena = a;
    atomic_init(&batch->refs, 1);
    batch->events = arena_new_array(a, count, struct feed_event);
    batch->first_seq = first;
    batch->next_seq = first + (int64_t)count;
    for (size_t i = 0; i < count; i++) {
        const struct json_value *value = NULL;
        struct err e;
        assert_true(json_parse(a, str_of_c(texts[i]), &value, &e));
        assert_true(worker_read_event(a, value, &batch->events[batch->count++], &e));
    }
    return batch;
}

static void take_all(struct window *w, size_t count, const char *const *texts)
{
    struct feed_batch *batch = batch_of(w->next_seq, count, texts);
    window_take(w, batch);
    feed_batch_unref(batch);
}

#define A "0192f1f3-0000-7000-8000-00000000000a"
#define B "0192f1f3-0000-7000-8000-00000000000b"
#define C "0192f1f3-0000-7000-8000-00000000000c"
#define EVENT(seq, op, id, more)                                                                   \
    "{\"seq\": \"" #seq "\", \"at_us\": 60000000, \"op\": \"" op "\", \"task\": {\"id\": \"" id    \
    "\", \"type\": \"t\"" more "}}"
#define ADD(seq, id) EVENT(seq, "add", id, ", \"state\": \"ready\", \"payload\": {}")
#define START(seq, id)                                                                             \
    EVENT(seq, "start", id, ", \"attempt\": 1, \"started_at_us\": 60000000, \"run_at_us\": 0")
#define FINISH(seq, id, state)                                                                     \
    EVENT(seq, "finish", id,                                                                       \
          ", \"from\": \"in-progress\", \"state\": \"" state                                       \
          "\", \"started_at_us\": 59000000, \"finished_at_us\": 60000000")

static int64_t count_of(const struct window *w, enum task_status status)
{
    struct mirror_count *counts;
    size_t n = window_counts(w, &counts);
    for (size_t i = 0; i < n; i++)
        if (counts[i].status == status)
            return counts[i].count;
    return 0;
}

static void each_row_comes_once_at_its_newest_and_born_ones_first(void **state)
{
    (void)state;
    const char *const texts[] = { START(1, B),
                                  ADD(2, A),
                                  ADD(3, C),
                                  START(4, A),
                                  FINISH(5, A, "succeeded"),
                                  "{\"seq\": \"6\", \"op\": \"type\", \"type\": {}}",
                                  "{\"seq\": \"7\", \"op\": \"queue\", \"queue\": {}}" };
    struct window *w = window_create(1);
    struct mirror_row *rows;
    size_t born, unchanged;
    take_all(w, countof(texts), texts);
    assert_int_equal(window_rows(w, &rows, &born, &unchanged), 3);
    assert_int_equal(born, 2);
    assert_int_equal(unchanged, 1);
    assert_str(rows[0].cells[COL_tasks_id], C);
    assert_str(rows[1].cells[COL_tasks_id], A);
    assert_str(rows[1].cells[COL_tasks_version], "5");
    assert_str(rows[1].cells[COL_tasks_status], "completed");
    assert_str(rows[1].cells[COL_tasks_payload], "{}");
    assert_str(rows[2].cells[COL_tasks_id], B);
    assert_false(rows[2].told & UINT64_C(1) << COL_tasks_payload);
    assert_int_equal(w->next_seq, 8);
    window_destroy(w);
}

static void counters_come_from_the_events_whatever_became_of_the_rows(void **state)
{
    (void)state;
    const char *const texts[] = {
        ADD(1, A),
        START(2, A),
        FINISH(3, A, "dead"),
        ADD(4, B),
        START(5, C),
        "{\"seq\": \"6\", \"op\": \"drop\", \"ids\": [\"" A
        "\"], \"counts\": [{\"type\": \"t\", \"status\": \"failed\", \"count\": 1}]}",
    };
    struct window *w = window_create(1);
    struct mirror_row *rows;
    size_t born, unchanged;
    take_all(w, countof(texts), texts);
    assert_int_equal(count_of(w, TASK_STATUS_PENDING), 0);
    assert_int_equal(count_of(w, TASK_STATUS_IN_PROGRESS), 1);
    assert_int_equal(count_of(w, TASK_STATUS_FAILED), 0);
    assert_int_equal(w->mark_count, 5);
    assert_int_equal(window_rows(w, &rows, &born, &unchanged), 2); /* A is gone */
    assert_int_equal(w->dropped_count, 1);
    window_destroy(w);
}

static void a_range_takes_what_is_in_it_and_nothing_beyond(void **state)
{
    (void)state;
    const char *const texts[] = {
        ADD(1, A),
        ADD(2, B),
        ADD(3, C),
        "{\"seq\": \"4\", \"op\": \"drop\", \"range\": {\"from\": \"" A "\", \"to\": \"" C
        "\"}, \"counts\": []}",
    };
    struct window *w = window_create(1);
    struct mirror_row *rows;
    size_t born, unchanged;
    take_all(w, countof(texts), texts);
    assert_int_equal(window_rows(w, &rows, &born, &unchanged), 1);
    assert_str(rows[0].cells[COL_tasks_id], C);
    assert_int_equal(w->range_count, 1);
    window_destroy(w);
}

static void a_thousand_changes_grow_every_list(void **state)
{
    (void)state;
    enum { MANY = 1'000 };
    struct window *w = window_create(1);
    for (int i = 0; i < MANY; i++) {
        char text[400];
        const char *const one = text;
        snprintf(text, sizeof text,
                 "{\"seq\": \"%d\", \"at_us\": 1, \"op\": \"add\", \"task\": {\"id\": "
                 "\"0192f1f3-0000-7000-8000-%012x\", \"type\": \"t%d\", \"state\": \"ready\"}}",
                 i + 1, (unsigned)i, i % 7);
        take_all(w, 1, &one);
    }
    assert_int_equal(w->task_count, MANY);
    assert_int_equal(w->batch_count, MANY);
    assert_int_equal(w->mark_count, MANY);
    assert_int_equal(w->event_count, MANY);
    window_destroy(w);
}

static void roll_ups_count_each_mark_in_all_spans_once_they_are_loaded(void **state)
{
    enum { SPANS = 2 * ROLLUP_SPANS }; /* of the type, and of all types */
    (void)state;
    const char *const texts[] = { ADD(1, A), START(2, A), FINISH(3, A, "succeeded"), ADD(4, B) };
    struct window *w = window_create(1);
    struct rollups *r = rollups_create();
    const struct mirror_rollup *const *spans;
    take_all(w, countof(texts), texts);
    assert_int_equal(rollups_missing(r, w->arena, w->marks, w->mark_count, &spans), SPANS);
    assert_int_equal(rollups_changed(r, w->arena, &spans), 0);
    rollups_known(r);
    assert_int_equal(rollups_missing(r, w->arena, w->marks, w->mark_count, &spans), 0);
    rollups_add(r, w->marks, w->mark_count);
    assert_int_equal(rollups_changed(r, w->arena, &spans), SPANS);
    for (size_t i = 0; i < SPANS; i++) {
        int64_t waits = 0, runs = 0;
        for (size_t b = 0; b < MIRROR_BUCKETS; b++) {
            waits += spans[i]->wait[b];
            runs += spans[i]->run[b];
        }
        assert_int_equal(spans[i]->created, 2);
        assert_int_equal(spans[i]->completed, 1);
        assert_int_equal(waits, 1);
        assert_int_equal(runs, 1);
        assert_true(spans[i]->run_max > 0.99 && spans[i]->run_max < 1.01);
    }
    rollups_stored(r); /* of 1970: nobody touches them any more */
    assert_int_equal(rollups_changed(r, w->arena, &spans), 0);
    assert_int_equal(rollups_missing(r, w->arena, w->marks, w->mark_count, &spans), SPANS);
    rollups_destroy(r);
    window_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_comes_once_at_its_newest_and_born_ones_first),
        cmocka_unit_test(counters_come_from_the_events_whatever_became_of_the_rows),
        cmocka_unit_test(a_range_takes_what_is_in_it_and_nothing_beyond),
        cmocka_unit_test(a_thousand_changes_grow_every_list),
        cmocka_unit_test(roll_ups_count_each_mark_in_all_spans_once_they_are_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
