/*
 * creates_keep: what the outbox is to have of a batch: all of it, or what the worker's answer has
 * left open.
 *
 *   keep_all ------------------------------------------------> put --> done
 *   keep_left --> is there what it depends on? --> (reply) ----^
 *                                  |               `-- it has gone to the worker since: asked again
 *                                  `-- nothing is kept: done
 */
#include "base/clock.h"
#include "base/map.h"
#include "db/rows.h"
#include "gateway/creates_priv.h"
#include "gateway/feed_priv.h"

enum {
    OUTBOX_LEAST_US = 2 * CLOCK_S,
    MISDIRECTED = 421,
    NOT_NOW = 503, /* and it has done nothing */
};

/* ── into the outbox ── */

static void put(void *owner, const struct err *e)
{
    struct creates_batch *b = owner;
    for (size_t i = 0; e != NULL && i < b->kept_count; i++)
        b->kept[i]->err = *e;
    creates_batch_done(b);
}

static int64_t deadline_of(const struct creates_batch *b)
{
    return max_of(b->deadline_us - CREATES_DB_MARGIN_US, clock_mono_us() + OUTBOX_LEAST_US);
}

/* Those of the batch that are to be kept. */
static void put_kept(struct creates_batch *b, int64_t aside_count)
{
    struct outbox_entry *entries = arena_new_array(b->arena, b->task_count, struct outbox_entry);
    struct mirror_row *rows = arena_new_array(b->arena, b->task_count, struct mirror_row);
    struct err e;
    b->kept = arena_new_array(b->arena, b->task_count, struct create_task *);
    b->kept_count = 0;
    for (size_t i = 0; i < b->task_count; i++) {
        struct create_task *task = b->tasks[i];
        if (b->left[i] < CREATES_KEPT)
            continue;
        task->err = (struct err){ 0 };
        entries[b->kept_count] =
            (struct outbox_entry){ .id = uuid_v7(),
                                   .kind = OUTBOX_KIND_TASK,
                                   .subject_id = task->id,
                                   .body = task->body,
                                   .is_sent = b->are_in_doubt[i],
                                   .is_apart = b->left[i] == CREATES_KEPT_ASIDE };
        rows[b->kept_count] = (struct mirror_row){ .cells = task->cells };
        b->kept[b->kept_count++] = task;
    }
    b->put = (struct outbox_put){
        .loop = b->creates->loop,
        .shard = b->creates->shard,
        .arena = b->arena,
        .entries = entries,
        .entry_count = b->kept_count,
        .aside_count = aside_count,
        .tasks = rows,
        .task_count = b->kept_count,
        .deadline_us = deadline_of(b),
        .fn = put,
        .owner = b,
    };
    if (!outbox_begin(&b->put, &e))
        put(b, &e);
}

static void open_left(struct creates_batch *b)
{
    if (b->left != NULL)
        return;
    b->left = arena_new_array(b->arena, b->task_count, enum creates_left);
    b->are_in_doubt = arena_new_array(b->arena, b->task_count, bool);
}

static void mark_all(struct creates_batch *b, enum creates_left left)
{
    for (size_t i = 0; i < b->task_count; i++)
        b->left[i] = left;
}

void creates_keep_all(struct creates_batch *b, bool is_in_doubt)
{
    creates_let_go(b);
    open_left(b);
    mark_all(b, CREATES_KEPT);
    for (size_t i = 0; i < b->task_count; i++)
        b->are_in_doubt[i] = is_in_doubt;
    put_kept(b, 0);
}

/* ── what the answer has left open ── */

void creates_left_open(struct creates_batch *b, size_t i, struct str message, int64_t status)
{
    open_left(b);
    b->are_in_doubt[i] = status > 500 && status != NOT_NOW;
    if (outbox_is_put_off(status))
        b->left[i] = CREATES_PUT_OFF;
    else if (status == MISDIRECTED || str_starts_with(message, STR("depends_on[")))
        b->left[i] = CREATES_MISSING;
}

/* A task that the worker knows too little of: its own id, and those that it depends on. */
struct missing {
    size_t i; /* in the batch */
    struct uuid *ids;
    size_t id_count;
};

struct looking {
    struct creates_batch *b;
    struct missing *missing;
    size_t count, id_count;
    struct map *places; /* by id: where it waits in the outbox, or is to */
    struct map *made;   /* by id: the worker has it, or is to get it */
};

static void add_missing(struct looking *l, size_t i)
{
    struct arena *a = l->b->arena;
    const struct create_task *task = l->b->tasks[i];
    struct missing *missing = &l->missing[l->count++];
    struct str *items;
    size_t count;
    if (!db_array_parse(a, task->cells[COL_tasks_depends_on], &items, &count))
        count = 0;
    *missing = (struct missing){ i, arena_new_array(a, count + 1, struct uuid), count + 1 };
    missing->ids[0] = task->id;
    for (size_t k = 0; k < count; k++)
        (void)uuid_parse(items[k], &missing->ids[k + 1]); /* it was written here */
    l->id_count += missing->id_count;
}

static void know_place(struct looking *l, struct uuid id, enum creates_left place)
{
    enum creates_left *known = arena_new(l->b->arena, enum creates_left);
    *known = place;
    (void)map_put(l->places, uuid_bytes(&id), known);
}

/* SETTLED: none of what it names waits, nor is to. */
static enum creates_left place_of(const struct looking *l, const struct missing *missing)
{
    enum creates_left place = CREATES_SETTLED;
    for (size_t k = 0; k < missing->id_count; k++) {
        const enum creates_left *known = map_get(l->places, uuid_bytes(&missing->ids[k]));
        place = known != NULL ? max_of(place, *known) : place;
    }
    return place;
}

