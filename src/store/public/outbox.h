/*
 * outbox: tasks and jobs that were accepted while the worker was away, oldest first. SQL:
 * outbox.sql.
 */
#pragma once
#include "db/pool.h"
#include "schema/entities.h"
#include "store/public/actor.h"

struct outbox_entry {
    struct uuid id; /* rises with time: their order */
    enum outbox_kind kind;
    struct uuid subject_id; /* of the task or job */
    struct str body;        /* what the worker is asked: the object of its create */
    bool is_sent;           /* the worker may know of it; of what is taken: from before */
    bool is_apart;          /* it has stepped aside, or does so at once; outbox_part_step */
    int64_t mark_us;        /* of what is taken: all of one time have the same */
};

/* All of one shard. Those whose subject waits already are passed over. */
[[nodiscard]] struct db_step outbox_add_step(struct arena *a, const struct outbox_entry *entries,
                                             size_t count, int16_t shard);
/* Which of these tasks wait for that shard, and, in rows of their own, which its worker has or is
 * to get as far as is known. */
[[nodiscard]] struct db_step outbox_find_step(struct arena *a, const struct uuid *ids, size_t count,
                                              int16_t shard, int64_t count_max);
enum outbox_find_column {
    OUTBOX_FOUND_ID,
    OUTBOX_FOUND_IS_WAITING, /* else the worker has it */
    OUTBOX_FOUND_IS_ASIDE,
    OUTBOX_FOUND_ASIDE_COUNT, /* of all shards' entries, up to count_max; 0 where it does not wait
                               */
};
/* The oldest ones of the shard, up to a number and a size, which are sent from now on; what has
 * stepped aside and is due only where there are no others. */
[[nodiscard]] struct db_step outbox_take_step(struct arena *a, int64_t rows_max, int64_t bytes_max,
                                              int16_t shard);
/* Texts point into the rows. */
[[nodiscard]] size_t outbox_read(struct arena *a, const struct db_rows *rows,
                                 struct outbox_entry **ret_entries);
/* Of what was taken together, none of it sent before: the worker has not taken it for certain. */
[[nodiscard]] struct db_step outbox_put_off_step(struct arena *a,
                                                 const struct outbox_entry *entries, size_t count);
/* Entries that are taken, all with that mark, by what the worker said of them: they are another
 * shard's; they are refused; they are in, or never will be. Before outbox_refuse_…_step and
 * outbox_done_step. */
[[nodiscard]] struct db_step outbox_part_step(struct arena *a, const struct uuid *misdirected,
                                              size_t misdirected_count, const struct uuid *refused,
                                              size_t refused_count, const struct uuid *gone,
                                              size_t gone_count, int64_t wait_s, int64_t mark_us);
/* How many have stepped aside, of all shards. */
[[nodiscard]] struct db_step outbox_apart_step(void);
[[nodiscard]] struct db_step outbox_done_step(struct arena *a, const struct uuid *ids,
                                              size_t count);

struct outbox_refusal {
    struct uuid subject_id;
    struct str error;
    struct uuid duplicate_of; /* all zeroes: none */
};
[[nodiscard]] struct db_step
outbox_refuse_tasks_step(struct arena *a, const struct outbox_refusal *refusals, size_t count);
[[nodiscard]] struct db_step outbox_refuse_job_step(struct arena *a, struct uuid id);

/* At most `most` of those that have waited for longer, and that the worker has not for certain,
 * fail with that error, or the other where they have stepped aside; outbox_expired tells how many.
 */
[[nodiscard]] struct db_step outbox_expire_step(struct arena *a, int64_t kept_us, struct str error,
                                                struct str apart_error, int64_t most);
[[nodiscard]] int64_t outbox_expired(const struct db_rows *rows);

struct outbox_move {
    struct uuid subject_id;
    int16_t shard; /* that it waits for from now on */
};
/* Entries that were taken with that mark; others stay where they are. */
[[nodiscard]] struct db_step outbox_move_step(struct arena *a, const struct outbox_move *moves,
                                              size_t count, int64_t mark_us);

/* One row where it still waited here and now is cancelled; the audit log then tells of both. */
[[nodiscard]] struct db_step outbox_cancel_step(struct arena *a, struct uuid task_id,
                                                struct actor actor);
/* The same of a job, which is gone then, with its row. */
[[nodiscard]] struct db_step outbox_withdraw_step(struct arena *a, struct uuid job_id,
                                                  struct actor actor);
