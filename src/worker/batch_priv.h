/* batch_priv: what batch.c and batch_end.c share with change_rows.c, shard.c and feed.c alone. */
#pragma once
#include "worker/shard_priv.h"

struct batch_closure {
    struct batch_closure *next;
    batch_fn *fn;
    void *data;
};

/* change_rows.c: the rows of the tables of tasks. */
[[nodiscard]] struct batch_rows *batch_rows_create(struct batch *b);
void batch_rows_destroy(struct batch_rows *rows);
void batch_rows_steps(struct batch *b);

/* batch_end.c */
/* The end of a batch without changes. */
void batch_nothing(struct batch *b);
void batch_replied(void *owner, const struct db_reply *reply);

/* shard.c */
void shard_init(struct shard *s);
void shard_clear(struct shard *s);
/* The process ends: a batch whose outcome nobody will learn is let go, its callers are told. */
void shard_abandon(struct shard *s);
/* A type that the tables have. */
void shard_put_type(struct shard *s, uint32_t number, struct str name, bool is_stored);
void shard_put_queue(struct shard *s, uint32_t number, struct str name, bool is_stored);
void shard_batch_ended(struct shard *s);
/* Memory is empty again. Nobody leads. */
void shard_forget(struct shard *s);
/* Tells all intents that wait. */
void shard_refuse_waiting(struct shard *s, const struct err *err);
/* A moment's rest: the database has refused something that will pass. */
void shard_pause(struct shard *s);
