#include "gateway/mirror_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/rows.h"
#include "store/public/error_group.h"

/*
 *   ask where a step ends --> delete what stands up to there --> (deleted) --> ask again
 *              `-- nowhere: no more is left than a step --> fn
 *
 * Each step is a transaction of its own. What it deletes is gone from the worker for good, so
 * nothing is lost where the rest does not follow: what began it begins again.
 */
enum {
    STEP_ROWS = 20'000,
    ARENA_BYTES = 16 << 20,
    CUT_DEADLINE_US = 30 * CLOCK_S,
};

struct clear {
    struct mirror *m;
    struct arena *arena;     /* of one step */
    struct mirror_page page; /* what is left of it */
    uint64_t turn;           /* of the mirror's, when it began */
    uint64_t steps;
    mirror_clear_fn *fn;
    void *owner;
};

static void end(struct clear *c, bool is_done)
{
    mirror_clear_fn *fn = c->fn;
    void *owner = c->owner;
    if (c->steps > 0)
        log_info("mirror.cleared", "shard=%zu steps=%llu done=%d", c->m->shard,
                 (unsigned long long)c->steps, is_done);
    arena_destroy(c->arena);
    mem_free(c);
    fn(owner, is_done);
}

static void ask(struct clear *c);

/* Nobody wants the rest of it: what began it has ended, whatever the mirror does now. */
static bool is_unwanted(const struct clear *c)
{
    return c->m->turn != c->turn;
}

static void deleted(void *owner, const struct db_reply *reply)
{
    struct clear *c = owner;
    if (reply->err != NULL || is_unwanted(c))
        end(c, false);
    else
        ask(c);
}

/* The groups of errors agree with what is left, as behind every statement that writes tasks. */
static void delete_up_to(struct clear *c, struct uuid last)
{
    const struct mirror_page *left = &c->page;
    struct mirror_page step = *left;
    step.last = last;
    const struct error_group_scope scope = {
        .froms = &left->after, .tos = &last, .range_count = 1, .shard = left->shard
    };
    const struct db_step steps[] = { mirror_async_step(), mirror_keep_step(c->arena, &c->m->lease),
                                     task_mirror_prune_step(c->arena, &step),
                                     error_group_hold_step(),
                                     error_group_sync_scope_step(c->arena, &scope) };
    c->page.after = last;
    c->steps++;
    if (!mirror_write(c->m, steps, countof(steps), deleted, c))
        end(c, false);
}

static void cut(void *owner, const struct db_reply *reply)
{
    struct clear *c = owner;
    if (reply->err != NULL || is_unwanted(c))
        end(c, false);
    else if (db_rows_count(reply->rows[0]) == 0)
        end(c, true);
    else
        delete_up_to(c, db_rows_uuid(reply->rows[0], 0, 0));
}

static void ask(struct clear *c)
{
    struct err e;
    arena_reset(c->arena);
    const struct db_step step =
        task_mirror_cut_step(c->arena, &c->page, STEP_ROWS + c->page.id_count);
    const struct db_call call = { .lane = DB_LANE_READ,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + CUT_DEADLINE_US,
                                  .fn = cut,
                                  .owner = c };
    if (!db_pool_call(c->m->loop->pool, &call, NULL, &e))
        db_reply_fail(cut, c, &e);
}

void mirror_clear(struct mirror *m, const struct mirror_page *page, mirror_clear_fn *fn,
                  void *owner)
{
    struct clear *c = mem_new(struct clear);
    *c = (struct clear){ .m = m,
                         .arena = arena_create(ARENA_BYTES),
                         .page = *page,
                         .turn = m->turn,
                         .fn = fn,
                         .owner = owner };
    ask(c);
}
