/*
 * mirror: a shard's row of table `mirror` (how far the gateway's copies of its tasks and jobs have
 * come, and which gateway keeps them) and the figures that are exact at its cursor. The steps that
 * move the cursor stand first in their transaction and fail it with MIRROR_LOST when the lease is
 * another's. SQL: mirror.sql.
 */
#pragma once
#include "db/pool.h"
#include "schema/entities.h"

#define MIRROR_LOST "23502" /* sqlstate; of a bad row, too */

/* For the transaction it stands in: a commit that is not flushed. */
[[nodiscard]] struct db_step mirror_async_step(void);

/* Which row it is, and who holds it or wants to. */
struct mirror_lease {
    struct str name; /* "tasks", or "tasks-1" of shard 1 */
    struct str holder;
    int16_t shard;
};
[[nodiscard]] struct db_step mirror_hold_step(struct arena *a, const struct mirror_lease *lease,
                                              int64_t lease_ms);
[[nodiscard]] struct db_step mirror_release_step(struct arena *a, const struct mirror_lease *lease);

struct mirror_state {
    struct str cursor; /* empty: nothing yet. Points into the rows */
    int64_t generation;
    bool has_after;
    struct uuid snapshot_after;
    struct str snapshot_cursor; /* empty: no snapshot is being read */
    bool is_held;               /* by `holder` */
    int64_t updated_at_us;
    int64_t outbox_waiting;   /* of the shard, but for what has stepped aside */
    bool has_apart;           /* some has stepped aside */
    bool is_apart_due;        /* some of that is to be offered again */
    int64_t outbox_oldest_us; /* wall: since when the oldest of those waits; 0: none does */
    bool is_audit_due;        /* asked for by somebody, or begun, and not ended: mirror_audit.h */
    int64_t audited_at_us;    /* wall; 0: never */
};
[[nodiscard]] struct db_step mirror_read_step(struct arena *a, const struct mirror_lease *lease);
/* False: there is no row. */
[[nodiscard]] bool mirror_read_state(const struct db_rows *rows, struct mirror_state *ret_state);

/* Moves none, but fails in the same way. */
[[nodiscard]] struct db_step mirror_keep_step(struct arena *a, const struct mirror_lease *lease);
[[nodiscard]] struct db_step mirror_advance_step(struct arena *a, const struct mirror_lease *lease,
                                                 struct str cursor, struct str next);
[[nodiscard]] struct db_step mirror_snapshot_begin_step(struct arena *a,
                                                        const struct mirror_lease *lease,
                                                        struct str snapshot_cursor);
/* `after` NULL: none was stored. */
[[nodiscard]] struct db_step mirror_snapshot_page_step(struct arena *a,
                                                       const struct mirror_lease *lease,
                                                       struct str snapshot_cursor,
                                                       const struct uuid *after);
[[nodiscard]] struct db_step mirror_snapshot_end_step(struct arena *a,
                                                      const struct mirror_lease *lease,
                                                      struct str snapshot_cursor);

struct mirror_count {
    struct str type;
    enum task_status status;
    int64_t count;
};
[[nodiscard]] struct db_step mirror_count_clear_step(struct arena *a, int16_t shard);
[[nodiscard]] struct db_step mirror_count_add_step(struct arena *a,
                                                   const struct mirror_count *counts, size_t count,
                                                   int16_t shard);

enum { MIRROR_BUCKETS = 64 }; /* of a histogram; src/analyst/histogram.h says what they are */

#define MIRROR_ALL_TYPES "" /* no task's type is empty: the row of all together */

/* One row of task_rollups, but for its shard. Histograms are stored up to their last bucket that is
 * not empty. */
struct mirror_rollup {
    int64_t span_s, at_us;
    struct str type;
    int64_t created, completed, failed;
    int64_t wait[MIRROR_BUCKETS], run[MIRROR_BUCKETS];
    double wait_max, run_max; /* seconds; -1: none */
};
[[nodiscard]] struct db_step mirror_rollup_load_step(struct arena *a,
                                                     const struct mirror_rollup *const *rollups,
                                                     size_t count, int16_t shard);
/* The row's figures; its type points into the rows. */
void mirror_rollup_read(struct arena *a, const struct db_rows *rows, size_t row,
                        struct mirror_rollup *ret_rollup);
[[nodiscard]] struct db_step mirror_rollup_store_step(struct arena *a,
                                                      const struct mirror_rollup *const *rollups,
                                                      size_t count, int16_t shard);
[[nodiscard]] struct db_step mirror_rollup_gap_step(struct arena *a, int64_t since_us,
                                                    int16_t shard);
