/*
 * rig: a loop, a pool and calls that remember their replies, for tests of what stands on db/pool.
 * A wait that lasts far longer than anything takes, on a busy machine too, ends the program.
 */
#pragma once
#include "base/clock.h"
#include "db/conn.h"
#include "db/pool.h"
#include "io/timer.h"
#include "support/pg.h"

/* A call's deadline that no test comes to: the rig gives up before. */
enum { RIG_LONG_MS = 600 * 1000 };

struct rig {
    struct io_loop *loop;
    struct db_pool *pool;
    struct io_timer *tick;
    struct arena *arena;
    bool is_up;
    unsigned ups, downs;
    bool goes_first; /* of the calls that rig_start makes from now on */
};

/* Room for 32-byte values is all that the tests need. */
struct rig_call {
    struct rig *rig;
    bool is_done;
    enum err_code code;
    enum err_origin origin;
    bool is_in_doubt;
    char sqlstate[DB_SQLSTATE_LEN + 1];
    char constraint[DB_NAME_MAX + 1];
    char message[512]; /* err_text */
    size_t rows, results;
    char value[32]; /* the first cell of the last result */
    struct db_request *request;
};

/* `options->url` is set to `url`; NULL: the defaults. Waits as rig_wait_up does. */
void rig_init(struct rig *rig, const char *url, const struct db_pool_options *options);
/* The same without waiting. */
void rig_init_down(struct rig *rig, const char *url, const struct db_pool_options *options);
void rig_clear(struct rig *rig);

/* Runs the loop until `is_reached(owner)`. */
typedef bool rig_fact_fn(void *owner);
void rig_wait(struct rig *rig, rig_fact_fn *is_reached, void *owner);
/* Until all connections are open. */
void rig_wait_up(struct rig *rig);
void rig_wait_call(struct rig *rig, struct rig_call *call);
void rig_wait_calls(struct rig *rig, struct rig_call *calls, size_t count);
/* Runs the loop for about so long. */
void rig_run(struct rig *rig, int64_t ms);

/* A statement with text parameters, composed in the rig's arena. */
[[nodiscard]] struct db_step rig_step(struct rig *rig, const char *sql, size_t count,
                                      const char *const *values);
/* One statement; false and no reply when it was refused, which `call->code` tells. */
bool rig_start(struct rig *rig, enum db_lane lane, const struct db_step *steps, size_t count,
               int64_t timeout_ms, bool is_idempotent, struct rig_call *call);
/* One statement without values, and its reply. */
void rig_ask(struct rig *rig, enum db_lane lane, const char *sql, struct rig_call *call);
/* On a connection of its own; the first cell as a number. */
[[nodiscard]] int64_t rig_look(const char *url, const char *sql);
void rig_do(const char *url, const char *sql);

[[nodiscard]] struct db_lane_stats rig_stats(const struct rig *rig, enum db_lane lane);
