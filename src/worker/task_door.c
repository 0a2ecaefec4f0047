/*
 * task_door: GET /v1/tasks/ID, POST /v1/tasks:get, and what a person does to one task: cancel,
 * retry and promote.
 */
#include "base/clock.h"
#include "db/rows.h"
#include "store/queue/log_sql.h"
#include "store/queue/read_sql.h"
#include "worker/act.h"
#include "worker/door.h"
#include "worker/log_door.h"
#include "worker/session.h"
#include "worker/why.h"
#include "worker/worker_priv.h"

enum { IDS_MAX = 500, ATTEMPT_READS_MAX = 5 };

struct asked;
typedef void asked_fn(struct asked *q);

struct asked {
    struct worker *w;
    struct http_request *r;
    struct uuid *ids;
    size_t count;
    struct db_rows *rows, *attempts, *lines; /* lines NULL: they are not asked for */
    struct view moment;
    asked_fn *answer;
    bool is_brief; /* without payloads and results */
    unsigned reads;
    /* of a change */
    struct intent intent;
    struct act act;
    struct task_view view;
    struct standings standings;
    struct err err;
    bool is_judged; /* else it is needed as the tables have it */
};

static void read_rows(struct asked *q);

/* A row that is not finished and is not in memory has finished since it was read. */
static bool is_behind(const struct asked *q)
{
    const struct shard *s = &q->w->shard;
    for (size_t i = 0; i < db_rows_count(q->rows); i++)
        if (db_rows_is_null(q->rows, i, 16) && !live_find(s->live, db_rows_uuid(q->rows, i, 0)))
            return true;
    return false;
}

static void at_moment(struct view *moment)
{
    struct asked *q = container_of(moment, struct asked, moment);
    struct err e;
    if (!shard_is_leading(&q->w->shard)) {
        shard_refuse(&e);
        door_fail(q->r, &e);
    } else if (is_behind(q) && q->reads < ATTEMPT_READS_MAX) {
        read_rows(q);
    } else {
        q->answer(q);
    }
}

static void rows_read(void *owner, const struct db_reply *reply)
{
    struct asked *q = owner;
    if (reply->err) {
        door_fail(q->r, reply->err);
        return;
    }
    db_rows_keep(reply->rows[0], q->r->arena);
    q->rows = reply->rows[0];
    q->act.drops = q->w->shard.drops;
    q->moment.fn = at_moment;
    shard_view(&q->w->shard, &q->moment);
}

static void read_rows(struct asked *q)
{
    q->reads++;
    door_read(q->w, &read_tasks, read_tasks_args(q->r->arena, q->ids, q->count), rows_read, q);
}

static struct task_view view_of(struct asked *q, size_t row)
{
    struct shard *s = &q->w->shard;
    struct task_view view;
    (void)read_task(q->r->arena, s, q->rows, row, &view);
    const struct live *task = live_find(s->live, view.id);
    read_overlay(s, task, &view);
    struct str why = why_of_waiting(q->r->arena, s, task, &view);
    view.why = why.len > 0 ? why : view.why;
    return view;
}

static void not_found(struct asked *q)
{
    struct err e = { 0 };
    err_set(&e, ERR_NOT_FOUND, "there is no such task");
    door_fail(q->r, &e);
}

/* ── many ── */

static void answer_many(struct asked *q)
{
    struct json_writer w = json_writer_to(q->r->out);
    json_begin_object(&w);
    json_key_c(&w, "tasks");
    json_begin_array(&w);
    for (size_t i = 0; i < db_rows_count(q->rows); i++) {
        struct task_view view = view_of(q, i);
        if (q->is_brief) {
            view.payload = STR("");
            view.has_result = false;
        }
        task_view_put(&w, &view);
    }
    json_end_array(&w);
    json_end_object(&w);
    door_answer(q->r);
}

static bool read_ids(struct asked *q, const struct json_value *list, struct err *e)
{
    if (!list || list->type != JSON_ARRAY)
        return err_set(e, ERR_INVALID, "ids: is no list");
    if (list->item_count > IDS_MAX)
        return err_set(e, ERR_LIMIT, "ids: are more than %d", IDS_MAX);
    q->ids = arena_new_array(q->r->arena, list->item_count, struct uuid);
    q->count = list->item_count;
    for (size_t i = 0; i < q->count; i++)
        if (list->items[i].type != JSON_STRING || !uuid_parse(list->items[i].text, &q->ids[i]))
            return err_set(e, ERR_INVALID, "ids[%zu]: is no UUID", i);
    return true;
}

