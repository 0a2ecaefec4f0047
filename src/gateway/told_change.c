/* A change of a task type or a queue, at the workers of all shards. */
#include "gateway/audited.h"
#include "gateway/await_worker.h"
#include "gateway/told_priv.h"

/*
 *   note it --> ask the owner --> (done) --> ask the others, all at once --> (all done) --> merge
 *                     |                                   |                                   |
 *                  failed                      one failed, or is in doubt          answer <-- audit
 *                     |                                   |
 *                   error      error <-- audit what was done, and where in doubt leave it open
 *
 * Where nobody owns it, all are the others. Each is given the entry of the audit log as it stands
 * when it has made the change: of several shards the last word is this process's.
 */
enum { REASON_CHARS = 100 /* of each shard's, of those that are told */ };

struct told_changing {
    struct told_change change;
    struct audited_act act;
    size_t open;        /* that are asked, and one while more are to be */
    bool is_owner_done; /* the others are asked */
    bool is_in_doubt;   /* one of them may have made it */
    const struct json_value
        *told[GATEWAY_SHARDS_MAX];      /* by shard: what it has made of it, or NULL */
    struct err why[GATEWAY_SHARDS_MAX]; /* by shard, of those that failed; else ERR_NONE */
};

static const struct gateway *gateway_of(const struct gql_step *step)
{
    return await_request(step)->loop->gateway;
}

static bool is_alone(const struct gql_step *step)
{
    return gateway_of(step)->shard_count == 1;
}

