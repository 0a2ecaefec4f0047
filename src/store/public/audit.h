/* audit: rows of the audit log that no other statement writes. SQL: audit.sql. */
#pragma once
#include "db/pool.h"
#include "store/public/actor.h"

/* Deletes at most `most` of those that are older; audit_expired tells how many. */
[[nodiscard]] struct db_step audit_expire_step(struct arena *a, int64_t kept_us, int32_t most);
[[nodiscard]] int64_t audit_expired(const struct db_rows *rows);

/*
 * One that the worker's record tells, or the gateway that asked the worker for it. Its id is given,
 * or shard and number name it for ever: whoever writes it, it is written once.
 */
struct audit_record {
    struct uuid id; /* nil: as shard and number say */
    int shard;
    int64_t seq, at_us;
    struct uuid user_id; /* nil: whoever has the label as email address, if anybody has */
    struct str label, action, subject;
    struct str detail; /* JSON; empty: none */
};
[[nodiscard]] struct db_step audit_record_step(struct arena *a, const struct audit_record *records,
                                               size_t count);
/* Behind the same: what stood there as unfinished already becomes what these say. */
[[nodiscard]] struct db_step audit_finish_step(struct arena *a, const struct audit_record *records,
                                               size_t count);

/* ── acts that are not at their end: before it, and so that they are not lost with a gateway ── */

/* `shards` are asked, each for all of it; 0: the last call says itself that it is the last. */
[[nodiscard]] struct db_step audit_begin_step(struct arena *a, const struct audit_record *act,
                                              int16_t shards);
/* The workers of those shards, a bit for each, have told of them. Before audit_record_step. */
[[nodiscard]] struct db_step audit_told_step(struct arena *a, const struct audit_record *acts,
                                             size_t count, int64_t shards);
/* Its entry has its end, or needs none, since nothing was done. Before audit_record_step. */
[[nodiscard]] struct db_step audit_end_step(struct arena *a, struct uuid id);
/* At most `most` of those that are older than `kept_us` become entries as far as they are known;
 * what several shards were asked for is waited for until it is older than `late_us`. audit_settled
 * tells how many. */
[[nodiscard]] struct db_step audit_settle_step(struct arena *a, int64_t kept_us, int64_t late_us,
                                               int64_t most);
[[nodiscard]] int64_t audit_settled(const struct db_rows *rows);
