/*
 * request: one GraphQL request of a client, from the HTTP request to its answer, as the
 * specification "GraphQL over HTTP" says.
 *
 *   read --> ask who it is --> run --> (answered) --> answer --> (ended) --> free
 *     `-- malformed --------------------------------> answer ----------------^
 *
 * Source: https://graphql.github.io/graphql-over-http/draft/ ;
 * docs/decisions/0007-passwords-by-argon2id.md.
 */
#pragma once
#include "gateway/gateway_priv.h"
#include "gateway/headers.h"
#include "gateway/note.h"

struct request {
    struct gateway_loop *loop;
    struct http_request *http; /* NULL once it is answered: then the rest is the engine's alone */
    struct arena *arena;
    struct list by_age; /* in loop.requests */
    struct str id;      /* for logs and the client */
    struct str address; /* the client's, as far as it can be known */
    int64_t started_us, deadline_us;

    const struct credential *credential; /* NULL: nobody signed in. See authority.h */
    struct uuid self; /* the caller, also when he signs in by this very request */
    struct credential_wait wait;
    struct str token; /* as it was sent; empty: none. Only until it is answered */
    bool is_by_cookie;
    bool is_large; /* its body is longer than body-limit: only createTasks may be run */

    enum headers_answer answer;
    struct gql_request gql;
    struct gql_operation *operation; /* while it runs */
    bool is_starting, is_ended;      /* it may end before gql_execute returns */

    /* For the error that a resolver is about to tell, and for the answer's headers. */
    int64_t retry_after_us;
    struct str set_cookie;
};

/* What createTasks may need; all else is held to body-limit. */
enum { REQUEST_BODY_BYTES_MAX = 8 << 20 };

/* The routes' handlers; `owner` is the loop. */
void request_post(void *owner, struct http_request *http);
void request_get(void *owner, struct http_request *http);

/* The HTTP request ends here with what is in its `out`; the engine may still need the rest. */
void request_respond(struct request *r, int status);
/* Only after request_respond or the end of a stream. */
void request_end(struct request *r);

/* Hook of the engine: what a client is told of an error that a resolver met. */
void request_map_err(void *ctx, const struct err *e, struct gql_error *error);

/* Ends those that are past their deadline; a timer of the loop. */
void request_sweep(void *loop);
