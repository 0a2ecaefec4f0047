/*
 * up: the supervisor's state, and what its files share: up.c drives, starts and stops,
 * up_database.c brings the private cluster up, up_services.c the schema and the services, which
 * up_roster.c lists.
 */
#pragma once
#include "base/clock.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/up_children_priv.h"
#include "cmd/up_site_priv.h"
#include "io/notify.h"
#include "io/offload.h"
#include "io/signals.h"
#include "io/timer.h"

enum { UP_SETUP_TOKEN_MAX = 128 };

struct up;
enum up_next { UP_MORE, UP_WAIT, UP_END };
/* A state is a function. Whoever changes what it waits for runs the driver. */
typedef enum up_next up_step_fn(struct up *u);

enum up_stop { UP_STOP_NONE, UP_STOP_DRAIN, UP_STOP_NOW };

struct up {
    const struct conf *conf;
    struct arena *arena;
    struct up_site site;

    struct io_loop *loop;
    struct io_offload *offload;
    struct io_notify *notify;
    const char *notify_path;
    struct io_signal *signals[5];
    struct io_timer *step_timer;   /* the step's deadline or next look */
    struct io_timer *server_timer; /* looks at postmaster.pid while the server starts */
    struct up_child *server;
    struct up_child *services[UP_SERVICE_COUNT];
    bool was_ready[UP_SERVICE_COUNT]; /* at least once */
    struct up_links links;
    struct up_child *helper; /* initdb or migrate, while it runs */

    up_step_fn *step;
    const char *step_name;
    int64_t step_since_us, news_at_us;
    enum up_stop stop;
    bool is_stopping;
    int waves_told;  /* of services, to stop: enum up_wave */
    bool is_running; /* the driver; a step's call may come back to it */
    bool is_woken;
    bool is_providing; /* another thread works for `provide` */
    bool is_provided;
    struct err provide_error;
    bool is_announced;
    char setup_token[UP_SETUP_TOKEN_MAX + 1];
    int64_t born_us;
    int exit_code;
};

/* The driver: call it after each change that a step may wait for. */
void up_run(struct up *u);
/* The next step, at once. */
enum up_next up_go(struct up *u, up_step_fn *step, const char *name);
#define go(u, next) up_go((u), (next), #next)
/* Asks the step again then, or earlier when something changes. */
enum up_next up_wait_ms(struct up *u, int64_t delay_ms);
[[nodiscard]] int64_t up_step_age_ms(const struct up *u);
/* A word to log and systemd about a long wait, every few seconds. */
void up_tell_news(struct up *u, const char *event, const char *status);
/* Lines of sd_notify's protocol. */
void up_tell_supervisor(const char *lines);
/* Ends the start: what runs is stopped, then the process exits with the error's code. */
enum up_next up_fail(struct up *u, const struct err *e);
/* Starts initdb or migrate; the step is asked again when it has ended. */
[[nodiscard]] bool up_helper_start(struct up *u, const struct up_child_plan *plan, struct err *e);
[[nodiscard]] bool up_helper_succeeded(const struct up *u);

/* Where the other files begin; the database goes on to the services, these to serving. */
up_step_fn up_begin_database, up_begin_services, up_serve;

/* A datagram of a child's: ready, a setup link. An io_notify_fn. */
void up_take_notice(void *owner, pid_t sender, struct str lines);
