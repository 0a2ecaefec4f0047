/* A change of a task type or a queue, at the workers of all shards. */
#include "gateway/audited.h"
#include "gateway/await_worker.h"
#include "gateway/told.h"

/*
 *   ask the first --> (done) --> ask the next --> (all) --> merge --> audit --> answer
 *         `-- failed: error       `-- failed: audit what was done --> error
 */
static const struct {
    const char *list, *member; /* of a worker's lists, and of its answer */
} whats[TOLD_COUNT] = {
    [TOLD_TYPES] = { "types", "type" },
    [TOLD_QUEUES] = { "queues", "queue" },
};

struct told_changing {
    struct told_change change;
    struct audited_act act;
    size_t at;                                         /* how many have answered */
    const struct json_value *told[GATEWAY_SHARDS_MAX]; /* by shard: what it has made of it */
};

static const struct gateway *gateway_of(const struct gql_step *step)
{
    return await_request(step)->loop->gateway;
}

/* The first, then the others by their numbers. */
static size_t shard_at(const struct told_changing *c, size_t at)
{
    return at == 0 ? c->change.first : at <= c->change.first ? at - 1 : at;
}

static struct told_object *object_of(struct gql_step *step, const struct told_changing *c)
{
    const struct gateway *gw = gateway_of(step);
    const char *list = whats[c->change.what].list;
    struct arena *a = step->arena;
    const struct json_value *bodies[GATEWAY_SHARDS_MAX];
    for (size_t i = 0; i < gw->shard_count; i++) {
        struct json_member *member = arena_new(a, struct json_member);
        struct json_value *body = arena_new(a, struct json_value);
        *member = (struct json_member){ str_of_c(list), json_of_items(c->told[i], 1) };
        *body = json_of_members(member, 1);
        bodies[i] = body;
    }
    struct json_value *all = arena_new(a, struct json_value);
    *all = told_merge(a, c->change.what, bodies, gw->shard_count, &gw->shards);
    return told_object_read(a, &json_get(all, str_of_c(list))->items[0], c->change.members, true);
}

/* "0, 2": the first ones of those that make it. */
static struct str shards_done(struct arena *a, const struct told_changing *c, size_t count)
{
    struct buf out;
    buf_init(&out, 0);
    for (size_t i = 0; i < count; i++)
        buf_printf(&out, "%s%zu", i > 0 ? ", " : "", shard_at(c, i));
    struct str text = arena_copy(a, buf_str(&out));
    buf_clear(&out);
    return text;
}

/* Both objects in one; of the first `ptr` may be NULL. */
static struct str with_members(struct arena *a, struct str object, struct str more)
{
    if (object.ptr == NULL || object.len <= 2)
        return arena_copy(a, more);
    return arena_printf(a, "%.*s,%.*s", STR_FMT(str_first(object, object.len - 1)),
                        STR_FMT(str_from(more, 1)));
}

static struct str detail_of_part(struct gql_step *step, const struct told_changing *c, size_t count)
{
    struct str done = shards_done(step->arena, c, count);
    return with_members(step->arena, c->change.detail,
                        arena_printf(step->arena, "{\"shards\":[%.*s]}", STR_FMT(done)));
}

static enum gql_next failed(struct gql_step *step, size_t shard, const struct err *why,
                            bool is_said)
{
    struct told_changing *c = step->host;
    struct str done = shards_done(step->arena, c, c->at);
    struct err e = *why, told;
    if (is_said && c->change.words != NULL)
        c->change.words(&e);
    if (c->at == 0)
        return gql_step_fail(step, &e);
    (void)err_set_from(&told, e.origin, e.code,
                       "changed at shard %.*s, and not at shard %zu and those behind it: %.120s",
                       STR_FMT(done), shard, e.message);
    c->act.detail = detail_of_part(step, c, c->at);
    return audited_fail(step, &c->act, &told);
}

static enum gql_next ask(struct gql_step *step);

static void changed(struct gql_step *step, size_t shard, const struct json_value *body)
{
    struct told_changing *c = step->host;
    const struct gateway *gw = gateway_of(step);
    const struct json_value *object = json_get(body, str_of_c(whats[c->change.what].member));
    struct err e;
    if (told_object_read(step->arena, object, c->change.members, true) == NULL) {
        (void)err_set_from(&e, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE,
                           "the Worker Service gave an answer that is none; the change may or may "
                           "not have been made");
        (void)failed(step, shard, &e, false);
        return;
    }
    told_put(gw->told, shard, c->change.what, object);
    c->told[shard] = object;
    c->at++;
    if (c->at < gw->shard_count) {
        (void)ask(step);
        return;
    }
    step->results[0] = gql_object(object_of(step, c));
    c->act.detail = c->change.detail;
    audited_finish(step, &c->act);
}

static enum gql_next ask(struct gql_step *step)
{
    struct told_changing *c = step->host;
    const struct audited_call call = { .is_last = c->at + 1 == gateway_of(step)->shard_count };
    c->act.detail = call.is_last ? c->change.detail : detail_of_part(step, c, c->at + 1);
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    json_begin_object(&w);
    audited_put_record(&w, step, &c->act, &call);
    json_end_object(&w);
    struct str body = with_members(step->arena, c->change.body, buf_str(&out));
    buf_clear(&out);
    return await_worker_or(step, shard_at(c, c->at), NULL, c->change.path, body, changed, failed);
}

enum gql_next told_change(struct gql_step *step, const struct told_change *change)
{
    struct told_changing *c = arena_new(step->arena, struct told_changing);
    *c = (struct told_changing){
        .change = *change, .act = audited_begin(change->action, change->subject, change->detail)
    };
    step->host = c;
    return ask(step);
}
