/*
 * jobs_door: /v1/jobs. Whatever changes a job is one intent, answered when it is committed; what it
 * saw in `apply` is what it answers.
 */
#include "base/clock.h"
#include "db/rows.h"
#include "store/queue/read_sql.h"
#include "worker/door.h"
#include "worker/jobs_wish_priv.h"
#include "worker/session_schemas.h"
#include "worker/settings.h"
#include "worker/worker_priv.h"

enum {
    ACTOR_MAX = 400,
    ATTEMPTS_DEFAULT = 3,
};

struct call {
    struct intent intent;
    struct view moment;
    struct worker *w;
    struct http_request *r;
    struct uuid id;
    struct job_wish wish;
    struct str actor;
    struct uuid task; /* a trigger's */
    bool has_task, is_stored;
    struct str answer; /* the job, or the trigger's task, as JSON */
    struct err err;    /* why `apply` refused it */
};

/* ── answers ── */

static void keep_job(struct call *c, const struct job *job)
{
    c->answer = job_text_of(c->r->arena, job);
}

static void answer_with(struct call *c, const char *key)
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

static bool has_failed(struct call *c, const struct err *err)
{
    if (err == NULL && c->err.code == ERR_NONE)
        return false;
    door_fail(c->r, err != NULL ? err : &c->err);
    return true;
}

static void job_done(struct intent *intent, const struct err *err)
{
    struct call *c = container_of(intent, struct call, intent);
    if (!has_failed(c, err))
        answer_with(c, "job");
}

static void submit(struct call *c, intent_apply_fn *apply, intent_done_fn *done)
{
    struct err e = { 0 };
    c->intent = (struct intent){ .apply = apply, .done = done };
    if (!shard_submit(&c->w->shard, &c->intent, &e))
        door_fail(c->r, &e);
}

/* The job of the call, if there is one that is not deleted. */
static struct job *find(struct call *c, const struct shard *s)
{
    struct job *job = job_find(s->jobs, c->id);
    c->err = (struct err){ 0 };
    c->answer = STR("");
    if (job != NULL && job->now.deleted_at_us == 0)
        return job;
    err_set(&c->err, ERR_NOT_FOUND, "there is no such job");
    return NULL;
}

static struct call *open_call(struct worker *w, struct http_request *r)
{
    struct call *c = arena_new(r->arena, struct call);
    c->w = w;
    c->r = r;
    return c;
}

static bool read_actor(struct call *c, const struct json_value *body, struct err *e)
{
    (void)door_text(body, "", "actor", ACTOR_MAX, &c->actor, e);
    return !door_is_bad(e);
}

/* ── POST /v1/jobs ── */

static bool id_is_new_enough(const struct call *c, int64_t now_us, struct err *e)
{
    int64_t at_us = uuid_time_us(c->id);
    if (at_us < now_us - c->w->shard.options.id_past_us)
        return err_set(e, ERR_INVALID, "job.id: is older than id-past allows");
    if (at_us > now_us + c->w->shard.options.id_future_us)
        return err_set(e, ERR_INVALID, "job.id: is further ahead than id-future allows");
    return true;
}

/* Whether its runs may have the payload that it gives them. */
static bool check_payload(const struct shard *s, const struct job_data *d, uint32_t type,
                          struct err *e)
{
    return session_set_check_payload_text(s->sessions, type, d->text->payload, "job.payload", e);
}

static bool make_job(struct call *c, struct job *job, int64_t at_us, struct err *e)
{
    static struct job_text defaults = { .time_zone = { "UTC", 3 },
                                        .queue = { "default", 7 },
                                        .payload = { "{}", 2 } };
    uint32_t type;
    const struct shard *s = &c->w->shard;
    struct str queue = c->wish.text.queue.len > 0 ? c->wish.text.queue : defaults.queue;
    if (!shard_owns(s, "job.queue", queue, e) ||
        !shard_type_of(&c->w->shard, c->wish.text.task_type, &type, e))
        return false;
    struct job_data d = { .text = &defaults,
                          .status = c->wish.is_paused ? JOB_PAUSED : JOB_ACTIVE,
                          .priority = PRIORITY_NORMAL,
                          .misfire = MISFIRE_RUN_ONCE,
                          .overlap = OVERLAP_SKIP,
                          .max_attempts =
                              settings_or(s, type, SETTING_MAX_ATTEMPTS, ATTEMPTS_DEFAULT),
                          .timeout_s =
                              settings_or(s, type, SETTING_TIMEOUT_S, SHARD_TIMEOUT_DEFAULT_S) };
    job->created_at_us = at_us;
    job->has_creator = c->wish.has_creator;
    job->created_by = c->wish.created_by;
    job_wish_merge(&c->wish, &d);
    job->now = d;
    if (!job_read_schedule(job->jobs, job, &job->now, e) ||
        !check_payload(&c->w->shard, &job->now, type, e))
        return false;
    job->now.next_run_us = job->now.status == JOB_ACTIVE ? job_next_us(&job->now, at_us) : 0;
    return true;
}

