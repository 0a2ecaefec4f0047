/*
 * task_log: how a loop asks the worker for the lines of tasks that somebody follows. Those who
 * wait for the lines of one task behind one place share one long poll, on connections of its own,
 * so that long polls never keep other calls of the worker waiting. While the worker is away the
 * polls are repeated from the same place.
 * Source: docs/protocol.md "Logs".   Thread: the loop's.
 */
#pragma once
#include "gateway/gateway_priv.h"

struct task_logs;

enum {
    TASK_LOG_POLLS_MAX = 24,   /* at a time; beyond, polls are short and take turns */
    TASK_LOG_PLACE_MAX = 48,   /* bytes of a place, as the worker writes it */
    TASK_LOG_LINES_MAX = 4'000 /* of one answer */
};

/* False where `worker-url` is no URL. */
[[nodiscard]] bool task_logs_create(struct gateway_loop *loop, struct task_logs **ret_logs,
                                    struct err *e);
/* After everybody has stopped to follow. Accepts NULL. */
void task_logs_destroy(struct task_logs *logs);

struct task_log_line {
    int64_t attempt, at_us;
    struct str stream, text;
    struct str place; /* its own, as the worker writes it */
};

/* What the worker answered; shared by all who waited for it. */
struct task_log_page {
    struct arena *arena;
    size_t refs;
    struct task_log_line *lines;
    size_t count;
    char next[TASK_LOG_PLACE_MAX];
    bool is_finished; /* no line comes behind these */
};
void task_log_page_unref(void *page); /* accepts NULL */

struct task_log_wait {
    struct list node;
    struct uuid task;
    char after[TASK_LOG_PLACE_MAX];
    /* Once a task_log_ask, never from within it. `page` is the callee's, one reference; NULL: `e`
     * tells why there are none: NOT_FOUND, or what the worker says of the request. */
    void (*fn)(struct task_log_wait *wait, struct task_log_page *page, const struct err *e);
};

/* Asks for lines of wait->task behind wait->after ("" is the beginning). */
void task_log_ask(struct task_logs *logs, struct task_log_wait *wait);
/* Asks no more; harmless when nothing is asked. wait->node must have been initialised. */
void task_log_leave(struct task_log_wait *wait);
