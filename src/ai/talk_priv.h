/* talk_priv: what the sentences are made with. For the files of talk alone. */
#pragma once
#include "ai/talk.h"
#include "analyst/tree.h"
#include "analyst/words.h"

/* Adds a question; `query` and `label` are literals. */
void talk_ask(struct talk *t, const char *label, const char *query, struct json_value variables);
/* The data of a question; NULL where it failed, and then the answer says why. */
[[nodiscard]] const struct json_value *talk_data(struct talk *t, size_t question);
void talk_say(struct talk *t, const char *fmt, ...) like_printf(2, 3);
/* Somebody else's text, fit to be quoted. */
[[nodiscard]] struct str talk_quote(struct talk *t, struct str text);

/* ── reading answers: "tasks.pending" ── */

/* NULL where it is absent or null. */
[[nodiscard]] const struct json_value *talk_at(const struct json_value *v, const char *path);
[[nodiscard]] int64_t talk_count(const struct json_value *v, const char *path); /* or 0 */
[[nodiscard]] bool talk_number(const struct json_value *v, const char *path, double *ret_value);
[[nodiscard]] struct str talk_text(const struct json_value *v, const char *path); /* or "" */
[[nodiscard]] bool talk_time(const struct json_value *v, const char *path, int64_t *ret_us);
/* "5 min ago", "in 2 h"; "at an unknown time". */
[[nodiscard]] struct str talk_when(struct talk *t, const struct json_value *v, const char *path);

/* ── what several answers need ── */

extern const char *const talk_stats_query;
/* Asks for the figures of the window, or of a day. */
void talk_ask_stats(struct talk *t);
/* "in the last 1 day" */
[[nodiscard]] struct str talk_window(struct talk *t);

enum talk_type { TALK_TYPE_NONE, TALK_TYPE_FOUND, TALK_TYPE_UNKNOWN };
/*
 * The task type that the question names, among those of the figures: NONE where it names none;
 * UNKNOWN: the answer says so, and which there are.
 */
[[nodiscard]] enum talk_type talk_find_type(struct talk *t, const struct json_value *stats,
                                            const struct json_value **ret_type);
/* The item whose text at `path` the question names; NULL where none. */
[[nodiscard]] const struct json_value *
talk_find_named(const struct talk *t, const struct json_value *list, const char *path);

typedef enum talk_next talk_fn(struct talk *t);
talk_fn talk_counts, talk_rate, talk_failures, talk_duration, talk_throughput, talk_oldest,
    talk_running, talk_task;
talk_fn talk_jobs, talk_job, talk_users, talk_health, talk_overview;
