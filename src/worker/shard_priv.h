/*
 * shard_priv: what the files of the worker share: the shard, its intents, its batches and its
 * views.
 *
 *   An INTENT is one change that somebody wants. shard_submit queues it. When a batch is put
 *   together, its `apply` changes memory through change.h's functions, which write the log, the
 *   rows, the feed's event and the journal for the undo. Its `done` comes when the outcome is
 *   certain: after the batch's commit, or with the error why nothing was done. What an intent
 *   refuses (NOT_FOUND, CONFLICT) it remembers in `apply` and tells in `done`: what it saw may not
 *   have been committed before.
 *
 *     submit ──▶ queue ──▶ apply ──▶ batch in flight ──▶ committed ──▶ done(NULL)
 *                  ▲                     │ refused for a row: undo, halve ──▶ … ──▶ done(its error)
 *                  └──── undo ◀──────────┤ refused for a while: again later
 *                                        └ in doubt (doubt.c) ──▶ committed, or undo
 *
 *   A VIEW looks at memory at a moment at which it is exactly what is committed: between batches.
 *
 *   `apply` may be called again after an undo. It must decide anew, from memory alone, and must not
 *   submit, call the database, or answer anybody.
 *
 * Thread: the loop's, all of it.
 */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "conf/conf.h"
#include "conf/shard_map.h"
#include "db/pool.h"
#include "io/timer.h"
#include "obs/metrics.h"
#include "worker/coalesce.h"
#include "worker/live_lane.h"
#include "worker/ops.h"
#include "worker/worker.h"

struct batch;
struct shard;
struct intent;
struct view;
struct json_writer;

typedef void intent_apply_fn(struct intent *intent, struct batch *b);
/* `err` NULL: what it did is committed. The intent is its owner's again. */
typedef void intent_done_fn(struct intent *intent, const struct err *err);
typedef void view_fn(struct view *view);

struct intent {
    struct list node;
    intent_apply_fn *apply;
    intent_done_fn *done;
    unsigned tries; /* batches that failed with it for no fault of its own */
    /* It goes alone in a batch that waits for no lock, and is told at once when that fails. */
    bool is_alone;
};

struct view {
    struct list node;
    view_fn *fn;
};

enum shard_role {
    SHARD_STANDBY, /* looks now and then whether somebody leads */
    SHARD_TAKING,  /* has the lease, reads what there is */
    SHARD_LEADING,
    SHARD_ENDED /* has given the lease back */
};

struct shard_type {
    struct str name;
    bool is_stored;
    bool is_counted;                /* its counts have changed since the last tick */
    struct type_settings *settings; /* NULL: nothing is set */
    int64_t counts[STATUS_COUNT];
};

struct shard_queue {
    struct str name;
    bool is_stored;
    struct queue_settings *settings; /* NULL: it is not paused and never was */
};

struct shard_options {
    int64_t lease_us, retention_us, id_past_us, id_future_us, feed_retention_us, session_ttl_us;
    int64_t job_change_retention_us;
    int64_t ageing_us; /* after how long a waiting task counts as one level more urgent; 0: never */
    int64_t feed_memory_us;
    size_t batch_max, tasks_max, payload_max, log_limit, feed_memory;
};

enum {
    SHARD_ATTEMPTS_DEFAULT = 5,
    SHARD_TIMEOUT_DEFAULT_S = 300,
    SHARD_FLUSH_AT = 128,         /* intents that wait for no others */
    SHARD_TRIES_MAX = 5,          /* batches that may fail before their intents are refused */
    SHARD_QUEUE_MAX = 200'000,    /* intents that wait; more are refused */
    SHARD_BATCH_BYTES = 16 << 20, /* of events: a batch that has so many takes no more */
    SHARD_LOG_SPAN = 1 << 20,     /* numbers in one partition of change_log */
    SHARD_CALL_MS = 6'000,        /* deadline of a call to the database */
};

/* What others need of the scheduler; `s->jobs` is its own. */
struct job_hooks {
    /* Leading begins: load the jobs, then call `done` with the error or NULL. */
    void (*load)(struct shard *s, void (*done)(void *owner, const struct err *err), void *owner);
    /* Everything is loaded and the shard leads: jobs may fire. */
    void (*start)(struct shard *s);
    /* It leads no more: forget all. */
    void (*stop)(struct shard *s);
    /* All jobs, as elements of the array that is open: of the snapshot's first page. */
    void (*put_all)(struct shard *s, struct json_writer *w);
    /* The job as it is now, one JSON object; false: there is none. For the feed out of the tables,
     * where a newer version than the change's is harmless. */
    bool (*put_one)(struct shard *s, struct uuid id, struct buf *out);
    /* In `apply`: a task, of a job or not, ends with this change. */
    void (*task_ended)(struct batch *b, struct uuid task_id, enum rule_state state);
    /* In `apply`: a finished task of that job is open again. */
    void (*task_reopened)(struct batch *b, struct uuid job_id, struct uuid task_id);
};

