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
#include "worker/act.h"
#include "worker/door.h"
#include "worker/drop.h"
#include "worker/record.h"
#include "worker/worker_priv.h"

enum { TASKS_MAX = 10'000, CHUNK = 500, PASSES_MAX = 5, REFUSED_SHOWN = 100, ACTION_MAX = 20 };

enum item_state { ITEM_OPEN, ITEM_LOOK, ITEM_DONE, ITEM_REFUSED };

/* What a task has become, for the answer. */
struct became {
    int64_t version, at_us;
    enum rule_state state; /* STATE_COUNT: it runs on, and shall stop */
    uint32_t attempt, max_attempts;
};

struct bulk;

struct item {
    struct intent intent;
    struct bulk *bulk;
    struct act act;
    struct task_view row;
    struct became became;
    enum item_state state;
    const char *reason;
};

struct bulk {
    struct worker *w;
    struct http_request *r;
    enum act_kind kind;
    bool is_dry;
    struct str actor;
    struct record record;
    bool is_recorded;      /* as open */
    struct intent closing; /* its end is recorded */
    struct item *items;
    size_t count;
    size_t from, to; /* the chunk */
    unsigned passes; /* over it */
    size_t open;     /* intents that are out */
    struct standings standings;
    struct view moment;
    struct err broke; /* what ended it */
};

static void next_chunk(struct bulk *q);
static void submit(struct bulk *q);

static const struct {
    const char *name;
    enum act_kind kind;
} actions[] = { { "cancel", ACT_CANCEL }, { "delete", ACT_DELETE }, { "retry", ACT_RETRY } };

static const char *action_name(enum act_kind kind)
{
    size_t i = 0;
    while (actions[i].kind != kind)
        i++;
    return actions[i].name;
}

/* ── the answer ── */

static void put_null(struct json_writer *w, struct str key)
{
    json_key(w, key);
    json_write_null(w);
}

static void put_task(struct json_writer *w, const struct bulk *q, const struct item *item)
{
    const struct became *b = &item->became;
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
        put_null(w, STR("result"));
        put_null(w, STR("error"));
        put_null(w, STR("why"));
        put_null(w, STR("progress"));
    }
    json_end_object(w);
}

static void put_refused(struct json_writer *w, const struct item *item)
{
    json_begin_object(w);
    json_put_id(w, "id", item->act.id);
    json_key_c(w, "reason");
    json_write_string(w, str_of_c(item->reason));
    json_end_object(w);
}

static size_t count_of(const struct bulk *q, enum item_state state)
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
    json_write_i64(w, (int64_t)count_of(q, ITEM_DONE));
    json_key_c(w, "refused_count");
    json_write_i64(w, (int64_t)count_of(q, ITEM_REFUSED));
    json_key_c(w, "refused");
    json_begin_array(w);
    for (size_t i = 0; i < q->count && shown < REFUSED_SHOWN; i++)
        if (q->items[i].state == ITEM_REFUSED) {
            put_refused(w, &q->items[i]);
            shown++;
        }
    json_end_array(w);
    json_key_c(w, "tasks");
    json_begin_array(w);
    for (size_t i = 0; i < q->count && !q->is_dry; i++)
        if (q->items[i].state == ITEM_DONE)
            put_task(w, q, &q->items[i]);
    json_end_array(w);
    if (door_is_bad(&q->broke))
        door_put_error(w, &q->broke);
    door_put_cursor(w, "cursor", &q->w->shard, q->w->shard.committed);
    json_end_object(w);
}

static void answer(struct bulk *q)
{
    size_t done = count_of(q, ITEM_DONE);
    if (door_is_bad(&q->broke) && (done == 0 || q->is_dry)) {
        door_fail(q->r, &q->broke); /* nothing was done */
        return;
    }
    if (!q->is_dry)
        log_info("tasks.bulk", "action=%s actor=%s done=%zu refused=%zu of=%zu",
                 action_name(q->kind), log_quote(q->actor), done, count_of(q, ITEM_REFUSED),
                 q->count);
    struct json_writer w = json_writer_to(q->r->out);
    put_answer(q, &w);
    door_answer(q->r);
}

