#include "gateway/told_priv.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/await_worker.h"
#include "gateway/worker_client.h"
#include "json/writer.h"

enum {
    KEPT_BYTES_MAX = 4 << 20,  /* of each */
    PARSED_TIMES = 16,         /* what is kept, when parsed, at most */
    PAUSED_BYTES_MAX = 1 << 8, /* of told_paused */
    REFRESH_US_MAX = 5 * CLOCK_S,
};

const struct told_kind_of told_kinds[TOLD_COUNT] = {
    [TOLD_WORKERS] = { .path = "/v1/workers", .list = "workers", .beside = "task_types" },
    [TOLD_TYPES] = { .path = "/v1/types", .list = "types", .name = "type", .words = "task type" },
    [TOLD_QUEUES] = { .path = "/v1/queues",
                      .list = "queues",
                      .name = "queue",
                      .words = "queue",
                      .is_owned = true },
};

/* ── what is kept ── */

/* Of one shard. */
struct kept {
    struct buf json[TOLD_COUNT];   /* empty: it never told */
    struct buf paused[TOLD_COUNT]; /* "task type email, sms"; empty: none is */
    int64_t newest[TOLD_COUNT];    /* the highest version */
};

struct told {
    pthread_mutex_t lock; /* all loops; held for one copy */
    size_t shard_count;
    struct kept shards[GATEWAY_SHARDS_MAX];
};

struct told *told_create(size_t shard_count)
{
    struct told *told = mem_new(struct told);
    int failed = pthread_mutex_init(&told->lock, NULL);
    assert(!failed);
    told->shard_count = shard_count;
    for (size_t i = 0; i < shard_count; i++)
        for (int what = 0; what < TOLD_COUNT; what++) {
            buf_init(&told->shards[i].json[what], KEPT_BYTES_MAX);
            buf_init(&told->shards[i].paused[what], PAUSED_BYTES_MAX);
        }
    return told;
}

void told_destroy(struct told *told)
{
    if (told == NULL)
        return;
    for (size_t i = 0; i < told->shard_count; i++)
        for (int what = 0; what < TOLD_COUNT; what++) {
            buf_clear(&told->shards[i].json[what]);
            buf_clear(&told->shards[i].paused[what]);
        }
    (void)pthread_mutex_destroy(&told->lock);
    mem_free(told);
}

static const struct json_value *list_of(enum told_what what, const struct json_value *body)
{
    const struct json_value *list = json_get(body, str_of_c(told_kinds[what].list));
    return list != NULL && list->type == JSON_ARRAY ? list : NULL;
}

/* As many names as there is room for. */
static void list_paused(struct buf *out, enum told_what what, const struct json_value *list)
{
    size_t left = 0;
    buf_reset(out);
    for (size_t i = 0; told_kinds[what].name != NULL && i < list->item_count; i++) {
        struct str name = json_get_text(&list->items[i], str_of_c(told_kinds[what].name));
        const char *before = out->len == 0 ? told_kinds[what].words : ",";
        if (!json_get_flag(&list->items[i], STR("is_paused")))
            continue;
        if (!buf_has_room(out, strlen(before) + name.len + sizeof " and 1000000 more")) {
            left++;
            continue;
        }
        buf_printf(out, "%s %.*s", before, STR_FMT(name));
    }
    if (left > 0)
        buf_printf(out, " and %zu more", left);
}

static int64_t version_of(const struct json_value *object)
{
    int64_t version = 0;
    (void)json_get_i64_text(object, STR("version"), &version);
    return version;
}

/* Versions are numbers of the worker's log: of two lists the newer one has the highest. */
static int64_t newest_of(const struct json_value *list)
{
    int64_t newest = 0;
    for (size_t i = 0; i < list->item_count; i++)
        newest = max_of(newest, version_of(&list->items[i]));
    return newest;
}

/* Under the lock. A list that was on its way while a change was told is older than what is kept. */
static void keep(struct kept *kept, enum told_what what, const struct json_value *body)
{
    const struct json_value *list = list_of(what, body);
    struct buf *json = &kept->json[what];
    if (list == NULL || newest_of(list) < kept->newest[what])
        return;
    kept->newest[what] = newest_of(list);
    buf_reset(json);
    json_put_value(json, body);
    if (json->failed)
        buf_reset(json);
    list_paused(&kept->paused[what], what, list);
}

