#include "gateway/changes.h"

#include "base/mem.h"

void changes_init(struct changes *changes, size_t *total_bytes)
{
    *changes = (struct changes){ .by_id = map_create(), .total_bytes = total_bytes };
    list_init(&changes->due);
    list_init(&changes->reading);
    list_init(&changes->ready);
    list_init(&changes->told);
    for (size_t i = 0; i < countof(changes->news); i++)
        list_init(&changes->news[i]);
}

static void count_bytes(struct changes *changes, size_t gone, size_t come)
{
    changes->size_bytes += come - gone;
    *changes->total_bytes += come - gone;
}

static void drop_news(struct changes *changes, struct change *change)
{
    count_bytes(changes, change->kept.size_bytes, 0);
    changes->news_count -= change->has_news;
    record_kept_clear(&change->kept);
    db_rows_unref(take(change->rows));
    list_remove(&change->news);
    change->has_news = change->is_added = change->is_deleted = false;
    change->from = -1;
    change->misses = 0;
}

void changes_forget(struct changes *changes, struct change *change)
{
    drop_news(changes, change);
    list_remove(&change->link);
    (void)map_remove(changes->by_id, uuid_bytes(&change->id));
    mem_free(change);
}

void changes_clear(struct changes *changes)
{
    struct list *const lists[] = { &changes->due, &changes->reading, &changes->ready,
                                   &changes->told };
    for (size_t i = 0; i < countof(lists); i++)
        list_each (node, lists[i])
            changes_forget(changes, container_of(node, struct change, link));
    map_destroy(changes->by_id);
}

struct change *changes_find(const struct changes *changes, struct uuid id)
{
    return map_get(changes->by_id, uuid_bytes(&id));
}

struct change *changes_at(struct changes *changes, struct uuid id)
{
    struct change *change = changes_find(changes, id);
    if (change != NULL)
        return change;
    change = mem_new(struct change);
    change->id = id;
    change->from = -1;
    list_init(&change->link);
    list_init(&change->news);
    (void)map_put(changes->by_id, uuid_bytes(&id), change);
    return change;
}

void changes_note(struct changes *changes, struct change *change, const struct str *cells,
                  uint64_t given)
{
    size_t before = change->kept.size_bytes;
    record_keep(&change->kept, cells, given);
    count_bytes(changes, before, change->kept.size_bytes);
    if (change->has_news)
        return;
    change->has_news = true;
    change->news_seq = change->seq;
    list_push(&changes->news[change->shard], &change->news);
    changes->news_count++;
    if (list_is_empty(&change->link)) /* it was not told lately */
        list_push(&changes->due, &change->link);
}

int64_t changes_first_untold(const struct changes *changes, size_t shard)
{
    const struct list *news = &changes->news[shard];
    return list_is_empty(news) ? 0 : container_of(news->next, struct change, news)->news_seq;
}

bool changes_are_too_many(const struct changes *changes)
{
    return changes->news_count > CHANGES_MAX || changes->size_bytes > CHANGES_BYTES_MAX ||
           (*changes->total_bytes > CHANGES_TOGETHER_MAX &&
            changes->size_bytes > CHANGES_SMALL_BYTES_MAX);
}

int64_t changes_expire(struct changes *changes, int64_t now_us)
{
    list_each (node, &changes->told) {
        struct change *change = container_of(node, struct change, link);
        if (change->told_us + CHANGES_HOLD_US > now_us)
            return change->told_us + CHANGES_HOLD_US;
        if (!change->has_news) {
            changes_forget(changes, change);
            continue;
        }
        list_remove(&change->link);
        list_push(&changes->due, &change->link);
    }
    return INT64_MAX;
}

static void hold(struct changes *changes, struct change *change, int64_t now_us)
{
    change->told_us = now_us;
    list_remove(&change->link);
    list_push(&changes->told, &change->link);
}

void changes_told(struct changes *changes, struct change *change, enum task_match known,
                  int64_t now_us)
{
    drop_news(changes, change);
    change->is_known = true;
    change->known = known;
    hold(changes, change, now_us);
}

void changes_retry(struct changes *changes, struct change *change, int64_t now_us)
{
    hold(changes, change, now_us);
}
