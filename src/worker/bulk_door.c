/*
 * bulk_door: POST /v1/tasks:bulk. Each task is judged by itself and is an intent of its own, so
 * that batches stay as small as ever; CHUNK of them are on their way at a time.
 *
 *   next chunk ──▶ submit (a dry run: judge at a view) ──▶ all certain ──▶ next chunk … ──▶ answer
 *                    ▲                                      │ finished ones that must be looked up
 *                    └── what they depend on ◀── their rows ◀┘
 *
 * What breaks in the middle (no leader, no database) ends it; the answer says what was done. So
 * does the record that the gateway gives: as open with the first task, in its batch, and at the
 * end.
 */
#include "base/log.h"
#include "db/rows.h"
#include "store/queue/read_sql.h"
#include "worker/bulk_priv.h"
#include "worker/door.h"
#include "worker/drop.h"
#include "worker/worker_priv.h"

enum { CHUNK = 500, PASSES_MAX = 5, REFUSED_SHOWN = 100 };

static void next_chunk(struct bulk *q);
static void submit(struct bulk *q);

/* ── the answer ── */

static void put_task(struct json_writer *w, const struct bulk *q, const struct bulk_item *item)
{
    const struct bulk_became *b = &item->became;
    json_begin_object(w);
    json_put_id(w, "id", item->act.id);
    if (q->kind != ACT_DELETE)
        json_put_number(w, "version", b->version);
    if (q->kind != ACT_DELETE && b->state != STATE_COUNT) {
        bool is_finished = b->state == STATE_CANCELLED;
        json_key_c(w, "state");
        json_write_string(w, rule_state_name(b->state));
        json_key_c(w, "attempt");
        json_write_i64(w, b->attempt);
        json_key_c(w, "max_attempts");
        json_write_i64(w, b->max_attempts);
        if (!is_finished)
            json_put_time(w, "run_at_us", b->at_us);
        json_put_time(w, "updated_at_us", b->at_us);
        json_put_time(w, "started_at_us", 0);
        json_put_time(w, "finished_at_us", is_finished ? b->at_us : 0);
        json_put_null(w, "result");
        json_put_null(w, "error");
        json_put_null(w, "why");
        json_put_null(w, "progress");
    }
    json_end_object(w);
}

static void put_refused(struct json_writer *w, const struct bulk_item *item)
{
    json_begin_object(w);
    json_put_id(w, "id", item->act.id);
    json_key_c(w, "reason");
    json_write_string(w, str_of_c(item->reason));
    json_end_object(w);
}

static size_t count_of(const struct bulk *q, enum bulk_item_state state)
{
    size_t n = 0;
    for (size_t i = 0; i < q->count; i++)
        n += q->items[i].state == state;
    return n;
}

static void put_answer(struct bulk *q, struct json_writer *w)
{
    size_t shown = 0;
    json_begin_object(w);
    json_key_c(w, "done");
    json_write_i64(w, (int64_t)count_of(q, BULK_DONE));
    json_key_c(w, "refused_count");
    json_write_i64(w, (int64_t)count_of(q, BULK_REFUSED));
    json_key_c(w, "refused");
    json_begin_array(w);
    for (size_t i = 0; i < q->count && shown < REFUSED_SHOWN; i++)
        if (q->items[i].state == BULK_REFUSED) {
            put_refused(w, &q->items[i]);
            shown++;
        }
    json_end_array(w);
    json_key_c(w, "tasks");
    json_begin_array(w);
    for (size_t i = 0; i < q->count && !q->is_dry; i++)
        if (q->items[i].state == BULK_DONE)
            put_task(w, q, &q->items[i]);
    json_end_array(w);
    if (door_is_bad(&q->broke))
        door_put_error(w, &q->broke);
    door_put_cursor(w, "cursor", &q->w->shard, q->w->shard.committed);
    json_end_object(w);
}

static void answer(struct bulk *q)
{
    size_t done = count_of(q, BULK_DONE);
    if (door_is_bad(&q->broke) && (done == 0 || q->is_dry)) {
        door_fail(q->r, &q->broke); /* nothing was done */
        return;
    }
    if (!q->is_dry)
        log_info("tasks.bulk", "action=%s actor=%s done=%zu refused=%zu of=%zu",
                 bulk_action_name(q->kind), log_quote(q->actor), done, count_of(q, BULK_REFUSED),
                 q->count);
    struct json_writer w = json_writer_to(q->r->out);
    put_answer(q, &w);
    door_answer(q->r);
}