static struct told_object *object_of(struct gql_step *step, const struct told_changing *c)
{
    const struct gateway *gw = gateway_of(step);
    const char *list = told_kinds[c->change.what].list;
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

/* A bit for each of them. */
static int64_t mask_done(const struct gql_step *step)
{
    const struct told_changing *c = step->host;
    int64_t shards = 0;
    for (size_t i = 0; i < gateway_of(step)->shard_count; i++)
        shards |= (int64_t)(c->told[i] != NULL) << i;
    return shards;
}

/* "0, 2": those that have made it. */
static struct str list_done(const struct gql_step *step)
{
    const struct told_changing *c = step->host;
    struct buf out;
    buf_init(&out, 0);
    for (size_t i = 0; i < gateway_of(step)->shard_count; i++)
        if (c->told[i] != NULL)
            buf_printf(&out, "%s%zu", out.len > 0 ? ", " : "", i);
    struct str text = arena_copy(step->arena, buf_str(&out));
    buf_clear(&out);
    return text;
}

static bool is_same_reason(const struct err *one, const struct err *other)
{
    return one->code != ERR_NONE && strcmp(one->message, other->message) == 0;
}

/* NULL: none has failed. */
static const struct err *first_reason(const struct told_changing *c)
{
    for (size_t i = 0; i < GATEWAY_SHARDS_MAX; i++)
        if (c->why[i].code != ERR_NONE)
            return &c->why[i];
    return NULL;
}

/* "shard 0, 2: it is away; shard 1: says no": each reason once, at those that gave it. */
static struct str list_reasons(const struct gql_step *step)
{
    const struct told_changing *c = step->host;
    bool is_told[GATEWAY_SHARDS_MAX] = { 0 };
    struct buf out;
    buf_init(&out, 0);
    for (size_t i = 0; i < GATEWAY_SHARDS_MAX; i++) {
        if (c->why[i].code == ERR_NONE || is_told[i])
            continue;
        buf_printf(&out, "%sshard %zu", out.len > 0 ? "; " : "", i);
        for (size_t k = i + 1; k < GATEWAY_SHARDS_MAX; k++)
            if (is_same_reason(&c->why[k], &c->why[i])) {
                buf_printf(&out, ", %zu", k);
                is_told[k] = true;
            }
        buf_printf(&out, ": %.*s", REASON_CHARS, c->why[i].message);
    }
    struct str text = arena_copy(step->arena, buf_str(&out));
    buf_clear(&out);
    return text;
}

/* ── the end ── */

/* The object with `members` as its last ones; `ptr` NULL: there is none. */
static struct str with_members(struct arena *a, struct str object, struct str members)
{
    if (object.ptr == NULL || object.len <= 2)
        return arena_printf(a, "{%.*s}", STR_FMT(members));
    return arena_printf(a, "%.*s,%.*s}", STR_FMT(str_first(object, object.len - 1)),
                        STR_FMT(members));
}

/* The change's detail, and who has made it. */
static struct str detail_with(const struct gql_step *step, struct str done)
{
    const struct told_changing *c = step->host;
    return with_members(step->arena, c->change.detail,
                        arena_printf(step->arena, "\"shards\":[%.*s]", STR_FMT(done)));
}

static bool is_one_reason(const struct told_changing *c)
{
    const struct err *first = first_reason(c);
    for (size_t i = 0; i < GATEWAY_SHARDS_MAX; i++)
        if (c->why[i].code != ERR_NONE && !is_same_reason(&c->why[i], first))
            return false;
    return true;
}

static enum gql_next fail(struct gql_step *step)
{
    struct told_changing *c = step->host;
    const struct err *first = first_reason(c);
    struct str done = list_done(step), reasons = list_reasons(step);
    struct err e = *first;
    if (str_is_empty(done) && !is_one_reason(c))
        (void)err_set_from(&e, first->origin, first->code, "not at %.*s", STR_FMT(reasons));
    if (str_is_empty(done) && c->is_in_doubt)
        return gql_step_fail(step, &e); /* the worker tells of it, or it is settled */
    if (str_is_empty(done))
        return audited_drop(step, &c->act, &e);
    (void)err_set_from(&e, first->origin, first->code, "changed at shard %.*s, and not at %.*s",
                       STR_FMT(done), STR_FMT(reasons));
    c->act.detail = detail_with(step, done);
    if (!c->is_in_doubt)
        return audited_fail(step, &c->act, &e);
    c->act.detail = with_members(step->arena, c->act.detail, STR("\"unfinished\":true"));
    return audited_leave(step, &c->act, mask_done(step), &e);
}

static enum gql_next ask_others(struct gql_step *step);

/* One has been heard. */
static enum gql_next go_on(struct gql_step *step)
{
    struct told_changing *c = step->host;
    if (--c->open > 0)
        return GQL_WAIT;
    if (first_reason(c) != NULL)
        return fail(step);
    if (!c->is_owner_done)
        return ask_others(step);
    c->act.is_kept = is_alone(step);
    step->results[0] = gql_object(object_of(step, c));
    audited_finish(step, &c->act);
    return GQL_WAIT;
}

/* ── asking ── */

static enum gql_next failed(struct gql_step *step, size_t shard, const struct err *why,
                            enum await_failure how)
{
    struct told_changing *c = step->host;
    c->why[shard] = *why;
    c->is_in_doubt |= how == AWAIT_IN_DOUBT;
    if (how == AWAIT_SAID && c->change.words != NULL)
        c->change.words(&c->why[shard]);
    return go_on(step);
}

static void changed(struct gql_step *step, size_t shard, const struct json_value *body)
{
    struct told_changing *c = step->host;
    const struct json_value *object = json_get(body, str_of_c(told_kinds[c->change.what].name));
    struct err e;
    if (told_object_read(step->arena, object, c->change.members, true) == NULL) {
        (void)err_set_from(&e, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE,
                           "the Worker Service gave an answer that is none; the change may or may "
                           "not have been made");
        (void)failed(step, shard, &e, AWAIT_IN_DOUBT);
        return;
    }
    told_put(gateway_of(step)->told, shard, c->change.what, object);
    c->told[shard] = object;
    (void)go_on(step);
}

static struct str body_of(const struct gql_step *step, size_t shard)
{
    const struct told_changing *c = step->host;
    const struct audited_call call = { .is_last = is_alone(step) };
    struct audited_act act = c->act;
    struct buf out;
    if (!call.is_last) {
        struct str done = list_done(step);
        act.detail = detail_with(step, arena_printf(step->arena, "%.*s%s%zu", STR_FMT(done),
                                                    done.len > 0 ? ", " : "", shard));
    }
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    json_begin_object(&w);
    audited_put_record(&w, step, &act, &call);
    json_end_object(&w);
    struct str record = str_of(out.ptr + 1, out.len - 2); /* without its braces */
    struct str body = with_members(step->arena, c->change.body, record);
    buf_clear(&out);
    return body;
}

/* One that cannot be asked has failed before this returns. */
static void ask(struct gql_step *step, size_t shard)
{
    struct told_changing *c = step->host;
    c->open++;
    (void)await_worker_or(step, shard, NULL, c->change.path, body_of(step, shard), changed, failed);
}

static enum gql_next ask_others(struct gql_step *step)
{
    struct told_changing *c = step->host;
    c->is_owner_done = true;
    c->open = 1;
    for (size_t i = 0; i < gateway_of(step)->shard_count; i++)
        if (c->told[i] == NULL)
            ask(step, i);
    return go_on(step);
}

static void begun(struct gql_step *step, const struct db_reply *reply)
{
    struct told_changing *c = step->host;
    (void)reply;
    if (!c->change.is_owned) {
        (void)ask_others(step);
        return;
    }
    ask(step, c->change.owner);
    (void)go_on(step);
}

enum gql_next told_change(struct gql_step *step, const struct told_change *change)
{
    struct told_changing *c = arena_new(step->arena, struct told_changing);
    *c = (struct told_changing){
        .change = *change,
        .act = audited_begin(change->action, change->subject, change->detail),
        .open = 1,
    };
    step->host = c;
    return audited_open(step, &c->act, gateway_of(step)->shard_count, begun);
}
