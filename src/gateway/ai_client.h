/*
 * ai_client: a loop's way to the ai service: whole answers and the event stream of a chat, within a
 * deadline, behind a breaker; and whether the service is there, by a probe between the calls, which
 * health_board.h is told.
 * Source: docs/protocol.md "ai".   Thread: the loop's.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "http/client.h"
#include "json/json.h"

struct ai_client;
struct ai_running;
struct gateway_loop;

/* Without ai-url it refuses every call. Errors: INVALID for ai-url. */
[[nodiscard]] bool ai_client_create(const struct gateway_loop *loop, struct ai_client **ret_client,
                                    struct err *e);
/* Calls that still run end without their callback. */
void ai_client_destroy(struct ai_client *client); /* accepts NULL */

/* `e` NULL: `answer` is an object, in the call's arena. False: it is no answer to what was asked.
 */
typedef bool ai_answer_fn(void *owner, const struct json_value *answer, const struct err *e);
/* What a chat tells before its answer: "delta" or "tool", an object that lives during the call.
 * False: it is none, and the answer is broken off. From within the client: it may not be cancelled
 * here. */
typedef bool ai_event_fn(void *owner, struct str name, const struct json_value *event);

struct ai_call {
    const char *path;    /* "/v1/insights" */
    struct str body;     /* copied */
    bool is_chat;        /* answered by events: the answer is what `done` holds */
    ai_event_fn *event;  /* of a chat; NULL: nobody watches */
    int64_t deadline_us; /* monotonic; ai-timeout may end it earlier */
    struct arena *arena; /* lives until `fn` */
    ai_answer_fn *fn;    /* comes once, never from within ai_client_ask */
    void *owner;
};

/*
 * Errors (at once, then `fn` never comes, or by `fn`): UNAVAILABLE and TIMEOUT, both with origin
 * AI, also for an answer that is none; RATE, too many calls; INVALID, what the service says of the
 * input. `ret_running` may be NULL.
 */
[[nodiscard]] bool ai_client_ask(struct ai_client *client, const struct ai_call *call,
                                 struct ai_running **ret_running, struct err *e);
/* Ends it without its `fn`. Only before that has come. */
void ai_client_cancel(struct ai_running *running);

struct ai_client_stats {
    uint64_t answered, failed; /* calls; an answer that refuses the input counts as one */
    uint64_t running;
};
[[nodiscard]] struct ai_client_stats ai_client_stats(const struct ai_client *client);

/* There is an ai-url. */
[[nodiscard]] bool ai_client_is_configured(const struct ai_client *client);
