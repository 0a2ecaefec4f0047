#include "cmd/up_cluster_priv.h"

#include <dirent.h>
#include <limits.h>
#include <unistd.h>

#include "cmd/up_identity_priv.h"
#include "cmd/up_log_priv.h"
#include "db/conn.h"
#include "schema/provision.h"

#define DEBIAN_PROGRAMS "/usr/lib/postgresql"
#define DATABASE "windlass"

static const char *const role_names[UP_ROLE_COUNT] = {
    [UP_ROLE_SUPERUSER] = "windlass",
    [UP_ROLE_OWNER] = "windlass_owner",
    [UP_ROLE_GATEWAY] = "windlass_gateway",
    [UP_ROLE_WORKER] = "windlass_worker",
};

static const char *text_of(struct arena *a, struct str s)
{
    return arena_cstr(a, s);
}

#define in_arena(a, ...) text_of((a), arena_printf((a), __VA_ARGS__))

/* Versions. */

int up_server_version(struct str text)
{
    struct str prefix = STR("postgres (PostgreSQL) ");
    size_t end = prefix.len;
    uint64_t version = 0;
    if (!str_starts_with(text, prefix))
        return 0;
    while (end < text.len && text.ptr[end] >= '0' && text.ptr[end] <= '9')
        end++;
    if (!str_to_u64(str_of(text.ptr + prefix.len, end - prefix.len), &version) || version > 999)
        return 0;
    return (int)version;
}

/* Of the programs in the folder; 0 when there are none that run. */
static int programs_version(const char *folder)
{
    char postgres[PATH_MAX], initdb[PATH_MAX];
    struct buf output;
    struct err e;
    if (snprintf(postgres, sizeof postgres, "%s/postgres", folder) >= (int)sizeof postgres ||
        snprintf(initdb, sizeof initdb, "%s/initdb", folder) >= (int)sizeof initdb ||
        access(postgres, X_OK) != 0 || access(initdb, X_OK) != 0)
        return 0;
    const char *const args[] = { postgres, "--version", NULL };
    buf_init(&output, 0);
    int version = up_capture(args, &output, &e) ? up_server_version(buf_str(&output)) : 0;
    buf_clear(&output);
    return version;
}

/* Whole decimal names in the folder, the highest for which `fits` holds; 0: none. */
static int highest_in(const char *folder, bool (*fits)(const char *folder, int number))
{
    int highest = 0;
    DIR *list = opendir(folder);
    for (const struct dirent *entry; list && (entry = readdir(list));) {
        uint64_t number = 0;
        if (str_to_u64(str_of_c(entry->d_name), &number) && number < 1000 &&
            (int)number > highest && fits(folder, (int)number))
            highest = (int)number;
    }
    if (list)
        closedir(list);
    return highest;
}

static bool holds_cluster(const char *folder, int number)
{
    char path[PATH_MAX], bytes[16];
    snprintf(path, sizeof path, "%s/%d/PG_VERSION", folder, number);
    uint64_t version = 0;
    return str_to_u64(str_trim(up_file_read(path, bytes, sizeof bytes)), &version) &&
           version == (uint64_t)number;
}

static bool holds_programs(const char *folder, int number)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%d/bin/initdb", folder, number);
    return number >= UP_CLUSTER_VERSION_MIN && access(path, X_OK) == 0;
}

static bool fits(int version, int wanted)
{
    return wanted ? version == wanted : version >= UP_CLUSTER_VERSION_MIN;
}

/* Takes the folder when its programs fit the data (`wanted`, 0 for any). */
static bool try_programs(struct up_cluster *c, const char *folder, int wanted)
{
    int version = programs_version(folder);
    if (!fits(version, wanted))
        return false;
    c->programs = in_arena(c->arena, "%s", folder);
    c->version = version;
    return true;
}

static bool try_pg_config(struct up_cluster *c, int wanted)
{
    static const char *const args[] = { "pg_config", "--bindir", NULL };
    struct buf output;
    struct err e;
    buf_init(&output, 0);
    bool ok = up_capture(args, &output, &e);
    const char *folder = in_arena(c->arena, "%.*s", STR_FMT(str_trim(buf_str(&output))));
    buf_clear(&output);
    return ok && try_programs(c, folder, wanted);
}

static bool try_debian(struct up_cluster *c, int wanted)
{
    int version = wanted ? wanted : highest_in(DEBIAN_PROGRAMS, holds_programs);
    return version > 0 &&
           try_programs(c, in_arena(c->arena, DEBIAN_PROGRAMS "/%d/bin", version), wanted);
}

