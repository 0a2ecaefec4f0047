/*
 * checkpoint: from where another attempt of a task could go on. One row a task, written in the
 * batch before the executor hears that it was taken, read with the next lease, and deleted in the
 * batch that finishes the task. What notes remember of it is whether there is a row.
 */
#pragma once
#include "worker/shard_priv.h"

/* For `apply`: `json` must live until the batch has ended. The batch needs a change besides. */
void checkpoint_put(struct batch *b, struct uuid task, struct str json);
/* For `apply`: the task finishes. */
void checkpoint_end(struct batch *b, struct uuid task);
