#include "gateway/changes.h"

#include "test.h"

static const struct uuid one = { { 1 } }, two = { { 2 } };

static void note(struct changes *changes, struct uuid id, const char *progress)
{
    const struct str cells[RECORD_COLUMNS_MAX] = { [COL_tasks_progress] = str_of_c(progress) };
    changes_note(changes, changes_at(changes, id), cells, SELECT_BIT(COL_tasks_progress));
}

static struct change *first(struct list *list)
{
    return list_is_empty(list) ? NULL : container_of(list->next, struct change, link);
}

static struct change *due(struct changes *changes)
{
    struct change *change = first(&changes->due);
    assert_non_null(change);
    assert(change != NULL);
    return change;
}

static size_t total_bytes;

/* The first news of a row is due at once; later ones when it has been quiet long enough. */
static void news_of_a_row_are_told_once_in_a_while(void **state)
{
    struct changes changes;
    (void)state;
    changes_init(&changes, &total_bytes);
    note(&changes, one, "0.1");
    assert_int_equal(changes_expire(&changes, 0), INT64_MAX);
    struct change *change = due(&changes);
    changes_told(&changes, change, TASK_MATCH_YES, 1'000);
    assert_int_equal(changes.news_count, 0);

    note(&changes, one, "0.2");
    note(&changes, one, "0.3");
    assert_ptr_equal(changes_at(&changes, one), change);
    assert_int_equal(changes.news_count, 1);
    assert_int_equal(changes_expire(&changes, 1'000 + CHANGES_HOLD_US - 1),
                     1'000 + CHANGES_HOLD_US);
    assert_null(first(&changes.due));
    assert_int_equal(changes_expire(&changes, 1'000 + CHANGES_HOLD_US), INT64_MAX);
    assert_ptr_equal(first(&changes.due), change);
    assert_true(str_eq(change->kept.cells[COL_tasks_progress], STR("0.3")));
    assert_true(change->is_known && change->known == TASK_MATCH_YES);
    changes_clear(&changes);
}

/* From the first untold event on all is told again, whatever was told of other rows meanwhile. */
static void the_first_untold_event_is_known(void **state)
{
    struct changes changes;
    (void)state;
    changes_init(&changes, &total_bytes);
    assert_int_equal(changes_first_untold(&changes, 0), 0);
    const struct uuid *const ids[] = { &one, &two, &one };
    for (int64_t seq = 10; seq < 13; seq++) {
        changes_at(&changes, *ids[seq - 10])->seq = seq;
        note(&changes, *ids[seq - 10], "0.1");
    }
    assert_int_equal(changes_first_untold(&changes, 0), 10);
    changes_told(&changes, changes_at(&changes, one), TASK_MATCH_YES, 1'000);
    assert_int_equal(changes_first_untold(&changes, 0), 11);
    changes_at(&changes, one)->seq = 20;
    note(&changes, one, "0.2");
    changes_forget(&changes, changes_at(&changes, two));
    assert_int_equal(changes_first_untold(&changes, 0), 20);
    changes_clear(&changes);
}

static void each_shard_has_a_first_untold_event_of_its_own(void **state)
{
    struct changes changes;
    (void)state;
    changes_init(&changes, &total_bytes);
    changes_at(&changes, one)->seq = 500;
    note(&changes, one, "0.1");
    struct change *other = changes_at(&changes, two);
    other->shard = 3;
    other->seq = 7;
    note(&changes, two, "0.1");
    assert_int_equal(changes_first_untold(&changes, 0), 500);
    assert_int_equal(changes_first_untold(&changes, 3), 7);
    assert_int_equal(changes_first_untold(&changes, 1), 0);
    changes_told(&changes, other, TASK_MATCH_YES, 1'000);
    assert_int_equal(changes_first_untold(&changes, 0), 500);
    assert_int_equal(changes_first_untold(&changes, 3), 0);
    changes_clear(&changes);
}

static void a_row_without_news_is_forgotten(void **state)
{
    struct changes changes;
    (void)state;
    changes_init(&changes, &total_bytes);
    note(&changes, one, "0.1");
    note(&changes, two, "0.1");
    changes_told(&changes, changes_find(&changes, one), TASK_MATCH_NO, 0);
    changes_told(&changes, changes_find(&changes, two), TASK_MATCH_YES, 10);
    note(&changes, two, "0.2");
    assert_int_equal(changes_expire(&changes, CHANGES_HOLD_US), 10 + CHANGES_HOLD_US);
    assert_null(changes_find(&changes, one));
    assert_int_equal(changes_expire(&changes, 10 + CHANGES_HOLD_US), INT64_MAX);
    assert_non_null(changes_find(&changes, two));
    assert_int_equal(map_count(changes.by_id), 1);
    changes_clear(&changes);
}

static void one_that_is_put_off_keeps_its_news(void **state)
{
    struct changes changes;
    (void)state;
    changes_init(&changes, &total_bytes);
    note(&changes, one, "0.1");
    changes_retry(&changes, changes_find(&changes, one), 5);
    assert_int_equal(changes.news_count, 1);
    assert_int_equal(changes_expire(&changes, 5 + CHANGES_HOLD_US), INT64_MAX);
    assert_true(str_eq(due(&changes)->kept.cells[COL_tasks_progress], STR("0.1")));
    changes_clear(&changes);
}

static void more_than_a_watcher_can_follow_is_known(void **state)
{
    struct changes changes;
    static char payload[64 << 10];
    (void)state;
    changes_init(&changes, &total_bytes);
    for (uint32_t n = 0; n <= CHANGES_MAX; n++) {
        struct uuid id = { 0 };
        assert_false(changes_are_too_many(&changes));
        memcpy(id.bytes, &n, sizeof n);
        note(&changes, id, NULL);
    }
    assert_true(changes_are_too_many(&changes));
    changes_clear(&changes);

    changes_init(&changes, &total_bytes);
    memset(payload, 'x', sizeof payload);
    for (uint32_t n = 0; n < CHANGES_BYTES_MAX / sizeof payload + 1; n++) {
        const struct str cells[RECORD_COLUMNS_MAX] = { [COL_tasks_payload] =
                                                           str_of(payload, sizeof payload) };
        struct uuid id = { 0 };
        assert_false(changes_are_too_many(&changes));
        memcpy(id.bytes, &n, sizeof n);
        changes_note(&changes, changes_at(&changes, id), cells, SELECT_BIT(COL_tasks_payload));
    }
    assert_true(changes_are_too_many(&changes));
    while (!list_is_empty(&changes.due))
        changes_told(&changes, due(&changes), TASK_MATCH_YES, 0);
    assert_int_equal(changes.size_bytes, 0);
    assert_int_equal(changes.news_count, 0);
    changes_clear(&changes);
}

static void all_watchers_together_have_a_bound_that_spares_the_small(void **state)
{
    struct changes large, small;
    static char payload[CHANGES_SMALL_BYTES_MAX];
    size_t total = 0;
    (void)state;
    changes_init(&large, &total);
    changes_init(&small, &total);
    memset(payload, 'x', sizeof payload);
    const struct str cells[RECORD_COLUMNS_MAX] = { [COL_tasks_payload] =
                                                       str_of(payload, sizeof payload) };
    changes_note(&large, changes_at(&large, one), cells, SELECT_BIT(COL_tasks_payload));
    changes_note(&large, changes_at(&large, two), cells, SELECT_BIT(COL_tasks_payload));
    note(&small, one, "0.1");
    assert_int_equal(total, large.size_bytes + small.size_bytes);
    assert_false(changes_are_too_many(&large));
    total += CHANGES_TOGETHER_MAX; /* others' */
    assert_true(changes_are_too_many(&large));
    assert_false(changes_are_too_many(&small));
    changes_clear(&large);
    changes_clear(&small);
    assert_int_equal(total, CHANGES_TOGETHER_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(news_of_a_row_are_told_once_in_a_while),
        cmocka_unit_test(the_first_untold_event_is_known),
        cmocka_unit_test(each_shard_has_a_first_untold_event_of_its_own),
        cmocka_unit_test(a_row_without_news_is_forgotten),
        cmocka_unit_test(one_that_is_put_off_keeps_its_news),
        cmocka_unit_test(more_than_a_watcher_can_follow_is_known),
        cmocka_unit_test(all_watchers_together_have_a_bound_that_spares_the_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
