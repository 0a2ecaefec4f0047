/*
 * logs: what executors write while they run tasks, the last `log-limit` bytes of each attempt: in
 * memory while it runs, and in table task_log. What is new goes there about once a second, off the
 * commit path; the rest of an attempt in the batch that ends it. So a kill -9 loses at most the
 * lines of running attempts that came within about a second before it.
 *
 *   logs_add ──▶ memory ──▶ (each second) task_log          watchers hear of both
 *   logs_end ──▶ the batch: task_log ──▶ committed: memory goes
 *
 * A line's place is (base, n): n counts from 1 within a base, and the base is the number of the
 * attempt's claim, or of its leader's beginning where that is later. So places rise for ever, also
 * where a leader's end lost lines that a follower has seen; and where numbers are missing within a
 * base, lines were dropped.
 * Source: docs/protocol.md "Logs".
 */
#pragma once
#include "db/rows.h"
#include "json/json.h"
#include "worker/shard_priv.h"

struct logs;
struct task_log;

enum {
    LOG_LINE_MAX = 8 * 1024, /* bytes of a line's text; what is longer is cut */
    LOG_STREAM_MAX = 20,
    LOG_ITEM_LINES_MAX = 1'000, /* of one task in one call; of more, the last */
    LOG_LINES_MAX = 4'096,      /* kept of an attempt, however short */
    LOGS_BYTES_MAX = 64 << 20,  /* in memory; beyond it each attempt keeps LOG_CROWDED_BYTES */
    LOG_CROWDED_BYTES = 4 * 1024,
    LOG_FLUSH_BYTES = 4 << 20, /* written at a time */
    LOG_PLACE_TEXT_MAX = 48,
};

#define LOG_OWN_STREAM "windlass" /* lines by which the worker says that others are missing */

struct log_line {
    int64_t at_us;
    struct str stream, text;
};

/* What one call brings for one task. */
struct log_lines {
    const struct log_line *items;
    size_t count;
    size_t dropped; /* in front of them */
};

struct log_place {
    int64_t base, n;
};

[[nodiscard]] static inline bool log_place_before(struct log_place a, struct log_place b)
{
    return a.base != b.base ? a.base < b.base : a.n < b.n;
}
/* "991:17", and back; "0:0" is before all. */
void log_place_format(struct log_place place, char ret_text[LOG_PLACE_TEXT_MAX]);
[[nodiscard]] bool log_place_parse(struct str text, struct log_place *ret_place);

/*
 * The member `logs` of a heartbeat's or an acknowledgement's item; texts are the JSON's. A text of
 * several lines becomes so many. `at` names the item in messages. Errors: INVALID.
 */
[[nodiscard]] bool logs_read(struct arena *a, const struct json_value *list, const char *at,
                             struct log_lines *ret_lines, struct err *e);

[[nodiscard]] struct logs *logs_create(struct shard *s);
void logs_destroy(struct logs *logs); /* accepts NULL */
/* Leading begins: the first number that is this leader's. */
void logs_start(struct logs *logs, int64_t began);
/* Forgets all; whoever waits is told that nobody leads. */
void logs_clear(struct logs *logs);
/* Before a leader goes: writes what is new. True: that is still on its way; look again. */
[[nodiscard]] bool logs_flush(struct logs *logs);

/* An attempt that runs, or ran until the batch in flight. */
struct log_attempt {
    struct uuid task;
    int64_t fence;
    uint32_t attempt;
};
[[nodiscard]] struct log_attempt log_attempt_of(const struct shard *s, const struct live *task);
/* A running task has written. */
void logs_add(struct logs *logs, struct log_attempt of, const struct log_lines *lines);
/* For `apply`: the attempt ends with this batch; `lines` (may be NULL) are its last, and must live
 * until the batch has ended. */
void logs_end(struct batch *b, const struct live *task, const struct log_lines *lines);
/* The task has finished, and that is committed. */
void logs_gone(struct logs *logs, struct uuid task);

/* Of the attempt that runs; NULL: it has written nothing under this leader. */
[[nodiscard]] const struct task_log *logs_find(const struct logs *logs, struct uuid task);
/* Places of the first line that is kept, and of the last. */
[[nodiscard]] struct log_place task_log_first(const struct task_log *log);
[[nodiscard]] struct log_place task_log_last(const struct task_log *log);

/* Texts live during the call. False: enough. */
typedef bool log_line_fn(void *owner, struct log_place place, uint32_t attempt,
                         const struct log_line *line);
/*
 * Walks the lines behind `after`: those of `rows` (base, last, attempt, lines; NULL: none), then
 * those of `log` (NULL: none). Where some are missing, a line of stream "windlass" says so.
 */
void logs_walk(const struct db_rows *rows, const struct task_log *log, struct log_place after,
               log_line_fn *fn, void *owner);

/* ── who follows ── */

struct log_watch {
    struct list node;
    struct uuid task;
    void (*wake)(struct log_watch *watch); /* unwatched: there is something, or nobody leads */
};

void logs_watch(struct logs *logs, struct log_watch *watch);
void logs_unwatch(struct logs *logs, struct log_watch *watch); /* harmless when it was woken */
