/* tally: what the runner counts. */
#pragma once
#include "runner/acks.h"

struct tally;

/* How an attempt ended here: as its acknowledgement says, or without one. */
enum { TALLY_LOST = ACK_OUTCOME_COUNT, TALLY_OUTCOME_COUNT };

/* The calls to the worker. */
enum tally_call {
    TALLY_OPEN,
    TALLY_LEASES,
    TALLY_MORE, /* leases, too, while there are many */
    TALLY_ACKS,
    TALLY_HEARTBEATS,
    TALLY_END,
    TALLY_CALL_COUNT,
};
enum tally_result { TALLY_OK, TALLY_GONE, TALLY_AWAY, TALLY_REFUSED, TALLY_RESULT_COUNT };

[[nodiscard]] struct tally *tally_create(void);
void tally_destroy(struct tally *m); /* accepts NULL */

void tally_task(struct tally *m, size_t type_index, int outcome, int64_t duration_us);
void tally_called(struct tally *m, enum tally_call call, enum tally_result result);
void tally_verdicts(struct tally *m, const uint64_t counts[WIRE_VERDICT_COUNT]);
void tally_ack_dropped(struct tally *m);

struct tally_gauges {
    size_t running, slots, unanswered_acks;
    bool has_session;
};
void tally_write(struct tally *m, const struct tally_gauges *gauges, struct buf *out);
