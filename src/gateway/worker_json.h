/*
 * worker_json: the worker's JSON as rows: cells in PostgreSQL's text form, one a column of the
 * entity, as the mirror writes them and resolvers read them.
 * Source: docs/protocol.md "The task object", "Jobs", "Feed and snapshot".
 */
#pragma once
#include "gateway/feed.h"
#include "json/json.h"

struct worker_row {
    uint64_t told; /* bit n: column n; what the object did not hold is not told */
    struct str *cells;
};

/*
 * A task or job object, whole or in part, into `cells` (all null before) of COL_tasks_COUNT or
 * COL_jobs_COUNT. A state tells the status, too. Unknown members are passed over, and so
 * is why a task waits, which holds for a moment only.
 *
 * Errors:  INVALID, naming the member.
 */
[[nodiscard]] bool worker_read_task(struct arena *a, const struct json_value *task,
                                    struct worker_row *ret_row, struct err *e);
/* What the worker decided of a task that it was just given, over the cells that were guessed. */
[[nodiscard]] bool worker_read_created(struct arena *a, const struct json_value *created,
                                       struct str *cells, struct err *e);
[[nodiscard]] bool worker_read_job(struct arena *a, const struct json_value *job,
                                   struct worker_row *ret_row, struct err *e);

/* For an object that is shown as it is: what the worker left out of columns that are never null
 * gets a value (accepted is true). */
void worker_complete_row(const struct schema_table *table, struct str *cells);

/* "1:19" of shard 1. Errors: INVALID, also for another shard's, or a vector of more than one. */
[[nodiscard]] bool worker_read_cursor(const struct json_value *text, size_t shard, int64_t *ret_seq,
                                      struct err *e);
[[nodiscard]] bool worker_parse_cursor(struct str text, size_t shard, int64_t *ret_seq);
enum { WORKER_CURSOR_MAX = 32 };
void worker_format_cursor(size_t shard, int64_t seq, char ret_text[WORKER_CURSOR_MAX]);

/* One event of the feed. Errors: INVALID; `ret_event` then tells its number, if that is there. */
[[nodiscard]] bool worker_read_event(struct arena *a, const struct json_value *event,
                                     struct feed_event *ret_event, struct err *e);
[[nodiscard]] bool worker_read_counts(struct arena *a, const struct json_value *counts,
                                      struct feed_count **ret_counts, size_t *ret_count,
                                      struct err *e);

/* The body of POST /v1/tasks:get. */
[[nodiscard]] struct str worker_ids_body(struct arena *a, const struct uuid *ids, size_t count,
                                         bool is_brief);

/* A time as PostgreSQL prints it in UTC. */
[[nodiscard]] struct str worker_time_cell(struct arena *a, int64_t wall_us);
/* "pending" of TASK_STATE_READY. */
[[nodiscard]] enum task_status worker_status_of(enum task_state state);
