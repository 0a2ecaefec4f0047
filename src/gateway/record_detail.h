/*
 * record_detail: what an entry of the audit log tells beside who, what and when, as JSON in the
 * arena: the names are those of the GraphQL API. Payloads are told up to RECORD_VALUE_MAX bytes.
 */
#pragma once
#include "gateway/feed.h"

enum { RECORD_VALUE_MAX = 4 << 10 }; /* of one setting before or after; a longer one is left out */

/* type, queue, priority, and `task` where an id is given. `cells` are of a task. */
[[nodiscard]] struct str record_detail_task(struct arena *a, const struct str *cells,
                                            const struct uuid *task);
[[nodiscard]] struct str record_detail_type(struct arena *a, struct str type);

struct record_many {
    size_t count;
    struct uuid *ids; /* the first ones */
    size_t id_count;
    struct feed_count *types; /* type and count of the first ones */
    size_t type_count;
    int64_t until_us; /* when the last one was done */
};
[[nodiscard]] struct str record_detail_many(struct arena *a, const struct record_many *many);

/* `change` is what the worker tells of a change of a job: docs/protocol.md. */
[[nodiscard]] struct str record_job_action(const struct json_value *change);
[[nodiscard]] struct str record_detail_job(struct arena *a, const struct json_value *change);

/* `record` is what the worker tells of an act, as the gateway that was asked gave it. ptr NULL:
 * there is nothing to tell. */
[[nodiscard]] struct str record_detail_act(struct arena *a, const struct json_value *record);

/* `is_cut`: the worker does not tell all changes of jobs. */
[[nodiscard]] struct str record_detail_lost(struct arena *a, int shard, int64_t from_seq,
                                            int64_t to_seq, bool is_reset, bool is_cut);
