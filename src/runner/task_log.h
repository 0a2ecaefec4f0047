/*
 * task_log: what an attempt has written since the worker was told last, the newest of it. Lines
 * wait, ride on a heartbeat, and ride once more when that got no answer: twice is better than
 * never. Source: docs/protocol.md "Logs".
 */
#pragma once
#include "json/writer.h"

enum {
    TASK_LOG_LINE_BYTES = 8 * 1024,
    TASK_LOG_BYTES = 96 << 10, /* as JSON, that wait, and that ride */
};

struct task_log {
    struct buf riding, older, newer; /* JSON, without the brackets */
    bool is_out; /* `riding` is on its way, and nobody knows whether it arrives */
};

[[nodiscard]] struct task_log *task_log_create(void);
void task_log_destroy(struct task_log *log); /* accepts NULL */
/* `text`: valid UTF-8; cut at TASK_LOG_LINE_BYTES. */
void task_log_add(struct task_log *log, struct str stream, struct str text, int64_t at_us);
[[nodiscard]] bool task_log_is_empty(const struct task_log *log); /* accepts NULL */
/* All of it rides from now on, and is written as one JSON array. */
void task_log_write(struct task_log *log, struct json_writer *w);
/* What rode has arrived, or has not; where nothing is on its way these do nothing. */
void task_log_arrived(struct task_log *log);
void task_log_came_back(struct task_log *log);
/* What is on its way, without the brackets; empty: nothing. It lives until that has ended. */
[[nodiscard]] struct str task_log_out(const struct task_log *log);
/* What is not on its way, without the brackets; it lives until the next line. */
[[nodiscard]] struct str task_log_rest(struct task_log *log);
