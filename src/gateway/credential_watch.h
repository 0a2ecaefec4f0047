/*
 * credential_watch: whether the credential that a long-lived connection began with still holds,
 * asked anew each second: it is lost when it has ended, or its role or scopes have changed.
 *
 * Thread: the loop's.
 */
#pragma once
#include "gateway/gateway_priv.h"

struct credential_watch {
    struct list by_loop; /* in loop.watches */
    struct gateway_loop *loop;
    struct str token; /* lives as long as the watch */
    struct grant grant;
    struct credential_wait wait;
    void (*lost)(void *owner, const struct err *e);
    void *owner;
};

/* `lost` comes at most once, UNAUTHENTICATED where the credential has ended, DENIED where its role
 * or scopes have changed; the watch is over then. Without a credential nothing is watched. */
void credential_watch_start(struct credential_watch *w, struct gateway_loop *loop, struct str token,
                            const struct credential *c, void (*lost)(void *, const struct err *),
                            void *owner);
/* Harmless on one that was started before, whatever came of it. */
void credential_watch_stop(struct credential_watch *w);
/* Once a second. */
void credential_watch_tick(struct gateway_loop *loop);