void get_door(void *owner, struct http_request *r)
{
    static const char *const members[] = { "ids", "is_brief", NULL };
    struct worker *w = owner;
    const struct json_value *body;
    struct err e = { 0 };
    if (!door_open(w, r, DOOR_GATEWAY) || !(body = door_body(r)))
        return;
    struct asked *q = arena_new(r->arena, struct asked);
    *q = (struct asked){ .w = w, .r = r, .answer = answer_many };
    bool is_good = json_only(body, "", members, &e) && read_ids(q, json_get_c(body, "ids"), &e);
    if (is_good)
        door_flag(body, "", "is_brief", &q->is_brief, &e);
    if (is_good && !door_is_bad(&e))
        read_rows(q);
    else
        door_fail(r, &e);
}

/* ── one ── */

static void put_attempt(struct json_writer *w, struct attempt_logs *logs, int64_t attempt,
                        struct str worker, int64_t started_us, int64_t finished_us,
                        struct str outcome, const struct str *error)
{
    json_begin_object(w);
    json_key_c(w, "attempt");
    json_write_i64(w, attempt);
    json_key_c(w, "worker");
    json_write_string(w, worker);
    json_put_time(w, "started_at_us", started_us);
    json_put_time(w, "finished_at_us", finished_us);
    json_key_c(w, "outcome");
    if (outcome.len > 0)
        json_write_string(w, outcome);
    else
        json_write_null(w);
    json_key_c(w, "error");
    if (error)
        json_write_string(w, *error);
    else
        json_write_null(w);
    if (logs)
        attempt_logs_put(logs, w, (uint32_t)attempt);
    json_end_object(w);
}

static void put_attempts(struct asked *q, struct json_writer *w, const struct task_view *view)
{
    const struct db_rows *rows = q->attempts;
    struct shard *s = &q->w->shard;
    struct attempt_logs *logs =
        q->lines ? attempt_logs_read(q->r->arena, s, q->lines, view->id) : NULL;
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct str error = db_rows_text(rows, i, 5);
        put_attempt(w, logs, db_rows_i64(rows, i, 0), db_rows_text(rows, i, 1),
                    db_rows_time(rows, i, 2), db_rows_time(rows, i, 3),
                    rule_outcome_name((enum rule_outcome)db_rows_i64(rows, i, 4)),
                    db_rows_is_null(rows, i, 5) ? NULL : &error);
    }
    if (view->state == STATE_SUCCEEDED)
        put_attempt(w, logs, view->attempt,
                    db_rows_is_null(q->rows, 0, 25) ? STR("") : db_rows_text(q->rows, 0, 25),
                    view->started_at_us, view->finished_at_us, rule_outcome_name(OUTCOME_SUCCEEDED),
                    NULL);
    const struct live *task = live_find(s->live, view->id);
    if (view->state != STATE_RUNNING || !task)
        return;
    const struct session *session =
        session_by_number(s->sessions, live_run_of(s->live, task).session);
    put_attempt(w, logs, view->attempt, session ? session->worker : STR(""), view->started_at_us, 0,
                STR(""), NULL);
}

/* The answer's object, open behind its task. False: there is none, and that is answered. */
static bool begin_answer(struct asked *q, struct json_writer *ret_w, struct task_view *ret_view)
{
    if (db_rows_count(q->rows) == 0) {
        not_found(q);
        return false;
    }
    *ret_w = json_writer_to(q->r->out);
    *ret_view = view_of(q, 0);
    json_begin_object(ret_w);
    json_key_c(ret_w, "task");
    task_view_put(ret_w, ret_view);
    return true;
}

static void answer_one(struct asked *q)
{
    struct json_writer w;
    struct task_view view;
    if (!begin_answer(q, &w, &view))
        return;
    json_key_c(&w, "attempts");
    json_begin_array(&w);
    put_attempts(q, &w, &view);
    json_end_array(&w);
    json_end_object(&w);
    door_answer(q->r);
}

static void lines_read(void *owner, const struct db_reply *reply)
{
    struct asked *q = owner;
    if (reply->err) {
        door_fail(q->r, reply->err);
        return;
    }
    db_rows_keep(reply->rows[0], q->r->arena);
    q->lines = reply->rows[0];
    read_rows(q);
}

static void attempts_read(void *owner, const struct db_reply *reply)
{
    struct asked *q = owner;
    struct str wanted;
    if (reply->err) {
        door_fail(q->r, reply->err);
        return;
    }
    db_rows_keep(reply->rows[0], q->r->arena);
    q->attempts = reply->rows[0];
    if (http_query(q->r, STR("log"), &wanted) && str_eq_c(wanted, "true"))
        door_read(q->w, &log_all, log_all_args(q->r->arena, q->ids[0], ATTEMPT_LOGS_BYTES),
                  lines_read, q);
    else
        read_rows(q);
}

