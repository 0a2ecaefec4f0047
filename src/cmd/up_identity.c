#include "cmd/up_identity_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum {
    OUTPUT_BYTES_MAX = 64 * 1024,
    LOCK_WAIT_MS = 30'000, /* for another start that makes the user: a useradd takes a second */
    LOCK_LOOK_MS = 100,
};

static bool spawn(const char *const *args, int output_fd, pid_t *ret_pid, struct err *e)
{
    static const char *const env[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                                       "/sbin:/bin",
                                       "LC_ALL=C", NULL };
    posix_spawn_file_actions_t actions;
    char *const *spawn_args = NULL, *const *spawn_env = NULL;
    const char *const *env_list = env;
    memcpy(&spawn_args, &args, sizeof args); /* its types lack the const that it keeps */
    memcpy(&spawn_env, &env_list, sizeof env_list);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, output_fd, 1);
    (void)posix_spawn_file_actions_adddup2(&actions, output_fd, 2);
    /* Where root started us (a clone under /root) may be closed to the user that we became. */
    (void)posix_spawn_file_actions_addchdir_np(&actions, "/");
    int failed = posix_spawnp(ret_pid, args[0], &actions, NULL, spawn_args, spawn_env);
    (void)posix_spawn_file_actions_destroy(&actions);
    errno = failed;
    return failed == 0 || err_set_errno(e, failed == ENOENT ? ERR_NOT_FOUND : ERR_UNAVAILABLE,
                                        "cannot run %s", args[0]);
}

bool up_capture(const char *const *args, struct buf *output, struct err *e)
{
    int ends[2], status = 0;
    pid_t pid = -1;
    char chunk[4096];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_set_errno(e, ERR_UNAVAILABLE, "cannot open a pipe");
    bool is_running = spawn(args, ends[1], &pid, e);
    close(ends[1]);
    for (ssize_t got = is_running ? 1 : 0; got > 0;) {
        got = read(ends[0], chunk, sizeof chunk);
        if (got > 0 && output->len < OUTPUT_BYTES_MAX)
            buf_put(output, chunk, (size_t)got);
    }
    close(ends[0]);
    if (!is_running)
        return false;
    (void)waitpid(pid, &status, 0);
    struct str words = str_trim(buf_str(output));
    return status == 0 ||
           err_set(e, ERR_UNAVAILABLE, "%s failed: %.*s", args[0],
                   STR_FMT(words.len > 120 ? str_from(words, words.len - 120) : words));
}

static bool make_user(const char *name, struct err *e)
{
    const char *const args[] = { "useradd",    "--system",          "--user-group",
                                 "--home-dir", "/nonexistent",      "--no-create-home",
                                 "--shell",    "/usr/sbin/nologin", name,
                                 NULL };
    struct buf output;
    buf_init(&output, 0);
    bool ok = up_capture(args, &output, e);
    buf_clear(&output);
    if (ok)
        log_info("up.user_made", "user=%s", name);
    return ok || err_in(e, "make the system user %s", name);
}

/* It helps, and does not decide: any local user can hold it, and some file systems have none. */
static void lock_users(int folder, const char *name)
{
    const struct timespec pause = { .tv_nsec = LOCK_LOOK_MS * 1'000'000L };
    for (int waited_ms = 0; flock(folder, LOCK_EX | LOCK_NB) != 0; waited_ms += LOCK_LOOK_MS) {
        if (errno != EWOULDBLOCK || waited_ms >= LOCK_WAIT_MS) {
            log_warn("up.users_not_locked", "user=%s waited_ms=%d error=%s", name, waited_ms,
                     log_quote(str_of_c(strerror(errno))));
            return;
        }
        if (waited_ms == 0)
            log_info("up.users_locked", "user=%s wait_max_ms=%d", name, LOCK_WAIT_MS);
        (void)nanosleep(&pause, NULL);
    }
}

/*
 * One process at a time: of two useradds at once each may take the other's entry away again. The
 * lock is on the folder, since the file is another one after each change and useradd locks it
 * itself. Without the lock another may have made the user meanwhile.
 */
