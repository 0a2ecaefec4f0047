/* worker_priv: the service: its shard, its doors' settings, and its start. */
#pragma once
#include "http/bearer.h"
#include "worker/shard_priv.h"

struct worker_start;

struct worker {
    struct io_loop *loop;
    const struct conf *conf;
    struct shard shard;
    struct worker_start *start; /* while the schema is prepared */
    bool is_started, is_draining;
    struct io_timer *drain_look;
    io_fn *drained;
    void *drained_owner;
};

/* start.c: prepares the schema on a thread, then `done`; start_finish gives the outcome. */
[[nodiscard]] struct worker_start *worker_start_begin(struct worker *w, io_fn *done);
[[nodiscard]] bool worker_start_finish(struct worker_start *start, struct err *e);
void worker_start_cancel(struct worker_start *start);
void worker_start_destroy(struct worker_start *start); /* accepts NULL */

/* The doors; each is called with the worker. */
http_handler_fn create_door, bulk_door, get_door, task_get_door, task_post_door, feed_door,
    snapshot_door, jobs_create_door, jobs_get_door, jobs_post_door, jobs_delete_door, session_door,
    session_delete_door, workers_door, lease_door, ack_door, heartbeat_door, types_door,
    types_update_door, queues_door, queues_pause_door, queues_resume_door, sums_door;
