#include "gateway/credential_watch.h"

#include "base/clock.h"

static void rechecked(void *owner, const struct credential *c, const struct err *e)
{
    struct credential_watch *w = owner;
    struct err lost;
    if (e != NULL)
        return; /* nobody can tell now; the next second asks again */
    if (c != NULL && c->grant.role == w->grant.role && c->grant.scopes == w->grant.scopes)
        return;
    list_remove(&w->by_loop);
    if (c == NULL)
        err_set(&lost, ERR_UNAUTHENTICATED, "the credential has ended");
    else
        err_set(&lost, ERR_DENIED, "the credential has other rights now");
    w->lost(w->owner, &lost);
}

void credential_watch_start(struct credential_watch *w, struct gateway_loop *loop, struct str token,
                            const struct credential *c, void (*lost)(void *, const struct err *),
                            void *owner)
{
    *w = (struct credential_watch){ .loop = loop, .token = token, .lost = lost, .owner = owner };
    list_init(&w->by_loop);
    list_init(&w->wait.waiting);
    if (c == NULL)
        return;
    w->grant = c->grant;
    list_push(&loop->watches, &w->by_loop);
}

void credential_watch_stop(struct credential_watch *w)
{
    credential_wait_cancel(&w->wait);
    list_remove(&w->by_loop);
}

void credential_watch_tick(struct gateway_loop *loop)
{
    list_each (node, &loop->watches) {
        struct credential_watch *w = container_of(node, struct credential_watch, by_loop);
        if (!list_is_empty(&w->wait.waiting))
            continue;
        w->wait = (struct credential_wait){ .fn = rechecked,
                                            .owner = w,
                                            .deadline_us = clock_mono_us() + CLOCK_S };
        credentials_ask(loop->credentials, w->token, &w->wait);
    }
}
