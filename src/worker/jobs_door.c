/*
 * jobs_door: /v1/jobs. Whatever changes a job is one intent, answered when it is committed; what it
 * saw in `apply` is what it answers.
 */
#include "db/rows.h"
#include "store/queue/read_sql.h"
#include "worker/door.h"
#include "worker/jobs_call_priv.h"
#include "worker/worker_priv.h"

/* ── answers ── */

static void answer_with(struct job_call *c, const char *key)
{
    struct json_writer w = json_writer_to(c->r->out);
    json_begin_object(&w);
    if (c->answer.len > 0) {
        json_key(&w, str_of_c(key));
        json_write_raw(&w, c->answer);
        door_put_cursor(&w, "cursor", &c->w->shard, c->w->shard.committed);
    }
    json_end_object(&w);
    door_answer(c->r);
}

static bool has_failed(struct job_call *c, const struct err *err)
{
    if (err == NULL && c->err.code == ERR_NONE)
        return false;
    door_fail(c->r, err != NULL ? err : &c->err);
    return true;
}

static void job_done(struct intent *intent, const struct err *err)
{
    struct job_call *c = container_of(intent, struct job_call, intent);
    if (!has_failed(c, err))
        answer_with(c, "job");
}

static void submit(struct job_call *c, intent_apply_fn *apply, intent_done_fn *done)
{
    struct err e = { 0 };
    c->intent = (struct intent){ .apply = apply, .done = done };
    if (!shard_submit(&c->w->shard, &c->intent, &e))
        door_fail(c->r, &e);
}

/* Of a call on one job: "ID" or "ID:verb", and its body; NULL: it is answered. */
static const struct json_value *open_path(struct job_call *c, struct str *ret_verb)
{
    return door_path_id(c->r, &c->id, ret_verb) ? door_body(c->r) : NULL;
}

static struct job_call *open_call(struct worker *w, struct http_request *r)
{
    struct job_call *c = arena_new(r->arena, struct job_call);
    c->w = w;
    c->r = r;
    return c;
}

static bool read_actor(struct job_call *c, const struct json_value *body, struct err *e)
{
    (void)door_text(body, "", "actor", DOOR_ACTOR_MAX, &c->actor, e);
    return !door_is_bad(e);
}

/* ── POST /v1/jobs ── */

/* What can be said without the shard: a new job needs these. */
static bool read_new(struct job_call *c, const struct json_value *body, struct err *e)
{
    static const char *const members[] = { "job", "actor", NULL };
    const struct json_value *v = json_get_c(body, "job");
    if (!json_only(body, "", members, e) || !read_actor(c, body, e) ||
        !job_wish_read(c->r->arena, &c->w->shard, v, &c->wish, e))
        return false;
    if (!door_id(v, "job.", "id", &c->id, e))
        return door_is_bad(e) ? false : door_missing(e, "job.", "id");
    if (uuid_version(c->id) != 7)
        return err_set(e, ERR_INVALID, "job.id: is no UUIDv7");
    if (str_is_empty(c->wish.text.name))
        return door_missing(e, "job.", "name");
    if (str_is_empty(c->wish.text.schedule))
        return door_missing(e, "job.", "schedule");
    return !str_is_empty(c->wish.text.task_type) || door_missing(e, "job.", "task_type");
}

void jobs_create_door(void *owner, struct http_request *r)
{
    struct worker *w = owner;
    struct err e = { 0 };
    if (!door_open(w, r, DOOR_GATEWAY))
        return;
    const struct json_value *body = door_body(r);
    if (body == NULL)
        return;
    struct job_call *c = open_call(w, r);
    if (!read_new(c, body, &e))
        door_fail(r, &e);
    else
        submit(c, job_create_apply, job_done);
}

/* ── :update ── */

static void update(struct job_call *c, const struct json_value *body)
{
    struct err e = { 0 };
    if (!job_wish_read(c->r->arena, &c->w->shard, json_get_c(body, "job"), &c->wish, &e))
        door_fail(c->r, &e);
    else
        submit(c, job_update_apply, job_done);
}

/* ── :trigger ── */

static void look_up(struct job_call *c, db_reply_fn *fn);

static void answer_stored(void *owner, const struct db_reply *reply)
{
    struct job_call *c = owner;
    struct err e = { 0 };
    if (reply->err != NULL) {
        door_fail(c->r, reply->err);
    } else if (db_rows_count(reply->rows[0]) == 0) {
        err_set(&e, ERR_CONFLICT, "task_id: its task was there and is gone");
        door_fail(c->r, &e);
    } else {
        struct task_view view;
        const struct shard *s = &c->w->shard;
        (void)read_task(c->r->arena, s, reply->rows[0], 0, &view);
        read_overlay(s, live_find(s->live, view.id), &view);
        job_call_keep_task(c, &view);
        answer_with(c, "task");
    }
}

