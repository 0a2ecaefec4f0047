/* How a task comes into memory: out of task_live, or as the log tells that it was made. */
#include "base/mem.h"
#include "worker/load_priv.h"
#include "worker/notes.h"

/* ── keys ── */

/* In the middle of a load somebody may hold it who has ended already. */
static void hold_key(struct load *load, struct live *task, struct str key)
{
    struct live_set *live = load->s->live;
    if (key.len == 0)
        return;
    if (!live_by_key(live, live_key_of(key))) {
        live_hold_key(live, live_key_of(key), task);
        return;
    }
    load->contested = mem_grow(load->contested, load->contested_count, &load->contested_capacity,
                               LOAD_FIRST, sizeof *load->contested);
    load->contested[load->contested_count++] =
        (struct load_contested){ .id = task->id, .key = live_key_of(key) };
}

void load_settle_keys(struct load *load)
{
    struct live_set *live = load->s->live;
    for (size_t i = 0; i < load->contested_count; i++) {
        struct live *task = live_find(live, load->contested[i].id);
        if (task && !(task->flags & LIVE_KEYED) && !live_by_key(live, load->contested[i].key))
            live_hold_key(live, load->contested[i].key, task);
    }
    load->contested_count = 0;
}

/* ── tasks ── */

/* Its queue by name; `lane` has the rest. */
static void join(struct shard *s, struct live *task, struct live_lane *lane, struct str queue)
{
    struct err e;
    if (!shard_queue_of(s, queue, &lane->queue, &e))
        lane->queue = 0; /* as when it was made */
    live_join(s->live, task, lane);
}

struct live *load_put_made(struct load *load, const struct change *change, int64_t seq,
                           const struct db_rows *tasks, size_t row)
{
    struct shard *s = load->s;
    struct live *task = live_add(s->live, change->id);
    join(s, task,
         &(struct live_lane){ .type = (uint32_t)db_rows_i64(tasks, row, 1),
                              .priority = (enum rule_priority)db_rows_i64(tasks, row, 2),
                              .key = (uint64_t)db_rows_i64(tasks, row, 9) },
         db_rows_text(tasks, row, 8));
    task->max_attempts = (uint16_t)db_rows_i64(tasks, row, 3);
    live_set_timeout(task, db_rows_i64(tasks, row, 4));
    task->at_us = db_rows_time(tasks, row, 5);
    task->state = change->op == OP_ADD_BLOCKED || change->op == OP_REOPEN_BLOCKED ? LIVE_BLOCKED
                                                                                  : LIVE_WAITING;
    task->version = seq;
    task->flags = LIVE_FRESH;
    if (change->op == OP_REOPEN_FAILED || change->op == OP_REOPEN_BLOCKED) {
        task->flags = 0;
        task->at_us = change->args[0];
        task->attempt = (uint16_t)change->attempt;
        task->max_attempts = (uint16_t)change->args[1];
    }
    if (db_rows_bool(tasks, row, 7))
        task->flags |= LIVE_JOB;
    hold_key(load, task, db_rows_text(tasks, row, 6));
    return task;
}

static void join_stored(struct shard *s, struct live *task, const struct db_rows *rows, size_t row)
{
    struct live_lane lane = { .type = (uint32_t)db_rows_i64(rows, row, 2),
                              .priority = (enum rule_priority)db_rows_i64(rows, row, 4),
                              .key = (uint64_t)db_rows_i64(rows, row, 15) };
    int64_t queue = db_rows_i64(rows, row, 14), crashes = db_rows_i64(rows, row, 6);
    if (queue < 0) { /* written by a version that knew no queues */
        join(s, task, &lane, STR("default"));
    } else {
        lane.queue = (uint32_t)queue;
        live_join(s->live, task, &lane);
    }
    while (task->crashes < crashes)
        live_leave(s->live, live_crash(s->live, task));
}

void load_put_stored(struct load *load, const struct db_rows *rows, size_t row, int64_t now_us)
{
    struct live_set *live = load->s->live;
    struct live *task = live_add(live, db_rows_uuid(rows, row, 0));
    task->version = db_rows_i64(rows, row, 1);
    task->state = (uint32_t)db_rows_i64(rows, row, 3) & 15;
    task->flags = (uint8_t)(db_rows_i64(rows, row, 5) & LIVE_OF_ROW);
    join_stored(load->s, task, rows, row);
    task->attempt = (uint16_t)db_rows_i64(rows, row, 7);
    task->max_attempts = (uint16_t)db_rows_i64(rows, row, 8);
    live_set_timeout(task, db_rows_i64(rows, row, 9));
    live_set_run(live, task,
                 (struct live_run){ .fence = db_rows_i64(rows, row, 11),
                                    .session = (uint32_t)db_rows_i64(rows, row, 10) });
    task->at_us = db_rows_i64(rows, row, 12);
    hold_key(load, task, db_rows_text(rows, row, 13));
    if (task->state == LIVE_RUNNING && !db_rows_is_null(rows, row, 16))
        notes_told(load->s->notes, task->id, db_rows_i64(rows, row, 11),
                   (double)db_rows_i64(rows, row, 16) / OP_NOTE_ONE);
    live_place(live, task, now_us);
}
