/* migrating_priv: the databases, shards and schemas that the commands of `windlass migrate` go
 * through. */
#pragma once
#include "base/arena.h"
#include "cmd/cmd.h"
#include "cmd/up_cluster_priv.h"
#include "conf/shard_map.h"
#include "schema/migrate.h"

enum { MIGRATING_SET_COUNT = 3 };

/* One after the other: each is a PostgreSQL schema with migrations of its own. */
extern const struct schema_set *const migrating_sets[MIGRATING_SET_COUNT];

struct migrating {
    const struct conf *conf;
    struct arena *a;
    struct str url;  /* of the database that is being worked on */
    unsigned shard;  /* whose it is; those of shards 1 and up have no schema `public` */
    bool is_cluster; /* the private one, with what was joined */
    struct up_cluster cluster;
    enum up_role role;
    struct shard_texts given;
    size_t shard_count; /* with a database each; of a cluster those that it has */
    bool reads_folder;  /* the files of --dir stand in for those of the program */
    const char *folder; /* of the set's migrations; NULL: those that the program carries */
    struct migration_list list;
    struct schema_options options;
};

/*
 * Where `shard` names one, its database alone: that of shard-database-urls, or else the main one,
 * which then is that shard's, or where none is named that of the private cluster. `reads_folder`:
 * the files of --dir stand in for those of the program. Else all of them, one after the other. To
 * be cleared also where it failed.
 *
 * Errors: INVALID; of the database, where the private cluster's shards are counted.
 */
[[nodiscard]] bool migrating_open(struct migrating *s, const struct conf *conf, bool reads_folder,
                                  schema_report_fn *report, void *owner, struct err *e);
void migrating_clear(struct migrating *s);

/* The private cluster's database, which `windlass up` must be running. Errors: INVALID. */
[[nodiscard]] bool migrating_join_cluster(struct migrating *s, enum up_role role, struct err *e);
/* To the database after it; false: all have been worked on. */
[[nodiscard]] bool migrating_next(struct migrating *s);

/* The sets of this database begin with that one. */
[[nodiscard]] size_t migrating_first_set(const struct migrating *s);
/* What follows is about this set. Errors: as migration_load. */
[[nodiscard]] bool migrating_use(struct migrating *s, const struct schema_set *set, struct err *e);