static void trigger_done(struct intent *intent, const struct err *err)
{
    struct job_call *c = container_of(intent, struct job_call, intent);
    if (has_failed(c, err))
        return;
    if (c->is_stored)
        look_up(c, answer_stored);
    else
        answer_with(c, "task");
}

static void trigger_looked_up(void *owner, const struct db_reply *reply)
{
    struct job_call *c = owner;
    if (reply->err != NULL || db_rows_count(reply->rows[0]) > 0)
        answer_stored(c, reply);
    else
        submit(c, job_trigger_apply, trigger_done);
}

static void look_up(struct job_call *c, db_reply_fn *fn)
{
    door_read(c->w, &read_tasks, read_tasks_args(c->r->arena, &c->task, 1), fn, c);
}

static void trigger(struct job_call *c, const struct json_value *body)
{
    struct err e = { 0 };
    c->has_task = door_id(body, "", "task_id", &c->task, &e);
    if (c->has_task && uuid_version(c->task) != 7)
        err_set(&e, ERR_INVALID, "task_id: is no UUIDv7");
    if (door_is_bad(&e)) {
        door_fail(c->r, &e);
        return;
    }
    if (c->has_task) {
        look_up(c, trigger_looked_up);
        return;
    }
    c->task = uuid_v7();
    submit(c, job_trigger_apply, trigger_done);
}

/* ── the rest ── */

void jobs_post_door(void *owner, struct http_request *r)
{
    static const char *const members[] = { "actor", "job", "task_id", NULL };
    struct worker *w = owner;
    struct str verb;
    struct err e = { 0 };
    if (!door_open(w, r, DOOR_GATEWAY))
        return;
    struct job_call *c = open_call(w, r);
    const struct json_value *body = open_path(c, &verb);
    if (body == NULL)
        return;
    if (!json_only(body, "", members, &e) || !read_actor(c, body, &e)) {
        door_fail(r, &e);
    } else if (str_eq_c(verb, "update")) {
        update(c, body);
    } else if (str_eq_c(verb, "pause")) {
        submit(c, job_pause_apply, job_done);
    } else if (str_eq_c(verb, "resume")) {
        submit(c, job_resume_apply, job_done);
    } else if (str_eq_c(verb, "trigger")) {
        trigger(c, body);
    } else {
        err_set(&e, ERR_NOT_FOUND, "there is no such address");
        door_fail(r, &e);
    }
}

void jobs_delete_door(void *owner, struct http_request *r)
{
    static const char *const members[] = { "actor", NULL };
    struct worker *w = owner;
    struct str verb;
    struct err e = { 0 };
    if (!door_open(w, r, DOOR_GATEWAY))
        return;
    struct job_call *c = open_call(w, r);
    const struct json_value *body = open_path(c, &verb);
    if (body == NULL)
        return;
    if (!str_is_empty(verb))
        err_set(&e, ERR_NOT_FOUND, "there is no such address");
    else if (json_only(body, "", members, &e) && read_actor(c, body, &e))
        submit(c, job_delete_apply, job_done);
    if (door_is_bad(&e))
        door_fail(r, &e);
}

static void get_answer(struct view *moment)
{
    struct job_call *c = container_of(moment, struct job_call, moment);
    struct err e = { 0 };
    if (!shard_is_leading(&c->w->shard)) {
        shard_refuse(&e);
        door_fail(c->r, &e);
        return;
    }
    const struct job *job = job_call_find(c, &c->w->shard);
    if (job == NULL) {
        door_fail(c->r, &c->err);
        return;
    }
    job_call_keep(c, job);
    answer_with(c, "job");
}

void jobs_get_door(void *owner, struct http_request *r)
{
    static const struct str changes = { "/changes", 8 };
    struct worker *w = owner;
    struct str verb;
    if (!door_open(w, r, DOOR_GATEWAY))
        return;
    struct job_call *c = open_call(w, r);
    if (r->rest.len > changes.len && str_ends_with(r->rest, changes) &&
        uuid_parse(str_first(r->rest, r->rest.len - changes.len), &c->id)) {
        job_changes_answer(w, r, c->id);
        return;
    }
    if (!door_path_id(r, &c->id, &verb))
        return;
    c->moment.fn = get_answer;
    shard_view(&w->shard, &c->moment);
}
