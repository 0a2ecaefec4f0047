/* session_priv: the session, as its own files see it. */
#pragma once
#include "http/client.h"
#include "http/leader.h"
#include "base/backoff.h"
#include "io/timer.h"
#include "runner/runner_priv.h"

enum session_state { SESSION_RESTING, SESSION_OPENING, SESSION_OPEN, SESSION_ENDING, SESSION_OVER };

/* What comes after the end of this session. */
enum session_next { NEXT_NONE, NEXT_ANEW, NEXT_REST, NEXT_OVER };

struct session_call {
    struct session *session;
    enum tally_call kind;
    struct http_call *running; /* NULL: none */
    size_t address;            /* whose, of the workers */
    int64_t sent_us;
    size_t asked; /* LEASES, MORE: for so many tasks */
};

struct session {
    struct runner *runner;
    struct arena *arena; /* the texts of the settings */
    struct http_leader *workers;
    const char *authorization; /* a header, or NULL */
    int64_t drain_ms;

    enum session_state state;
    enum session_next leaving; /* NONE: it stays */
    bool is_quiet;             /* as the worker wishes */
    char *id, *secret;         /* NULL: none */
    int64_t ttl_ms, heartbeat_ms;

    struct session_call calls[TALLY_CALL_COUNT];
    struct io_turn *turn;
    struct io_timer *hold;  /* runs while the worker is given time */
    struct io_timer *beat;  /* heartbeats */
    struct io_timer *logs;  /* until one that tells what tasks have written */
    struct io_timer *lease; /* until the session's leases have ended without a renewal */
    struct io_timer *drain; /* until what still runs is given up */
    struct backoff backoff;
    bool is_away; /* it was told so in the log */

    bool must_tell_held;  /* there may be leases that we have not heard of */
    bool is_telling_held; /* the request for leases that is under way does */
    bool asks_for_one;    /* the last answer was too large */
    bool has_found_many;  /* the last answer had all that it was asked for */
    size_t beat_from;     /* where the next heartbeat's list begins */
    bool is_hurried;      /* the drain's time is over */
    io_fn *on_drained;
    void *drain_owner;
};

/* How a call ended. */
struct session_reply {
    enum tally_result result;
    bool is_in_doubt; /* AWAY: it may have been carried out */
    bool is_frozen;   /* AWAY: nobody leads, so no lease can end */
    bool is_too_large;
    bool is_about_content; /* REFUSED: of what the call carried, not of who makes it */
    struct str body;       /* OK */
    struct str reason;     /* else: what to tell people */
    struct arena *arena;
};

/* session_calls.c: puts the calls together and starts them. */
void runner_session_call_open(struct session *s);
/* LEASES waits for tasks, MORE does not. */
void runner_session_call_leases(struct session *s, enum tally_call kind, size_t most);
/* Where its acknowledgements ride. */
[[nodiscard]] enum ack_carrier runner_session_carrier(enum tally_call kind);
void runner_session_call_acks(struct session *s);
void runner_session_call_heartbeat(struct session *s);
void runner_session_call_end(struct session *s);
void runner_session_cancel_call(struct session *s, enum tally_call kind);

/* session.c */

/* The session is over, as it wished or not. */
void runner_session_go_on(struct session *s);
/* The poll that is open may be on its way with leases: the next request asks for them back. */
void runner_session_stop_asking(struct session *s);

/* session_hear.c: a call has ended. */
void runner_session_replied(struct session *s, enum tally_call kind,
                            const struct session_reply *reply);
