/* Who subscribed to the feeds, a list a loop. */
#include "gateway/feed_priv.h"

#include "base/mem.h"

struct feed_subscription {
    struct list node; /* in loop.feed_subscriptions */
    struct gateway_loop *loop;
    feed_fn *fn; /* NULL: ended while the loop was telling */
    void *owner;
};

struct feed_subscription *feed_subscribe(struct gateway_loop *loop, feed_fn *fn, void *owner)
{
    struct feed_subscription *s = mem_new(struct feed_subscription);
    *s = (struct feed_subscription){ .loop = loop, .fn = fn, .owner = owner };
    list_push(&loop->feed_subscriptions, &s->node);
    return s;
}

static void subscription_free(struct feed_subscription *s)
{
    list_remove(&s->node);
    mem_free(s);
}

void feed_unsubscribe(struct feed_subscription *s)
{
    if (s == NULL)
        return;
    s->fn = NULL;
    if (!s->loop->is_feed_telling)
        subscription_free(s);
}

/* `batch` NULL: changes were missed. */
struct telling {
    size_t shard;
    struct feed_batch *batch;
    size_t from; /* the first event to tell */
};

static void tell(struct gateway_loop *loop, const void *message)
{
    const struct telling *telling = message;
    struct feed_batch *batch = telling->batch;
    loop->feed_positions[telling->shard] = batch != NULL ? batch->next_seq : 0;
    loop->is_feed_telling = true;
    list_each (node, &loop->feed_subscriptions) {
        struct feed_subscription *s = container_of(node, struct feed_subscription, node);
        if (s->fn == NULL)
            continue;
        if (batch == NULL)
            s->fn(s->owner, telling->shard, NULL, 0);
        else
            s->fn(s->owner, telling->shard, batch->events + telling->from,
                  batch->count - telling->from);
    }
    loop->is_feed_telling = false;
    list_each (node, &loop->feed_subscriptions) {
        struct feed_subscription *s = container_of(node, struct feed_subscription, node);
        if (s->fn == NULL)
            subscription_free(s);
    }
    feed_batch_unref(batch);
}

void feed_tell_loops(struct gateway *gw, size_t shard, struct feed_batch *batch, int64_t from_seq)
{
    struct telling telling = { .shard = shard, .batch = batch };
    if (batch != NULL) {
        while (telling.from < batch->count && batch->events[telling.from].seq < from_seq)
            telling.from++;
        if (telling.from == batch->count)
            return;
        for (size_t i = 0; i < gw->loop_count; i++)
            feed_batch_ref(batch);
    }
    gateway_tell_loops(gw, tell, &telling, sizeof telling);
}
