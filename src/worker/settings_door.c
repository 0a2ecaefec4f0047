/*
 * settings_door: /v1/types. A change is one intent, answered when it is committed; what stood in
 * `apply` is what it answers.
 */
#include "worker/door.h"
#include "worker/settings.h"
#include "worker/worker_priv.h"

enum { TYPE_MAX = 200 };

struct call {
    struct intent intent;
    struct view moment;
    struct worker *w;
    struct http_request *r;
    struct str name;
    struct type_wish wish;
    struct str answer; /* the object, as JSON */
    struct err err;    /* why `apply` refused it */
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
    door_text(body, "", "actor", SETTINGS_ACTOR_MAX, &c->wish.to.actor, e);
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
    json_key_c(&w, "type");
    json_write_raw(&w, c->answer);
    door_put_cursor(&w, "cursor", c->w->shard.committed);
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

static void update_apply(struct intent *intent, struct batch *b)
{
    struct call *c = container_of(intent, struct call, intent);
    uint32_t type;
    c->err = (struct err){ 0 };
    if (!shard_type_of(b->s, c->name, &type, &c->err) ||
        !settings_change_type(b, type, &c->wish, &c->err))
        return;
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    settings_put_type(&w, b->s, type);
    c->answer = arena_copy(c->r->arena, buf_str(&out));
    buf_clear(&out);
}

void types_update_door(void *owner, struct http_request *r)
{
    struct worker *w = owner;
    const struct json_value *body;
    struct err e = { 0 };
    if (!door_open(w, r, DOOR_GATEWAY) || !(body = door_body(r)))
        return;
    struct call *c = open_call(w, r);
    if (!door_text(body, "", "type", TYPE_MAX, &c->name, &e) && !door_is_bad(&e))
        door_missing(&e, "", "type");
    if (!door_is_bad(&e) && type_wish_read(&w->shard, json_get_c(body, "settings"), &c->wish, &e) &&
        read_who(body, c, &e))
        submit(c, update_apply);
    else
        door_fail(r, &e);
}

static void answer_types(struct view *moment)
{
    struct call *c = container_of(moment, struct call, moment);
    const struct shard *s = &c->w->shard;
    struct err e = { 0 };
    if (!shard_is_leading(s)) {
        shard_refuse(&e);
        door_fail(c->r, &e);
        return;
    }
    struct json_writer w = json_writer_to(c->r->out);
    json_begin_object(&w);
    settings_put_types(&w, s);
    json_end_object(&w);
    c->r->may_compress = true;
    door_answer(c->r);
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
