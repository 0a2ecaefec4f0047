/*
 * worker_client: a loop's calls of one shard's worker, as docs/protocol.md says them. What the
 * worker refused for certain is kept apart from what it may have done though no answer came.
 * Thread: the loop's.
 */
#pragma once
#include "gateway/gateway_priv.h"
#include "http/client.h"
#include "json/json.h"

enum { WORKER_LEADERLESS_MS = 1'000 };

struct worker_client;
struct worker_call;

/*
 * False where the shard's worker_urls are no list of URLs; `*ret_client` is NULL where there are
 * none. Where it names several workers, a call that one has not carried out for certain goes on to
 * the next; when those that answer do not lead, it tries again for WORKER_LEADERLESS_MS.
 */
[[nodiscard]] bool worker_client_create(struct gateway_loop *loop, size_t shard,
                                        struct worker_client **ret_client, struct err *e);
/* Calls that run are answered with CANCELLED. Accepts NULL. */
void worker_client_destroy(struct worker_client *client);

struct worker_reply {
    const struct json_value *body; /* of a 2xx, in the call's arena; else NULL */
    const struct err *err;         /* NULL: a 2xx */
    size_t shard;                  /* that was asked */
    int status;                    /* 0: there was no answer */
    /* It was sent, and no answer came that tells the outcome. */
    bool is_in_doubt;
    /* Nothing was done, since the worker cannot now: 503, or it was not asked. */
    bool is_away;
    /* Nothing was done, for certain: it says so in its own words (503, 429, or that it does not
     * know this gateway) of all that was sent, or saw nothing. */
    bool is_not_taken;
    int64_t index; /* of the item that an all-or-none call failed at; -1: none is named */
};
/* Comes exactly once, never from within worker_client_call. What it points to lives during it, the
 * body as long as the arena. */
typedef void worker_reply_fn(void *owner, const struct worker_reply *reply);

struct worker_call_options {
    const char *method;  /* NULL: GET, or POST with a body */
    const char *path;    /* "/v1/tasks" */
    const char *header;  /* "Name: value", a constant; NULL: none but the usual ones */
    struct str body;     /* copied */
    struct arena *arena; /* for the answer */
    int64_t deadline_us; /* clock_mono_us */
    bool is_sent_once;   /* as of http_call_options: what is answered is all that was sent */
    worker_reply_fn *fn;
    void *owner;
};

/*
 * Errors: nothing was asked and no reply comes: UNAVAILABLE (origin WORKER), also without a
 * worker-url and while the breaker is open. By the reply: what the worker says; UNAVAILABLE,
 * TIMEOUT. `client` may be NULL.
 */
[[nodiscard]] bool worker_client_call(struct worker_client *client,
                                      const struct worker_call_options *options, struct err *e);

/* Whether a worker that answers so, of a call or of one task, has not made the change, for certain:
 * of other errors it may be told after it was made. */
[[nodiscard]] static inline bool worker_took_nothing(int64_t status)
{
    return status == 429 || status == 503;
}

/* "BAD_USER_INPUT" of an error object; UNAVAILABLE for what is not known. */
[[nodiscard]] enum err_code worker_error_code(struct str name);

[[nodiscard]] struct http_client_stats worker_client_stats(const struct worker_client *client);