static bool find_programs(struct up_cluster *c, const char *given, int wanted, struct err *e)
{
    int version = given[0] ? programs_version(given) : 0;
    if (given[0] && version == 0)
        return err_set(e, ERR_NOT_FOUND, "no initdb and postgres that run in %.100s (pg-bin)",
                       given);
    if (given[0] && !fits(version, wanted))
        return wanted ? err_set(e, ERR_INVALID,
                                "the data was made by PostgreSQL %d, the programs in %.80s are "
                                "%d; set pg-bin to those of %d",
                                wanted, given, version, wanted)
                      : err_set(e, ERR_INVALID, "PostgreSQL %d in %.80s is too old, %d is needed",
                                version, given, UP_CLUSTER_VERSION_MIN);
    if (given[0] ? try_programs(c, given, wanted)
                 : try_pg_config(c, wanted) || try_debian(c, wanted))
        return true;
    if (wanted)
        return err_set(e, ERR_NOT_FOUND,
                       "the data was made by PostgreSQL %d, which is not installed: install the "
                       "package postgresql-%d, or set pg-bin",
                       wanted, wanted);
    return err_set(e, ERR_NOT_FOUND,
                   "PostgreSQL is not installed: install the package postgresql-15, or set pg-bin "
                   "or DATABASE_URL");
}

bool up_cluster_find(const struct up_cluster_options *options, struct up_cluster *ret_cluster,
                     struct err *e)
{
    struct arena *a = options->arena;
    struct up_cluster c = { .arena = a,
                            .run = options->run,
                            .connections_max = options->connections_max,
                            .shard_count = options->shard_count,
                            .is_for_developers = options->is_for_developers };
    c.folder = in_arena(a, "%s/postgres", options->data);
    int existing = highest_in(c.folder, holds_cluster);
    if (!find_programs(&c, options->programs, existing, e))
        return false;
    c.is_made = existing > 0;
    c.data = in_arena(a, "%s/%d", c.folder, c.version);
    c.unmade = in_arena(a, "%s.tmp", c.data);
    c.secrets = in_arena(a, "%s/secrets", options->data);
    c.pwfile = in_arena(a, "%s/%s", c.secrets, role_names[UP_ROLE_SUPERUSER]);
    *ret_cluster = c;
    return true;
}

/* Connecting to it. */