static void create_apply(struct intent *intent, struct batch *b)
{
    struct call *c = container_of(intent, struct call, intent);
    struct jobs *jobs = b->s->jobs;
    struct job *job = job_find(jobs, c->id);
    c->err = (struct err){ 0 };
    if (job != NULL && job->now.deleted_at_us != 0) {
        err_set(&c->err, ERR_CONFLICT, "job.id: the job of this id was deleted");
    } else if (job != NULL) {
        keep_job(c, job);
    } else if (jobs->count >= JOBS_MAX) {
        err_set(&c->err, ERR_LIMIT, "there are %d jobs already (limit)", JOBS_MAX);
    } else if (id_is_new_enough(c, b->at_us, &c->err)) {
        job = job_create(jobs, c->id);
        if (!make_job(c, job, b->at_us, &c->err)) {
            jobs_forget(jobs, job);
            return;
        }
        job_added(b, job, job_change_of(b, job, NULL, c->actor));
        keep_job(c, job);
    }
}

/* What can be said without the shard: a new job needs these. */
static bool read_new(struct call *c, const struct json_value *body, struct err *e)
{
    static const char *const members[] = { "job", "actor", NULL };
    const struct json_value *v = json_get_c(body, "job");
    if (!door_only(body, "", members, e) || !read_actor(c, body, e) ||
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
    struct call *c = open_call(w, r);
    if (!read_new(c, body, &e))
        door_fail(r, &e);
    else
        submit(c, create_apply, job_done);
}

/* ── :update ── */

static void update_apply(struct intent *intent, struct batch *b)
{
    struct call *c = container_of(intent, struct call, intent);
    struct job *job = find(c, b->s);
    uint32_t type;
    if (job == NULL || (!str_is_empty(c->wish.text.queue) &&
                        !shard_owns(b->s, "job.queue", c->wish.text.queue, &c->err)))
        return;
    struct job_data d = job->now;
    job_wish_merge(&c->wish, &d);
    bool is_other = !str_is_empty(c->wish.text.task_type) || !str_is_empty(c->wish.text.payload);
    if (!job_read_schedule(job->jobs, job, &d, &c->err) ||
        !shard_type_of(b->s, d.text->task_type, &type, &c->err) ||
        (is_other && !check_payload(b->s, &d, type, &c->err))) {
        job_text_unref(d.text);
        return;
    }
    bool is_moved = !str_is_empty(c->wish.text.schedule) || !str_is_empty(c->wish.text.time_zone);
    if (is_moved && d.status == JOB_ACTIVE)
        d.next_run_us = job_next_us(&d, b->at_us);
    const struct job_data was = job->now;
    job_save(b, job);
    job_text_unref(job->now.text);
    job->now = d;
    job_changed(b, job, job_change_of(b, job, &was, c->actor));
    keep_job(c, job);
}

static void update(struct call *c, const struct json_value *body)
{
    struct err e = { 0 };
    if (!job_wish_read(c->r->arena, &c->w->shard, json_get_c(body, "job"), &c->wish, &e))
        door_fail(c->r, &e);
    else
        submit(c, update_apply, job_done);
}

/* ── :pause, :resume, DELETE ── */

static void pause_apply(struct intent *intent, struct batch *b)
{
    struct call *c = container_of(intent, struct call, intent);
    struct job *job = find(c, b->s);
    if (job == NULL)
        return;
    if (job->now.status != JOB_PAUSED) {
        const struct job_data was = job->now;
        job_save(b, job);
        job->now.status = JOB_PAUSED;
        job->now.next_run_us = 0;
        job_changed(b, job, job_change_of(b, job, &was, c->actor));
    }
    keep_job(c, job);
}

/* What was due meanwhile was not missed: nobody wanted it. */
static void resume_apply(struct intent *intent, struct batch *b)
{
    struct call *c = container_of(intent, struct call, intent);
    struct job *job = find(c, b->s);
    if (job == NULL)
        return;
    if (job->now.status != JOB_ACTIVE) {
        struct job_data d = job->now; /* its zone may have been missing when it was loaded */
        if (!job_read_schedule(job->jobs, job, &d, &c->err))
            return;
        const struct job_data was = job->now;
        job_save(b, job);
        job->now = d;
        job->now.status = JOB_ACTIVE;
        job->now.consecutive_failures = 0;
        job->now.next_run_us = job_next_us(&job->now, b->at_us);
        job_changed(b, job, job_change_of(b, job, &was, c->actor));
    }
    keep_job(c, job);
}

static void delete_apply(struct intent *intent, struct batch *b)
{
    struct call *c = container_of(intent, struct call, intent);
    struct job *known = job_find(b->s->jobs, c->id);
    struct job *job = find(c, b->s);
    if (job == NULL) {
        if (known != NULL) /* a repeat */
            c->err = (struct err){ 0 };
        return;
    }
    job_save(b, job);
    job->now.deleted_at_us = b->at_us;
    job->now.next_run_us = 0;
    job->jobs->count--;
    job_changed(b, job, job_change_of(b, job, &job->now, c->actor));
}

/* ── :trigger ── */

static void keep_task(struct call *c, const struct task_view *view)
{
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    task_view_put(&w, view);
    c->answer = arena_copy(c->r->arena, buf_str(&out));
    buf_clear(&out);
}

static void trigger_apply(struct intent *intent, struct batch *b)
{
    struct call *c = container_of(intent, struct call, intent);
    struct job *job = find(c, b->s);
    c->is_stored = false;
    if (job == NULL)
        return;
    if (live_find(b->s->live, c->task) != NULL) {
        c->is_stored = true; /* a repeat that came in between */
        return;
    }
    if (live_count(b->s->live) >= b->s->options.tasks_max) {
        err_set(&c->err, ERR_UNAVAILABLE, "too many tasks wait (limit %zu)",
                b->s->options.tasks_max);
        return;
    }
    struct task_view *view = job_run_add(b, job, c->task, b->at_us,
                                         str_is_empty(c->actor) ? STR("") : c->actor, &c->err);
    if (view == NULL)
        return;
    job_save(b, job);
    job->now.last_run_us = max_of(job->now.last_run_us, b->at_us);
    job_changed(b, job, NULL);
    keep_task(c, view);
}

static void look_up(struct call *c, db_reply_fn *fn);

static void answer_stored(void *owner, const struct db_reply *reply)
{
    struct call *c = owner;
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
        keep_task(c, &view);
        answer_with(c, "task");
    }
}

