#include "gateway/lease_door.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "gateway/credential_watch.h"
#include "gateway/door_problem.h"
#include "gateway/headers.h"
#include "gateway/lease_openapi.h"
#include "gateway/lease_shard.h"
#include "gateway/note.h"
#include "gateway/peer_options.h"
#include "gateway/shards.h"
#include "http/leader.h"
#include "json/check.h"

enum {
    CALLS_RUNNING_MAX = 16, /* connections of a loop for all but long polls */
    CALLS_WAITING_MAX = 1'000,
    ANSWER_BYTES_MAX = 64 << 20,
    POLL_DEADLINE_MS = 90'000, /* the worker lets nobody wait for more than 60 s */
    SECRET_TEXT_MAX = 200,
    HEADERS_MAX = 6,
};

struct lease_door {
    struct gateway_loop *loop;
    struct doors {
        struct http_leader *polls, *calls; /* NULL: no worker-url */
    } shards[GATEWAY_SHARDS_MAX];
    struct arena *arena;     /* of the text below */
    struct str token_header; /* empty: over a unix socket none is needed */
    struct list asked;       /* struct ask that have not ended */
    size_t poll_count, polls_max;
};

struct ask {
    struct list node; /* in lease_door.asked */
    struct lease_door *door;
    struct http_request *http;
    struct str token;
    const char *path;         /* NULL: the answer is the list of shards */
    struct lease_shard where; /* whose worker, and what it gets */
    bool is_poll, is_session, is_end;
    struct credential_wait who;
    struct credential_watch watch;
    struct http_call *call; /* while the worker is asked */
    const char *headers[HEADERS_MAX];
    size_t header_count, address, tries;
};

/* ── answering ── */

static void answer(struct ask *ask, int status, struct str headers, struct str body)
{
    list_remove(&ask->node);
    ask->door->poll_count -= ask->is_poll;
    credential_wait_cancel(&ask->who);
    credential_watch_stop(&ask->watch);
    if (ask->call != NULL)
        http_call_cancel(take(ask->call));
    http_respond(ask->http, status, headers, body);
}

static void refuse(struct ask *ask, const struct err *e)
{
    int status;
    door_problem_put(ask->http, e, "lease_door.failed", &status);
    answer(ask, status, HTTP_PROBLEM, buf_str(ask->http->out));
}

static bool set_away(struct err *e, const char *why)
{
    return err_set_from(e, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE, "%s", why);
}

/* ── what ends it before the worker answers ── */

static void client_gone(void *owner)
{
    answer(owner, 503, HTTP_NO_HEADERS, STR("")); /* goes nowhere */
}

static void token_lost(void *owner, const struct err *e)
{
    struct err lost;
    (void)err_set(&lost, ERR_UNAUTHENTICATED, "%s", e->message);
    refuse(owner, &lost);
}

/* ── asking the worker ── */

static http_reply_fn replied;

static struct http_leader *leader_of(const struct ask *ask)
{
    const struct doors *doors = &ask->door->shards[ask->where.shard];
    return ask->is_poll ? doors->polls : doors->calls;
}

static void add_header(struct ask *ask, const char *name, struct str value)
{
    struct arena *a = ask->http->arena;
    assert(ask->header_count < HEADERS_MAX);
    ask->headers[ask->header_count++] =
        arena_cstr(a, arena_printf(a, "%s: %.*s", name, STR_FMT(value)));
}

static bool send_on(struct ask *ask, struct err *e)
{
    const struct http_call_options options = {
        .method = http_method_name(ask->http->method),
        .headers = ask->headers,
        .header_count = ask->header_count,
        .body = ask->where.body,
        .deadline_ms = ask->is_poll ? POLL_DEADLINE_MS
                                    : ask->door->loop->gateway->request_timeout_us / CLOCK_MS,
        .fn = replied,
        .owner = ask,
    };
    ask->tries++;
    if (http_leader_call(leader_of(ask), ask->path, &options, &ask->address, &ask->call, e))
        return true;
    ask->call = NULL;
    if (e->code == ERR_RATE)
        return err_set(e, ERR_RATE, "too many calls of the Worker Service wait already");
    return false;
}

