#include "gateway/capability.h"

#include <pthread.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

struct capability {
    struct list by_age; /* in capabilities.by_age */
    uint8_t hash[SHA256_LEN];
    enum token_kind holder_kind;
    uint8_t holder_hash[SHA256_LEN];
    int64_t until_us;
    unsigned uses;
};

struct capabilities {
    /* Chats of all loops, each at its beginning and its end, share one small table: a lock, held
     * for a look-up, is simpler than asking another thread. */
    pthread_mutex_t lock;
    struct map *open;   /* by hash */
    struct list by_age; /* the oldest, which ends first, first */
    size_t open_max;
};

static struct str key_of(const uint8_t hash[SHA256_LEN])
{
    return str_of((const char *)hash, SHA256_LEN);
}

static void drop(struct capabilities *cs, struct capability *c)
{
    (void)map_remove(cs->open, key_of(c->hash));
    list_remove(&c->by_age);
    mem_free(c);
}

static void drop_expired(struct capabilities *cs, int64_t now_us)
{
    list_each (node, &cs->by_age) {
        struct capability *c = container_of(node, struct capability, by_age);
        if (c->until_us > now_us)
            break;
        drop(cs, c);
    }
}

struct capabilities *capabilities_create(size_t open_max)
{
    struct capabilities *cs = mem_new(struct capabilities);
    int failed = pthread_mutex_init(&cs->lock, NULL);
    assert(!failed);
    assert(open_max > 0);
    cs->open = map_create();
    cs->open_max = open_max;
    list_init(&cs->by_age);
    return cs;
}

void capabilities_destroy(struct capabilities *cs)
{
    if (cs == NULL)
        return;
    list_each (node, &cs->by_age)
        drop(cs, container_of(node, struct capability, by_age));
    map_destroy(cs->open);
    (void)pthread_mutex_destroy(&cs->lock);
    mem_free(cs);
}

bool capability_open(struct capabilities *cs, struct str holder, int64_t now_us,
                     struct token *ret_token, struct err *e)
{
    enum token_kind kind;
    uint8_t holder_hash[SHA256_LEN];
    if (!token_parse(holder, &kind, holder_hash) || (kind != TOKEN_SESSION && kind != TOKEN_API))
        return err_set(e, ERR_UNAUTHENTICATED, "sign in first");
    struct token token = token_make(TOKEN_CAPABILITY);
    struct capability *c = mem_new(struct capability);
    memcpy(c->hash, token.hash, sizeof c->hash);
    memcpy(c->holder_hash, holder_hash, sizeof c->holder_hash);
    c->holder_kind = kind;
    c->until_us = now_us + CAPABILITY_LIFETIME_US;
    list_init(&c->by_age);
    pthread_mutex_lock(&cs->lock);
    drop_expired(cs, now_us);
    bool has_room = map_count(cs->open) < cs->open_max;
    if (has_room) {
        (void)map_put(cs->open, key_of(c->hash), c);
        list_push(&cs->by_age, &c->by_age);
    }
    pthread_mutex_unlock(&cs->lock);
    if (!has_room) {
        mem_free(c);
        return err_set(e, ERR_RATE, "%zu chats are being answered already", cs->open_max);
    }
    *ret_token = token;
    return true;
}

bool capability_use(struct capabilities *cs, const uint8_t hash[SHA256_LEN], int64_t now_us,
                    enum token_kind *ret_kind, uint8_t ret_holder_hash[SHA256_LEN])
{
    pthread_mutex_lock(&cs->lock);
    drop_expired(cs, now_us);
    struct capability *c = map_get(cs->open, key_of(hash));
    bool is_good = c != NULL && c->uses < CAPABILITY_USES_MAX;
    if (is_good) {
        c->uses++;
        *ret_kind = c->holder_kind;
        memcpy(ret_holder_hash, c->holder_hash, SHA256_LEN);
    }
    pthread_mutex_unlock(&cs->lock);
    return is_good;
}

void capability_close(struct capabilities *cs, const uint8_t hash[SHA256_LEN])
{
    pthread_mutex_lock(&cs->lock);
    struct capability *c = map_get(cs->open, key_of(hash));
    if (c != NULL)
        drop(cs, c);
    pthread_mutex_unlock(&cs->lock);
}

size_t capabilities_count(struct capabilities *cs)
{
    pthread_mutex_lock(&cs->lock);
    size_t count = map_count(cs->open);
    pthread_mutex_unlock(&cs->lock);
    return count;
}
