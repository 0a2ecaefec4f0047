/*
 * documents: which text a request runs. It may be sent, or named: by an id of the manifest that the
 * installation trusts, or by the SHA-256 under which a client has sent it before (automatic
 * persisted queries).
 *
 *   ask --> (find) --> text --> it ran --> (ran) remembered, where the client asked for it
 *             `-- refusal
 *
 * Source: GraphQL over HTTP, appendix A; docs/graphql-over-http.md.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/sha256.h"

struct conf;
struct gql_schema;
struct json_value;

struct documents;

/* What conf says. Errors: INVALID, of the manifest. */
[[nodiscard]] bool documents_create(const struct conf *conf, struct documents **ret_documents,
                                    struct err *e);
void documents_destroy(struct documents *d); /* accepts NULL */
DEFINE_SCOPED(documents);

/* Logs what the trusted documents have against the schema, one line an error. */
void documents_check(const struct documents *d, const struct gql_schema *schema);

struct documents_ask {
    struct str text;                     /* empty: none was sent */
    struct str id;                       /* documentId; empty: none */
    const struct json_value *extensions; /* an object, or NULL */
};

struct documents_found {
    struct str text; /* in the request, the arena or the manifest */
    bool is_trusted; /* in a mode that asks for it */
    bool is_to_remember;
    uint8_t hash[SHA256_LEN]; /* of a text to remember */
};

/* Constants; `message` is what clients compare for the two answers of persisted queries. */
struct documents_refusal {
    int http_status;
    const char *code;
    const char *message;
};

/* NULL: found. Thread: any. */
[[nodiscard]] const struct documents_refusal *documents_find(struct documents *d, struct arena *a,
                                                             const struct documents_ask *ask,
                                                             struct documents_found *ret_found);
/* NULL, or why this may not be run in this installation by anybody but its own services. */
[[nodiscard]] const struct documents_refusal *documents_allow(const struct documents *d,
                                                              const struct documents_found *found);
/* The operation ran: its document is valid. Thread: any. */
void documents_ran(struct documents *d, const struct documents_found *found);
