/*
 * up_site: everything that is settled before the supervisor's loop runs: who we are, folders and
 * their locks, sockets, programs. What needs root is done first, then root is given up.
 */
#pragma once
#include "cmd/up_cluster_priv.h"
#include "cmd/up_identity_priv.h"
#include "cmd/spawner_priv.h"
#include "cmd/up_roster_priv.h"

struct up_site {
    const struct conf *conf;
    struct arena *arena;
    struct up_identity identity;
    /* The gateway's are the installation's address. They stay open here, so that a service which
     * is started again has lost no caller. By enum up_service. */
    struct io_listen_set *sockets;
    const char *data; /* NULL without a cluster of our own */
    const char *run;
    int data_lock, run_lock; /* held until the process ends */
    int program_fd;          /* this very program */
    bool has_terminal;
    bool has_spawner; /* of commands: we were root, and there is a list of them */
    struct spawner spawner;
    bool has_cluster; /* of our own: DATABASE_URL is not set */
    struct up_cluster cluster;
    int shard_count;
    struct shard_texts shard_databases; /* that were given: else they are the cluster's */
};

/*
 * Blocks, and leaves the process as the services' user when it was root's.
 *
 * Errors: INVALID for settings, CONFLICT for what somebody else holds, NOT_FOUND for missing
 * programs, DENIED, LIMIT (a full disk), UNAVAILABLE.
 */
[[nodiscard]] bool up_site_prepare(const struct conf *conf, struct arena *a,
                                   struct up_site *ret_site, struct err *e);

/* The URL of the database of shard 1 or up, for that role where it is the cluster's; in the arena.
 */
[[nodiscard]] const char *up_site_shard_database(const struct up_site *site, enum up_role role,
                                                 int shard);

/* Closes what is left open, and removes the services' sockets. */
void up_site_clear(struct up_site *site);

/*
 * The folder of the sockets where `run` does not name one, in the arena. `identity` is `data`, or
 * the address where there is no cluster: what no two installations can share.
 */
[[nodiscard]] const char *up_run_folder(struct arena *a, const char *identity, bool is_root);

/* The file in that folder that holds the gateway's address while it is served, in the arena. */
[[nodiscard]] const char *up_url_file(struct arena *a, const char *run);

/* Somebody sits at a terminal that this process belongs to. */
[[nodiscard]] bool up_has_terminal(void);