struct shard {
    struct io_loop *loop;
    struct db_pool *pool;
    struct shard_options options;
    struct worker_meter *meter;

    int16_t id;            /* the number of this shard: its log's, its fences' and cursors' */
    struct shard_map *map; /* which shard owns which queue; NULL: this one owns all */

    enum shard_role role;
    bool is_leaving; /* leads no more, and a batch is still in flight */
    char name[64];   /* who we are, in shard.leader */
    int64_t epoch;
    int64_t confirmed_us; /* monotonic: the last commit or renewal began */
    int64_t end;          /* the number of the next change to be put together */
    int64_t committed;    /* the number of the next change to be committed */
    int64_t at_us;        /* of the last batch: its successor is no earlier */
    int64_t at_mono_us;   /* monotonic: when that was */
    int64_t log_room;     /* change_log has partitions for numbers below it */

    int64_t reopened_seq; /* the number of the last reopened task */
    uint64_t drops;       /* by retention: rows that were read before may be gone */
    struct live_set *live;
    struct map *type_ids;
    struct shard_type *types; /* by number; numbers are dense */
    size_t type_count, type_capacity;
    struct map *queue_ids;
    struct shard_queue *queues; /* by number; numbers are dense */
    size_t queues_known, queue_capacity;

    struct list queue, views;
    size_t queue_count;
    struct batch *batch; /* in flight */
    size_t suspects;     /* intents at the queue's front of which one makes a batch fail */
    size_t suspects_max; /* so many of them in the next batch */
    int64_t batch_started_us;
    struct coalesce coalesce;
    struct io_turn *turn;
    struct io_timer *gap, *clock;
    int64_t paused_until_us; /* monotonic: no batch before */
    struct deps *deps;       /* which tasks wait for which */
    struct notes *notes;     /* what executors said of running tasks */
    struct logs *logs;       /* and what they wrote */
    struct groups *groups;   /* that are about to be finished */

    struct lead *lead;
    struct tick *tick;
    struct session_set *sessions;
    struct feed *feed;
    struct retain *retain;
    struct inbox *inbox;
    struct jobs *jobs;                 /* the scheduler's */
    const struct job_hooks *job_hooks; /* NULL: there is no scheduler */
};

/* ── shard.c ── */

/*
 * Queues an intent. False: the shard does not lead or has too many, nothing was done and `done`
 * does not come.
 */
[[nodiscard]] bool shard_submit(struct shard *s, struct intent *intent, struct err *e);
/* Calls view->fn now if no batch is in flight, else when the one in flight has ended. */
void shard_view(struct shard *s, struct view *view);
void shard_view_cancel(struct view *view); /* harmless when it was called */
/* May answer: it leads, and its last word from the database is young enough. */
[[nodiscard]] bool shard_is_leading(const struct shard *s);

/*
 * What time it is for tasks: the wall clock's, but never before the log's last change. After that
 * clock was set back the log is ahead of it; time then goes on from there at half its pace, so that
 * waits and timeouts do not stand still until the clock has come up to it.
 */
[[nodiscard]] int64_t shard_now_us(const struct shard *s);
/* Sets UNAVAILABLE, "this worker does not lead". */
bool shard_refuse(struct err *e);
/* Somebody else leads, or nobody can know: everything open is refused, and memory goes as soon as
 * no batch is in flight any more. */
void shard_step_down(struct shard *s, const char *why);
/* A request has come that may submit something: an idle database is woken meanwhile. */
void shard_expect(struct shard *s);
/* Puts a batch together at the end of this turn, or as soon as the rule for batches lets it. */
void shard_wake(struct shard *s);
/* The shard's type of that name, made (in memory) where it is new. False: LIMIT. */
[[nodiscard]] bool shard_type_of(struct shard *s, struct str name, uint32_t *ret_type,
                                 struct err *e);
/* The same for one that must exist; false: there is none. */
[[nodiscard]] bool shard_find_type(const struct shard *s, struct str name, uint32_t *ret_type);

/* The same of queues. */
[[nodiscard]] bool shard_queue_of(struct shard *s, struct str name, uint32_t *ret_queue,
                                  struct err *e);
[[nodiscard]] bool shard_find_queue(const struct shard *s, struct str name, uint32_t *ret_queue);

