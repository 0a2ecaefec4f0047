#include "cmd/up_site_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sha256.h"

enum {
    CONNECTIONS_WORKER = 10, /* each */
    CONNECTIONS_SPARE = 20,  /* superuser, migrate, psql, doctor */
};

bool up_has_terminal(void)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static const char *absolute(struct arena *a, const char *path)
{
    char folder[PATH_MAX];
    if (path[0] == '/' || !getcwd(folder, sizeof folder))
        return path;
    return arena_printf(a, "%s/%s", folder, path).ptr;
}

static bool prepare_data(struct up_site *site, struct err *e)
{
    const char *path = absolute(site->arena, conf_cstr(site->conf, CONF_DATA));
    char real[PATH_MAX];
    if (path[0] == '\0')
        return err_set(e, ERR_INVALID,
                       "no home folder to keep data in: set `data` (WINDLASS_DATA)");
    if (!site->identity.user)
        return err_set(e, ERR_INVALID,
                       "user id %ld has no name, and PostgreSQL needs one: add it to /etc/passwd, "
                       "or set DATABASE_URL",
                       (long)geteuid());
    if (!up_folder_make(path, site->identity.owner, e))
        return false;
    if (!realpath(path, real))
        return up_cannot(e, "find", path);
    site->data = arena_cstr(site->arena, str_of_c(real));
    return true;
}

const char *up_run_folder(struct arena *a, const char *identity, bool is_root)
{
    char digest[SHA256_HEX_LEN + 1];
    sha256_hex(str_of_c(identity), digest);
    const char *systemd = getenv("RUNTIME_DIRECTORY");
    const char *session = getenv("XDG_RUNTIME_DIR");
    const char *temporary = getenv("TMPDIR");
    if (systemd && systemd[0] == '/')
        return arena_cstr(a, str_of_c(systemd));
    if (is_root)
        return arena_printf(a, "/run/windlass/%.8s", digest).ptr;
    if (session && session[0] == '/')
        return arena_printf(a, "%s/windlass/%.8s", session, digest).ptr;
    return arena_printf(a, "%s/windlass-%ld-%.8s",
                        temporary && temporary[0] == '/' ? temporary : "/tmp", (long)geteuid(),
                        digest)
        .ptr;
}

const char *up_url_file(struct arena *a, const char *run)
{
    return arena_printf(a, "%s/gateway.url", run).ptr;
}

static bool prepare_run(struct up_site *site, struct err *e)
{
    const char *path =
        conf_is_given(site->conf, CONF_RUN)
            ? absolute(site->arena, conf_cstr(site->conf, CONF_RUN))
            : up_run_folder(site->arena,
                            site->data ? site->data : site->sockets[UP_GATEWAY].address,
                            site->identity.is_root);
    struct stat folder;
    site->run = path;
    if (strlen(path) > UP_SOCKET_FOLDER_MAX) /* said before anything is made */
        return err_set(e, ERR_INVALID,
                       "the socket folder's path is %zu bytes, at most %d work: %.60s…; set `run` "
                       "(WINDLASS_RUN) to a shorter one",
                       strlen(path), UP_SOCKET_FOLDER_MAX, path);
    if (!up_folder_make(path, site->identity.owner, e))
        return false;
    /* The folder is what protects the sockets: never somebody else's, never open to others. */
    if (lstat(path, &folder) != 0)
        return up_cannot(e, "read", path);
    if (!S_ISDIR(folder.st_mode) || folder.st_uid != site->identity.owner.uid ||
        (folder.st_mode & 077) != 0)
        return err_set(e, ERR_DENIED,
                       "the socket folder %.100s must be a folder of user id %ld, mode 0700", path,
                       (long)site->identity.owner.uid);
    return true;
}

static bool prepare_cluster(struct up_site *site, struct err *e)
{
    int64_t connections_a_loop = conf_int(site->conf, CONF_DB_READ_CONNECTIONS) +
                                 conf_int(site->conf, CONF_DB_WRITE_CONNECTIONS) +
                                 conf_int(site->conf, CONF_DB_SLOW_CONNECTIONS);
    const struct up_cluster_options options = {
        .arena = site->arena,
        .data = site->data,
        .run = site->run,
        .programs = conf_cstr(site->conf, CONF_PG_BIN),
        .connections_max =
            (int)(connections_a_loop * (int64_t)site->sockets[UP_GATEWAY].count) +
            CONNECTIONS_WORKER * (int)conf_int(site->conf, CONF_WORKERS) * site->shard_count +
            CONNECTIONS_SPARE,
        .shard_count = site->shard_databases.shard_count > 1 ? 1 : site->shard_count,
        .is_for_developers = conf_choice(site->conf, CONF_ENV) == CONF_ENV_DEVELOPMENT,
    };
    return up_cluster_find(&options, &site->cluster, e) && up_cluster_prepare(&site->cluster, e);
}

static_assert((int)IO_LISTEN_SET_MAX <= (int)IO_CHILD_LISTEN_MAX, "a child takes all of a set");

static size_t loop_count(const struct conf *conf)
{
    int64_t given = conf_int(conf, CONF_GATEWAY_LOOPS);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t count = given > 0 ? given : max_of(cores, 1L);
    return (size_t)min_of(count, (int64_t)IO_LISTEN_SET_MAX);
}

