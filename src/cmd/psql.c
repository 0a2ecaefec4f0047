/* psql: PostgreSQL's own shell on the right database, so that nobody looks for socket and password.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <unistd.h>

#include "cmd/up_cluster_priv.h"
#include "conf/shard_map.h"
#include "db/conn.h"

enum { ARENA_BYTES = 1 << 20 };

struct target {
    struct str url;
    const char *program; /* psql: of the cluster's own version where there is one */
};

static bool find_target(const struct conf *conf, struct arena *a, struct target *ret_target,
                        struct err *e)
{
    struct up_cluster cluster;
    const char *url = NULL, *programs = conf_cstr(conf, CONF_PG_BIN);
    const struct up_cluster_options options = { .arena = a,
                                                .data = conf_cstr(conf, CONF_DATA),
                                                .programs = programs };
    int64_t shard = conf_int(conf, CONF_SHARD);
    struct shard_texts given;
    struct target target = { .program = "psql" };
    if (!shard_texts_read(conf_str(conf, CONF_SHARD_DATABASE_URLS), &given, e) ||
        !shard_texts_pick(&given, "shard-database-urls", (size_t)shard, &target.url, e))
        return false;
    if (target.url.len == 0)
        target.url = conf_str(conf, CONF_DATABASE_URL);
    if (target.url.len == 0) {
        if (!up_cluster_find(&options, &cluster, e) ||
            !up_cluster_join(&cluster, UP_ROLE_OWNER, (int)shard, &url, e))
            return false;
        target.url = str_of_c(url);
        programs = cluster.programs;
    }
    if (programs[0])
        target.program = arena_printf(a, "%s/psql", programs).ptr;
    *ret_target = target;
    return true;
}

/* Becomes psql. The connection goes through the environment: arguments can be read by anybody. */
static bool run_psql(const struct conf *conf, struct arena *a, const struct target *target,
                     struct err *e)
{
    const char *args[1 + CMD_PSQL_ARGUMENTS_MAX + 1] = { "psql" };
    const char *const *variables = NULL;
    char *const *exec_args = NULL;
    const char *const *args_list = args;
    if (!db_url_variables(a, target->url, &variables, e))
        return false;
    for (; *variables; variables++) {
        struct str name, value;
        (void)str_cut(str_of_c(*variables), '=', &name, &value);
        (void)setenv(arena_cstr(a, name), arena_cstr(a, value), 1);
    }
    for (size_t i = 0; i < conf_operand_count(conf); i++)
        args[1 + i] = arena_cstr(a, conf_operand(conf, i));
    memcpy(&exec_args, &args_list, sizeof exec_args); /* its type lacks the const that it keeps */
    execvp(target->program, exec_args);
    return err_set_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_DENIED, "cannot run %s",
                         target->program);
}

int cmd_psql(const struct conf *conf)
{
    struct err e;
    struct target target;
    scoped(arena_destroyp) struct arena *a = arena_create(ARENA_BYTES);
    bool ok = find_target(conf, a, &target, &e) && run_psql(conf, a, &target, &e);
    assert(!ok); /* else we were psql by now */
    return cmd_fail(e.code == ERR_INVALID ? CMD_BAD_SETTINGS : CMD_UNAVAILABLE, &e);
}
