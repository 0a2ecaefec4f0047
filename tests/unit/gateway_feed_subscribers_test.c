#include "gateway/feed_subscribers.h"

#include "test.h"

enum { HEARD_MAX = 16 };

/* What a subscriber was told, as numbers of the feed; each call begins with 0. */
struct ear {
    int64_t heard[HEARD_MAX];
    size_t count;
    struct feed_subscription *leaves; /* at the first call */
};

static void hear(void *owner, size_t shard, const struct feed_event *events, size_t count)
{
    struct ear *ear = owner;
    (void)shard;
    assert(ear->count + count < HEARD_MAX);
    ear->heard[ear->count++] = 0;
    for (size_t i = 0; i < count; i++)
        ear->heard[ear->count++] = events[i].seq;
    feed_unsubscribe(ear->leaves);
    ear->leaves = NULL;
}

#define assert_heard(ear, ...)                                                                     \
    do {                                                                                           \
        const int64_t expected[] = { __VA_ARGS__ };                                                \
        assert_int_equal((ear).count, countof(expected));                                          \
        assert_memory_equal((ear).heard, expected, sizeof expected);                               \
    } while (0)

static struct uuid id_of(unsigned char last)
{
    return (struct uuid){ .bytes = { [15] = last } };
}

static struct feed_event changed(int64_t seq, const char *type, unsigned char id)
{
    return (
        struct feed_event){ .op = FEED_START, .seq = seq, .id = id_of(id), .type = str_of_c(type) };
}

static void each_hears_once_of_what_concerns_him(void **state)
{
    struct feed_event events[] = {
        changed(1, "email", 1),
        changed(2, "report", 2),
        { .op = FEED_JOB, .seq = 3, .id = id_of(1) },
        changed(4, "email", 2),
        { .op = FEED_DROP, .seq = 5 },
        changed(6, "other", 3),
    };
    const struct feed_batch batch = { .events = events, .count = countof(events) };
    const struct str texts[] = { STR("report"), STR("email"), STR("email") };
    const struct uuid id = id_of(2);
    const uint32_t statuses = 1;
    const struct task_filter_texts types = { texts, 3 }, other = { texts, 0 };
    const struct task_filter_ids ids = { &id, 1 }, no_ids = { &id, 0 };
    const struct task_filter of_status = { .statuses = &statuses }, of_types = { .types = &types },
                             of_no_type = { .types = &other },
                             of_id = { .ids = &ids, .types = &other },
                             of_no_id = { .ids = &no_ids, .types = &types };
    const struct task_filter *filters[] = { NULL,        &of_status, &of_types,
                                            &of_no_type, &of_id,     &of_no_id };
    struct ear ears[countof(filters)] = { 0 };
    struct feed_subscription *subscriptions[countof(filters)];
    struct feed_subscribers *subscribers = feed_subscribers_create();
    (void)state;
    for (size_t i = 0; i < countof(filters); i++)
        subscriptions[i] = feed_subscribers_add(subscribers, filters[i], hear, &ears[i]);
    feed_subscribers_tell(subscribers, 0, &batch, 1);
    assert_heard(ears[0], 0, 2, 3, 4, 5, 6);
    assert_heard(ears[1], 0, 2, 3, 4, 5, 6);
    assert_heard(ears[2], 0, 2, 4, 5);
    assert_heard(ears[3], 0, 5);
    assert_heard(ears[4], 0, 2, 4, 5);
    assert_heard(ears[5], 0, 5);
    feed_subscribers_tell(subscribers, 0, &batch, 5);
    assert_heard(ears[0], 0, 2, 3, 4, 5, 6, 0, 6);
    assert_heard(ears[2], 0, 2, 4, 5);
    feed_subscribers_tell(subscribers, 0, NULL, 0); /* were missed */
    for (size_t i = 0; i < countof(filters); i++) {
        assert_int_equal(ears[i].heard[ears[i].count - 1], 0);
        feed_unsubscribe(subscriptions[i]);
    }
    feed_subscribers_destroy(subscribers);
}

static void who_leaves_while_they_are_told_hears_no_more(void **state)
{
    struct feed_event events[] = { changed(1, "email", 1), changed(2, "email", 2) };
    const struct feed_batch batch = { .events = events, .count = countof(events) };
    const struct str type = STR("email");
    const struct task_filter_texts types = { &type, 1 };
    const struct task_filter filter = { .types = &types };
    struct ear ears[3] = { 0 };
    struct feed_subscription *subscriptions[countof(ears)];
    struct feed_subscribers *subscribers = feed_subscribers_create();
    (void)state;
    for (size_t i = 0; i < countof(ears); i++)
        subscriptions[i] = feed_subscribers_add(subscribers, &filter, hear, &ears[i]);
    ears[0].leaves = subscriptions[1];
    ears[2].leaves = subscriptions[2];
    feed_subscribers_tell(subscribers, 0, &batch, 0);
    feed_subscribers_tell(subscribers, 0, &batch, 1);
    assert_heard(ears[0], 0, 1, 2, 0, 2);
    assert_int_equal(ears[1].count, 0);
    assert_heard(ears[2], 0, 1, 2);
    feed_unsubscribe(subscriptions[0]);
    feed_subscribers_destroy(subscribers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_hears_once_of_what_concerns_him),
        cmocka_unit_test(who_leaves_while_they_are_told_hears_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
