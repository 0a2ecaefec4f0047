#include "gateway/feed_replay.h"

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/feed_priv.h"
#include "gateway/worker_client.h"

enum {
    PAGE_EVENTS_MAX = 2'000,
    EVENTS_MAX = 50'000, /* beyond, reading anew is cheaper */
    PAGE_DEADLINE_US = 5 * CLOCK_S,
};

/* ask a page --> (came) --> tell --> ask the next … --> enough, or failed: then its owner ends it
 */
struct feed_replay {
    struct gateway_loop *loop;
    feed_replay_fn *fn; /* NULL: ended */
    void *owner;
    size_t shard;
    int64_t from_seq, next_seq;
    struct feed_batch *batch; /* that is asked for; NULL: none */
    bool is_telling;
};

static void release(struct feed_replay *replay)
{
    if (replay->fn == NULL && replay->batch == NULL && !replay->is_telling)
        mem_free(replay);
}

static bool read_page(struct feed_batch *batch, const struct worker_reply *reply, int64_t asked,
                      struct err *e)
{
    if (reply->status == 410)
        return err_set(e, ERR_NOT_FOUND,
                       "changes since Last-Event-ID are not kept any more; read anew and "
                       "subscribe without it");
    if (reply->body == NULL) {
        *e = *reply->err;
        return false;
    }
    return feed_batch_read(batch, reply->body, asked, e);
}

static bool tell(struct feed_replay *replay, const struct feed_batch *batch, const struct err *e)
{
    if (e != NULL)
        return replay->fn(replay->owner, replay->shard, NULL, 0, replay->next_seq, e);
    replay->next_seq = batch->next_seq;
    return replay->fn(replay->owner, replay->shard, batch->events, batch->count, batch->next_seq,
                      NULL);
}

static void came(void *owner, const struct worker_reply *reply);

static bool ask(struct feed_replay *replay, struct err *e)
{
    if (replay->next_seq - replay->from_seq > EVENTS_MAX)
        return err_set(e, ERR_LIMIT,
                       "more changes since Last-Event-ID than are told; read anew and subscribe "
                       "without it");
    struct feed_batch *batch = feed_batch_create(replay->shard);
    const struct worker_call_options options = {
        .path = arena_cstr(batch->arena,
                           arena_printf(batch->arena, "/v1/feed?cursor=%zu:%lld&wait_ms=0&max=%d",
                                        replay->shard, (long long)replay->next_seq, (int)PAGE_EVENTS_MAX)),
        .arena = batch->arena,
        .deadline_us = clock_mono_us() + PAGE_DEADLINE_US,
        .fn = came,
        .owner = replay,
    };
    if (!worker_client_call(replay->loop->workers[replay->shard], &options, e)) {
        feed_batch_unref(batch);
        return false;
    }
    replay->batch = batch;
    return true;
}

static void came(void *owner, const struct worker_reply *reply)
{
    struct feed_replay *replay = owner;
    struct feed_batch *batch = take(replay->batch);
    struct err e;
    replay->is_telling = true;
    if (replay->fn != NULL) {
        bool is_good = read_page(batch, reply, replay->next_seq, &e);
        bool wants_more = tell(replay, batch, is_good ? NULL : &e);
        if (is_good && wants_more && replay->fn != NULL && !ask(replay, &e))
            (void)tell(replay, NULL, &e);
    }
    replay->is_telling = false;
    feed_batch_unref(batch);
    release(replay);
}

bool feed_replay_begin(struct gateway_loop *loop, size_t shard, int64_t from_seq,
                       feed_replay_fn *fn, void *owner, struct feed_replay **ret_replay, struct err *e)
{
    struct feed_replay *replay = mem_new(struct feed_replay);
    *replay = (struct feed_replay){
        .loop = loop, .shard = shard, .fn = fn, .owner = owner, .from_seq = from_seq,
        .next_seq = from_seq
    };
    if (!ask(replay, e)) {
        mem_free(replay);
        return false;
    }
    *ret_replay = replay;
    return true;
}

void feed_replay_end(struct feed_replay *replay)
{
    if (replay == NULL)
        return;
    replay->fn = NULL;
    release(replay);
}
