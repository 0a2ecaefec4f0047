/*
 * client: GraphQL requests to a gateway, for the command line. One at a time is enough: client_ask
 * runs the loop until the answer is there; follow.h keeps a subscription beside it.
 *
 * Errors of the API keep their message; `context` is the code, "NOT_FOUND".
 * Source: docs/graphql-over-http.md, docs/errors.md.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "http/client.h"
#include "json/json.h"

struct client_options {
    struct str url;   /* http://HOST:PORT, https://…, unix:/path */
    struct str token; /* of a session or an API token; empty: nobody */
};

struct client;

/* Errors: INVALID for the URL or a token that is none. */
[[nodiscard]] bool client_create(const struct client_options *options, struct client **ret_client,
                                 struct err *e);
void client_destroy(struct client *client); /* accepts NULL; the token is wiped */
DEFINE_SCOPED(client);

[[nodiscard]] struct io_loop *client_loop(struct client *client);
/* Runs the loop until client_stop; something that will call it must be under way. */
void client_run(struct client *client);
void client_stop(struct client *client);

/* A document and its variables, an object as JSON text; empty: none. */
struct client_request {
    const char *document;
    struct str variables;
};

/* `data` is the arena's; NULL: `e` says why. */
typedef void client_answer_fn(void *owner, const struct json_value *data, const struct err *e);

/*
 * Starts a request; `fn` comes exactly once, never from within, or not at all where the client is
 * destroyed before. The arena must live till then.
 *
 * Errors, here or by `fn`: those of the API, as its codes map to ours; UNAVAILABLE and TIMEOUT
 * where no gateway answers, INTERNAL where what answers is none.
 */
[[nodiscard]] bool client_call(struct client *client, struct arena *a,
                               const struct client_request *request, client_answer_fn *fn,
                               void *owner, struct err *e);

/* The same, waiting for it. */
[[nodiscard]] bool client_ask(struct client *client, struct arena *a,
                              const struct client_request *request,
                              const struct json_value **ret_data, struct err *e);

/* Reads a response of GraphQL, or the problem details of one that was refused before it. */
[[nodiscard]] bool client_read_response(struct arena *a, int status, struct str body,
                                        const struct json_value **ret_data, struct err *e);
