/*
 * settings_door: /v1/types and /v1/queues. A change is one intent, answered when it is committed;
 * what stood in `apply` is what it answers.
 */
#include "io/timer.h"
#include "worker/door.h"
#include "worker/live_lane.h"
#include "worker/record.h"
#include "worker/settings.h"
#include "worker/worker_priv.h"

enum {
    NAME_MAX_BYTES = 200,
    LANES_AT_ONCE = 8'192, /* about a millisecond of the loop */
};

struct call {
    struct intent intent;
    struct view moment;
    struct worker *w;
    struct http_request *r;
    const char *what; /* "type", "queue": what the answer tells */
    struct str name;
    struct type_wish wish; /* of a queue: actor and pause alone */
    struct record record;
    struct str answer;             /* the object, as JSON */
    struct err err;                /* why `apply` refused it */
    struct live_queue_sweep sweep; /* of all queues */
    struct io_timer *next;         /* part of it */
};

static struct call *open_call(struct worker *w, struct http_request *r)
{
    struct call *c = arena_new(r->arena, struct call);
    c->w = w;
    c->r = r;
    return c;
}

/* `actor` and `user`: who does it. */
static bool read_who(const struct json_value *body, struct call *c, struct err *e)
{
    struct pause *pause = &c->wish.to.pause;
    c->wish.to.actor = STR("");
    door_text(body, "", "actor", DOOR_ACTOR_MAX, &c->wish.to.actor, e);
    pause->actor = c->wish.to.actor;
    if (!door_is_bad(e))
        pause->has_user = door_id(body, "", "user", &pause->user, e);
    return !door_is_bad(e);
}

static void change_done(struct intent *intent, const struct err *err)
{
    struct call *c = container_of(intent, struct call, intent);
    if (err || c->err.code != ERR_NONE) {
        door_fail(c->r, err ? err : &c->err);
        return;
    }
    struct json_writer w = json_writer_to(c->r->out);
    json_begin_object(&w);
    json_key(&w, str_of_c(c->what));
    json_write_raw(&w, c->answer);
    door_put_cursor(&w, "cursor", &c->w->shard, c->w->shard.committed);
    json_end_object(&w);
    door_answer(c->r);
}

static void submit(struct call *c, intent_apply_fn *apply)
{
    struct err e = { 0 };
    c->intent = (struct intent){ .apply = apply, .done = change_done };
    if (!shard_submit(&c->w->shard, &c->intent, &e))
        door_fail(c->r, &e);
}

static void keep_answer(struct call *c, const struct shard *s, uint32_t number,
                        void put(struct json_writer *w, const struct shard *s, uint32_t number))
{
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    put(&w, s, number);
    c->answer = arena_copy(c->r->arena, buf_str(&out));
    buf_clear(&out);
}

/* ── types ── */

static void update_apply(struct intent *intent, struct batch *b)
{
    struct call *c = container_of(intent, struct call, intent);
    uint32_t type;
    c->err = (struct err){ 0 };
    if (!shard_type_of(b->s, c->name, &type, &c->err) ||
        !settings_change_type(b, type, &c->wish, &c->err))
        return;
    record_put(b, &c->record);
    keep_answer(c, b->s, type, settings_put_type);
}

/* The name of the type or queue. */
static bool read_name(const struct json_value *body, struct call *c, const char *what,
                      struct err *e)
{
    c->what = what;
    return door_text(body, "", what, NAME_MAX_BYTES, &c->name, e) ||
           (!door_is_bad(e) && door_missing(e, "", what));
}

void types_update_door(void *owner, struct http_request *r)
{
    static const char *const members[] = { "type", "settings", "actor", "user", "record", NULL };
    struct worker *w = owner;
    const struct json_value *body;
    struct err e = { 0 };
    if (!door_open(w, r, DOOR_GATEWAY) || !(body = door_body(r)))
        return;
    struct call *c = open_call(w, r);
    if (json_only(body, "", members, &e) && read_name(body, c, "type", &e) &&
        type_wish_read(&w->shard, json_get_c(body, "settings"), &c->wish, &e) &&
        read_who(body, c, &e) && record_read(body, r->arena, &c->record, &e))
        submit(c, update_apply);
    else
        door_fail(r, &e);
}