/* ── shard_own.c ── */

enum { SHARD_NUMBER_MAX = 32 };
/* "0:991": a number of this shard's log, as fences and cursors show it. */
void shard_number_format(const struct shard *s, int64_t number, char ret_text[SHARD_NUMBER_MAX]);
/* False also for one of another shard. */
[[nodiscard]] bool shard_number_parse(const struct shard *s, struct str text, int64_t *ret_number);
/* New work of that queue is this shard's. Errors: MISDIRECTED, beginning with "`at`queue". */
[[nodiscard]] bool shard_owns(const struct shard *s, const char *at, struct str queue,
                              struct err *e);

/* ── batch.c: for `apply` ── */

typedef void batch_fn(struct shard *s, void *data);

/* One batch: from its putting together to its certain outcome. */
struct batch {
    struct shard *s;
    struct arena *a; /* ends with the batch */
    int64_t first;   /* the number of its first change */
    int64_t at_us;   /* when all of its changes happened */
    int64_t started_us;
    struct ops_writer log;
    struct buf events;    /* of the feed, one JSON object each, in order */
    uint32_t *event_ends; /* where each ends in `events` */
    size_t event_capacity;
    struct buf extra; /* change_log.extra: lines of a number and JSON, see ops.h */
    struct list intents;
    size_t intent_count;
    size_t claim_count;      /* the last of them: of executors that waited for a task */
    bool is_alone;           /* its one intent is */
    struct batch_rows *rows; /* change_rows.c's */
    struct batch_section *sections;
    struct batch_closure *undo, *send, *commit; /* the latest first */
    int64_t (*counts)[STATUS_COUNT];            /* changes to shard_type.counts; by type */
    size_t count_types, types_sent, queues_sent;
    struct db_step steps[DB_STEPS_MAX];
    size_t step_count;
    struct str sent_ops, sent_ids; /* what the log row holds, to be told from others */
    struct doubt *doubt;           /* while its outcome is being found out */
    struct db_request *call;
};

/* The changes so far. */
[[nodiscard]] size_t batch_size(const struct batch *b);
/* The number that the next change will get. */
[[nodiscard]] int64_t batch_next(const struct batch *b);
/*
 * Puts one change into the log and returns its number. Its event must follow: write one JSON object
 * to b->events, then call batch_event_end.
 */
[[nodiscard]] int64_t batch_put(struct batch *b, const struct change *change);
void batch_event_end(struct batch *b);
/* The last change was a person's doing; empty: it was not. */
void batch_done_by(struct batch *b, struct str by);
/* Called, the latest first, when the batch is undone; in order, when it is committed. `data` lives
 * in the batch's arena or longer. */
void batch_on_undo(struct batch *b, batch_fn *fn, void *data);
/* It is on its way to the database; its outcome is open. */
void batch_on_send(struct batch *b, batch_fn *fn, void *data);
void batch_on_commit(struct batch *b, batch_fn *fn, void *data);
/* `n` more (or fewer) tasks of the type and status. */
void batch_count(struct batch *b, uint32_t type, enum rule_status status, int64_t n);

/*
 * A section: rows of tables that batch.c does not know. `data` of `size` zeroed bytes is made at
 * the first call in each batch; `steps` is called when the batch is sent, to add what it has
 * gathered.
 */
struct batch_section_kind {
    const char *name;
    size_t size;
    void (*steps)(struct batch *b, void *data);
};
[[nodiscard]] void *batch_section(struct batch *b, const struct batch_section_kind *kind);
/* One more statement of the batch's transaction; a batch has DB_STEPS_MAX in all, ten of them
 * taken. For `steps` alone. */
void batch_step(struct batch *b, const struct db_statement *statement, const struct db_args *args);

/* Between batch.c, batch_end.c and the files that decide when: shard.c, doubt.c, lead.c. */
[[nodiscard]] struct batch *batch_create(struct shard *s);
void batch_apply(struct batch *b, struct intent *intent);
void batch_send(struct batch *b);
void batch_undo(struct batch *b);
/* Memory and feed take it as committed; the intents are told. Destroys it. */
void batch_committed(struct batch *b);
/* Undone, and every intent is told why, or waits again (`err` NULL). Destroys it. */
void batch_refused(struct batch *b, const struct err *err);
/* The same, when `n` numbers of the log were taken by something that concerns nobody. */
void batch_refused_behind(struct batch *b, int64_t n);
void batch_destroy(struct batch *b);

/* doubt.c: finds out what became of the batch in flight, then one of the two above. */
void doubt_settle(struct batch *b);
void doubt_forget(struct batch *b); /* the process ends; harmless where there is no doubt */
