/* doctor_database: PostgreSQL's programs, and where its server is. */
#include "base/base.h"

#include <limits.h>
#include <unistd.h>

#include "cmd/doctor_priv.h"
#include "cmd/up_cluster_priv.h"
#include "conf/shard_map.h"

/* The server's own cluster, or what DATABASE_URL names; NULL when there is nothing to look at. */
static const char *find_database(struct doctor *d, struct up_cluster *ret_cluster,
                                 const char **ret_run)
{
    struct up_cluster cluster;
    struct err e;
    const char *url = NULL;
    if (conf_is_given(d->conf, CONF_DATABASE_URL))
        return conf_cstr(d->conf, CONF_DATABASE_URL);
    char data[PATH_MAX]; /* as `up` names it */
    const struct up_cluster_options options = { .arena = d->arena,
                                                .data =
                                                    realpath(conf_cstr(d->conf, CONF_DATA), data)
                                                        ? data
                                                        : conf_cstr(d->conf, CONF_DATA),
                                                .run = "",
                                                .programs = conf_cstr(d->conf, CONF_PG_BIN) };
    if (options.data[0] == '\0' ||
        (access(options.data, F_OK) == 0 && access(options.data, R_OK | X_OK) != 0))
        return NULL; /* doctor_check_data has told it */
    if (!up_cluster_find(&options, &cluster, &e)) {
        doctor_report_err(d, "programs", &e,
                          "install the package postgresql-15, or name a server with database-url");
        return NULL;
    }
    doctor_report(d, "programs", DOCTOR_OK, NULL, "PostgreSQL %d in %s", cluster.version,
                  cluster.programs);
    if (up_cluster_join(&cluster, UP_ROLE_SUPERUSER, 0, &url, &e)) {
        *ret_run = cluster.run;
        *ret_cluster = cluster;
        return url;
    }
    if (e.code != ERR_NOT_FOUND)
        doctor_report_err(d, "database", &e,
                          "run this as root, or as the user that runs `windlass up`");
    else
        doctor_report(d, "database", DOCTOR_OK, NULL,
                      cluster.is_made ? "the cluster in %s does not run; `windlass up` starts it"
                                      : "the cluster in %s will be made by `windlass up`",
                      cluster.data);
    return NULL;
}

/* Those of shards 1 and up: in the cluster, or where shard-database-urls says. */
static void check_shards(struct doctor *d, const struct up_cluster *cluster)
{
    struct shard_texts given;
    struct err e;
    bool is_good = shard_texts_read(conf_str(d->conf, CONF_SHARD_DATABASE_URLS), &given, &e);
    assert(is_good); /* checked when the settings were read */
    int count = (int)conf_int(d->conf, CONF_SHARDS);
    for (int shard = 1; shard < (int)given.shard_count; shard++)
        doctor_check_shard(d, shard, arena_cstr(d->arena, given.texts[shard]));
    for (int shard = 1; shard < count && given.shard_count == 1 && cluster->arena; shard++)
        doctor_check_shard(d, shard, up_cluster_url(cluster, UP_ROLE_SUPERUSER, shard));
}

void doctor_check_database(struct doctor *d, const char **ret_run)
{
    struct up_cluster cluster = { 0 };
    const char *url = find_database(d, &cluster, ret_run);
    if (url == NULL)
        return;
    doctor_check_server(d, url);
    check_shards(d, &cluster);
}
