/* meter: what the worker counts, for /metrics. */
#pragma once
#include "worker/shard_priv.h"

struct worker_meter;

[[nodiscard]] struct worker_meter *worker_meter_create(void);
void worker_meter_destroy(struct worker_meter *m); /* accepts NULL */
/* Reads what the shard has now, and writes all. */
void worker_meter_write(struct worker_meter *m, const struct shard *s, struct buf *out);

enum meter_doubt { METER_DOUBT_COMMITTED, METER_DOUBT_NEVER, METER_DOUBT_OVERTAKEN };

void worker_meter_batch(struct worker_meter *m, size_t changes, int64_t took_us);
void worker_meter_halved(struct worker_meter *m);
void worker_meter_refused(struct worker_meter *m);
void worker_meter_inbox_refused(struct worker_meter *m, size_t entries);
void worker_meter_doubt(struct worker_meter *m, enum meter_doubt outcome);
void worker_meter_step_down(struct worker_meter *m);
void worker_meter_tick(struct worker_meter *m, size_t rows);
void worker_meter_feed(struct worker_meter *m, bool from_tables, size_t events);
