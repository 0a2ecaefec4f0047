#include "worker/inbox.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/rows.h"
#include "json/check.h"
#include "json/json.h"
#include "store/queue/batch_sql.h"
#include "store/queue/inbox_sql.h"
#include "store/queue/tick_sql.h"
#include "worker/create.h"
#include "worker/door.h"
#include "worker/meter.h"
#include "worker/worker_priv.h"

enum {
    WAIT_LEAST_MS = 10,
    WAIT_MOST_MS = 250,
    AGAIN_MS = 1'000, /* after something has failed */
    ROWS_MAX = 500,
    BYTES_MAX = 8 << 20,     /* of one page */
    ARENA_BYTES = 256 << 20, /* a page when parsed */
    LEVELS_AROUND = 1,       /* {"payload": … */
    CALL_MS = 10'000,
};

struct inbox {
    struct worker *w;
    struct io_timer *timer;
    struct arena *a; /* of one page */
    int64_t wait_ms;
    bool is_on, is_busy;
    struct uuid *entries;
    size_t count;
    size_t *places; /* of the tasks that are to be made, in `entries` */
    size_t place_count;
    struct uuid *settled;
    struct str *errors;
    size_t settled_count, refused_count;
};

static void end_page(struct inbox *t, int64_t wait_ms)
{
    t->is_busy = false;
    if (t->is_on)
        io_timer_start(t->timer, wait_ms);
}

static void failed(struct inbox *t, const struct err *err)
{
    log_info("inbox.delayed", "error=%s", log_quote(str_of_c(err_text(err))));
    end_page(t, AGAIN_MS);
}

/* ── taking, in the batch that makes the task ── */

struct taken {
    struct uuid *entries;
    size_t count, capacity;
};

static void taken_steps(struct batch *b, void *data)
{
    const struct taken *taken = data;
    batch_step(b, &inbox_take,
               inbox_take_args(b->a, taken->entries, taken->count, (int64_t)taken->count));
}

static const struct batch_section_kind taken_section = { "inbox", sizeof(struct taken),
                                                         taken_steps };

static void made(void *owner, struct batch *b, size_t index)
{
    struct inbox *t = owner;
    struct taken *taken = batch_section(b, &taken_section);
    if (taken->count == taken->capacity) {
        size_t capacity = taken->capacity ? taken->capacity * 2 : ROWS_MAX;
        struct uuid *entries = arena_new_array(b->a, capacity, struct uuid);
        if (taken->count > 0)
            memcpy(entries, taken->entries, taken->count * sizeof *entries);
        taken->entries = entries;
        taken->capacity = capacity;
    }
    taken->entries[taken->count++] = t->entries[t->places[index]];
}

/* ── what makes no task ── */

static void settled(void *owner, const struct db_reply *reply)
{
    struct inbox *t = owner;
    if (reply->err) {
        failed(t, reply->err);
        return;
    }
    for (size_t i = 0; i < t->settled_count; i++)
        if (t->errors[i].len > 0)
            log_warn("inbox.refused", "error=%s", log_quote(t->errors[i]));
    worker_meter_inbox_refused(t->w->shard.meter, t->refused_count);
    end_page(t, 0);
}

static void settle_one(struct inbox *t, struct uuid entry, struct str error)
{
    if (!str_is_utf8(error)) /* a name in it was cut within a character */
        error = STR("payload: does not fit the schema of its type");
    t->settled[t->settled_count] = entry;
    t->errors[t->settled_count++] = error;
    t->refused_count += error.len > 0;
}

static void settle(struct inbox *t)
{
    struct err e;
    if (t->settled_count == 0 || !t->is_on) {
        end_page(t, 0);
        return;
    }
    const struct db_step steps[] = {
        { &batch_limits, batch_limits_args(t->a, STR("1s"), STR("8s")) },
        { &tick_guard, tick_guard_args(t->a, t->w->shard.id, t->w->shard.epoch) },
        { &inbox_settle,
          inbox_settle_args(t->a, t->settled, t->settled_count, t->errors, t->settled_count) },
    };
    const struct db_call call = { .lane = DB_LANE_WRITE,
                                  .steps = steps,
                                  .step_count = countof(steps),
                                  .deadline_us = clock_mono_us() + CALL_MS * CLOCK_MS,
                                  .fn = settled,
                                  .owner = t };
    if (!db_pool_call(t->w->shard.pool, &call, NULL, &e))
        failed(t, &e);
}