/* ── its end ── */

static void close_record(struct intent *intent, struct batch *b)
{
    const struct bulk *q = container_of(intent, struct bulk, closing);
    record_put_bulk(b, &q->record, (int64_t)count_of(q, ITEM_DONE),
                    (int64_t)count_of(q, ITEM_REFUSED), !q->record.is_last);
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

static void refuse(struct item *item, const char *reason)
{
    item->state = ITEM_REFUSED;
    item->reason = arena_cstr(item->bulk->r->arena, str_of_c(reason));
}

/* False: there is nothing more to do to it now. */
static bool judge(struct item *item, const struct shard *s, int64_t now_us)
{
    struct err e = { 0 };
    switch (act_judge(&item->act, s, now_us, &e)) {
    case ACT_WILL:
        item->state = ITEM_DONE;
        return true;
    case ACT_LOOK:
        item->state = ITEM_LOOK;
        return false;
    case ACT_AS_IS:
    case ACT_REFUSED:
        break;
    }
    refuse(item, e.message);
    return false;
}

static void drop(struct item *item, struct batch *b)
{
    const struct task_view *row = &item->row;
    struct drop task = {
        .id = row->id, .seq = row->version, .state = row->state, .by = item->act.by
    };
    bool is_known = shard_find_type(b->s, row->type, &task.type);
    assert(is_known);
    drop_task(b, &task);
}

static void note_became(struct item *item, const struct batch *b)
{
    const struct live *task = live_find(b->s->live, item->act.id);
    item->became = (struct became){ .version = task->version,
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
    struct item *item = container_of(intent, struct item, intent);
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
        struct item *item = &q->items[i];
        if (item->state == ITEM_LOOK && q->passes == PASSES_MAX)
            refuse(item, "the task is changing just now: try again");
        looks += item->state == ITEM_LOOK;
    }
    if (door_is_bad(&q->broke)) {
        answer(q);
    } else if (looks == 0) {
        next_chunk(q);
    } else {
        struct uuid *ids = arena_new_array(q->r->arena, looks, struct uuid);
        size_t count = 0;
        for (size_t i = q->from; i < q->to; i++)
            if (q->items[i].state == ITEM_LOOK)
                ids[count++] = q->items[i].act.id;
        q->passes++;
        door_read(q->w, &read_ends, read_ends_args(q->r->arena, ids, count), rows_read, q);
    }
}

static void item_done(struct intent *intent, const struct err *err)
{
    struct item *item = container_of(intent, struct item, intent);
    struct bulk *q = item->bulk;
    if (err &&
        (err->code == ERR_UNAVAILABLE || err->code == ERR_TIMEOUT || err->code == ERR_CANCELLED)) {
        item->state = ITEM_OPEN;
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
        if (q->items[i].state == ITEM_OPEN || q->items[i].state == ITEM_LOOK)
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
        struct item *item = &q->items[i];
        if (item->state != ITEM_OPEN && item->state != ITEM_LOOK)
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
        if (q->items[i].state == ITEM_LOOK && q->items[i].act.row)
            count += q->items[i].row.depends_on_count;
    if (q->kind != ACT_RETRY || count == 0)
        return false;
    struct uuid *ids = arena_new_array(q->r->arena, count, struct uuid);
    count = 0;
    for (size_t i = q->from; i < q->to; i++)
        for (size_t k = 0; q->items[i].state == ITEM_LOOK && q->items[i].act.row &&
                           k < q->items[i].row.depends_on_count;
             k++)
            ids[count++] = q->items[i].row.depends_on[k];
    standings_ask(&q->standings, q->w, q->r->arena, ids, count, standings_came, q);
    return true;
}

static void take_row(struct item *item, const struct db_rows *rows, const struct map *found)
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
    scoped(map_destroyp) struct map *found = map_create();
    if (reply->err) {
        q->broke = *reply->err;
        answer(q);
        return;
    }
    const struct db_rows *rows = reply->rows[0];
    db_rows_keep(reply->rows[0], q->r->arena);
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct uuid id = db_rows_uuid(rows, i, 0);
        (void)map_put(found, uuid_bytes(&id), (void *)(i + 1));
    }
    for (size_t i = q->from; i < q->to; i++)
        if (q->items[i].state == ITEM_LOOK)
            take_row(&q->items[i], rows, found);
    if (!ask_standings(q))
        submit(q);
}

