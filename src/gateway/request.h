/*
 * request: one operation of a client, as resolvers see it: who asks, until when, in whose arena;
 * and the carrier that brings its answer to the client, over HTTP, Server-Sent Events or a
 * WebSocket.
 *
 *   begin --> start (who is it?) --> identified --> run --> answered --> ended
 *                `-- refused --> ended        `-- a subscription; see subscription.h
 *
 * Source: docs/decisions/0007-passwords-by-argon2id.md.
 */
#pragma once
#include "auth/token.h"
#include "gateway/documents.h"
#include "gateway/gateway_priv.h"

struct request;

/* All but `ended` may be followed by nothing of the carrier's own: the request may outlive it. */
struct request_carrier {
    /* Who asks is known. It runs the operation (request_run, subscription_begin) or refuses it. */
    void (*identified)(struct request *r);
    /* The response is in r->out, or nobody waits for it (outcome->is_cancelled). Once, and not
     * after `refused`. */
    void (*answered)(struct request *r, const struct gql_outcome *outcome);
    /* One later part is in r->out, alone, after an answer whose outcome says has_next; the last of
     * them comes without has_next. NULL: the carrier takes one answer, and @defer and @stream do
     * nothing. It sets r->gql.incremental before request_run. */
    void (*payload)(struct request *r, bool has_next);
    /* Nothing ran. `status` is HTTP's. */
    void (*refused)(struct request *r, int status, const char *code, const char *message);
    /* The last call: the request's memory goes now. May be NULL. */
    void (*ended)(struct request *r);
};

struct request {
    struct gateway_loop *loop;
    const struct request_carrier *carrier;
    void *owner;      /* the carrier's own */
    struct buf *out;  /* the carrier's: what the response is written to */
    bool is_answered; /* or refused: nobody waits any more, the rest is the engine's alone */
    struct arena *arena;
    struct list by_age; /* in loop.requests */
    struct str id;      /* for logs and the client */
    struct str address; /* the client's, as far as it can be known */
    int64_t deadline_us;

    const struct credential *credential; /* NULL: nobody signed in. See authority.h */
    struct uuid self; /* the caller, also when he signs in by this very request */
    struct credential_wait wait;
    struct str token, user_agent; /* as they were sent; empty: none. Only until it is answered */
    bool has_read_token;
    enum token_kind token_kind; /* of what was read; TOKEN_KIND_COUNT: no token can be that */
    uint8_t token_hash[SHA256_LEN];
    struct str resume; /* Last-Event-ID: where a subscription is to go on; empty: it begins */
    bool is_by_cookie;
    bool is_large;         /* its body is longer than body-limit: only createTasks may be run */
    bool is_by_capability; /* the ai service asks for the user, queries alone; see capability.h */

    struct documents_found document; /* see operation.h; without it gql.document is not trusted */
    struct gql_request gql;
    struct gql_operation *operation; /* while it runs */
    bool is_starting, is_ended;      /* it may end before gql_execute returns */
    bool has_read;                   /* of the database: it may hold rows until it ends */

    /* For the error that a resolver is about to tell, and for the answer's headers. */
    int64_t retry_after_us;
    struct str set_cookie;
};

/*
 * In an arena of its own, which it owns; `is_large` chooses one for bodies beyond body-limit. The
 * carrier then fills id, address, token, out and gql (whose texts must live as long as the
 * request).
 */
[[nodiscard]] struct request *request_begin(struct gateway_loop *loop,
                                            const struct request_carrier *carrier, void *owner,
                                            int64_t deadline_us, bool is_large);
/* The same in an arena of gateway_arena that its caller has filled before. */
[[nodiscard]] struct request *request_begin_in(struct arena *a, struct gateway_loop *loop,
                                               const struct request_carrier *carrier, void *owner,
                                               int64_t deadline_us);
/* credentials_ask of r->token, which is read once. */
void request_ask_credential(struct request *r, struct credential_wait *wait);
/* Asks who r->token belongs to, then calls `identified`. May be over when it returns. */
void request_start(struct request *r);
/* The same without asking: the caller is that of `other`, who is known. */
void request_start_as(struct request *r, const struct request *other);
/* Runs a query or mutation. May be over when it returns. */
void request_run(struct request *r);
/* The client has gone: no resolver starts any more. Harmless once it is answered. */
void request_cancel(struct request *r);
/* Instead of running: tells why by the carrier's `refused`, then ends the request. */
void request_refuse(struct request *r, int status, const char *code, const char *message);
void request_refuse_err(struct request *r, const struct err *e);
/* Ends a request that neither runs nor was refused: one of a subscription that is over. */
void request_end(struct request *r);

/* `{"message":…,"extensions":{"code":…,"requestId":…}}`: an error that no engine wrote. */
void request_put_error(struct buf *out, const struct request *r, const char *code,
                       struct str message);

/* The same of what ends a subscription. */
void request_put_err(struct buf *out, struct request *r, const struct err *e);

/* Hook of the engine: what a client is told of an error that a resolver met. */
void request_map_err(void *ctx, const struct err *e, struct gql_error *error);

/* Ends those that are past their deadline; a timer of the loop. */
void request_sweep(void *loop);
