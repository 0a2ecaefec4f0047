/*
 * await_each: a field of which the worker knows a part for each parent: it is asked for one after
 * the other, a few at a time. What it does not answer leaves the result as the resolver has set it.
 */
#pragma once
#include "gateway/await_worker.h"

/* The path of what is asked of that parent; in the step's arena. */
typedef const char *await_each_path_fn(const struct gql_step *step, size_t parent);
/* The parent's result from what the worker answered, in the step's arena. */
typedef struct gql_value await_each_read_fn(const struct gql_step *step,
                                            const struct json_value *body);

/* The parents are records; `shard_column` tells whose worker knows of each. */
enum gql_next await_each(struct gql_step *step, int shard_column, await_each_path_fn *path,
                         await_each_read_fn *read);
