/* ai_priv: what the files of the ai service share. */
#pragma once
#include "ai/ai.h"
#include "base/list.h"
#include "io/offload.h"
#include "io/timer.h"
#include "obs/metrics.h"

enum {
    AI_FACTS_BYTES_MAX = 16 << 20, /* of a body */
    AI_DATA_BYTES_MAX = 16 << 20,
    AI_CHAT_BYTES_MAX = 256 << 10,
    AI_WORK_RUNNING_MAX = 2,         /* analyses at once */
    AI_WORK_WAITING_MAX = 16,        /* beyond: RATE_LIMITED */
    AI_WORK_ARENA_BYTES = 192 << 20, /* of one analysis */
    AI_CHATS_MAX = 200,              /* at once; beyond: RATE_LIMITED */
};

enum ai_route {
    AI_ROUTE_INSIGHTS,
    AI_ROUTE_RECOMMENDATIONS,
    AI_ROUTE_ANALYZE,
    AI_ROUTE_CHAT,
    AI_ROUTE_COUNT
};

struct ai {
    struct io_loop *loop;
    char *gateway_token; /* "" where none is set: unix sockets alone may call */
    struct io_offload *offload;
    struct metrics *registry;
    struct metric *requests, *seconds, *waiting, *chats_open, *questions;
    size_t work_count;
    struct list chats; /* struct chat */
    size_t chat_count;
    bool is_draining;
    io_fn *drained; /* once: then NULL */
    void *drain_owner;
};

/* Answers 401 or 403 and is false where the caller is not the gateway. */
[[nodiscard]] bool ai_admit(struct ai *ai, struct http_request *r, enum ai_route route);
/* Counts and logs an answer; the request is ended by whoever calls this. */
void ai_note(struct ai *ai, const struct http_request *r, enum ai_route route, int status);
/* After anything that was open has ended. */
void ai_look_drained(struct ai *ai);

/* Handlers; their owner is the struct ai. */
void ai_handle_insights(void *owner, struct http_request *r);
void ai_handle_recommendations(void *owner, struct http_request *r);
void ai_handle_analyze(void *owner, struct http_request *r);
void ai_handle_chat(void *owner, struct http_request *r);

/* Ends what still runs without an answer; the process is about to end. */
void ai_abandon_chats(struct ai *ai);
