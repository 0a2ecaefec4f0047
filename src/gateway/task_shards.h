/*
 * task_shards: new tasks of one call and the ones that they wait for are of one shard, whose worker
 * alone can know all of them. Whatever reaches over two is refused by name, before anything is sent.
 */
#pragma once
#include "gateway/await.h"
#include "gateway/creates.h"

/* Of an all-or-none call. Errors: INVALID. */
[[nodiscard]] bool task_shards_check(const struct create_call *call, struct err *e);

/*
 * Goes on with `fn` once it is known that none waits for a task of another shard, at once where that
 * is plain: with one shard, and where none waits for any. `inputs` are those of the call's tasks, in
 * their order, and have been read. Else the step ends with INVALID.
 */
typedef void task_shards_fn(struct gql_step *step, struct create_call *call);
enum gql_next task_shards_go_on(struct gql_step *step, struct create_call *call,
                                const struct gql_value *inputs, task_shards_fn *fn);
