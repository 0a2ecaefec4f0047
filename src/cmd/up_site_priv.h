/*
 * up_site: everything that is settled before the supervisor's loop runs: who we are, folders and
 * their locks, sockets, programs. What needs root is done first, then root is given up.
 */
#pragma once
#include "cmd/up_cluster_priv.h"
#include "cmd/up_identity_priv.h"
#include "cmd/up_plan_priv.h"

struct up_site {
    const struct conf *conf;
    struct arena *arena;
    struct up_identity identity;
    struct io_listen_set sockets;
    const char *data; /* NULL without a cluster of our own */
    const char *run;
    int data_lock, run_lock; /* held until the process ends */
    int program_fd;          /* this very program */
    bool has_terminal;
    bool has_cluster; /* of our own: DATABASE_URL is not set */
    struct up_cluster cluster;
};

/*
 * Blocks, and leaves the process as the services' user when it was root's.
 *
 * Errors: INVALID for settings, CONFLICT for what somebody else holds, NOT_FOUND for missing
 * programs, DENIED, LIMIT (a full disk), UNAVAILABLE.
 */
[[nodiscard]] bool up_site_prepare(const struct conf *conf, struct arena *a,
                                   struct up_site *ret_site, struct err *e);

/* Somebody sits at a terminal that this process belongs to. */
[[nodiscard]] bool up_has_terminal(void);
