/* load_priv: what the files of a load share. load.c has the picture. */
#pragma once
#include "worker/lead.h"

enum { LOAD_FIRST = 256 /* of an array that grows */ };

enum load_phase { LOAD_NOTHING, LOAD_BASE, LOAD_LOG, LOAD_LAST };

struct load_ended {
    struct uuid id;
    int64_t seq;
};

struct load_contested {
    struct uuid id;
    struct live_key key;
};

/* The end of a task whose row was gone, in the row of the log that is being replayed. */
struct load_uncounted {
    int64_t seq;
    enum rule_status counted; /* as what the counters know it; STATUS_COUNT: not at all */
};

typedef void load_fn(struct load *load);

/* A table that is read a page at a time, until a page is empty. */
struct load_pages {
    const struct db_statement *statement;
    /* Of the page behind `before`; NULL: of the first one. In load->a. */
    struct db_args *(*args)(struct load *load, const struct db_rows *before);
    bool (*row)(struct load *load, const struct db_rows *rows, size_t row, struct err *e);
    load_fn *then;
};

struct load {
    struct shard *s;
    struct arena *a; /* of the call that is out */
    struct db_request *call;
    const struct load_pages *pages; /* of the table that is being read */
    load_fn *names_for;             /* what types and queues are read for */
    struct io_turn *turn;
    struct db_rows *page; /* of task_live, that goes into memory at the turn's end */
    struct db_rows *log;  /* a page that waits for its types and its tasks' rows */
    struct db_rows *counters;
    enum load_phase phase;
    int64_t next;       /* of the log */
    int64_t counted_at; /* the number at which memory is exact and `counters` hold */
    int64_t until;      /* finishing: its own epoch row */
    int64_t ckpt_seq;   /* finishing: what the tables are at */
    int64_t replayed;
    size_t blocked_at; /* how far the blocked ones have been asked for */
    /* Those that ended and may stand in task_live, in order. */
    struct load_ended *ended;
    size_t ended_count, ended_capacity;
    /* Keys that another task held when theirs was read, and may have lost since. */
    struct load_contested *contested;
    size_t contested_count, contested_capacity;
    struct map *missing; /* load_replay.c's: tasks whose rows are gone, by id */
    struct load_uncounted *uncounted;
    size_t uncounted_count, uncounted_capacity;
    bool is_finishing;
    load_done_fn *done;
    void *owner;
};

/* ── load_ask.c: the call that is out ── */

/* No more comes after it. `err` NULL: what was wanted is there. */
void load_end(struct load *load, const struct err *err);
/* `args` in load->a. False: nothing was asked. */
[[nodiscard]] bool load_try_ask(struct load *load, const struct db_statement *statement,
                                const struct db_args *args, db_reply_fn *fn, struct err *e);
/* The same; where nothing was asked, the load has ended. */
void load_ask(struct load *load, const struct db_statement *statement, const struct db_args *args,
              db_reply_fn *fn);
/* The first thing in a reply. False: the load has ended. */
[[nodiscard]] bool load_answered(struct load *load, const struct db_reply *reply);
/* All pages, then pages->then. An error of a row ends the load. `pages` stays as it is. */
void load_read_pages(struct load *load, const struct load_pages *pages);
/* Column 0 of the last row, a number; `first` where there is no page before. */
[[nodiscard]] int64_t load_after(const struct db_rows *before, int64_t first);

/* ── load_task.c: a task comes into memory ── */

/* As a row of task_live has it. */
void load_put_stored(struct load *load, const struct db_rows *rows, size_t row, int64_t now_us);
/* As the change at `seq` made it, of a row of load_tasks. In no heap yet. */
[[nodiscard]] struct live *load_put_made(struct load *load, const struct change *change,
                                         int64_t seq, const struct db_rows *tasks, size_t row);
/* Memory is exact: whoever holds a key now holds it. */
void load_settle_keys(struct load *load);

/* ── load_replay.c: what the log does to memory ── */

/* The tasks of the page load->log whose rows are needed to replay it; in load->a. */
[[nodiscard]] size_t load_replay_wants(struct load *load, struct uuid **ret_ids);
/* All of load->log, which goes. `tasks`: the rows of those that there still are; may be NULL.
 * Errors: INTERNAL, a change that this version does not know; memory has what came before it. */
[[nodiscard]] bool load_replay(struct load *load, const struct db_rows *tasks, struct err *e);
/* Memory is what it was when load->counters were read, which go: what was counted on the way is
 * not true. */
void load_take_counters(struct load *load);
void load_replay_clear(struct load *load); /* load->missing */

/* ── load_leader.c ── */

/* The last phase: what only a leader needs. Ends the load. */
void load_leader(struct load *load);