static bool make_user_once(const char *name, struct err *e)
{
    int folder = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    lock_users(folder, name);
    bool ok = getpwnam(name) || make_user(name, e) || getpwnam(name);
    if (folder >= 0)
        close(folder);
    return ok;
}

/* As root: a user who is not. */
static bool find_or_make(const char *name, const struct passwd **ret_user, struct err *e)
{
    const struct passwd *found = getpwnam(name);
    if (!found && !make_user_once(name, e))
        return false;
    found = found ? found : getpwnam(name);
    if (!found || found->pw_uid == 0)
        return err_set(e, ERR_INVALID, "user %s %s", name,
                       found ? "is root: it must be a user of its own" : "cannot be found");
    *ret_user = found;
    return true;
}

bool up_identity_find(struct arena *a, struct up_identity *ret_identity, struct err *e)
{
    struct up_identity identity = { .is_root = geteuid() == 0 };
    const struct passwd *found = identity.is_root ? NULL : getpwuid(geteuid());
    if (identity.is_root && !find_or_make(UP_USER, &found, e))
        return false;
    identity.owner.uid = found ? found->pw_uid : geteuid();
    identity.owner.gid = identity.is_root ? found->pw_gid : getegid();
    identity.user = found ? arena_cstr(a, str_of_c(found->pw_name)) : NULL;
    *ret_identity = identity;
    return true;
}

bool up_identity_find_commands(const struct up_identity *identity, struct up_owner *ret_owner,
                               struct err *e)
{
    const struct passwd *found;
    if (!find_or_make(UP_COMMAND_USER, &found, e))
        return false;
    if (found->pw_uid == identity->owner.uid)
        return err_set(e, ERR_INVALID, "user " UP_COMMAND_USER " is the services' own");
    *ret_owner = (struct up_owner){ .uid = found->pw_uid, .gid = found->pw_gid };
    return true;
}

/* Without /proc the kernel still tells the path that this process was started by. */
static int open_own_file(void)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    unsigned long address = getauxval(AT_EXECFN);
    const char *path = NULL;
    memcpy(&path, &address, sizeof path);
    return path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

static bool may_run(const struct stat *file, struct up_owner owner)
{
    mode_t bit = file->st_uid == owner.uid   ? S_IXUSR
                 : file->st_gid == owner.gid ? S_IXGRP
                                             : S_IXOTH;
    return file->st_mode & bit;
}

static bool copy_to_memory(int *fd, off_t size, struct err *e)
{
    int copy = memfd_create("windlass", MFD_CLOEXEC);
    off_t done = 0;
    while (copy >= 0 && done < size && sendfile(copy, *fd, &done, (size_t)(size - done)) > 0)
        ;
    if (copy < 0 || done < size || fchmod(copy, 0555) != 0) {
        err_set_errno(e, ERR_UNAVAILABLE, "cannot copy the program to memory for user %s", UP_USER);
        if (copy >= 0)
            close(copy);
        return false;
    }
    close(*fd);
    *fd = copy;
    return true;
}

bool up_program_open(const struct up_identity *identity, int *ret_fd, struct err *e)
{
    struct stat file;
    int fd = open_own_file();
    if (fd < 0 || fstat(fd, &file) != 0)
        return err_set_errno(e, ERR_UNAVAILABLE,
                             "cannot open this program's own file (is /proc mounted?)");
    if (identity->is_root && !may_run(&file, identity->owner) &&
        !copy_to_memory(&fd, file.st_size, e)) {
        close(fd);
        return false;
    }
    *ret_fd = fd;
    return true;
}

bool up_identity_drop(const struct up_identity *identity, struct err *e)
{
    struct up_owner owner = identity->owner;
    if (identity->is_root &&
        (setgroups(1, &owner.gid) != 0 || setresgid(owner.gid, owner.gid, owner.gid) != 0 ||
         setresuid(owner.uid, owner.uid, owner.uid) != 0))
        return err_set_errno(e, ERR_DENIED, "cannot become user %s", identity->user);
    assert(geteuid() == owner.uid && getegid() == owner.gid);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_set_errno(e, ERR_UNAVAILABLE, "cannot give up gaining rights");
    return true;
}