static bool ask_worker(struct ask *ask, const struct credential *c, struct err *e)
{
    char token_id[UUID_TEXT_LEN + 1];
    struct str secret = http_header(ask->http, STR("Windlass-Session-Secret"));
    if (ask->door->shards[0].calls == NULL)
        return set_away(e, "no Worker Service is configured (worker-url)");
    uuid_format(c->id, token_id);
    add_header(ask, "Content-Type", STR("application/json"));
    add_header(ask, "Windlass-Token-Id", str_of_c(token_id));
    add_header(ask, "Windlass-Actor", c->owner.label);
    if (c->grant.scopes & SCOPE_API)
        add_header(ask, "Windlass-May-Create", STR("true"));
    if (secret.len > 0 && secret.len <= SECRET_TEXT_MAX)
        add_header(ask, "Windlass-Session-Secret", secret);
    if (ask->door->token_header.len > 0)
        ask->headers[ask->header_count++] = ask->door->token_header.ptr;
    return send_on(ask, e);
}

/* Nothing was done, for certain, and another worker may lead. */
static bool goes_on(struct ask *ask, const struct http_reply *reply, bool was_sent)
{
    struct err e;
    struct http_leader *leader = leader_of(ask);
    bool has_said_no = http_leader_has_said_no(reply);
    if (reply == NULL || has_said_no)
        http_leader_pass(leader, ask->address, has_said_no);
    else
        http_leader_found(leader);
    return (reply == NULL ? !was_sent : has_said_no) && ask->tries < http_leader_count(leader) &&
           send_on(ask, &e);
}

static void replied(void *owner, const struct http_reply *reply, const struct err *failure)
{
    struct ask *ask = owner;
    struct err e = { 0 };
    bool was_sent = reply != NULL || http_call_was_sent(ask->call);
    ask->call = NULL;
    if (goes_on(ask, reply, was_sent))
        return;
    if (reply == NULL) {
        e = *failure;
    } else if (reply->status == 401 || reply->status == 403) {
        log_error("worker.refused", "status=%d door=lease", reply->status);
        (void)set_away(&e, "the worker does not know this gateway: is gateway-token the same?");
    } else if (reply->status == 503) {
        (void)set_away(&e, "the Worker Service cannot do this now; nothing was done");
    } else {
        buf_put_str(ask->http->out,
                    ask->is_session && reply->status / 100 == 2
                        ? lease_shard_answer(ask->http->arena, ask->where.shard, reply->body)
                        : reply->body);
        answer(ask, reply->status, reply->status / 100 == 2 ? HTTP_JSON : HTTP_PROBLEM,
               buf_str(ask->http->out));
        return;
    }
    refuse(ask, &e);
}

/* ── who, and what he may ── */

static bool may_take(const struct credential *c, struct str type)
{
    for (size_t i = 0; i < c->task_type_count; i++)
        if (str_eq(c->task_types[i], type))
            return true;
    return c->task_type_count == 0;
}

/* A session takes tasks of the token's types alone. The worker says what else is wrong with it. */
static bool check_types(const struct credential *c, const struct json_value *body, struct err *e)
{
    if (c->task_type_count == 0)
        return true;
    if (body == NULL)
        return err_set(e, ERR_INVALID, "the body is no JSON object");
    for (size_t i = 0; i < body->member_count; i++) {
        const struct json_value *types = &body->members[i].value;
        if (!str_eq(body->members[i].key, STR("types")) || types->type != JSON_OBJECT)
            continue;
        for (size_t k = 0; k < types->member_count; k++)
            if (!may_take(c, types->members[k].key))
                return err_set(e, ERR_DENIED, "types.%.*s: is not among the token's task types",
                               STR_FMT(str_first(types->members[k].key, 100)));
    }
    return true;
}

