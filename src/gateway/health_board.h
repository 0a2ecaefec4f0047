/*
 * health_board: what the loops have found out about the services that the process needs: one state
 * of each, whichever loop is asked. Written where something changes; a breaker's is one atomic
 * word, so that no call waits for a lock.
 * Thread: any.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "http/breaker.h"

struct arena;
struct health_board;

/* A breaker for each of `peer_count`; `loop_count` loops, each with its database connections. */
[[nodiscard]] struct health_board *health_board_create(size_t loop_count, size_t peer_count);
void health_board_destroy(struct health_board *board); /* accepts NULL */

/* ── whether a service is there ── */

struct health_fact {
    bool is_up;
    bool is_senseless;  /* but the last answer was none, whatever the probes say */
    struct str why;     /* it is not up, or senseless */
    int64_t since_us;   /* wall: when it came or went */
    int64_t latency_us; /* of the last probe that was answered; -1: none was */
};

/* The database is there when every loop has it: else requests fail. `why` is told once more as
 * long as it lasts; NULL: nothing is known. True: that has changed for the process. */
bool health_board_tell_database(struct health_board *board, size_t loop, bool is_up,
                                const struct err *why);
[[nodiscard]] bool health_board_has_database(struct health_board *board);
[[nodiscard]] struct health_fact health_board_database(struct health_board *board, struct arena *a);

/* ai answered a call or a probe, or did not, as `why` says. True: that has changed. */
bool health_board_tell_ai(struct health_board *board, const struct err *why);
/* What it answered makes sense, or not, as `why` says (else NULL). True: that has changed. */
bool health_board_tell_ai_sense(struct health_board *board, const char *why);
void health_board_tell_ai_latency(struct health_board *board, int64_t latency_us);
[[nodiscard]] struct health_fact health_board_ai(struct health_board *board, struct arena *a);

/* ── breakers: of several loops' of one peer, the change that came last ── */

struct health_breaker {
    enum http_breaker_state state;
    int64_t since_us; /* wall; 0: nobody has one */
};
/* A loop's breaker is as `now` says, after all that may have changed it; `*last` is what the loop
 * noted before. `is_answered`: the peer has answered; where the breaker was closed all the while,
 * it counts as closed for the process, too. */
void health_board_note(struct health_board *board, size_t peer, struct health_breaker *last,
                       struct health_breaker now, bool is_answered);
[[nodiscard]] struct health_breaker health_board_breaker(const struct health_board *board,
                                                         size_t peer);
