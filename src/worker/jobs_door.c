/*
 * jobs_door: /v1/jobs. Whatever changes a job is one intent, answered when it is committed; what it
 * saw in `apply` is what it answers.
 */
#include "base/clock.h"
#include "db/rows.h"
#include "store/queue/read_sql.h"
#include "worker/door.h"
#include "worker/jobs_priv.h"
#include "worker/worker_priv.h"

enum {
    NAME_CHARS_MAX = 200,
    NAME_BYTES_MAX = 4 * NAME_CHARS_MAX,
    TEXT_MAX = 200, /* bytes of a task type and a queue */
    ACTOR_MAX = 400,
    ATTEMPTS_MAX = 1'000,
    ATTEMPTS_DEFAULT = 3,
    TIMEOUT_MAX_S = 30 * 86'400,
    JITTER_MAX_S = 86'400,
    FAIL_AFTER_MAX = 1'000'000,
    READ_MS = 10'000,
};

/* What a request says of a job; absent: an empty text, a negative number. */
struct wish {
    struct job_text text;
    int64_t priority, misfire, overlap, max_attempts, fail_after, timeout_s, jitter_s;
    bool is_paused, has_creator;
    struct uuid created_by;
};

struct call {
    struct intent intent;
    struct view moment;
    struct worker *w;
    struct http_request *r;
    struct uuid id;
    struct wish wish;
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
        door_put_cursor(&w, "cursor", c->w->shard.committed);
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

/* ── reading ── */

static size_t count_chars(struct str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return count;
}

static bool read_name(const struct json_value *v, struct wish *wish, struct err *e)
{
    if (door_text(v, "job.", "name", NAME_BYTES_MAX, &wish->text.name, e) &&
        count_chars(wish->text.name) > NAME_CHARS_MAX)
        err_set(e, ERR_INVALID, "job.name: has more than %d characters", NAME_CHARS_MAX);
    return !door_is_bad(e);
}

static bool read_choices(const struct json_value *v, struct wish *wish, struct err *e)
{
    struct str text;
    enum rule_priority priority;
    enum rule_misfire misfire;
    enum rule_overlap overlap;
    if (door_text(v, "job.", "priority", TEXT_MAX, &text, e)) {
        if (!rule_priority_of(text, &priority))
            return err_set(e, ERR_INVALID, "job.priority: is none of low, normal and high");
        wish->priority = priority;
    }
    if (!door_is_bad(e) && door_text(v, "job.", "misfire_policy", TEXT_MAX, &text, e)) {
        if (!rule_misfire_of(text, &misfire))
            return err_set(e, ERR_INVALID,
                           "job.misfire_policy: is none of skip, run-once and run-all");
        wish->misfire = misfire;
    }
    if (!door_is_bad(e) && door_text(v, "job.", "overlap_policy", TEXT_MAX, &text, e)) {
        if (!rule_overlap_of(text, &overlap))
            return err_set(e, ERR_INVALID,
                           "job.overlap_policy: is none of allow, skip and cancel-running");
        wish->overlap = overlap;
    }
    return !door_is_bad(e);
}

static bool read_payload(struct call *c, const struct json_value *v, struct err *e)
{
    const struct json_value *payload = json_get_c(v, "payload");
    size_t max = c->w->shard.options.payload_max;
    if (payload == NULL || payload->type == JSON_NULL)
        return true;
    c->wish.text.payload = door_json_text(c->r->arena, payload);
    return c->wish.text.payload.len <= max ||
           err_set(e, ERR_LIMIT, "job.payload: is longer than %zu bytes", max);
}

static bool read_numbers(const struct json_value *v, struct wish *wish, struct err *e)
{
    static const struct {
        const char *name;
        int64_t min, max;
        size_t offset;
    } numbers[] = {
        { "max_attempts", 1, ATTEMPTS_MAX, offsetof(struct wish, max_attempts) },
        { "fail_after", 0, FAIL_AFTER_MAX, offsetof(struct wish, fail_after) },
        { "timeout_s", 1, TIMEOUT_MAX_S, offsetof(struct wish, timeout_s) },
        { "jitter_s", 0, JITTER_MAX_S, offsetof(struct wish, jitter_s) },
    };
    for (size_t i = 0; i < countof(numbers); i++) {
        int64_t *number = (int64_t *)(void *)((char *)wish + numbers[i].offset);
        if (!door_int(v, "job.", numbers[i].name, numbers[i].min, numbers[i].max, number, e) &&
            door_is_bad(e))
            return false;
    }
    return true;
}

static bool read_wish(struct call *c, const struct json_value *v, struct err *e)
{
    struct wish *wish = &c->wish;
    *wish = (struct wish){ .priority = -1,
                           .misfire = -1,
                           .overlap = -1,
                           .max_attempts = -1,
                           .fail_after = -1,
                           .timeout_s = -1,
                           .jitter_s = -1 };
    if (v == NULL || v->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "job: is no object");
    if (!read_name(v, wish, e))
        return false;
    door_text(v, "job.", "schedule", CRON_TEXT_MAX, &wish->text.schedule, e);
    if (!door_is_bad(e))
        door_text(v, "job.", "time_zone", ZONE_NAME_MAX, &wish->text.time_zone, e);
    if (!door_is_bad(e))
        door_text(v, "job.", "task_type", TEXT_MAX, &wish->text.task_type, e);
    if (!door_is_bad(e))
        door_text(v, "job.", "queue", TEXT_MAX, &wish->text.queue, e);
    if (!door_is_bad(e))
        wish->has_creator = door_id(v, "job.", "created_by", &wish->created_by, e);
    if (!door_is_bad(e))
        door_flag(v, "job.", "is_paused", &wish->is_paused, e);
    return !door_is_bad(e) && read_choices(v, wish, e) && read_numbers(v, wish, e) &&
           read_payload(c, v, e);
}

static struct str first_of(struct str wanted, struct str otherwise)
{
    return wanted.len > 0 ? wanted : otherwise;
}

static int64_t or_else(int64_t wanted, int64_t otherwise)
{
    return wanted >= 0 ? wanted : otherwise;
}

/* What the wish leaves of `d`, with texts of its own. */
static void merge(const struct wish *wish, struct job_data *d)
{
    const struct job_text text = {
        .name = first_of(wish->text.name, d->text->name),
        .schedule = first_of(wish->text.schedule, d->text->schedule),
        .time_zone = first_of(wish->text.time_zone, d->text->time_zone),
        .task_type = first_of(wish->text.task_type, d->text->task_type),
        .queue = first_of(wish->text.queue, d->text->queue),
        .payload = first_of(wish->text.payload, d->text->payload),
    };
    d->text = job_text_create(&text);
    d->priority = (enum rule_priority)or_else(wish->priority, d->priority);
    d->misfire = (enum rule_misfire)or_else(wish->misfire, d->misfire);
    d->overlap = (enum rule_overlap)or_else(wish->overlap, d->overlap);
    d->max_attempts = (uint32_t)or_else(wish->max_attempts, d->max_attempts);
    d->fail_after = (uint32_t)or_else(wish->fail_after, d->fail_after);
    d->timeout_s = (uint32_t)or_else(wish->timeout_s, d->timeout_s);
    d->jitter_s = (uint32_t)or_else(wish->jitter_s, d->jitter_s);
}

static struct call *open_call(struct worker *w, struct http_request *r)
{
    struct call *c = arena_new(r->arena, struct call);
    c->w = w;
    c->r = r;
    return c;
}

/* The body's `actor`, which is only looked at. */
static bool read_actor(const struct json_value *body, struct err *e)
{
    struct str actor;
    (void)door_text(body, "", "actor", ACTOR_MAX, &actor, e);
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

static bool make_job(struct call *c, struct job *job, int64_t at_us, struct err *e)
{
    static struct job_text defaults = { .time_zone = { "UTC", 3 },
                                        .queue = { "default", 7 },
                                        .payload = { "{}", 2 } };
    struct job_data d = { .text = &defaults,
                          .status = c->wish.is_paused ? JOB_PAUSED : JOB_ACTIVE,
                          .priority = PRIORITY_NORMAL,
                          .misfire = MISFIRE_RUN_ONCE,
                          .overlap = OVERLAP_SKIP,
                          .max_attempts = ATTEMPTS_DEFAULT,
                          .timeout_s = SHARD_TIMEOUT_DEFAULT_S };
    uint32_t type;
    job->created_at_us = at_us;
    job->has_creator = c->wish.has_creator;
    job->created_by = c->wish.created_by;
    merge(&c->wish, &d);
    job->now = d;
    if (!job_read_schedule(job->jobs, job, &job->now, e) ||
        !shard_type_of(&c->w->shard, job->now.text->task_type, &type, e))
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
        job_added(b, job);
        keep_job(c, job);
    }
}

/* What can be said without the shard: a new job needs these. */
static bool read_new(struct call *c, const struct json_value *body, struct err *e)
{
    const struct json_value *v = json_get_c(body, "job");
    if (!read_actor(body, e) || !read_wish(c, v, e))
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
    if (job == NULL)
        return;
    struct job_data d = job->now;
    merge(&c->wish, &d);
    if (!job_read_schedule(job->jobs, job, &d, &c->err) ||
        !shard_type_of(b->s, d.text->task_type, &type, &c->err)) {
        job_text_unref(d.text);
        return;
    }
    bool is_moved = !str_is_empty(c->wish.text.schedule) || !str_is_empty(c->wish.text.time_zone);
    if (is_moved && d.status == JOB_ACTIVE)
        d.next_run_us = job_next_us(&d, b->at_us);
    job_save(b, job);
    job_text_unref(job->now.text);
    job->now = d;
    job_changed(b, job);
    keep_job(c, job);
}

static void update(struct call *c, const struct json_value *body)
{
    struct err e = { 0 };
    if (!read_wish(c, json_get_c(body, "job"), &e))
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
        job_save(b, job);
        job->now.status = JOB_PAUSED;
        job->now.next_run_us = 0;
        job_changed(b, job);
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
        job_save(b, job);
        job->now = d;
        job->now.status = JOB_ACTIVE;
        job->now.consecutive_failures = 0;
        job->now.next_run_us = job_next_us(&job->now, b->at_us);
        job_changed(b, job);
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
    job_changed(b, job);
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
    struct task_view *view = job_run_add(b, job, c->task, b->at_us, false, &c->err);
    if (view == NULL)
        return;
    job_save(b, job);
    job->now.last_run_us = max_of(job->now.last_run_us, b->at_us);
    job_changed(b, job);
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
    struct err e;
    const struct db_step step = { &read_tasks, read_tasks_args(c->r->arena, &c->task, 1) };
    const struct db_call call = { .lane = DB_LANE_READ,
                                  .steps = &step,
                                  .step_count = 1,
                                  .deadline_us = clock_mono_us() + READ_MS * CLOCK_MS,
                                  .fn = fn,
                                  .owner = c };
    if (!db_pool_call(c->w->shard.pool, &call, NULL, &e))
        door_fail(c->r, &e);
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
    if (!read_actor(body, &e)) {
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
    struct worker *w = owner;
    struct str verb;
    struct err e = { 0 };
    if (!door_open(w, r, DOOR_GATEWAY))
        return;
    struct call *c = open_call(w, r);
    if (!door_path_id(r, &c->id, &verb))
        return;
    if (str_is_empty(verb)) {
        submit(c, delete_apply, job_done);
        return;
    }
    err_set(&e, ERR_NOT_FOUND, "there is no such address");
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
    struct worker *w = owner;
    struct str verb;
    if (!door_open(w, r, DOOR_GATEWAY))
        return;
    struct call *c = open_call(w, r);
    if (!door_path_id(r, &c->id, &verb))
        return;
    c->moment.fn = get_answer;
    shard_view(&w->shard, &c->moment);
}
