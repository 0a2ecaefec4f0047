/*
 * task_watch's own: what is watched, and what differs between tasks and jobs.
 */
#pragma once
#include "gateway/changes.h"
#include "gateway/feed.h"
#include "gateway/shards.h"
#include "gateway/subscription.h"
#include "gateway/task_watch.h"

struct watch;

/* What is watched: tasks or jobs. */
struct watch_kind {
    int version, accepted, shard; /* columns */
    uint64_t null_at_first;       /* of what is added, these are null and not told */
    void (*on_event)(struct watch *w, size_t shard, const struct feed_event *event);
    /* The change as an event; NULL: the watcher need not know. */
    void *(*tell)(struct watch *w, struct change *change, struct arena *a);
};

struct watch {
    struct event_source base;
    struct gateway_loop *loop;
    const struct watch_kind *kind;
    const struct task_filter *filter; /* NULL: of jobs */
    struct record_plan *plan;         /* what an event needs: id, version, filter, selection */
    struct feed_subscription *feed;
    struct watched {
        struct feed_replay *replay; /* of what happened while the client was away; NULL: none */
        int64_t replayed_to;        /* what the feed tells of before it came by the replay */
    } shards[GATEWAY_SHARDS_MAX];
    struct shards_cursor position; /* all before it was taken */
    struct io_timer *timer;
    struct changes changes;
    struct db_request *request; /* that reads `changes.reading`; NULL: none */
    struct arena *request_arena;
    struct err failure; /* ends the subscription */
};

extern const struct watch_kind task_watch_of_tasks, task_watch_of_jobs;
