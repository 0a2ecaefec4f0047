/*
 * mirror_priv: the keeper of the gateway's copies of a shard's tasks and jobs, for mirror.c,
 * mirror_apply.c, mirror_clear.c, mirror_fetch.c, mirror_snapshot.c, mirror_snapshot_marks.c and
 * isolate.c. All on the first loop.
 *
 *   STANDBY --(lease)--> SNAPSHOT --(all pages)--> FOLLOW
 *      ^                    ^-------- 410 -----------'
 *      `---- lease lost ----'--------'
 */
#pragma once
#include "base/backoff.h"
#include "gateway/feed_priv.h"
#include "gateway/rollups.h"
#include "gateway/window.h"
#include "gateway/worker_json.h"
#include "io/timer.h"

enum { MIRROR_NAME_MAX = 16 };

enum mirror_phase { MIRROR_STANDBY, MIRROR_SNAPSHOT, MIRROR_FOLLOW };

struct apply;
struct mirror_audit;
struct snapshot;

struct mirror {
    struct gateway *gw;
    struct gateway_loop *loop;
    struct feed *feed;
    size_t shard;
    struct mirror_lease lease; /* this process is its holder, or would like to be */
    char name_text[MIRROR_NAME_MAX], holder_text[UUID_TEXT_LEN + 1];
    int64_t lease_ms;
    enum mirror_phase phase;
    uint64_t turn;              /* rises when what is applied or read is of no use any more */
    bool is_running, is_asking; /* the lease */
    struct io_timer *lease_timer;

    /* FOLLOW */
    int64_t stored;         /* the cursor in the table */
    int64_t stored_at_us;   /* wall: when it was stored */
    struct window *open;    /* collects */
    bool is_lost;           /* 410 came while a window is being stored: then begin again */
    struct apply *applying; /* is being stored; NULL: none */
    struct rollups *rollups;
    struct io_timer *flush_timer, *retry_timer;
    struct backoff backoff;
    double rate; /* changes a second */
    int64_t rate_at_us;

    struct snapshot *snapshot; /* is being read; NULL: none */
    int64_t gap_since_us;      /* wall: what happened from then on is lost; 0: nothing */

    int64_t puts_before;       /* of the outbox, when the table was asked */
    bool is_forwarding;        /* the outbox */
    bool is_forwarding_singly; /* the next entry alone, since some were refused together */

    struct mirror_audit *audit;
    struct mirror_stats stats;
};

/* ── mirror.c ── */
/* Of its row in the table; shard 0's is as old as the table. */
void mirror_name(size_t shard, char ret_name[MIRROR_NAME_MAX]);
void mirror_stand_by(struct mirror *m);
/* From a snapshot on, since what the feed kept is over. */
void mirror_begin_again(struct mirror *m);
/* Asks the table again what is held and how far it is, soon; then goes on from there. */
void mirror_recheck(struct mirror *m);
/* One write of this process; `arena` keeps the statements until the reply. False: it was not
 * begun. */
[[nodiscard]] bool mirror_write(struct mirror *m, const struct db_step *steps, size_t count,
                                db_reply_fn *fn, void *owner);
/* The failure is of the rows, not of the way to them. */
[[nodiscard]] bool mirror_is_refusal(const struct db_reply *reply);

/* ── mirror_apply.c ── */
void mirror_apply_init(struct mirror *m);
void mirror_follow(struct mirror *m, int64_t seq);
/* Stores the open window now, unless one is being stored. */
void mirror_flush(struct mirror *m);
/* The table's cursor is `seq`, and the lease is ours: for a window whose end is not known. */
void mirror_apply_checked(struct mirror *m, int64_t seq);
void mirror_apply_clear(struct mirror *m);

/* ── mirror_fetch.c ── */
/* Asks the worker for these rows, which a change was told of and which are not there. */
void mirror_fetch(struct mirror *m, const struct uuid *ids, size_t count);

/* ── mirror_snapshot.c ── */
void mirror_snapshot_start(struct mirror *m);
void mirror_snapshot_resume(struct mirror *m, int64_t seq, const struct uuid *after);
void mirror_snapshot_clear(struct mirror *m);

/* ── mirror_snapshot_marks.c ── */
/*
 * The events of the numbers `from` (the table's old cursor) to `to` (the snapshot's) were never
 * read: a task that was added or has finished there is counted by its row, of `count` whose JSON
 * is `tasks`. How long it waited is known of its last start alone.
 */
[[nodiscard]] size_t mirror_snapshot_marks(struct arena *a, const struct json_value *tasks,
                                           size_t count, int64_t from, int64_t to,
                                           struct rollup_mark **ret_marks);

/* ── outbox_forward.c ── */
/* Sends what waits there, until nothing does or the worker is away. */
void outbox_forward(struct mirror *m);

/* ── mirror_clear.c ── */
/*
 * Deletes what the page does not show, but for a rest that one statement can: a day of tasks, or
 * all that was there before a rebuild, would take it longer than a statement may. `page->ids` live
 * until `fn`; false: the database or the lease went away, and it may be begun again.
 */
typedef void mirror_clear_fn(void *owner, bool is_done);
void mirror_clear(struct mirror *m, const struct mirror_page *page, mirror_clear_fn *fn,
                  void *owner);

/* ── isolate.c ── */
/*
 * Stores the rows alone, halving wherever the tables refuse, until each refused one is found: that
 * is replaced in `rows` by one without its body, or where even that is refused, left out (its cells
 * are NULL then). The first `born` of them are whole. Then `fn`; false: the database went away.
 */
typedef void isolate_fn(void *owner, bool is_done);
void isolate_begin(struct mirror *m, struct arena *a, struct mirror_row *rows, size_t born,
                   size_t count, isolate_fn *fn, void *owner);
/* Without those that were left out. */
[[nodiscard]] size_t isolate_compact(struct mirror_row *rows, size_t count, size_t *born);
