/* logs_priv: what logs.c (memory, reading, followers) shares with logs_write.c (the tables). */
#pragma once
#include "worker/logs.h"

/* A line that is kept; its stream and text stand one after the other in `bytes`. */
struct log_kept {
    int64_t at_us;
    uint32_t stream_len, text_len;
};

struct task_log {
    struct list dirty; /* in logs.dirty while it has lines to be written, or rows to be deleted */
    struct uuid task;
    int64_t base;
    uint32_t attempt;
    int64_t first;         /* the number of kept[from] */
    struct log_kept *kept; /* from `from` on, up to `count` */
    size_t from, count, capacity;
    struct buf bytes;
    size_t bytes_from;
    size_t size;     /* of what is kept, as the limit counts it */
    int64_t stored;  /* lines up to this number are in the tables */
    int64_t trimmed; /* rows whose last line is before this number are deleted */
};

struct log_sent {
    struct uuid task;
    int64_t base, last, first;
};

struct logs {
    struct shard *s;
    struct map *by_task;
    struct list dirty;
    struct map *watched; /* by task: the list of its watches */
    size_t watching;
    size_t bytes; /* of all */
    int64_t began;
    struct io_timer *timer;
    struct arena *a; /* of the call that is out */
    struct db_request *call;
    struct log_sent *sent;
    size_t sent_count;
    bool has_failed; /* the last call */
};

/* One past the number of the last line. */
[[nodiscard]] static inline int64_t task_log_next(const struct task_log *log)
{
    return log->first + (int64_t)(log->count - log->from);
}

/* logs.c */
[[nodiscard]] struct task_log *task_log_of(const struct logs *logs, struct uuid task);
/* Frees it. */
void task_log_forget(struct logs *logs, struct task_log *log);
/* Lines as task_log.lines has them, from number `from` on, at most `max` bytes and at least one. */
[[nodiscard]] struct str task_log_json(struct arena *a, const struct task_log *log, int64_t from,
                                       size_t max, int64_t *ret_last);
/* Those of a call that go over into a log: the last ones that fit. */
void task_log_put(struct logs *logs, struct task_log *log, const struct log_lines *lines);
[[nodiscard]] struct task_log *task_log_make(struct logs *logs, struct log_attempt of);
void log_line_json(struct buf *out, const struct log_line *line);

/* logs_write.c */
/* There is something to write: within a second. */
void logs_mark(struct logs *logs, struct task_log *log);
void logs_write_stop(struct logs *logs);
void logs_on_timer(void *owner);