/* Whose worker is asked; of a session's end the path has told. */
static bool find_shard(struct ask *ask, const struct credential *c, struct err *e)
{
    struct http_request *http = ask->http;
    size_t count = ask->door->loop->gateway->shard_count;
    if (ask->is_end)
        return true;
    if (!ask->is_session)
        return lease_shard_read(http->arena, http->body, count, &ask->where, e);
    const struct json_value *body = lease_shard_parse(http->arena, http->body);
    return check_types(c, body, e) &&
           lease_shard_read_opening(http->arena, http->body, body, count, &ask->where, e);
}

static void answer_shards(struct ask *ask)
{
    buf_put_str(ask->http->out,
                lease_shard_list(ask->http->arena, ask->door->loop->gateway->shard_count));
    answer(ask, 200, HTTP_JSON, buf_str(ask->http->out));
}

static bool may_lease(const struct credential *c, struct err *e)
{
    if (c == NULL)
        return err_set(e, ERR_UNAUTHENTICATED, "a token with the scope LEASE is needed");
    if (c->kind != CREDENTIAL_TOKEN || !(c->grant.scopes & SCOPE_LEASE))
        return err_set(e, ERR_DENIED, "this token may not take tasks: it lacks the scope LEASE");
    return true;
}

static void identified(void *owner, const struct credential *c, const struct err *failure)
{
    struct ask *ask = owner;
    struct err e = { 0 };
    if (failure != NULL) {
        refuse(ask, failure);
        return;
    }
    if (!may_lease(c, &e) || !find_shard(ask, c, &e) ||
        (ask->path != NULL && !ask_worker(ask, c, &e))) {
        refuse(ask, &e);
        return;
    }
    request_note(ask->http, NULL)->user = c->owner.user_id;
    if (ask->path == NULL) {
        answer_shards(ask);
        return;
    }
    if (ask->is_poll)
        credential_watch_start(&ask->watch, ask->door->loop, ask->token, c, token_lost, ask);
}

static bool has_room(const struct lease_door *door, bool is_poll, struct err *e)
{
    if (!atomic_load(&door->loop->gateway->is_ready))
        return err_set_from(e, ERR_ORIGIN_DATABASE, ERR_UNAVAILABLE,
                            "starting: the database is not there yet");
    if (atomic_load(&door->loop->gateway->draining_since_us) != 0)
        return set_away(e, "this gateway is stopping: ask again");
    return !is_poll || door->poll_count < door->polls_max ||
           err_set(e, ERR_RATE, "too many workers wait for tasks (lease-polls-max)");
}

static void refuse_at_once(struct http_request *http, const struct err *e)
{
    int status;
    door_problem_put(http, e, "lease_door.failed", &status);
    http_respond(http, status, HTTP_PROBLEM, buf_str(http->out));
}

static void begin(struct gateway_loop *loop, struct http_request *http, struct ask wanted)
{
    struct lease_door *door = loop->lease_door;
    bool is_cookie;
    struct err e;
    (void)request_note(http, "lease");
    if (!has_room(door, wanted.is_poll, &e)) {
        refuse_at_once(http, &e);
        return;
    }
    struct ask *ask = arena_new(http->arena, struct ask);
    *ask = wanted;
    ask->door = door;
    ask->http = http;
    /* As of a foreign page: a cookie says nothing here. */
    ask->token = headers_token(http, HEADERS_ORIGIN_FOREIGN, &is_cookie);
    list_init(&ask->who.waiting);
    list_init(&ask->watch.by_loop);
    list_init(&ask->watch.wait.waiting);
    list_push(&door->asked, &ask->node);
    door->poll_count += ask->is_poll;
    http_on_cancel(http, client_gone, ask);
    http_end_with_client(http);
    if (http_is_cancelled(http)) {
        client_gone(ask);
        return;
    }
    ask->who.fn = identified;
    ask->who.owner = ask;
    ask->who.deadline_us = clock_mono_us() + loop->gateway->request_timeout_us;
    if (str_is_empty(ask->token))
        identified(ask, NULL, NULL);
    else
        credentials_ask(loop->credentials, ask->token, &ask->who);
}

/* ── the doors ── */

void lease_door_sessions(void *owner, struct http_request *http)
{
    begin(owner, http, (struct ask){ .path = "/v1/sessions", .is_session = true });
}

