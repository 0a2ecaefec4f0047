/*
 * acks: the acknowledgements that the worker has not answered yet. They leave in order, ride on a
 * call, and come back when that call got no answer: said twice is as good as once.
 *
 *   add --> waiting --take--> on a carrier --settle--> gone
 *    |         ^----------- give back ---'
 *    `--> behind the heartbeat that carries lines of the attempt, until it has ended
 */
#pragma once
#include "base/list.h"
#include "json/writer.h"
#include "runner/wire.h"

enum ack_outcome {
    ACK_COMPLETE,
    ACK_FAIL,  /* to be tried again */
    ACK_FATAL, /* not to be */
    ACK_RELEASE,
    ACK_SNOOZE, /* the same, for a while */
    ACK_CANCELLED,
    ACK_OUTCOME_COUNT,
};

struct ack {
    struct str task, fence;
    enum ack_outcome outcome;
    struct str result;   /* COMPLETE: one JSON value; empty: none */
    struct str error;    /* for people; empty: none */
    struct str logs;     /* lines as JSON, commas between; empty: none */
    struct str logs_out; /* earlier ones, on a heartbeat under way; empty: none */
    int64_t retry_in_ms; /* FAIL: 0: the worker's back-off; SNOOZE */
};

/* The call that an acknowledgement rides on. */
enum ack_carrier { ACK_ON_LEASES, ACK_ON_MORE, ACK_ON_ACKS, ACK_CARRIER_COUNT };

enum {
    ACKS_ONE_CALL_MAX = 500,
    ACKS_ONE_CALL_BYTES = 1 << 20, /* a longer one goes alone */
    ACK_ERROR_BYTES_MAX = 2048,
};

struct acks {
    struct list waiting, riding[ACK_CARRIER_COUNT];
    struct list behind; /* those with logs_out: it alone will tell whether they must say it */
    size_t count;       /* of all */
    size_t waiting_count;
    size_t
        single_count; /* so many of the next go alone: a call that held one of them was refused */
};

void acks_init(struct acks *acks);
void acks_clear(struct acks *acks); /* forgets all */
/* Copies it. The error is cut and made valid UTF-8. With logs_out it waits for the heartbeat. */
void acks_add(struct acks *acks, const struct ack *ack);
/* Writes as many as one call takes, as one JSON array, and puts them on the carrier. */
void acks_take(struct acks *acks, enum ack_carrier carrier, struct json_writer *w);
/*
 * What the worker answered; what it left out waits again. `ret_counts` gets one more for each
 * verdict. Returns how many were left out.
 */
size_t acks_settle(struct acks *acks, enum ack_carrier carrier, const struct wire_ack *answers,
                   size_t count, uint64_t ret_counts[WIRE_VERDICT_COUNT]);
/* The call got no answer: all wait again, before those that came since. */
void acks_give_back(struct acks *acks, enum ack_carrier carrier);
/*
 * The worker will not take the call's content. Several go alone from now on; one alone becomes
 * FATAL with `why` as its error; refused as that, it is dropped, which is told by false.
 */
bool acks_refuse(struct acks *acks, enum ack_carrier carrier, struct str why);
/* The heartbeat has ended: what has not arrived with it is told by the acknowledgements. */
void acks_heartbeat_ended(struct acks *acks, bool has_arrived);
/* The tasks whose acknowledgements are not answered, as members of an array of {task, fence}. */
void acks_write_tasks(const struct acks *acks, struct json_writer *w);

[[nodiscard]] const char *ack_outcome_name(enum ack_outcome outcome);
