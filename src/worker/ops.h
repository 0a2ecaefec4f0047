/*
 * ops: how a batch's changes stand in change_log. Its row holds `n` changes, the first of which has
 * the row's `seq`, each next one more.
 *
 *   ops    runs: one byte op, then three numbers (session, attempt, count), each as LEB128. The
 *          counts of a row's runs add up to n.
 *   ids    16 bytes a change, in order: the task's id, or the job's
 *   args   8 bytes each, big-endian, in order: op_args(op) of them a change
 *   extra  lines of a change's number and JSON, in order: an array of what a drop took from the
 *          counters, a text of the person who did it, an object of a record
 *
 * Old and new status follow from the op alone, and together with the tables' rows and the state
 * before, a replay follows from the first three columns and from what drops took.
 */
#pragma once
#include "base/buf.h"
#include "base/uuid.h"
#include "rules/task.h"

/* The numbers are stored: append, never change. */
enum op {
    OP_NONE = 0,            /* concerns nobody: an epoch's row, and one that settles a doubt */
    OP_ADD = 1,             /* → pending; its row is in `task` */
    OP_START_FIRST = 2,     /* pending → in-progress; attempt 1, since the task's own run_at */
    OP_START = 3,           /* pending → in-progress; args: since when it could have run */
    OP_COMPLETE = 4,        /* in-progress → completed */
    OP_DIE = 5,             /* in-progress → failed, dead */
    OP_CANCEL_RUNNING = 6,  /* in-progress → failed, cancelled */
    OP_CANCEL_WAITING = 7,  /* pending → failed, cancelled */
    OP_RETRY = 8,           /* in-progress → pending; args: run_at */
    OP_LOST = 9,            /* in-progress → pending, a lease ran out; args: run_at */
    OP_RELEASE = 10,        /* in-progress → pending, the attempt does not count; args: run_at */
    OP_REOPEN_FAILED = 11,  /* failed → pending; args: run_at, max_attempts */
    OP_REOPEN_WAITING = 12, /* pending → pending; args: run_at, max_attempts */
    OP_CANCEL_ASKED = 13,   /* a running task shall be cancelled */
    OP_DROP = 14,           /* a finished task was removed; what left stands in `extra` */
    OP_DROP_RANGE = 15,     /* ids from this one on were removed; args: to which time, in ms */
    OP_JOB = 16,            /* the job was made or changed; its row is in `job` */
    OP_JOB_GONE = 17,
    OP_NOTE = 18,        /* progress of a running task; args: in millionths */
    OP_ADD_BLOCKED = 19, /* → pending; it waits for others */
    OP_UNBLOCK = 20,     /* pending → pending: they have all succeeded */
    OP_DIE_WAITING = 21, /* pending → failed, dead: one that it depends on has failed */
    OP_TYPE = 22,  /* settings of a type; the id's end is its number, its row is in `task_type` */
    OP_QUEUE = 23, /* a queue was paused or resumed; its row is in `queue` */
    OP_COMPLETE_BLOCKED = 24, /* pending → completed: a group, all of whose children have ended */
    OP_REOPEN_BLOCKED = 25,   /* failed → pending, waits for others; args: run_at, max_attempts */
    OP_RECORD = 26, /* what somebody did stands in `extra`; the id is of the audit log's entry */
    OP_COUNT
};

enum { OP_ARGS_MAX = 2, OP_NOTE_ONE = 1'000'000 }; /* all of a progress */

[[nodiscard]] unsigned op_args(enum op op);
/* STATUS_COUNT: none, or it does not change. */
[[nodiscard]] enum rule_status op_from(enum op op);
[[nodiscard]] enum rule_status op_to(enum op op);

struct change {
    enum op op;
    struct uuid id;
    uint32_t session; /* that held or holds the lease; 0: none */
    uint32_t attempt; /* the one that begins, ends, or was made last */
    int64_t args[OP_ARGS_MAX];
};

struct ops_writer {
    struct buf ops, ids, args;
    struct change last; /* op, session and attempt of the run that is open */
    size_t run, count;
};

void ops_init(struct ops_writer *w);
void ops_put(struct ops_writer *w, const struct change *change);
/* Closes the last run; nothing may be put after it. */
void ops_finish(struct ops_writer *w);
void ops_clear(struct ops_writer *w);

struct ops_reader {
    struct str ops, ids, args;
    struct change run;
    uint64_t left; /* of the run */
};

struct ops_reader ops_read(struct str ops, struct str ids, struct str args);
/* False at the end, and where the columns are no log: ops_is_at_end tells. */
[[nodiscard]] bool ops_next(struct ops_reader *r, struct change *ret_change);
[[nodiscard]] bool ops_is_at_end(const struct ops_reader *r);