static void put_percent(struct buf *out, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    for (; *text; text++)
        if (strchr(plain, *text))
            buf_put_char(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
}

static const char *url_of(const struct up_cluster *c, enum up_role role, const char *database)
{
    struct buf url;
    buf_init(&url, 0);
    buf_printf(&url, "postgresql://%s:%.*s@/%s?host=", role_names[role],
               STR_FMT(c->passwords[role]), database);
    put_percent(&url, c->run);
    const char *text = text_of(c->arena, buf_str(&url));
    explicit_bzero(url.ptr, url.len);
    buf_clear(&url);
    return text;
}

void up_cluster_name_database(int shard, char ret_name[UP_DATABASE_NAME_MAX])
{
    if (shard > 0)
        snprintf(ret_name, UP_DATABASE_NAME_MAX, DATABASE "_shard%d", shard);
    else
        snprintf(ret_name, UP_DATABASE_NAME_MAX, DATABASE);
}

const char *up_cluster_url(const struct up_cluster *c, enum up_role role, int shard)
{
    char name[UP_DATABASE_NAME_MAX];
    up_cluster_name_database(shard, name);
    return url_of(c, role, name);
}

/* Making it. */

bool up_cluster_prepare(struct up_cluster *c, struct err *e)
{
    const struct up_owner ours = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
    if (!up_folder_make(c->secrets, ours, e) || !up_folder_make(c->folder, ours, e) ||
        !up_folder_remove(c->unmade, e)) /* what a killed initdb has left */
        return false;
    for (int i = 0; i < UP_ROLE_COUNT; i++) {
        /* The superuser's is set by initdb alone: one made later would open nothing. */
        bool may_make = i != UP_ROLE_SUPERUSER || !c->is_made;
        if (!up_secret(c->arena, c->secrets, role_names[i], may_make, &c->passwords[i], e))
            return err_in(e, "password of role %s", role_names[i]);
    }
    c->superuser_url = url_of(c, UP_ROLE_SUPERUSER, "postgres");
    return true;
}

static const char *const *args_in(struct arena *a, const char *const *list, size_t count)
{
    const char **args = arena_new_array(a, count + 1, const char *);
    memcpy(args, list, count * sizeof *args);
    return args;
}

const char *const *up_cluster_initdb_args(const struct up_cluster *c)
{
    const char *const args[] = {
        in_arena(c->arena, "%s/initdb", c->programs),
        "--pgdata",
        c->unmade,
        "--username",
        role_names[UP_ROLE_SUPERUSER],
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--auth-local=scram-sha-256",
        "--auth-host=scram-sha-256",
        "--pwfile",
        c->pwfile,
        "--data-checksums",
        "--no-instructions",
    };
    return args_in(c->arena, args, countof(args));
}

/* The container's limit where there is one, else the machine's memory. */
static uint64_t memory_bytes(void)
{
    char bytes[32];
    uint64_t limit = 0;
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    struct str text = str_trim(up_file_read("/sys/fs/cgroup/memory.max", bytes, sizeof bytes));
    return str_to_u64(text, &limit) ? min_of(limit, all) : all;
}

int64_t up_shared_buffers_mib(uint64_t memory)
{
    enum { MIN_MIB = 32, MAX_MIB = 1024, PERCENT = 15 };
    uint64_t mib = memory / 100 * PERCENT >> 20;
    mib = min_of(mib, (uint64_t)MAX_MIB);
    return (int64_t)max_of(mib, (uint64_t)MIN_MIB);
}

const char *const *up_cluster_server_args(const struct up_cluster *c)
{
    struct arena *a = c->arena;
    const char *const args[] = {
        in_arena(a, "%s/postgres", c->programs),
        "-D",
        c->data,
        "-c",
        "listen_addresses=",
        "-c",
        in_arena(a, "unix_socket_directories=%s", c->run),
        "-c",
        "unix_socket_permissions=0700",
        "-c",
        in_arena(a, "max_connections=%d", c->connections_max),
        "-c",
        in_arena(a, "shared_buffers=%lldMB", (long long)up_shared_buffers_mib(memory_bytes())),
        "-c",
        "jit=off", /* its compiler costs more than our short statements can win back */
        "-c",
        "log_destination=stderr",
        "-c",
        "logging_collector=off",
        "-c",
        "log_line_prefix=" UP_POSTGRES_LINE_PREFIX,
        "-c",
        "lc_messages=C",
        "-c",
        "cluster_name=windlass",
        "-c",
        /* Details and statements hold what users typed: never in a production log. */
        c->is_for_developers ? "log_error_verbosity=default" : "log_error_verbosity=terse",
        "-c",
        c->is_for_developers ? "log_min_error_statement=error" : "log_min_error_statement=panic",
    };
    return args_in(a, args, countof(args));
}

bool up_cluster_accept(struct up_cluster *c, struct err *e)
{
    if (rename(c->unmade, c->data) != 0)
        return up_cannot(e, "rename", c->unmade);
    c->is_made = true;
    return up_folder_sync(c->folder, e);
}

/* Using one that runs. */

bool up_cluster_join(struct up_cluster *c, enum up_role role, int shard, const char **ret_url,
                     struct err *e)
{
    char bytes[UP_PIDFILE_BYTES_MAX];
    struct up_pidfile file;
    if (!up_pidfile_read(c, bytes, &file) || str_is_empty(file.sockets) ||
        up_cluster_orphan(c) != file.pid)
        return err_set(e, ERR_NOT_FOUND, "the cluster in %.100s does not run", c->data);
    if (!up_secret(c->arena, c->secrets, role_names[role], false, &c->passwords[role], e))
        return false;
    c->run = text_of(c->arena, file.sockets);
    *ret_url = up_cluster_url(c, role, shard);
    return true;
}

/* Of one shard. The gateway has no business in the databases of shards 1 and up. */
static bool provide(const struct up_cluster *c, struct db_conn *conn, int shard, struct err *e)
{
    static const enum up_role wanted[] = { UP_ROLE_OWNER, UP_ROLE_WORKER, UP_ROLE_GATEWAY };
    size_t count = shard == 0 ? countof(wanted) : countof(wanted) - 1;
    struct schema_role roles[countof(wanted)];
    char name[UP_DATABASE_NAME_MAX];
    up_cluster_name_database(shard, name);
    for (size_t i = 0; i < count; i++)
        roles[i] = (struct schema_role){ .name = str_of_c(role_names[wanted[i]]),
                                         .password = c->passwords[wanted[i]] };
    return schema_provision(conn, str_of_c(name), roles, count, e);
}

/* Not in the arena: the loop's thread uses it meanwhile. */
bool up_cluster_provision(const struct up_cluster *c, struct err *e)
{
    scoped(db_conn_destroyp) struct db_conn *conn = NULL;
    const struct db_conn_options options = {
        .url = str_of_c(c->superuser_url),
        .application_name = "windlass up",
    };
    bool is_done = db_conn_open(&options, &conn, e);
    for (int shard = 0; is_done && shard < c->shard_count; shard++)
        is_done = provide(c, conn, shard, e);
    return is_done || err_in(e, "provide roles and databases");
}