/* ── its end ── */

static void close_record(struct intent *intent, struct batch *b)
{
    const struct bulk *q = container_of(intent, struct bulk, closing);
    record_put_bulk(b, &q->record, (int64_t)count_of(q, BULK_DONE),
                    (int64_t)count_of(q, BULK_REFUSED), !q->record.is_last);
}

static void record_closed(struct intent *intent, const struct err *err)
{
    struct bulk *q = container_of(intent, struct bulk, closing);
    if (err)
        q->broke = *err;
    answer(q);
}

static void end(struct bulk *q)
{
    q->closing = (struct intent){ .apply = close_record, .done = record_closed };
    if (q->is_dry || !q->record.is_given || !shard_submit(&q->w->shard, &q->closing, &q->broke))
        answer(q);
}

/* ── one task ── */

static void refuse(struct bulk_item *item, const char *reason)
{
    item->state = BULK_REFUSED;
    item->reason = arena_cstr(item->bulk->r->arena, str_of_c(reason));
}

/* False: there is nothing more to do to it now. */
static bool judge(struct bulk_item *item, const struct shard *s, int64_t now_us)
{
    struct err e = { 0 };
    switch (act_judge(&item->act, s, now_us, &e)) {
    case ACT_WILL:
        item->state = BULK_DONE;
        return true;
    case ACT_LOOK:
        item->state = BULK_LOOK;
        return false;
    case ACT_AS_IS:
    case ACT_REFUSED:
        break;
    }
    refuse(item, e.message);
    return false;
}

static void drop(struct bulk_item *item, struct batch *b)
{
    const struct task_view *row = &item->row;
    struct drop task = {
        .id = row->id, .seq = row->version, .state = row->state, .by = item->act.by
    };
    bool is_known = shard_find_type(b->s, row->type, &task.type);
    assert(is_known);
    drop_task(b, &task);
}

static void note_became(struct bulk_item *item, const struct batch *b)
{
    const struct live *task = live_find(b->s->live, item->act.id);
    item->became = (struct bulk_became){ .version = task->version,
                                         .at_us = b->at_us,
                                         .state = task->state == LIVE_GONE      ? STATE_CANCELLED
                                                  : task->state == LIVE_BLOCKED ? STATE_BLOCKED
                                                  : task->state == LIVE_WAITING ? STATE_READY
                                                                                : STATE_COUNT,
                                         .attempt = task->attempt,
                                         .max_attempts = task->max_attempts };
}

static void unrecord(struct shard *s, void *data)
{
    struct bulk *q = data;
    (void)s;
    q->is_recorded = false;
}

static void apply(struct intent *intent, struct batch *b)
{
    struct bulk_item *item = container_of(intent, struct bulk_item, intent);
    struct bulk *q = item->bulk;
    if (!judge(item, b->s, b->at_us))
        return;
    if (!q->is_recorded) {
        record_put_bulk(b, &q->record, 0, 0, true);
        batch_on_undo(b, unrecord, q);
        q->is_recorded = true;
    }
    if (item->act.kind == ACT_DELETE) {
        drop(item, b);
        return;
    }
    act_do(&item->act, b);
    note_became(item, b);
}

/* ── chunks ── */

static void rows_read(void *owner, const struct db_reply *reply);

static void end_pass(struct bulk *q)
{
    size_t looks = 0;
    for (size_t i = q->from; i < q->to; i++) {
        struct bulk_item *item = &q->items[i];
        if (item->state == BULK_LOOK && q->passes == PASSES_MAX)
            refuse(item, "the task is changing just now: try again");
        looks += item->state == BULK_LOOK;
    }
    if (door_is_bad(&q->broke)) {
        answer(q);
    } else if (looks == 0) {
        next_chunk(q);
    } else {
        struct uuid *ids = arena_new_array(q->r->arena, looks, struct uuid);
        size_t count = 0;
        for (size_t i = q->from; i < q->to; i++)
            if (q->items[i].state == BULK_LOOK)
                ids[count++] = q->items[i].act.id;
        q->passes++;
        door_read(q->w, &read_ends, read_ends_args(q->r->arena, ids, count), rows_read, q);
    }
}

static void item_done(struct intent *intent, const struct err *err)
{
    struct bulk_item *item = container_of(intent, struct bulk_item, intent);
    struct bulk *q = item->bulk;
    if (err &&
        (err->code == ERR_UNAVAILABLE || err->code == ERR_TIMEOUT || err->code == ERR_CANCELLED)) {
        item->state = BULK_OPEN;
        q->broke = *err;
    } else if (err) {
        refuse(item, err->code == ERR_INTERNAL ? "something went wrong" : err->message);
    }
    if (--q->open == 0)
        end_pass(q);
}