/* That the folder is in use says more than that its port is, as both are with a second `up`. */
static bool open_sockets(struct up_site *site, struct err *e)
{
    if (io_listen_set_open(&site->sockets[UP_GATEWAY], conf_str(site->conf, CONF_LISTEN),
                           conf_int(site->conf, CONF_PORT), loop_count(site->conf), e))
        return true;
    return e->code == ERR_CONFLICT && site->data && !up_lock_is_free(site->data, e)
               ? err_in(e, "take the data folder")
               : false;
}

/* What is left of them is nobody's: we hold the folder's lock. */
static bool open_service_sockets(struct up_site *site, struct err *e)
{
    for (enum up_service id = 0; id < UP_SERVICE_COUNT; id++) {
        const char *path = up_service_path(site->arena, site->run, id);
        if (id == UP_GATEWAY)
            continue;
        (void)unlink(path);
        if (!up_is_wanted(site->conf, id))
            continue;
        if (!io_listen_set_open(&site->sockets[id], arena_printf(site->arena, "unix:%s", path), 0,
                                1, e))
            return false;
    }
    return true;
}

/* What commands may be run is told to a process of its own, which alone can become their user. */
static bool start_spawner(struct up_site *site, struct err *e)
{
    struct up_owner user;
    const char *path = conf_cstr(site->conf, CONF_COMMAND_LIST);
    if (!site->identity.is_root || path[0] == '\0')
        return true;
    if (!up_identity_find_commands(&site->identity, &user, e))
        return false;
    const struct spawner_options options = {
        .path = path,
        .server = { .uid = site->identity.owner.uid, .gid = site->identity.owner.gid },
        .user = { .uid = user.uid, .gid = user.gid },
    };
    site->has_spawner = spawner_start(&options, &site->spawner, e);
    return site->has_spawner || err_in(e, "command-list");
}

/* How many there are, and that each can have a database. */
static bool prepare_shards(struct up_site *site, struct err *e)
{
    struct shard_map map;
    site->shard_count = (int)conf_int(site->conf, CONF_SHARDS);
    if (!shard_map_read(conf_str(site->conf, CONF_SHARD_QUEUES), &map, e) ||
        !shard_map_fits(&map, (size_t)site->shard_count, e) ||
        !shard_texts_read(conf_str(site->conf, CONF_SHARD_DATABASE_URLS), &site->shard_databases,
                          e))
        return false;
    int given = (int)site->shard_databases.shard_count;
    if (given == site->shard_count || (given == 1 && site->has_cluster))
        return shard_map_names(&map, (size_t)site->shard_count - 1, e);
    return err_set(e, ERR_INVALID,
                   "with %d shards, shard-database-urls names %d databases (those of shards 1 and "
                   "up), not %d",
                   site->shard_count, site->shard_count - 1, given - 1);
}

const char *up_site_shard_database(const struct up_site *site, enum up_role role, int shard)
{
    return site->shard_databases.shard_count > 1
               ? arena_cstr(site->arena, site->shard_databases.texts[shard])
               : up_cluster_url(&site->cluster, role, shard);
}

/* What may need root comes first; then we are the services' user and the rest is done as it. */
static bool prepare(struct up_site *site, struct err *e)
{
    site->has_cluster = str_is_empty(conf_str(site->conf, CONF_DATABASE_URL));
    site->has_terminal = up_has_terminal();
    if (!prepare_shards(site, e) || !up_identity_find(site->arena, &site->identity, e) ||
        !up_program_open(&site->identity, &site->program_fd, e) ||
        (site->has_cluster && !prepare_data(site, e)) || !open_sockets(site, e) ||
        !prepare_run(site, e) || !start_spawner(site, e) || !up_identity_drop(&site->identity, e))
        return false;
    if (!up_folder_check(site->run, e) || !up_lock(site->run, &site->run_lock, e))
        return err_in(e, "take the socket folder");
    if (!open_service_sockets(site, e))
        return false;
    if (!site->has_cluster)
        return true;
    if (!up_folder_check(site->data, e) || !up_lock(site->data, &site->data_lock, e))
        return err_in(e, "take the data folder");
    return prepare_cluster(site, e);
}

bool up_site_prepare(const struct conf *conf, struct arena *a, struct up_site *ret_site,
                     struct err *e)
{
    struct up_site site = { .conf = conf, .arena = a };
    site.sockets = arena_new_array(a, UP_SERVICE_COUNT, struct io_listen_set);
    (void)umask(0077);
    if (!prepare(&site, e)) {
        up_site_clear(&site);
        return false;
    }
    *ret_site = site;
    return true;
}

void up_site_clear(struct up_site *site)
{
    if (site->run_lock > 0)
        (void)unlink(up_url_file(site->arena, site->run));
    if (site->has_spawner)
        (void)close(site->spawner.lifeline);
    for (enum up_service id = 0; site->sockets && id < UP_SERVICE_COUNT; id++) {
        if (id != UP_GATEWAY && site->sockets[id].count > 0)
            (void)unlink(up_service_path(site->arena, site->run, id));
        io_listen_set_close(&site->sockets[id]);
    }
}
