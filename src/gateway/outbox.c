#include "gateway/outbox.h"

#include "base/clock.h"
#include "gateway/feed_priv.h"

/* What steps aside at once is not counted among those that wait. */
static int64_t waiting_of(const struct outbox_put *put)
{
    int64_t waiting = 0;
    for (size_t i = 0; i < put->entry_count; i++)
        waiting += !put->entries[i].is_apart;
    return waiting;
}

static bool has_apart(const struct outbox_put *put)
{
    return waiting_of(put) < (int64_t)put->entry_count;
}

static void put_replied(void *owner, const struct db_reply *reply)
{
    struct outbox_put *put = owner;
    if (reply->err != NULL && !reply->is_in_doubt)
        feed_add_outbox_waiting(put->loop->gateway, put->shard, -waiting_of(put));
    else if (has_apart(put))
        feed_set_outbox_apart(put->loop->gateway, put->shard, true);
    put->fn(put->owner, reply->err);
}

bool outbox_begin(struct outbox_put *put, struct err *e)
{
    struct gateway *gw = put->loop->gateway;
    int64_t most = conf_int(gw->conf, CONF_OUTBOX_MAX), waiting = feed_outbox_waiting(gw);
    int64_t aside = has_apart(put) ? put->aside_count : 0;
    int16_t shard = (int16_t)put->shard;
    struct db_step steps[3];
    size_t count = 0;
    if (waiting + aside + (int64_t)put->entry_count > most)
        return err_set_from(e, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE,
                            "the Worker Service is out of reach and %lld tasks and jobs wait for "
                            "it; outbox-max allows %lld",
                            (long long)(waiting + aside), (long long)most);
    steps[count++] = outbox_add_step(put->arena, put->entries, put->entry_count, shard);
    if (put->task_count > 0)
        steps[count++] =
            task_mirror_put_step(put->arena, put->tasks, put->task_count, false, shard);
    if (put->job_count > 0)
        steps[count++] =
            job_mirror_upsert_step(put->arena, put->jobs, put->job_count, false, false, shard);
    /* No asynchronous commit here: this table is the only one that knows. A repeat changes nothing.
     */
    const struct db_call call = { .lane = DB_LANE_WRITE,
                                  .steps = steps,
                                  .step_count = count,
                                  .deadline_us = put->deadline_us,
                                  .is_idempotent = true,
                                  .fn = put_replied,
                                  .owner = put };
    if (!db_pool_call(put->loop->pool, &call, NULL, e))
        return false;
    feed_add_outbox_waiting(gw, put->shard, waiting_of(put));
    return true;
}
