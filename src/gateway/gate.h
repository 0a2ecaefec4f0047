/*
 * gate: all password work of the process, in one place: two hashes at once on other threads, a
 * bounded queue behind them, and how often an account or an address may fail. It lives on one loop;
 * jobs of the others come and go by io_loop_post.
 *
 *   submit --> (home) limits --> (thread) compare, hash --> (home) count --> (its loop) done
 *                       `-- too many, or the queue is full -------------------^
 *
 * Source: docs/decisions/0016-credentials-believed-for-a-second.md.
 */
#pragma once
#include "auth/password.h"
#include "base/err.h"
#include "io/loop.h"

struct gate;
struct meter;

struct gate_options {
    struct io_loop *home;
    struct meter *meter;
    struct password_params params; /* of new hashes */
    size_t running_max, waiting_max;
    uint32_t account_failures_max, address_failures_max;
    int64_t window_us;
};

[[nodiscard]] struct gate *gate_create(const struct gate_options *options);
/* No job may run or wait. */
void gate_destroy(struct gate *gate); /* accepts NULL */

/* What to compare the password with before anything else. */
enum gate_compare {
    GATE_NOTHING, /* there is none: a new account */
    GATE_HASH,    /* a failure with a hash of other parameters costs GATE_NOBODY beside its own */
    GATE_NOBODY,  /* there is no such account: costs the same and never matches */
};

/* One piece of work; its asker's memory until `done`, which always comes, from the asker's loop. */
struct gate_job {
    io_fn *done;
    void *owner;
    /* What to do. Texts live until `done`. */
    struct str account, address; /* whose failures count; empty: nobody's */
    enum gate_compare compare;
    struct str password, hash;
    /* Hashed, where the comparison did not fail; ptr NULL: none. */
    struct str new_password;

    /* What came of it. */
    bool is_match; /* true for GATE_NOTHING */
    /* Of new_password; without one, of `password` where `hash` was made with older parameters. */
    bool has_new_hash;
    char new_hash[PASSWORD_HASH_MAX];
    int64_t retry_after_us; /* with RATE by a limit */
    struct err err;         /* ERR_NONE; RATE: a limit or the queue; UNAVAILABLE, INTERNAL */

    /* The gate's. */
    struct gate *gate;
    struct io_loop *loop;
};

/* Thread: that of `loop`. */
void gate_submit(struct gate *gate, struct io_loop *loop, struct gate_job *job);
