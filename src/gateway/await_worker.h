/* await_worker: how a resolver waits for a worker; see await.h. */
#pragma once
#include "gateway/await.h"
#include "json/json.h"

/* `body` is what that shard's worker answered, in the step's arena. */
typedef void await_worker_fn(struct gql_step *step, size_t shard, const struct json_value *body);

/* Asks the shard's worker within the request's deadline; failures end the step with the error.
 * `method` NULL: POST with a body, else GET. */
enum gql_next await_worker(struct gql_step *step, size_t shard, const char *method,
                           const char *path, struct str body, await_worker_fn *fn);
enum await_failure {
    AWAIT_SAID,     /* in the worker's own words */
    AWAIT_AWAY,     /* nothing was asked, or it cannot now */
    AWAIT_IN_DOUBT, /* nobody knows whether it was done */
};
/* The same; a failure is `failed`'s to end the step with. */
typedef enum gql_next await_worker_failed_fn(struct gql_step *step, size_t shard,
                                             const struct err *why, enum await_failure how);
enum gql_next await_worker_or(struct gql_step *step, size_t shard, const char *method,
                              const char *path, struct str body, await_worker_fn *fn,
                              await_worker_failed_fn *failed);

/* The same of a task or a job: the worker of the shard that its row names is asked; where there is
 * no row, one worker after the other, until one knows it. `body` lives as long as the step. */
enum await_row { AWAIT_TASK, AWAIT_JOB };
enum gql_next await_worker_of(struct gql_step *step, enum await_row kind, struct uuid id,
                              const char *method, const char *path, struct str body,
                              await_worker_fn *fn);

struct worker_reply;
/* Of a GET that may go without an answer; `owner` is what was given. */
typedef void await_worker_ask_fn(void *owner, const struct worker_reply *reply);

/* For what a query shows of the worker itself: waits a moment only. The answer lives in the step's
 * arena. False where nothing could be asked: `fn` does not come. */
[[nodiscard]] bool await_worker_ask(struct gql_step *step, size_t shard, const char *path,
                                    await_worker_ask_fn *fn, void *owner);
/* The same by POST, with a body that changes nothing either. */
[[nodiscard]] bool await_worker_ask_for(struct gql_step *step, size_t shard, const char *path,
                                        struct str body, await_worker_ask_fn *fn, void *owner);

/* For a query of a row that the table does not have: the workers are asked for it one after the
 * other, a moment each. `fn` ends the step with what one of them knows; where none does, or none
 * can tell, it ends with null. False where nobody could be asked: the step is not ended. */
[[nodiscard]] bool await_worker_find(struct gql_step *step, enum await_row kind, struct uuid id,
                                     await_worker_fn *fn);

/* How long what is new may wait for the worker, of a request with that deadline: the other half of
 * its time is the outbox's. */
[[nodiscard]] int64_t await_worker_create_us(const struct gateway_loop *loop, int64_t deadline_us,
                                             int64_t now_us);
