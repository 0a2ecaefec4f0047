#include "gateway/own_wait.h"

#include "gateway/worker_json.h"
#include "test.h"

#define A "0192f1f3-0000-7000-8000-00000000000a"
#define B "0192f1f3-0000-7000-8000-00000000000b"
#define C "0192f1f3-0000-7000-8000-00000000000c"
#define ADD(seq, id)                                                                               \
    "{\"seq\": \"" #seq "\", \"at_us\": 1, \"op\": \"add\", \"task\": {\"id\": \"" id              \
    "\", \"type\": \"t\", \"state\": \"ready\", \"payload\": {}}}"
#define UPDATE(seq, id)                                                                            \
    "{\"seq\": \"" #seq "\", \"at_us\": 1, \"op\": \"start\", \"task\": {\"id\": \"" id            \
    "\", \"type\": \"t\", \"attempt\": 1, \"started_at_us\": 1, \"run_at_us\": 0}}"
#define DROP(seq, id)                                                                              \
    "{\"seq\": \"" #seq "\", \"op\": \"drop\", \"ids\": [\"" id                                    \
    "\"], \"counts\": [{\"type\": \"t\", \"status\": \"pending\", \"count\": 1}]}"

/* A window of these events, its rows, and the wait for them. */
struct scene {
    struct own_rows *own;
    struct window *w;
    struct mirror_row *rows;
    size_t count, born;
    struct own_wait wait;
};

static struct uuid id_of(const char *text)
{
    struct uuid id;
    assert_true(uuid_parse(str_of_c(text), &id));
    return id;
}

static struct scene scene_of(size_t count, const char *const *texts)
{
    struct scene s = { .own = own_rows_create(), .w = window_create(1) };
    struct arena *a = arena_create(1 << 20);
    struct feed_batch *batch = arena_new(a, struct feed_batch);
    size_t unchanged;
    *batch = (struct feed_batch){ .arena = a, .first_seq = 1, .next_seq = 1 + (int64_t)count };
    atomic_init(&batch->refs, 1);
    batch->events = arena_new_array(a, count, struct feed_event);
    for (; batch->count < count; batch->count++) {
        const struct json_value *value = NULL;
        struct err e;
        assert_true(json_parse(a, str_of_c(texts[batch->count]), &value, &e));
        assert_true(worker_read_event(a, value, &batch->events[batch->count], &e));
    }
    window_take(s.w, batch);
    feed_batch_unref(batch);
    s.count = window_rows(s.w, &s.rows, &s.born, &unchanged);
    own_wait_begin(&s.wait, s.w, s.rows, s.born, unchanged);
    own_rows_begin(s.own);
    return s;
}

static void end(struct scene *s)
{
    window_destroy(s->w);
    own_rows_destroy(s->own);
}

static void what_is_stored_is_left_out_and_what_is_under_way_waited_for(void **state)
{
    (void)state;
    const char *const texts[] = { ADD(1, A), ADD(2, B), ADD(3, C), UPDATE(4, C) };
    struct scene s = scene_of(countof(texts), texts);
    const struct uuid a = id_of(A), c = id_of(C);
    uint64_t epoch = own_rows_begin_put(s.own, &a, 1);
    own_rows_end_put(s.own, own_rows_begin_put(s.own, &c, 1), &c, 1, true);
    assert_false(own_wait_look(&s.wait, s.own));
    assert_int_equal(s.wait.count, 1); /* the others are not looked at again */
    assert_non_null(s.rows[0].cells);
    own_rows_end_put(s.own, epoch, &a, 1, true);
    assert_true(own_wait_look(&s.wait, s.own));
    assert_null(s.rows[0].cells);
    assert_non_null(s.rows[1].cells); /* nobody here stores B */
    assert_non_null(s.rows[2].cells); /* C was stored, and changed since */
    assert_int_equal(s.born, 3);
    end(&s);
}

/* Else the row that is stored after its deletion stands. */
static void what_is_born_and_dropped_is_waited_for(void **state)
{
    (void)state;
    const char *const texts[] = { ADD(1, A), DROP(2, A), DROP(3, B) };
    struct scene s = scene_of(countof(texts), texts);
    const struct uuid ids[] = { id_of(A), id_of(B) };
    uint64_t epoch = own_rows_begin_put(s.own, ids, countof(ids));
    assert_int_equal(s.count, 0);
    assert_false(own_wait_look(&s.wait, s.own));
    own_rows_end_put(s.own, epoch, &ids[0], 1, true);
    assert_false(own_wait_look(&s.wait, s.own)); /* B was born in the window before */
    own_rows_end_put(s.own, epoch, &ids[1], 1, false);
    assert_true(own_wait_look(&s.wait, s.own));
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_stored_is_left_out_and_what_is_under_way_waited_for),
        cmocka_unit_test(what_is_born_and_dropped_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