static bool is_for_now(const struct err *e)
{
    return e->code == ERR_UNAVAILABLE || e->code == ERR_TIMEOUT || e->code == ERR_CANCELLED;
}

/* One that repeats a task that is there, by its id or its key, has nothing to add. */
static void done(void *owner, const struct err *err, const struct create_result *results)
{
    struct inbox *t = owner;
    if (err) {
        failed(t, err);
        return;
    }
    for (size_t i = 0; i < t->place_count; i++) {
        const struct create_result *r = &results[i];
        struct uuid entry = t->entries[t->places[i]];
        if (r->outcome == CREATE_REFUSED && is_for_now(&r->err)) {
            failed(t, &r->err);
            return;
        }
        if (r->outcome == CREATE_REFUSED)
            settle_one(t, entry, arena_copy(t->a, str_of_c(r->err.message)));
        else if (r->outcome != CREATE_MADE)
            settle_one(t, entry, STR(""));
    }
    settle(t);
}

/* ── looking ── */

static void make(struct inbox *t, const struct db_rows *rows)
{
    static const struct create_hooks hooks = { made, done };
    struct json_value *tasks = arena_new_array(t->a, t->count, struct json_value);
    for (size_t i = 0; i < t->count; i++) {
        const struct json_value *task;
        struct err e = { 0 };
        t->entries[i] = db_rows_uuid(rows, i, 0);
        if (json_parse_carrier(t->a, db_rows_text(rows, i, 1), LEVELS_AROUND, &task, &e)) {
            tasks[t->place_count] = *task;
            t->places[t->place_count++] = i;
        } else {
            settle_one(t, t->entries[i], arena_copy(t->a, str_of_c(e.message)));
        }
    }
    if (t->place_count > 0)
        create_many(t->w, t->a, tasks, t->place_count, &hooks, t);
    else
        settle(t);
}

static void looked(void *owner, const struct db_reply *reply)
{
    struct inbox *t = owner;
    if (reply->err) {
        failed(t, reply->err);
        return;
    }
    struct db_rows *rows = reply->rows[0];
    t->count = db_rows_count(rows);
    if (t->count == 0) {
        end_page(t, t->wait_ms);
        t->wait_ms = min_of(t->wait_ms * 2, (int64_t)WAIT_MOST_MS);
        return;
    }
    db_rows_keep(rows, t->a);
    t->wait_ms = WAIT_LEAST_MS;
    t->place_count = t->settled_count = t->refused_count = 0;
    t->entries = arena_new_array(t->a, t->count, struct uuid);
    t->places = arena_new_array(t->a, t->count, size_t);
    t->settled = arena_new_array(t->a, t->count, struct uuid);
    t->errors = arena_new_array(t->a, t->count, struct str);
    make(t, rows);
}

static void on_timer(void *owner)
{
    struct inbox *t = owner;
    if (!shard_is_leading(&t->w->shard)) {
        end_page(t, WAIT_MOST_MS);
        return;
    }
    t->is_busy = true;
    arena_reset(t->a);
    door_read(t->w, &inbox_read, inbox_read_args(t->a, ROWS_MAX, BYTES_MAX), looked, t);
}

/* ── life ── */

struct inbox *inbox_create(struct worker *w)
{
    struct inbox *t = mem_new(struct inbox);
    t->w = w;
    t->a = arena_create(ARENA_BYTES);
    t->timer = io_timer_create(w->loop, on_timer, t);
    return t;
}

void inbox_start(struct inbox *t)
{
    t->is_on = true;
    t->wait_ms = WAIT_LEAST_MS;
    if (!t->is_busy) /* else the page that is out goes on */
        io_timer_start(t->timer, 0);
}

void inbox_stop(struct inbox *t)
{
    t->is_on = false;
    io_timer_stop(t->timer);
}

void inbox_destroy(struct inbox *t)
{
    if (!t)
        return;
    io_timer_destroy(t->timer);
    arena_destroy(t->a);
    mem_free(t);
}
