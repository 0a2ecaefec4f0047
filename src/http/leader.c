#include "http/leader.h"

#include "base/mem.h"
#include "http/peer.h"

struct address {
    struct http_client *client;
    const char *base_url;
    bool has_said_no; /* since one was found */
};

struct http_leader {
    struct arena *arena;
    struct address addresses[HTTP_LEADER_ADDRESSES_MAX];
    size_t count, at;
};

static bool add(struct http_leader *leader, struct io_loop *loop, const char *name, struct str text,
                const struct http_client_options *options, struct err *e)
{
    struct http_client_options own = *options;
    struct http_peer peer;
    if (leader->count == HTTP_LEADER_ADDRESSES_MAX)
        return err_set(e, ERR_INVALID, "%s: more than %d addresses", name,
                       HTTP_LEADER_ADDRESSES_MAX);
    if (!http_peer_parse(leader->arena, name, text, &peer, e))
        return false;
    own.unix_path = peer.unix_path;
    leader->addresses[leader->count++] =
        (struct address){ .client = http_client_create(loop, &own), .base_url = peer.base_url };
    return true;
}

bool http_leader_create(struct io_loop *loop, const char *name, struct str list,
                        const struct http_client_options *options, struct http_leader **ret_leader,
                        struct err *e)
{
    struct http_leader *leader = mem_new(struct http_leader);
    struct str text;
    leader->arena = arena_create(0);
    for (bool more = true; more;) {
        more = str_cut(list, ',', &text, &list);
        if (!add(leader, loop, name, str_trim(text), options, e)) {
            http_leader_destroy(leader);
            return false;
        }
    }
    *ret_leader = leader;
    return true;
}

void http_leader_destroy(struct http_leader *leader)
{
    if (!leader)
        return;
    for (size_t i = 0; i < leader->count; i++)
        http_client_destroy(leader->addresses[i].client);
    arena_destroy(leader->arena);
    mem_free(leader);
}

size_t http_leader_count(const struct http_leader *leader)
{
    return leader->count;
}

static void go_on(struct http_leader *leader)
{
    leader->at = (leader->at + 1) % leader->count;
}

bool http_leader_call(struct http_leader *leader, const char *path,
                      const struct http_call_options *options, size_t *ret_address,
                      struct http_call **ret_call, struct err *e)
{
    for (size_t tries = 1;; tries++) {
        scoped(arena_destroyp) struct arena *a = arena_create(0);
        const struct address *address = &leader->addresses[leader->at];
        struct http_call_options own = *options;
        own.url = arena_printf(a, "%s%s", address->base_url, path).ptr;
        *ret_address = leader->at;
        if (http_client_call(address->client, &own, ret_call, e))
            return true;
        if (e->code != ERR_UNAVAILABLE || tries >= leader->count)
            return false;
        go_on(leader);
    }
}

bool http_leader_has_said_no(const struct http_reply *reply)
{
    return reply != NULL && reply->status == 503 &&
           !str_eq_c(http_reply_header(reply, str_of_c(HTTP_LEADS)), "true");
}

void http_leader_found(struct http_leader *leader)
{
    for (size_t i = 0; i < leader->count; i++)
        leader->addresses[i].has_said_no = false;
}

void http_leader_pass(struct http_leader *leader, size_t address, bool has_said_so)
{
    leader->addresses[address].has_said_no = has_said_so;
    if (leader->at == address)
        go_on(leader);
}

bool http_leader_is_none(const struct http_leader *leader)
{
    for (size_t i = 0; i < leader->count; i++)
        if (!leader->addresses[i].has_said_no)
            return false;
    return true;
}

enum http_breaker_state http_leader_breaker(const struct http_leader *leader, int64_t *ret_since_us)
{
    struct http_client_stats asked = http_client_stats(leader->addresses[leader->at].client);
    *ret_since_us = asked.breaker_since_us;
    return asked.breaker;
}

struct http_client_stats http_leader_stats(const struct http_leader *leader)
{
    struct http_client_stats sum = { 0 };
    for (size_t i = 0; i < leader->count; i++) {
        struct http_client_stats one = http_client_stats(leader->addresses[i].client);
        sum.running += one.running;
        sum.waiting += one.waiting;
        sum.calls += one.calls;
        sum.failures += one.failures;
        sum.timeouts += one.timeouts;
        sum.refused += one.refused;
    }
    sum.breaker = http_leader_breaker(leader, &sum.breaker_since_us);
    return sum;
}
