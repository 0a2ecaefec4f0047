/*
 * record: what somebody did that no task tells, such as a change of a type or a bulk action, as the
 * gateway that was asked wants it in its audit log. It is written with the change, in its batch
 * (OP_RECORD), and told in the feed, so that whichever gateway reads that can write the entry.
 * Source: docs/protocol.md "Records".
 */
#pragma once
#include "worker/shard_priv.h"

struct json_value;

enum { RECORD_BYTES_MAX = 256 << 10 };

struct record {
    bool is_given;
    struct uuid id;     /* of the entry */
    struct str members; /* `"action":"…",…`: what stands in it beside, for the gateway alone */
    bool is_last;       /* the act ends with this call */
    int64_t done, refused; /* of a bulk action: by the calls before this one */
};

/* The member `record` of a body, if it has one; its texts live in the arena. INVALID, LIMIT. */
[[nodiscard]] bool record_read(const struct json_value *body, struct arena *a,
                               struct record *ret_record, struct err *e);
/* Of a change that is one call's alone. Nothing where none is given. */
void record_put(struct batch *b, const struct record *record);
/* Of a bulk action; `is_open`: it goes on. */
void record_put_bulk(struct batch *b, const struct record *record, int64_t done, int64_t refused,
                     bool is_open);
/* The event, `text` being what stands in the log's `extra`. */
void event_record(struct buf *out, int64_t seq, int64_t at_us, struct str text);