/* ── reading ── */

static bool read_version(const struct json_value *v, const char *at, int64_t *ret_version,
                         struct err *e)
{
    const struct json_value *version = json_get_c(v, "version");
    if (!version || version->type == JSON_NULL)
        return true;
    return (version->type == JSON_STRING && str_to_i64(version->text, ret_version) &&
            *ret_version > 0) ||
           err_set(e, ERR_INVALID, "%sversion: is no number in a string", at);
}

static bool read_item(struct bulk *q, const struct json_value *v, size_t index, struct map *seen,
                      struct err *e)
{
    static const char *const members[] = { "id", "version", NULL };
    struct item *item = &q->items[index];
    char at[40];
    snprintf(at, sizeof at, "tasks[%zu].", index);
    *item = (struct item){ .bulk = q };
    item->act = (struct act){ .kind = q->kind, .by = q->actor, .standings = &q->standings };
    if (v->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "tasks[%zu]: is no object", index);
    if (!door_only(v, at, members, e))
        return false;
    if (!door_id(v, at, "id", &item->act.id, e))
        return door_is_bad(e) ? false : door_missing(e, at, "id");
    struct str key = uuid_bytes(&item->act.id);
    if (map_put(seen, key, item))
        return err_set(e, ERR_INVALID, "%sid: is named twice", at);
    return read_version(v, at, &item->act.version, e);
}

static bool read_action(const struct json_value *body, enum act_kind *ret_kind, struct err *e)
{
    struct str name;
    if (!door_text(body, "", "action", ACTION_MAX, &name, e))
        return door_is_bad(e) ? false : door_missing(e, "", "action");
    for (size_t i = 0; i < countof(actions); i++)
        if (str_eq_c(name, actions[i].name)) {
            *ret_kind = actions[i].kind;
            return true;
        }
    return err_set(e, ERR_INVALID, "action: is none of retry, cancel and delete");
}

static bool read_body(struct bulk *q, const struct json_value *body, struct err *e)
{
    scoped(map_destroyp) struct map *seen = map_create();
    static const char *const members[] = { "action", "tasks", "actor", "dry_run", "record", NULL };
    const struct json_value *tasks = json_get_c(body, "tasks");
    q->actor = STR("");
    if (!door_only(body, "", members, e) || !read_action(body, &q->kind, e))
        return false;
    door_text(body, "", "actor", ACT_BY_MAX, &q->actor, e);
    if (!door_is_bad(e))
        door_flag(body, "", "dry_run", &q->is_dry, e);
    if (door_is_bad(e) || !record_read(body, q->r->arena, &q->record, e))
        return false;
    if (!tasks || tasks->type != JSON_ARRAY)
        return err_set(e, ERR_INVALID, "tasks: is no list");
    if (tasks->item_count > TASKS_MAX)
        return err_set(e, ERR_LIMIT, "tasks: are more than %d", TASKS_MAX);
    q->count = tasks->item_count;
    q->items = arena_new_array(q->r->arena, q->count, struct item);
    for (size_t i = 0; i < q->count; i++)
        if (!read_item(q, &tasks->items[i], i, seen, e))
            return false;
    return true;
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
    if (read_body(q, body, &e))
        next_chunk(q);
    else
        door_fail(r, &e);
}
