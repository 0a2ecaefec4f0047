/* up_cluster_watch: whether the server runs, by its pid file and /proc. */
#include "cmd/up_cluster_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

struct str up_file_read(const char *path, char *bytes, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return (struct str){ 0 };
    ssize_t got = read(fd, bytes, size);
    close(fd);
    return str_of(bytes, got > 0 ? (size_t)got : 0);
}

bool up_pidfile_parse(struct str text, struct up_pidfile *ret_file)
{
    enum { LINE_PID, LINE_DATA, LINE_SOCKETS = 4, LINE_STATUS = 7, LINE_COUNT };
    struct str lines[LINE_COUNT] = { 0 };
    uint64_t pid = 0;
    for (size_t i = 0; i < countof(lines); i++)
        if (!str_cut(text, '\n', &lines[i], &text))
            text.len = 0;
    /* A single user's backend writes its number as a negative one. */
    if (!str_to_u64(str_trim(lines[LINE_PID]), &pid) || pid == 0 || pid > INT32_MAX ||
        str_is_empty(lines[LINE_DATA]))
        return false;
    struct str status = str_trim(lines[LINE_STATUS]);
    *ret_file = (struct up_pidfile){
        .pid = (pid_t)pid,
        .data = lines[LINE_DATA],
        .sockets = lines[LINE_SOCKETS],
        .state = str_eq_c(status, "ready")      ? UP_SERVER_READY
                 : str_eq_c(status, "starting") ? UP_SERVER_STARTING
                 : str_eq_c(status, "stopping") ? UP_SERVER_STOPPING
                                                : UP_SERVER_UNKNOWN,
    };
    return true;
}

bool up_pidfile_read(const struct up_cluster *c, char bytes[UP_PIDFILE_BYTES_MAX],
                     struct up_pidfile *ret_file)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/postmaster.pid", c->data);
    return up_pidfile_parse(up_file_read(path, bytes, UP_PIDFILE_BYTES_MAX), ret_file);
}

enum up_server_state up_cluster_state(const struct up_cluster *c, pid_t pid)
{
    char bytes[UP_PIDFILE_BYTES_MAX];
    struct up_pidfile file;
    return up_pidfile_read(c, bytes, &file) && file.pid == pid ? file.state : UP_SERVER_UNKNOWN;
}

static bool is_told_of(pid_t pid, const char *folder)
{
    char path[64], bytes[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    struct str rest = up_file_read(path, bytes, sizeof bytes), argument = STR("");
    while (rest.len > 0 && !str_eq_c(argument, folder))
        (void)str_cut(rest, '\0', &argument, &rest);
    return str_eq_c(argument, folder);
}

/*
 * A server works in its data folder; another process with a number that was used again does not.
 * Where only the process itself may see that (root in a container, without CAP_SYS_PTRACE), its
 * command line tells.
 */
static bool works_in(pid_t pid, const char *folder)
{
    char path[64];
    struct stat theirs, ours;
    snprintf(path, sizeof path, "/proc/%d/cwd", (int)pid);
    if (stat(path, &theirs) != 0)
        return errno == EACCES && is_told_of(pid, folder);
    return stat(folder, &ours) == 0 && theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

pid_t up_cluster_orphan(const struct up_cluster *c)
{
    char bytes[UP_PIDFILE_BYTES_MAX];
    struct up_pidfile file;
    if (!up_pidfile_read(c, bytes, &file) || !str_eq_c(file.data, c->data) ||
        kill(file.pid, 0) != 0 || !works_in(file.pid, c->data))
        return 0;
    return file.pid;
}
