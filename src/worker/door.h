/*
 * door: what all HTTP endpoints of the worker share: who may call, bodies, answers and errors.
 * Source: docs/protocol.md "Who may call", "Errors".
 */
#pragma once
#include "http/server.h"
#include "json/check.h"
#include "json/writer.h"
#include "worker/shard_priv.h"
#include "worker/task_view.h"

enum { DOOR_READ_MS = 10'000 }; /* the longest read of a request */
enum { DOOR_ACTOR_MAX = 400 };  /* bytes of who did it */
enum door_caller { DOOR_GATEWAY = 1, DOOR_RUNNER = 2 };

/* One of `callers` (a set) calls, and this worker leads; else it is answered and false. */
[[nodiscard]] bool door_open(struct worker *w, struct http_request *r, unsigned callers);
/* The body, which must be a checked JSON object; else it is answered and NULL. */
[[nodiscard]] const struct json_value *door_body(struct http_request *r);

void door_fail(struct http_request *r, const struct err *e);
/* With its place in the request's list. */
void door_fail_at(struct http_request *r, const struct err *e, size_t index);
/* 410: a cursor that cannot be followed. */
void door_gone(struct http_request *r, const char *message);
/* 200 with what is in r->out. */
void door_answer(struct http_request *r);
/* `"error": {"code", "message"}` of an item of an answer. */
void door_put_error(struct json_writer *w, const struct err *e);

/* ── members ── `at` names the object in messages: "tasks[3]."; json_only tells of others ── */

/* Absent and null: false without error. */
bool door_text(const struct json_value *object, const char *at, const char *name, size_t max,
               struct str *ret_text, struct err *e);
bool door_int(const struct json_value *object, const char *at, const char *name, int64_t min,
              int64_t max, int64_t *ret_value, struct err *e);
bool door_flag(const struct json_value *object, const char *at, const char *name, bool *ret_value,
               struct err *e);
bool door_id(const struct json_value *object, const char *at, const char *name, struct uuid *ret_id,
             struct err *e);
/* One of these found something wrong. */
static inline bool door_is_bad(const struct err *e)
{
    return e->code != ERR_NONE;
}
/* INVALID: "tasks[3].type: is missing". */
bool door_missing(struct err *e, const char *at, const char *name);

/* An id at the end of the path, "UUID" or "UUID:verb"; else it is answered 404 and false. */
[[nodiscard]] bool door_path_id(struct http_request *r, struct uuid *ret_id, struct str *ret_verb);
/* "0:991" of a number of the log. */
void door_put_cursor(struct json_writer *w, const char *key, const struct shard *s, int64_t number);
/* The JSON text of a value, in the arena. */
[[nodiscard]] struct str door_json_text(struct arena *a, const struct json_value *value);

/* ── reading tasks ── */

/* A read within the doors' time; db_request_forget ends it. Errors: those of db_pool_call. */
[[nodiscard]] bool door_read_begin(struct worker *w, const struct db_statement *statement,
                                   const struct db_args *args, db_reply_fn *fn, void *owner,
                                   struct db_request **ret_request /* may be NULL */,
                                   struct err *e);
/* The same. `fn` comes once, also with a failure, and at once when it cannot begin; with
 * UNAVAILABLE where the worker has lost its lead meanwhile. */
void door_read(struct worker *w, const struct db_statement *statement, const struct db_args *args,
               db_reply_fn *fn, void *owner);
/* A read that may take longer, on a lane of its own. */
void door_read_within(struct worker *w, enum db_lane lane, int64_t ms,
                      const struct db_statement *statement, const struct db_args *args,
                      db_reply_fn *fn, void *owner);

/* A row of read_tasks as a view; its texts are the rows'. False: it has no task_done. */
bool read_task(struct arena *a, const struct shard *s, const struct db_rows *rows, size_t row,
               struct task_view *ret_view);
/* What memory knows better, at a view's moment; NULL: it is not unfinished. */
void read_overlay(const struct shard *s, const struct live *task, struct task_view *view);
/* `type`, `status`, `count` of all types, as they are committed. */
void read_put_counts(struct json_writer *w, const struct shard *s);