/* Until no more is found: one may depend on one that is found after it. */
static void place_missing(struct looking *l)
{
    struct creates_batch *b = l->b;
    for (bool has_found = true; has_found;) {
        has_found = false;
        for (size_t k = 0; k < l->count; k++) {
            size_t i = l->missing[k].i;
            if (b->left[i] != CREATES_MISSING)
                continue;
            enum creates_left place = place_of(l, &l->missing[k]);
            if (place == CREATES_SETTLED)
                continue;
            b->left[i] = place;
            know_place(l, b->tasks[i]->id, place);
            has_found = true;
            if (b->is_atomic)
                mark_all(b, place);
        }
    }
}

static bool depends_on_made(const struct looking *l, const struct missing *missing)
{
    for (size_t k = 1; k < missing->id_count; k++)
        if (map_get(l->made, uuid_bytes(&missing->ids[k])) != NULL)
            return true;
    return false;
}

/* The worker refused all of its call. */
static void ask_again(struct creates_batch *b, struct create_call *call)
{
    size_t kept = 0;
    for (size_t i = 0; i < call->count; i++)
        call->tasks[i].err = (struct err){ 0 };
    for (size_t i = 0; i < b->call_count; i++)
        if (b->calls[i] != call)
            b->calls[kept++] = b->calls[i];
    b->call_count = kept;
    creates_ask_alone(b->creates, call);
}

/* What it depends on was sent between the worker's answer and the look: the worker knows it now. */
static void ask_again_missing(struct looking *l)
{
    struct creates_batch *b = l->b;
    for (size_t k = 0; k < l->count; k++) {
        const struct missing *missing = &l->missing[k];
        struct create_call *call = b->calls_of[missing->i];
        if (b->left[missing->i] == CREATES_MISSING && !call->was_refused &&
            depends_on_made(l, missing))
            ask_again(b, call);
    }
}

/* How many have stepped aside in all. */
static int64_t take_found(struct looking *l, const struct db_rows *found)
{
    int64_t aside_count = 0;
    for (size_t row = 0; found != NULL && row < db_rows_count(found); row++) {
        struct uuid id = db_rows_uuid(found, row, OUTBOX_FOUND_ID);
        bool is_aside = db_rows_bool(found, row, OUTBOX_FOUND_IS_ASIDE);
        if (db_rows_bool(found, row, OUTBOX_FOUND_IS_WAITING))
            know_place(l, id, is_aside ? CREATES_KEPT_ASIDE : CREATES_KEPT);
        else
            (void)map_put(l->made, uuid_bytes(&id), l);
        aside_count = max_of(aside_count, db_rows_i64(found, row, OUTBOX_FOUND_ASIDE_COUNT));
    }
    return aside_count;
}

/* Where it could not be seen, `found` is NULL, and what was refused is refused. */
static void end_left(struct looking *l, const struct db_rows *found)
{
    struct creates_batch *b = l->b;
    bool has_kept = false;
    l->places = map_create();
    l->made = map_create();
    for (size_t i = 0; i < b->task_count; i++)
        if (b->left[i] == CREATES_KEPT)
            know_place(l, b->tasks[i]->id, CREATES_KEPT);
    int64_t aside_count = take_found(l, found);
    place_missing(l);
    ask_again_missing(l);
    map_destroy(l->places);
    map_destroy(l->made);
    for (size_t i = 0; i < b->task_count; i++)
        has_kept |= b->left[i] >= CREATES_KEPT;
    if (has_kept)
        put_kept(b, aside_count);
    else
        creates_batch_done(b);
}

static void looked(void *owner, const struct db_reply *reply)
{
    end_left(owner, reply->err == NULL ? reply->rows[0] : NULL);
}

static void look(struct looking *l)
{
    struct creates_batch *b = l->b;
    struct uuid *ids = arena_new_array(b->arena, l->id_count, struct uuid);
    size_t n = 0;
    for (size_t k = 0; k < l->count; k++)
        for (size_t i = 0; i < l->missing[k].id_count; i++)
            ids[n++] = l->missing[k].ids[i];
    const struct gateway *gw = b->creates->loop->gateway;
    const struct db_step step = outbox_find_step(b->arena, ids, n, (int16_t)b->creates->shard,
                                                 conf_int(gw->conf, CONF_OUTBOX_MAX));
    const struct db_call call = { .lane = DB_LANE_READ,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = deadline_of(b),
                                  .fn = looked,
                                  .owner = l };
    struct err e;
    if (!db_pool_call(b->creates->loop->pool, &call, NULL, &e))
        end_left(l, NULL);
}

void creates_keep_left(struct creates_batch *b)
{
    creates_let_go(b);
    if (b->left == NULL) {
        creates_batch_done(b);
        return;
    }
    struct looking *l = arena_new(b->arena, struct looking);
    *l = (struct looking){ .b = b,
                           .missing = arena_new_array(b->arena, b->task_count, struct missing) };
    for (size_t i = 0; i < b->task_count; i++) {
        if (b->left[i] == CREATES_PUT_OFF && b->is_atomic)
            mark_all(b, CREATES_KEPT);
        else if (b->left[i] == CREATES_PUT_OFF)
            b->left[i] = CREATES_KEPT;
        else if (b->left[i] == CREATES_MISSING)
            add_missing(l, i);
    }
    if (l->count > 0)
        look(l);
    else
        end_left(l, NULL);
}