static void keep_all(struct told *told, size_t shard, enum told_what what,
                     const struct json_value *body)
{
    pthread_mutex_lock(&told->lock);
    keep(&told->shards[shard], what, body);
    pthread_mutex_unlock(&told->lock);
}

/* NULL: it never told. */
static const struct json_value *parse(struct arena *a, struct str json)
{
    const struct json_value *body = NULL;
    struct err e;
    arena_raise_budget(a, json.len * PARSED_TIMES);
    return !str_is_empty(json) && json_parse(a, json, &body, &e) ? body : NULL;
}

static const struct json_value *kept_body(struct told *told, size_t shard, enum told_what what,
                                          struct arena *a)
{
    pthread_mutex_lock(&told->lock);
    struct str json = arena_copy(a, buf_str(&told->shards[shard].json[what]));
    pthread_mutex_unlock(&told->lock);
    return parse(a, json);
}

/* The list with the object in the place of the one of its name, or at its end. */
static struct json_value list_with(struct arena *a, enum told_what what,
                                   const struct json_value *list, const struct json_value *object)
{
    struct json_value *items = arena_new_array(a, list->item_count + 1, struct json_value);
    struct str name = json_get_text(object, str_of_c(told_kinds[what].name));
    size_t at = 0;
    while (at < list->item_count &&
           !str_eq(json_get_text(&list->items[at], str_of_c(told_kinds[what].name)), name))
        at++;
    if (list->item_count > 0)
        memcpy(items, list->items, list->item_count * sizeof *items);
    if (at == list->item_count || version_of(&items[at]) <= version_of(object))
        items[at] = *object;
    return json_of_items(items, max_of(list->item_count, at + 1));
}

void told_put(struct told *told, size_t shard, enum told_what what, const struct json_value *object)
{
    struct kept *kept = &told->shards[shard];
    scoped(arena_destroyp) struct arena *a = arena_create(KEPT_BYTES_MAX);
    if (str_is_empty(json_get_text(object, str_of_c(told_kinds[what].name))))
        return;
    pthread_mutex_lock(&told->lock);
    const struct json_value *list = list_of(what, parse(a, buf_str(&kept->json[what])));
    if (list != NULL) {
        const struct json_member member = { str_of_c(told_kinds[what].list),
                                            list_with(a, what, list, object) };
        const struct json_value body = json_of_members(&member, 1);
        keep(kept, what, &body);
    }
    pthread_mutex_unlock(&told->lock);
}

void told_forget(struct told *told, size_t shard)
{
    struct kept *kept = &told->shards[shard];
    pthread_mutex_lock(&told->lock);
    for (int what = TOLD_TYPES; what < TOLD_COUNT; what++) {
        buf_reset(&kept->json[what]);
        buf_reset(&kept->paused[what]);
        kept->newest[what] = 0;
    }
    pthread_mutex_unlock(&told->lock);
}

/* Under the lock. What shards say alike, such as of types, is said once. */
static void put_paused(const struct told *told, enum told_what what, struct buf *out)
{
    for (size_t i = 0; i < told->shard_count; i++) {
        struct str text = buf_str(&told->shards[i].paused[what]);
        bool is_said =
            str_is_empty(text) || (i > 0 && str_eq(text, buf_str(&told->shards[0].paused[what])));
        if (!is_said)
            buf_printf(out, "%s%.*s", out->len > 0 ? "; " : "", STR_FMT(text));
    }
}

struct str told_paused(struct told *told, struct arena *a)
{
    struct buf out;
    struct str text = { 0 };
    buf_init(&out, 0);
    pthread_mutex_lock(&told->lock);
    put_paused(told, TOLD_TYPES, &out);
    put_paused(told, TOLD_QUEUES, &out);
    pthread_mutex_unlock(&told->lock);
    if (out.len > 0)
        text = arena_printf(a, "paused: %.*s", STR_FMT(buf_str(&out)));
    buf_clear(&out);
    return text;
}

/* ── asking ── */

