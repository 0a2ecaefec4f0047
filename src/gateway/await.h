/*
 * await: how a resolver waits. It starts one call and returns what await_… gives; the function that
 * it named goes on from there and ends the step by gql_step_finish or gql_step_fail, or waits again
 * (then it drops what await_… gives: a wait that could not begin has failed the step already).
 */
#pragma once
#include "gateway/request.h"

/* Whoever is asked says why he failed before the request's deadline passes and says less. */
enum { AWAIT_MARGIN_US = 250 * 1000 };

typedef void await_db_fn(struct gql_step *step, const struct db_reply *reply);

/* Runs the steps in one call of that lane, within the request's deadline. `reply->err` is NULL
 * when `fn` comes: failures end the step with the error. */
enum gql_next await_db(struct gql_step *step, enum db_lane lane, const struct db_step *steps,
                       size_t count, await_db_fn *fn);
/* The same, but `fn` also hears of failures and must end the step; not of a caller that was deleted
 * meanwhile, which ends it as UNAUTHENTICATED. */
enum gql_next await_db_any(struct gql_step *step, enum db_lane lane, const struct db_step *steps,
                           size_t count, await_db_fn *fn);

/* The same, but `fn` hears at once, too, that the call could not be begun. */
enum gql_next await_db_told(struct gql_step *step, enum db_lane lane, const struct db_step *steps,
                            size_t count, await_db_fn *fn);

/* A read that no index bounds: in the slow lane, and when that takes too long, the error says that
 * `narrow`, an argument, is to be narrowed. Otherwise as await_db. */
enum gql_next await_search(struct gql_step *step, const struct db_step *read, const char *narrow,
                           await_db_fn *fn);

typedef void await_gate_fn(struct gql_step *step, struct gate_job *job);
/* Password work; `job` lives in the step's arena. Failures end the step with the error. */
enum gql_next await_gate(struct gql_step *step, struct gate_job *job, await_gate_fn *fn);

[[nodiscard]] static inline struct request *await_request(const struct gql_step *step)
{
    return step->ctx;
}
