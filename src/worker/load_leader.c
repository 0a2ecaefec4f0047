/*
 * What only a leader needs, when all of the log is in memory:
 *
 *   settings of types ──▶ of queues ──▶ sessions ──▶ what blocked tasks wait for ──▶ checkpoints
 *                                                                                        │
 *               done ◀── what the tables do not have yet is handed to the tick ◀─────────┘
 */
#include "store/queue/lead_sql.h"
#include "worker/deps.h"
#include "worker/load_priv.h"
#include "worker/notes.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/tick.h"

enum { BLOCKED_AT_ONCE = 5'000 };

static load_fn read_queue_settings, read_sessions, ask_blocked, read_checkpoints, hand_to_tick;

/* ── settings ── */

static struct db_args *type_settings_args(struct load *load, const struct db_rows *before)
{
    return load_types_args(load->a, (int32_t)load_after(before, -1));
}

static bool type_settings_row(struct load *load, const struct db_rows *rows, size_t row,
                              struct err *e)
{
    (void)e;
    settings_load_type(load->s, rows, row);
    return true;
}

/* As they are now, and from now on: a rate begins with an empty bucket. */
static const struct load_pages type_settings_pages = { &load_types, type_settings_args,
                                                       type_settings_row, read_queue_settings };

void load_leader(struct load *load)
{
    load->phase = LOAD_LAST;
    session_set_clear(load->s->sessions);
    load_read_pages(load, &type_settings_pages);
}

static struct db_args *queue_settings_args(struct load *load, const struct db_rows *before)
{
    return load_queues_args(load->a, (int32_t)load_after(before, -1));
}

/* A queue that tasks of an older version are in was numbered here, and may have been numbered
 * otherwise by somebody else since. */
static bool is_same_queue(const struct shard *s, const struct db_rows *rows, size_t row)
{
    int64_t number = db_rows_i64(rows, row, 0);
    return number < (int64_t)s->queues_known && s->queues[number].is_stored &&
           str_eq(s->queues[number].name, db_rows_text(rows, row, 1));
}

static bool queue_settings_row(struct load *load, const struct db_rows *rows, size_t row,
                               struct err *e)
{
    if (!is_same_queue(load->s, rows, row))
        return err_set(e, ERR_INTERNAL, "queue %lld has another name than here",
                       (long long)db_rows_i64(rows, row, 0));
    settings_load_queue(load->s, rows, row);
    return true;
}

static const struct load_pages queue_settings_pages = { &load_queues, queue_settings_args,
                                                        queue_settings_row, read_sessions };

static void read_queue_settings(struct load *load)
{
    load_read_pages(load, &queue_settings_pages);
}

/* ── sessions ── */

static struct db_args *session_args(struct load *load, const struct db_rows *before)
{
    return load_sessions_args(load->a, load_after(before, 0));
}

static bool session_row(struct load *load, const struct db_rows *rows, size_t row, struct err *e)
{
    (void)e;
    session_set_load(load->s->sessions, rows, row);
    return true;
}

static const struct load_pages session_pages = { &load_sessions, session_args, session_row,
                                                 ask_blocked };

static void read_sessions(struct load *load)
{
    load_read_pages(load, &session_pages);
}

/* ── what blocked tasks wait for ── */

static void blocked_read(void *owner, const struct db_reply *reply)
{
    struct load *load = owner;
    if (!load_answered(load, reply))
        return;
    const struct db_rows *rows = reply->rows[0];
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct uuid on = db_rows_uuid(rows, i, 1);
        deps_add(load->s->deps, db_rows_uuid(rows, i, 0), on);
        if (!live_find(load->s->live, on))
            deps_load_failed(load->s->deps, on, (enum rule_state)db_rows_i64(rows, i, 2));
    }
    ask_blocked(load);
}

static void ask_blocked(struct load *load)
{
    size_t count = 0;
    arena_reset(load->a);
    struct uuid *ids = arena_new_array(load->a, BLOCKED_AT_ONCE, struct uuid);
    for (struct live *task;
         count < BLOCKED_AT_ONCE && (task = live_next(load->s->live, &load->blocked_at));)
        if (task->state == LIVE_BLOCKED)
            ids[count++] = task->id;
    if (count > 0)
        load_ask(load, &load_blocked, load_blocked_args(load->a, ids, count), blocked_read);
    else
        read_checkpoints(load);
}

/* ── which unfinished tasks have a checkpoint ── */

static struct db_args *checkpoint_args(struct load *load, const struct db_rows *before)
{
    struct uuid after = { 0 };
    if (before)
        after = db_rows_uuid(before, db_rows_count(before) - 1, 0);
    return load_checkpoints_args(load->a, after);
}

static bool checkpoint_row(struct load *load, const struct db_rows *rows, size_t row, struct err *e)
{
    (void)e;
    notes_of(load->s->notes, db_rows_uuid(rows, row, 0))->has_checkpoint = true;
    return true;
}

static const struct load_pages checkpoint_pages = { &load_checkpoints, checkpoint_args,
                                                    checkpoint_row, hand_to_tick };

static void read_checkpoints(struct load *load)
{
    load_read_pages(load, &checkpoint_pages);
}

/* ── the end ── */

/* What the tables do not have yet, or have still, is the tick's to write. */
static void hand_to_tick(struct load *load)
{
    struct shard *s = load->s;
    size_t at = 0;
    for (struct live *task; (task = live_next(s->live, &at));) {
        task->flags |= LIVE_STORED;
        if (task->version >= load->ckpt_seq)
            tick_mark(s->tick, task);
    }
    for (size_t i = 0; i < load->ended_count; i++)
        if (load->ended[i].seq >= load->ckpt_seq)
            tick_gone(s->tick, load->ended[i].id);
    load_end(load, NULL);
}
