#include "gateway/await_each.h"

#include "gateway/shards.h"
#include "gateway/worker_client.h"

enum { ASKED_AT_ONCE = 16 };

/* The step's parents, asked one after the other in ASKED_AT_ONCE rows. */
struct asking {
    struct gql_step *step;
    int shard_column;
    await_each_path_fn *path;
    await_each_read_fn *read;
    size_t next, open;
};

struct asked {
    struct asking *asking;
    size_t parent;
};

static void ask_more(struct asking *asking);

static void answered(void *owner, const struct worker_reply *reply)
{
    const struct asked *asked = owner;
    struct asking *asking = asked->asking;
    struct gql_step *step = asking->step;
    if (reply->body != NULL)
        step->results[asked->parent] = asking->read(step, reply->body);
    asking->open--;
    ask_more(asking);
    if (asking->open == 0)
        gql_step_finish(step);
}

static void ask_more(struct asking *asking)
{
    struct gql_step *step = asking->step;
    while (asking->open < ASKED_AT_ONCE && asking->next < step->count) {
        struct asked *asked = arena_new(step->arena, struct asked);
        *asked = (struct asked){ asking, asking->next++ };
        size_t shard = shards_of_record(await_request(step)->loop->gateway,
                                        step->parents[asked->parent], asking->shard_column);
        asking->open +=
            await_worker_ask(step, shard, asking->path(step, asked->parent), answered, asked);
    }
}

enum gql_next await_each(struct gql_step *step, int shard_column, await_each_path_fn *path,
                         await_each_read_fn *read)
{
    struct asking *asking = arena_new(step->arena, struct asking);
    *asking = (struct asking){ .step = step, .shard_column = shard_column, .path = path, .read = read };
    ask_more(asking);
    return asking->open > 0 ? GQL_WAIT : GQL_DONE;
}