/* Both lists, at a view's moment. */
static void answer_list(struct call *c, void put(struct json_writer *w, const struct call *c))
{
    const struct shard *s = &c->w->shard;
    struct err e = { 0 };
    if (!shard_is_leading(s)) {
        shard_refuse(&e);
        door_fail(c->r, &e);
        return;
    }
    struct json_writer w = json_writer_to(c->r->out);
    json_begin_object(&w);
    put(&w, c);
    json_end_object(&w);
    c->r->may_compress = true;
    door_answer(c->r);
}

static void put_types(struct json_writer *w, const struct call *c)
{
    settings_put_types(w, &c->w->shard);
}

static void answer_types(struct view *moment)
{
    answer_list(container_of(moment, struct call, moment), put_types);
}

void types_door(void *owner, struct http_request *r)
{
    struct worker *w = owner;
    if (!door_open(w, r, DOOR_GATEWAY))
        return;
    struct call *c = open_call(w, r);
    c->moment.fn = answer_types;
    shard_view(&w->shard, &c->moment);
}

/* ── queues ── */

/* One that holds no task yet can be paused before its first one. */
static void queue_apply(struct intent *intent, struct batch *b)
{
    struct call *c = container_of(intent, struct call, intent);
    uint32_t queue;
    c->err = (struct err){ 0 };
    if (!shard_queue_of(b->s, c->name, &queue, &c->err))
        return;
    int64_t next = batch_next(b);
    settings_pause_queue(b, queue, &c->wish.to.pause, c->wish.to.actor);
    if (batch_next(b) > next) /* it was not so already */
        record_put(b, &c->record);
    keep_answer(c, b->s, queue, settings_put_queue);
}

static void change_queue(struct worker *w, struct http_request *r, bool is_pause)
{
    static const char *const at_pause[] = { "queue", "reason", "actor", "user", "record", NULL };
    static const char *const at_resume[] = { "queue", "actor", "user", "record", NULL };
    const struct json_value *body;
    struct err e = { 0 };
    if (!door_open(w, r, DOOR_GATEWAY) || !(body = door_body(r)))
        return;
    struct call *c = open_call(w, r);
    struct pause *pause = &c->wish.to.pause;
    bool is_good = json_only(body, "", is_pause ? at_pause : at_resume, &e) &&
                   read_name(body, c, "queue", &e) && read_who(body, c, &e) &&
                   record_read(body, r->arena, &c->record, &e);
    if (is_good && is_pause)
        door_text(body, "", "reason", SETTINGS_REASON_MAX, &pause->reason, &e);
    if (!is_pause)
        *pause = (struct pause){ 0 };
    pause->is_on = is_pause;
    if (door_is_bad(&e))
        door_fail(r, &e);
    else
        submit(c, queue_apply);
}

void queues_pause_door(void *owner, struct http_request *r)
{
    change_queue(owner, r, true);
}

void queues_resume_door(void *owner, struct http_request *r)
{
    change_queue(owner, r, false);
}

static void put_queues(struct json_writer *w, const struct call *c)
{
    settings_put_queues_of(w, &c->w->shard, &c->sweep);
}

/* Where each task has a partition key of its own there are as many lanes to look at: others get
 * their turn in between. */
static void sum_up(struct view *moment)
{
    struct call *c = container_of(moment, struct call, moment);
    const struct shard *s = &c->w->shard;
    if (!shard_is_leading(s) || live_queue_sweep(s->live, &c->sweep, LANES_AT_ONCE))
        answer_list(c, put_queues);
    else
        io_timer_start(c->next, 0);
}

static void next_part(void *owner)
{
    struct call *c = owner;
    shard_view(&c->w->shard, &c->moment);
}

static void forget_timer(void *owner)
{
    io_timer_destroy(owner);
}

void queues_door(void *owner, struct http_request *r)
{
    struct worker *w = owner;
    if (!door_open(w, r, DOOR_GATEWAY))
        return;
    struct call *c = open_call(w, r);
    c->sweep.count = w->shard.queues_known;
    c->sweep.sums = arena_new_array(r->arena, c->sweep.count + 1, struct live_queue_sums);
    c->next = io_timer_create(w->loop, next_part, c);
    arena_defer(r->arena, forget_timer, c->next);
    c->moment.fn = sum_up;
    shard_view(&w->shard, &c->moment);
}