static void trigger_done(struct intent *intent, const struct err *err)
{
    struct call *c = container_of(intent, struct call, intent);
    if (has_failed(c, err))
        return;
    if (c->is_stored)
        look_up(c, answer_stored);
    else
        answer_with(c, "task");
}

static void trigger_looked_up(void *owner, const struct db_reply *reply)
{
    struct call *c = owner;
    if (reply->err != NULL || db_rows_count(reply->rows[0]) > 0)
        answer_stored(c, reply);
    else
        submit(c, trigger_apply, trigger_done);
}

static void look_up(struct call *c, db_reply_fn *fn)
{
    door_read(c->w, &read_tasks, read_tasks_args(c->r->arena, &c->task, 1), fn, c);
}

static void trigger(struct call *c, const struct json_value *body)
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
    submit(c, trigger_apply, trigger_done);
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
    struct call *c = open_call(w, r);
    if (!door_path_id(r, &c->id, &verb))
        return;
    const struct json_value *body = door_body(r);
    if (body == NULL)
        return;
    if (!door_only(body, "", members, &e) || !read_actor(c, body, &e)) {
        door_fail(r, &e);
    } else if (str_eq_c(verb, "update")) {
        update(c, body);
    } else if (str_eq_c(verb, "pause")) {
        submit(c, pause_apply, job_done);
    } else if (str_eq_c(verb, "resume")) {
        submit(c, resume_apply, job_done);
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
    struct call *c = open_call(w, r);
    if (!door_path_id(r, &c->id, &verb))
        return;
    const struct json_value *body = door_body(r);
    if (body == NULL)
        return;
    if (!str_is_empty(verb))
        err_set(&e, ERR_NOT_FOUND, "there is no such address");
    else if (door_only(body, "", members, &e) && read_actor(c, body, &e))
        submit(c, delete_apply, job_done);
    if (door_is_bad(&e))
        door_fail(r, &e);
}

static void get_answer(struct view *moment)
{
    struct call *c = container_of(moment, struct call, moment);
    struct err e = { 0 };
    if (!shard_is_leading(&c->w->shard)) {
        shard_refuse(&e);
        door_fail(c->r, &e);
        return;
    }
    const struct job *job = find(c, &c->w->shard);
    if (job == NULL) {
        door_fail(c->r, &c->err);
        return;
    }
    keep_job(c, job);
    answer_with(c, "job");
}

void jobs_get_door(void *owner, struct http_request *r)
{
    static const struct str changes = { "/changes", 8 };
    struct worker *w = owner;
    struct str verb;
    if (!door_open(w, r, DOOR_GATEWAY))
        return;
    struct call *c = open_call(w, r);
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