void lease_door_leases(void *owner, struct http_request *http)
{
    begin(owner, http, (struct ask){ .path = "/v1/leases", .is_poll = true });
}

void lease_door_acks(void *owner, struct http_request *http)
{
    begin(owner, http, (struct ask){ .path = "/v1/acks" });
}

void lease_door_heartbeats(void *owner, struct http_request *http)
{
    begin(owner, http, (struct ask){ .path = "/v1/heartbeats" });
}

void lease_door_shards(void *owner, struct http_request *http)
{
    begin(owner, http, (struct ask){ 0 });
}

void lease_door_session_end(void *owner, struct http_request *http)
{
    const struct gateway_loop *loop = owner;
    struct str release = STR(""), id;
    size_t shard;
    struct err e;
    if (!lease_shard_of_session(http->rest, loop->gateway->shard_count, &shard, &id)) {
        (void)request_note(http, "lease");
        (void)err_set(&e, ERR_NOT_FOUND, "there is no such session");
        refuse_at_once(http, &e);
        return;
    }
    bool is_release = http_query(http, STR("release"), &release) && str_eq(release, STR("true"));
    struct str path = arena_printf(http->arena, "/v1/sessions/%.*s%s", STR_FMT(id),
                                   is_release ? "?release=true" : "");
    begin(owner, http,
          (struct ask){ .path = arena_cstr(http->arena, path),
                        .where = { shard, http->body },
                        .is_end = true });
}

void lease_door_openapi(void *owner, struct http_request *http)
{
    (void)owner, (void)request_note(http, NULL);
    http->may_compress = true;
    http_respond(http, 200, STR("Content-Type: application/json\r\nCache-Control: no-cache\r\n"),
                 str_of((const char *)lease_openapi, lease_openapi_size));
}

/* ── life ── */

static bool open_doors(struct lease_door *door, size_t shard, struct err *e)
{
    const char *name = shards_url_option(shard);
    struct str urls = door->loop->gateway->worker_urls[shard];
    struct doors *doors = &door->shards[shard];
    struct http_client_options options = peer_options(door->loop->gateway->conf, ERR_ORIGIN_WORKER);
    if (str_is_empty(urls))
        return true;
    options.response_bytes_max = ANSWER_BYTES_MAX;
    options.running_max = CALLS_RUNNING_MAX;
    options.waiting_max = CALLS_WAITING_MAX;
    if (!http_leader_create(door->loop->io, name, urls, &options, &doors->calls, e))
        return false;
    options.running_max = options.waiting_max = door->polls_max;
    return http_leader_create(door->loop->io, name, urls, &options, &doors->polls, e);
}

bool lease_door_create(struct gateway_loop *loop, struct lease_door **ret_door, struct err *e)
{
    const struct conf *conf = loop->gateway->conf;
    struct str token = conf_str(conf, CONF_GATEWAY_TOKEN);
    struct lease_door *door = mem_new(struct lease_door);
    struct arena *a = door->arena = arena_create(1 << 14);
    door->loop = loop;
    door->polls_max = (size_t)conf_int(conf, CONF_LEASE_POLLS_MAX);
    list_init(&door->asked);
    if (!str_is_empty(token))
        door->token_header =
            str_of_c(arena_cstr(a, arena_printf(a, "Authorization: Bearer %.*s", STR_FMT(token))));
    for (size_t i = 0; i < loop->gateway->shard_count; i++)
        if (!open_doors(door, i, e)) {
            lease_door_destroy(door);
            return false;
        }
    *ret_door = door;
    return true;
}

void lease_door_drain(struct lease_door *door)
{
    struct err e;
    (void)set_away(&e, "this gateway is stopping: ask again");
    while (!list_is_empty(&door->asked))
        refuse(container_of(door->asked.next, struct ask, node), &e);
}

void lease_door_destroy(struct lease_door *door)
{
    if (door == NULL)
        return;
    lease_door_drain(door);
    for (size_t i = 0; i < countof(door->shards); i++) {
        http_leader_destroy(door->shards[i].polls);
        http_leader_destroy(door->shards[i].calls);
    }
    arena_destroy(door->arena);
    mem_free(door);
}
