#include "base/log.h"
#include "gateway/feed_priv.h"
#include "gateway/worker_json.h"

enum { BATCH_BYTES = 64 << 20 };

struct feed_batch *feed_batch_create(size_t shard)
{
    struct arena *a = arena_create(BATCH_BYTES);
    struct feed_batch *batch = arena_new(a, struct feed_batch);
    batch->arena = a;
    batch->shard = shard;
    atomic_init(&batch->refs, 1);
    return batch;
}

void feed_batch_ref(struct feed_batch *batch)
{
    atomic_fetch_add_explicit(&batch->refs, 1, memory_order_relaxed);
}

void feed_batch_unref(struct feed_batch *batch)
{
    if (batch != NULL && atomic_fetch_sub_explicit(&batch->refs, 1, memory_order_acq_rel) == 1)
        arena_destroy(batch->arena);
}

bool feed_batch_read(struct feed_batch *batch, const struct json_value *body, int64_t asked,
                     struct err *e)
{
    const struct json_value *events = json_get_c(body, "events");
    size_t count = events != NULL && events->type == JSON_ARRAY ? events->item_count : 0;
    batch->events = arena_new_array(batch->arena, count, struct feed_event);
    batch->first_seq = batch->next_seq = asked;
    for (size_t i = 0; i < count; i++) {
        struct feed_event *event = &batch->events[batch->count];
        bool is_read = worker_read_event(batch->arena, &events->items[i], event, e);
        if (!is_read && event->seq < 0)
            return false;
        if (event->seq != batch->next_seq)
            return err_set(e, ERR_INVALID, "number %lld follows %lld", (long long)event->seq,
                           (long long)batch->next_seq - 1);
        batch->next_seq++;
        if (!is_read) {
            batch->skipped++;
            log_warn("feed.unreadable", "seq=%lld error=%s", (long long)event->seq,
                     log_quote(str_of_c(err_text(e))));
        } else if (event->op != FEED_NONE) {
            batch->count++;
        }
        batch->is_uncounted |= !is_read || event->is_gone;
    }
    return true;
}

int feed_status_before(const struct feed_event *event)
{
    switch (event->op) {
    case FEED_START:
        return TASK_STATUS_PENDING;
    case FEED_WAIT:
        return TASK_STATUS_IN_PROGRESS;
    case FEED_FINISH:
    case FEED_REOPEN:
        return event->from;
    case FEED_NONE:
    case FEED_ADD:
    case FEED_NOTE:
    case FEED_DROP:
    case FEED_JOB:
    case FEED_JOB_GONE:
    case FEED_TYPE:
    case FEED_QUEUE:
    case FEED_RECORD:
    case FEED_MADE:
    case FEED_OP_COUNT:
        break;
    }
    return -1;
}