struct question {
    struct gql_step *step;
    enum told_what what;
    told_read_fn *read;
    const struct json_value *bodies[GATEWAY_SHARDS_MAX]; /* NULL: no answer */
    size_t open;
    struct err why; /* there is none of one of them */
};

static bool answer_with(const struct question *q, const struct json_value *body, bool is_fresh)
{
    struct gql_step *step = q->step;
    return body != NULL && q->read(step, body, is_fresh, &step->results[0]);
}

/* What the shards say now, or said last, and how many do; whether all of it is of now. */
static size_t gather(struct question *q, const struct json_value *ret_bodies[GATEWAY_SHARDS_MAX],
                     bool *ret_is_fresh)
{
    struct told *told = await_request(q->step)->loop->gateway->told;
    size_t count = 0;
    *ret_is_fresh = true;
    for (size_t i = 0; i < told->shard_count; i++) {
        const struct json_value *body = q->bodies[i];
        if (answer_with(q, body, true)) {
            keep_all(told, i, q->what, body);
        } else {
            *ret_is_fresh = false;
            body = kept_body(told, i, q->what, q->step->arena);
            if (!answer_with(q, body, false))
                body = NULL;
        }
        ret_bodies[i] = body;
        count += body != NULL;
    }
    return count;
}

static enum gql_next finish(struct question *q)
{
    const struct json_value *bodies[GATEWAY_SHARDS_MAX];
    struct gql_step *step = q->step;
    const struct gateway *gw = await_request(step)->loop->gateway;
    bool is_fresh, is_told = true;
    size_t count = gather(q, bodies, &is_fresh);
    if (count == 0) {
        if (q->why.code == ERR_NONE)
            err_set_from(&q->why, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE,
                         "the Worker Service gave an answer that is none");
        return gql_step_fail(step, &q->why);
    }
    if (count > 1 || !is_fresh) { /* what one of them says now is not what all of them do */
        struct json_value *all = arena_new(step->arena, struct json_value);
        *all = told_merge(step->arena, q->what, bodies, gw->shard_count, &gw->shards);
        is_told = answer_with(q, all, is_fresh);
    }
    assert(is_told); /* each of them could be read */
    gql_step_finish(step);
    return GQL_WAIT;
}

static void answered(void *owner, const struct worker_reply *reply)
{
    struct question *q = owner;
    q->bodies[reply->shard] = reply->body;
    if (reply->body == NULL)
        q->why = *reply->err;
    if (--q->open == 0)
        (void)finish(q);
}

enum gql_next told_ask(struct gql_step *step, enum told_what what, told_read_fn *read)
{
    struct question *q = arena_new(step->arena, struct question);
    *q = (struct question){ .step = step, .what = what, .read = read };
    for (size_t i = 0; i < await_request(step)->loop->gateway->shard_count; i++)
        q->open += await_worker_ask(step, i, told_kinds[what].path, answered, q);
    if (q->open > 0)
        return GQL_WAIT;
    err_set_from(&q->why, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE, "the Worker Service is out of reach");
    return finish(q);
}

/* ── asking before anybody does ── */

struct refresh {
    struct told *told;
    struct arena *arena; /* it lives in it */
    size_t shard;
    enum told_what what;
};

static void refreshed(void *owner, const struct worker_reply *reply)
{
    struct refresh *refresh = owner;
    if (reply->body != NULL)
        keep_all(refresh->told, refresh->shard, refresh->what, reply->body);
    arena_destroy(refresh->arena);
}

void told_refresh(struct gateway_loop *loop, size_t shard)
{
    for (enum told_what what = TOLD_TYPES; what <= TOLD_QUEUES; what++) {
        struct arena *a = arena_create(KEPT_BYTES_MAX);
        struct refresh *refresh = arena_new(a, struct refresh);
        struct err e;
        *refresh = (struct refresh){ loop->gateway->told, a, shard, what };
        const struct worker_call_options options = { .path = told_kinds[what].path,
                                                     .arena = a,
                                                     .deadline_us =
                                                         clock_mono_us() + REFRESH_US_MAX,
                                                     .fn = refreshed,
                                                     .owner = refresh };
        if (!worker_client_call(loop->workers[shard], &options, &e))
            arena_destroy(a);
    }
}
