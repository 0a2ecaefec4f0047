#include "gateway/feed_subscribers.h"

#include "base/map.h"
#include "base/mem.h"

enum { KEY_MAX = 1'024, MATCHED_FIRST = 16 };

/* Where a subscription is found: among all that want to hear of one type, or of one task. */
struct place {
    struct list node; /* in the list of its key */
    struct feed_subscription *s;
    struct str key; /* owned */
};

struct feed_subscription {
    struct list node; /* in `all` or `some` */
    struct feed_subscribers *subscribers;
    feed_fn *fn; /* NULL: ended while they were told */
    void *owner;
    struct place *places;
    size_t place_count;
    size_t *matched; /* events of the batch that is told, as indices */
    size_t matched_count;
};

struct feed_subscribers {
    struct list all;    /* who wants everything */
    struct list some;   /* who wants what `by_key` says, and hears of nothing else */
    struct map *by_key; /* "ttype", "i" and an id's bytes: struct list of places, never empty */
    bool is_telling;
};

struct feed_subscribers *feed_subscribers_create(void)
{
    struct feed_subscribers *subscribers = mem_new(struct feed_subscribers);
    list_init(&subscribers->all);
    list_init(&subscribers->some);
    subscribers->by_key = map_create();
    return subscribers;
}

void feed_subscribers_destroy(struct feed_subscribers *subscribers)
{
    if (subscribers == NULL)
        return;
    assert(list_is_empty(&subscribers->all));
    assert(list_is_empty(&subscribers->some));
    map_destroy(subscribers->by_key);
    mem_free(subscribers);
}

/* ── who wants what ── */

static struct str key_of(char buffer[KEY_MAX], char kind, struct str name)
{
    size_t len = min_of(name.len, (size_t)KEY_MAX - 1);
    buffer[0] = kind;
    if (len > 0)
        memcpy(buffer + 1, name.ptr, len);
    return str_of(buffer, len + 1);
}

static void take_place(struct feed_subscription *s, char kind, struct str name)
{
    char buffer[KEY_MAX];
    struct str key = key_of(buffer, kind, name);
    struct place *place = &s->places[s->place_count++];
    struct list *list = map_get(s->subscribers->by_key, key);
    if (list == NULL) {
        list = mem_new(struct list);
        list_init(list);
        (void)map_put(s->subscribers->by_key, key, list);
    }
    place->s = s;
    place->key = str_of(mem_cstr(key), key.len);
    list_push(list, &place->node);
}

static void leave_place(struct feed_subscription *s, struct place *place)
{
    struct map *by_key = s->subscribers->by_key;
    list_remove(&place->node);
    struct list *list = map_get(by_key, place->key);
    if (list_is_empty(list))
        mem_free(map_remove(by_key, place->key));
    mem_free((void *)(uintptr_t)place->key.ptr);
}

/* By what nothing changes; of ids and types the ids say more. */
static void take_places(struct feed_subscription *s, const struct task_filter *filter)
{
    const struct task_filter_ids *ids = filter->ids;
    const struct task_filter_texts *types = filter->types;
    s->places = mem_zalloc(ids != NULL ? ids->count : types->count, sizeof *s->places);
    for (size_t i = 0; ids != NULL && i < ids->count; i++)
        take_place(s, 'i', uuid_bytes(&ids->items[i]));
    for (size_t i = 0; ids == NULL && i < types->count; i++)
        take_place(s, 't', types->items[i]);
}

struct feed_subscription *feed_subscribers_add(struct feed_subscribers *subscribers,
                                               const struct task_filter *filter, feed_fn *fn,
                                               void *owner)
{
    struct feed_subscription *s = mem_new(struct feed_subscription);
    bool has_places = filter != NULL && (filter->ids != NULL || filter->types != NULL);
    *s = (struct feed_subscription){ .subscribers = subscribers, .fn = fn, .owner = owner };
    if (has_places)
        take_places(s, filter);
    list_push(has_places ? &subscribers->some : &subscribers->all, &s->node);
    return s;
}

static void subscription_free(struct feed_subscription *s)
{
    for (size_t i = 0; i < s->place_count; i++)
        leave_place(s, &s->places[i]);
    list_remove(&s->node);
    mem_free(s->places);
    mem_free(s->matched);
    mem_free(s);
}

void feed_unsubscribe(struct feed_subscription *s)
{
    if (s == NULL)
        return;
    s->fn = NULL;
    if (!s->subscribers->is_telling)
        subscription_free(s);
}

/* ── telling ── */

static void match(struct feed_subscription *s, size_t event)
{
    bool is_full = s->matched_count == 0 || (s->matched_count >= MATCHED_FIRST &&
                                             (s->matched_count & (s->matched_count - 1)) == 0);
    bool is_there = s->matched_count > 0 && s->matched[s->matched_count - 1] == event;
    if (is_there) /* his list names one type twice */
        return;
    if (is_full)
        s->matched = mem_resize(s->matched, max_of(s->matched_count * 2, (size_t)MATCHED_FIRST),
                                sizeof *s->matched);
    s->matched[s->matched_count++] = event;
}

static void match_key(struct feed_subscribers *subscribers, char kind, struct str name,
                      size_t event)
{
    char buffer[KEY_MAX];
    struct list *list = map_get(subscribers->by_key, key_of(buffer, kind, name));
    if (list == NULL)
        return;
    list_each (node, list)
        match(container_of(node, struct place, node)->s, event);
}

/* A range of tasks that are dropped names neither types nor ids. */
static void match_event(struct feed_subscribers *subscribers, const struct feed_event *event,
                        size_t index)
{
    if (event->op == FEED_DROP) {
        list_each (node, &subscribers->some)
            match(container_of(node, struct feed_subscription, node), index);
    } else if (event->op >= FEED_ADD && event->op <= FEED_NOTE) {
        match_key(subscribers, 't', event->type, index);
        match_key(subscribers, 'i', uuid_bytes(&event->id), index);
    }
}

static void tell_list(struct list *list, size_t shard, const struct feed_event *events,
                      size_t count)
{
    list_each (node, list) {
        struct feed_subscription *s = container_of(node, struct feed_subscription, node);
        if (s->fn != NULL)
            s->fn(s->owner, shard, events, count);
    }
}

static void tell_some(struct feed_subscribers *subscribers, size_t shard,
                      const struct feed_batch *batch, size_t from)
{
    if (list_is_empty(&subscribers->some))
        return;
    struct feed_event *events = mem_zalloc(batch->count - from, sizeof *events);
    for (size_t i = from; i < batch->count; i++)
        match_event(subscribers, &batch->events[i], i);
    list_each (node, &subscribers->some) {
        struct feed_subscription *s = container_of(node, struct feed_subscription, node);
        size_t count = s->matched_count;
        s->matched_count = 0;
        for (size_t i = 0; i < count; i++)
            events[i] = batch->events[s->matched[i]];
        if (count > 0 && s->fn != NULL)
            s->fn(s->owner, shard, events, count);
    }
    mem_free(events);
}

static void free_ended(struct list *list)
{
    list_each (node, list) {
        struct feed_subscription *s = container_of(node, struct feed_subscription, node);
        if (s->fn == NULL)
            subscription_free(s);
    }
}

void feed_subscribers_tell(struct feed_subscribers *subscribers, size_t shard,
                           const struct feed_batch *batch, size_t from)
{
    subscribers->is_telling = true;
    if (batch == NULL) {
        tell_list(&subscribers->all, shard, NULL, 0);
        tell_list(&subscribers->some, shard, NULL, 0);
    } else {
        tell_list(&subscribers->all, shard, batch->events + from, batch->count - from);
        tell_some(subscribers, shard, batch, from);
    }
    subscribers->is_telling = false;
    free_ended(&subscribers->all);
    free_ended(&subscribers->some);
}

/* ── all loops ── */

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
    feed_subscribers_tell(loop->feed_subscribers, telling->shard, batch, telling->from);
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