static struct asked *asked_create(struct worker *w, struct http_request *r, struct uuid id)
{
    struct asked *q = arena_new(r->arena, struct asked);
    *q = (struct asked){ .w = w, .r = r, .count = 1 };
    q->ids = arena_new(r->arena, struct uuid);
    q->ids[0] = id;
    return q;
}

void task_get_door(void *owner, struct http_request *r)
{
    struct worker *w = owner;
    struct uuid id;
    struct str verb;
    struct err e = { 0 };
    if (!door_open(w, r, DOOR_GATEWAY) || log_door(w, r) || !door_path_id(r, &id, &verb))
        return;
    if (verb.len > 0) {
        err_set(&e, ERR_NOT_FOUND, "there is no such address");
        door_fail(r, &e);
        return;
    }
    struct asked *q = asked_create(w, r, id);
    q->answer = answer_one;
    door_read(q->w, &read_attempts, read_attempts_args(r->arena, id), attempts_read, q);
}

/* ── cancel, retry, promote ── */

static void answer_changed(struct asked *q)
{
    struct json_writer w;
    struct task_view view;
    if (!begin_answer(q, &w, &view))
        return;
    json_end_object(&w);
    door_answer(q->r);
}

static void apply_change(struct intent *intent, struct batch *b)
{
    struct asked *q = container_of(intent, struct asked, intent);
    q->err = (struct err){ 0 };
    enum act_verdict verdict = act_judge(&q->act, b->s, b->at_us, &q->err);
    q->is_judged = verdict != ACT_LOOK;
    if (verdict == ACT_WILL)
        act_do(&q->act, b);
    if (verdict == ACT_AS_IS)
        q->err = (struct err){ 0 };
}

static void change_done(struct intent *intent, const struct err *err);

static void resubmit(struct asked *q)
{
    struct err e;
    q->intent = (struct intent){ .apply = apply_change, .done = change_done };
    if (!shard_submit(&q->w->shard, &q->intent, &e))
        door_fail(q->r, &e);
}

static void standings_came(void *owner, const struct db_reply *reply)
{
    struct asked *q = owner;
    if (reply->err) {
        door_fail(q->r, reply->err);
        return;
    }
    standings_read(&q->standings, reply->rows[0]);
    resubmit(q);
}

/* Not in memory: what do the tables say? */
static void judge_finished(struct asked *q)
{
    if (db_rows_count(q->rows) == 0) {
        not_found(q);
        return;
    }
    q->act.is_read = true;
    q->act.row = read_task(q->r->arena, &q->w->shard, q->rows, 0, &q->view) ? &q->view : NULL;
    if (q->act.row && q->act.kind == ACT_RETRY && q->view.depends_on_count > 0)
        standings_ask(&q->standings, q->w, q->r->arena, q->view.depends_on,
                      q->view.depends_on_count, standings_came, q);
    else
        resubmit(q);
}

static void change_done(struct intent *intent, const struct err *err)
{
    struct asked *q = container_of(intent, struct asked, intent);
    if (!err && door_is_bad(&q->err))
        err = &q->err;
    if (err) {
        door_fail(q->r, err);
        return;
    }
    q->answer = q->is_judged ? answer_changed : judge_finished;
    if (!q->is_judged && q->reads >= ATTEMPT_READS_MAX)
        not_found(q);
    else
        read_rows(q);
}

static bool act_of(struct str verb, enum act_kind *ret_kind)
{
    static const struct {
        const char *verb;
        enum act_kind kind;
    } acts[] = { { "cancel", ACT_CANCEL }, { "retry", ACT_RETRY }, { "promote", ACT_PROMOTE } };
    for (size_t i = 0; i < countof(acts); i++)
        if (str_eq_c(verb, acts[i].verb)) {
            *ret_kind = acts[i].kind;
            return true;
        }
    return false;
}

void task_post_door(void *owner, struct http_request *r)
{
    static const char *const members[] = { "actor", NULL };
    struct worker *w = owner;
    const struct json_value *body;
    struct uuid id;
    struct str verb;
    enum act_kind kind;
    struct err e = { 0 };
    if (!door_open(w, r, DOOR_GATEWAY) || !door_path_id(r, &id, &verb) || !(body = door_body(r)))
        return;
    struct str by = STR("");
    if (json_only(body, "", members, &e))
        door_text(body, "", "actor", DOOR_ACTOR_MAX, &by, &e);
    if (door_is_bad(&e)) {
        door_fail(r, &e);
        return;
    }
    if (!act_of(verb, &kind)) {
        err_set(&e, ERR_NOT_FOUND, "there is no such action");
        door_fail(r, &e);
        return;
    }
    struct asked *q = asked_create(w, r, id);
    q->act = (struct act){ .kind = kind, .id = id, .by = by, .standings = &q->standings };
    resubmit(q);
}