static void judge_all(struct view *moment)
{
    struct bulk *q = container_of(moment, struct bulk, moment);
    if (!shard_is_leading(&q->w->shard))
        shard_refuse(&q->broke);
    for (size_t i = q->from; i < q->to && !door_is_bad(&q->broke); i++)
        if (q->items[i].state == BULK_OPEN || q->items[i].state == BULK_LOOK)
            (void)judge(&q->items[i], &q->w->shard, shard_now_us(&q->w->shard));
    end_pass(q);
}

static void submit(struct bulk *q)
{
    if (q->is_dry) {
        q->moment.fn = judge_all;
        shard_view(&q->w->shard, &q->moment);
        return;
    }
    q->open = 1; /* so that it does not end before all are in */
    for (size_t i = q->from; i < q->to && !door_is_bad(&q->broke); i++) {
        struct bulk_item *item = &q->items[i];
        if (item->state != BULK_OPEN && item->state != BULK_LOOK)
            continue;
        item->intent = (struct intent){ .apply = apply, .done = item_done };
        if (shard_submit(&q->w->shard, &item->intent, &q->broke))
            q->open++;
    }
    if (--q->open == 0)
        end_pass(q);
}

static void next_chunk(struct bulk *q)
{
    if (q->to == q->count) {
        end(q);
        return;
    }
    q->from = q->to;
    q->to = min_of(q->from + CHUNK, q->count);
    q->passes = 0;
    submit(q);
}

/* ── finished ones ── */

static void standings_came(void *owner, const struct db_reply *reply)
{
    struct bulk *q = owner;
    if (reply->err) {
        q->broke = *reply->err;
        answer(q);
        return;
    }
    standings_read(&q->standings, reply->rows[0]);
    submit(q);
}

static bool ask_standings(struct bulk *q)
{
    size_t count = 0;
    for (size_t i = q->from; i < q->to; i++)
        if (q->items[i].state == BULK_LOOK && q->items[i].act.row)
            count += q->items[i].row.depends_on_count;
    if (q->kind != ACT_RETRY || count == 0)
        return false;
    struct uuid *ids = arena_new_array(q->r->arena, count, struct uuid);
    count = 0;
    for (size_t i = q->from; i < q->to; i++)
        for (size_t k = 0; q->items[i].state == BULK_LOOK && q->items[i].act.row &&
                           k < q->items[i].row.depends_on_count;
             k++)
            ids[count++] = q->items[i].row.depends_on[k];
    standings_ask(&q->standings, q->w, q->r->arena, ids, count, standings_came, q);
    return true;
}

static void take_row(struct bulk_item *item, const struct db_rows *rows, const struct map *found)
{
    struct shard *s = &item->bulk->w->shard;
    struct uuid id = item->act.id;
    size_t row = (size_t)(uintptr_t)map_get(found, uuid_bytes(&id));
    item->act.is_read = true;
    item->act.row = NULL;
    if (row == 0 && !live_find(s->live, id))
        refuse(item, "there is no such task");
    else if (row > 0 && read_task(item->bulk->r->arena, s, rows, row - 1, &item->row))
        item->act.row = &item->row;
    item->act.drops = s->drops;
}

static void rows_read(void *owner, const struct db_reply *reply)
{
    struct bulk *q = owner;
    if (reply->err) {
        q->broke = *reply->err;
        answer(q);
        return;
    }
    const struct db_rows *rows = reply->rows[0];
    db_rows_keep(reply->rows[0], q->r->arena);
    scoped(map_destroyp) struct map *found = db_rows_by_id(rows);
    for (size_t i = q->from; i < q->to; i++)
        if (q->items[i].state == BULK_LOOK)
            take_row(&q->items[i], rows, found);
    if (!ask_standings(q))
        submit(q);
}

void bulk_door(void *owner, struct http_request *r)
{
    struct worker *w = owner;
    const struct json_value *body;
    struct err e = { 0 };
    if (!door_open(w, r, DOOR_GATEWAY) || !(body = door_body(r)))
        return;
    struct bulk *q = arena_new(r->arena, struct bulk);
    *q = (struct bulk){ .w = w, .r = r };
    if (bulk_read(q, body, &e))
        next_chunk(q);
    else
        door_fail(r, &e);
}
