/* doctor_database: PostgreSQL's programs, and where its server is. */
#include "base/base.h"

#include <limits.h>
#include <unistd.h>

#include "cmd/doctor_priv.h"
#include "cmd/up_cluster_priv.h"

/* The server's own cluster, or what DATABASE_URL names; NULL when there is nothing to look at. */
static const char *find_database(struct doctor *d, const char **ret_run)
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
    if (up_cluster_join(&cluster, UP_ROLE_SUPERUSER, &url, &e)) {
        *ret_run = cluster.run;
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

void doctor_check_database(struct doctor *d, const char **ret_run)
{
    const char *url = find_database(d, ret_run);
    if (url != NULL)
        doctor_check_server(d, url);
}
