/*
 * task_mirror: the gateway's copies of tasks and jobs, written many at a time by the mirror, by the
 * gateway that made a change, and by the outbox, always under the version guard.
 * SQL: task_mirror.sql.
 */
#pragma once
#include "db/pool.h"
#include "schema/entities.h"

/* A task or a job: cells in PostgreSQL's text form, one a column of its table; ptr NULL: null. */
struct mirror_row {
    uint64_t told; /* bit n: column n is known from it */
    const struct str *cells;
};

/* Whole rows of one shard: new ones, and over those that are there in an older version (others are
 * not counted as affected). Of an id that comes again the first counts. */
[[nodiscard]] struct db_step task_mirror_put_step(struct arena *a, const struct mirror_row *rows,
                                                  size_t count, bool is_accepted, int16_t shard);
/* The same, whatever version is there. */
[[nodiscard]] struct db_step task_mirror_replace_step(struct arena *a,
                                                      const struct mirror_row *rows, size_t count,
                                                      int16_t shard);
/* As its worker has told of it just now; another may have deleted it since. Where the shard's
 * mirror has come past the row's version and there is no row, it is gone, and is not made again. */
[[nodiscard]] struct db_step task_mirror_found_step(struct arena *a, const struct mirror_row *row,
                                                    int16_t shard);
/*
 * Whole rows of tasks that were born just now: no row of theirs may be there, else the step fails
 * by DB_STATE_UNIQUE_VIOLATION, and they are to be put. Alone in its transaction, whose commit is
 * not flushed. At least one row. False: one has what a new task has not, and they are to be put.
 */
[[nodiscard]] bool task_mirror_add_step(struct arena *a, const struct mirror_row *rows,
                                        size_t count, int16_t shard, struct db_step *ret_step);
/*
 * What is told, into rows that are there in an older version. Answers the ids that have no row:
 * task_mirror_missing.
 */
[[nodiscard]] struct db_step task_mirror_update_step(struct arena *a, const struct mirror_row *rows,
                                                     size_t count);
[[nodiscard]] size_t task_mirror_missing(struct arena *a, const struct db_rows *rows,
                                         struct uuid **ret_ids);

/* Whether the worker took it, and the shard; no row: there is no such task or job. */
[[nodiscard]] struct db_step task_mirror_stands_step(struct arena *a, struct uuid id);
[[nodiscard]] struct db_step job_mirror_stands_step(struct arena *a, struct uuid id);

/* One of the ids that are tasks of other shards, and which; no row: there is none. */
[[nodiscard]] struct db_step task_mirror_foreign_step(struct arena *a, const struct uuid *ids,
                                                      size_t count, int16_t shard);

[[nodiscard]] struct db_step task_mirror_drop_step(struct arena *a, const struct uuid *ids,
                                                   size_t count);
/* From each `froms` on, below its `tos`, those of that shard. */
[[nodiscard]] struct db_step task_mirror_drop_ranges_step(struct arena *a, const struct uuid *froms,
                                                          const struct uuid *tos, size_t count,
                                                          int16_t shard);

/* A page of a snapshot: what stands behind `after` and is not beyond `last`. */
struct mirror_page {
    struct uuid after, last;
    const struct uuid *ids; /* that the page shows */
    size_t id_count;
    int16_t shard;  /* whose rows they are; those of others are left alone */
    int64_t seq;    /* of the snapshot's cursor */
    bool is_forced; /* the worker began anew: the versions of rows mean nothing */
};
[[nodiscard]] struct db_step task_mirror_prune_step(struct arena *a,
                                                    const struct mirror_page *page);
/* Where the table has more rows of the page's shard there than so many: one row, the id that they
 * stand before. */
[[nodiscard]] struct db_step task_mirror_cut_step(struct arena *a, const struct mirror_page *page,
                                                  size_t count);
/* What of the page is there already, and which of its `rows` (in the order of ids) are not, or are
 * there in an older version: those move to the front, and are counted. */
[[nodiscard]] struct db_step task_mirror_versions_step(struct arena *a,
                                                       const struct mirror_page *page);
/* They are all that is there: one statement can delete it. */
[[nodiscard]] bool task_mirror_is_few(const struct db_rows *versions);
[[nodiscard]] size_t task_mirror_newer(struct mirror_row *rows, size_t count,
                                       const struct db_rows *versions);

[[nodiscard]] struct db_step job_mirror_upsert_step(struct arena *a, const struct mirror_row *rows,
                                                    size_t count, bool is_accepted, bool is_forced,
                                                    int16_t shard);
/* Over those that are there alone: who told of them does not know whether they were deleted since.
 */
[[nodiscard]] struct db_step job_mirror_update_step(struct arena *a, const struct mirror_row *rows,
                                                    size_t count, int16_t shard);
/* As task_mirror_found_step. */
[[nodiscard]] struct db_step job_mirror_found_step(struct arena *a, const struct mirror_row *row,
                                                   int16_t shard);
[[nodiscard]] struct db_step job_mirror_drop_step(struct arena *a, const struct uuid *ids,
                                                  size_t count);
/* All jobs of a snapshot. */
[[nodiscard]] struct db_step job_mirror_prune_step(struct arena *a, const struct mirror_page *page);
