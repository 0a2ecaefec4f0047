#include "cmd/up_folders_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/random.h"

void up_free_space(const char *path, char ret_text[UP_FREE_TEXT_MAX])
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
    char folder[PATH_MAX];
    struct statvfs disk;
    snprintf(folder, sizeof folder, "%s", path);
    while (statvfs(folder, &disk) != 0) { /* it may not exist yet: ask its parent */
        char *slash = strrchr(folder, '/');
        if (!slash || slash == folder) {
            snprintf(ret_text, UP_FREE_TEXT_MAX, "free space unknown");
            return;
        }
        *slash = '\0';
    }
    uint64_t amount = (uint64_t)disk.f_bavail * disk.f_frsize / 1024;
    size_t unit = 0;
    for (; amount >= 10 * 1024 && unit + 1 < countof(units); unit++)
        amount /= 1024;
    snprintf(ret_text, UP_FREE_TEXT_MAX, "%llu %s free in %.80s", (unsigned long long)amount,
             units[unit], folder);
}

bool up_cannot(struct err *e, const char *what, const char *path)
{
    int error = errno;
    char free_text[UP_FREE_TEXT_MAX];
    up_free_space(path, free_text);
    errno = error;
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return err_set(e, ERR_LIMIT, "cannot %s %.80s: the disk is full (%s)", what, path,
                       free_text);
    case EACCES:
    case EPERM:
    case EROFS:
        return err_set_errno(e, ERR_DENIED, "cannot %s %.80s", what, path);
    default:
        return err_set_errno(e, ERR_UNAVAILABLE, "cannot %s %.80s", what, path);
    }
}

static bool make_parents(const char *path, struct err *e)
{
    char parent[PATH_MAX];
    if (snprintf(parent, sizeof parent, "%s", path) >= (int)sizeof parent)
        return err_set(e, ERR_INVALID, "the path %.80s… is too long", path);
    for (char *slash = strchr(parent + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(parent, 0755) == 0)
            (void)chmod(parent, 0755); /* whatever the umask is */
        else if (errno != EEXIST)
            return up_cannot(e, "make", parent);
        *slash = '/';
    }
    return true;
}

bool up_folder_make(const char *path, struct up_owner owner, struct err *e)
{
    if (!make_parents(path, e))
        return false;
    if (mkdir(path, 0700) != 0)
        return errno == EEXIST || up_cannot(e, "make", path);
    if (chown(path, owner.uid, owner.gid) != 0)
        return up_cannot(e, "give away", path);
    return true;
}

/* The first parent that this process may not pass through; false when there is none. */
static bool find_closed_parent(const char *path, char ret_parent[PATH_MAX])
{
    snprintf(ret_parent, PATH_MAX, "%s", path);
    for (char *slash = strchr(ret_parent + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (access(ret_parent, X_OK) != 0 && errno == EACCES)
            return true;
        *slash = '/';
    }
    return false;
}

bool up_folder_check(const char *path, struct err *e)
{
    char parent[PATH_MAX];
    struct stat folder;
    if (find_closed_parent(path, parent))
        return err_set(e, ERR_DENIED, "%.80s cannot be reached: %.60s is closed to user id %ld",
                       path, parent, (long)geteuid());
    if (stat(path, &folder) != 0)
        return up_cannot(e, "read", path);
    if (!S_ISDIR(folder.st_mode))
        return err_set(e, ERR_INVALID, "%.80s is not a folder", path);
    if ((folder.st_mode & S_IWOTH) != 0)
        return err_set(
            e, ERR_DENIED,
            "%.80s may be written by everybody (mode %03o), who could replace what is in "
            "it: chmod 700 it",
            path, folder.st_mode & 0777U);
    if (access(path, R_OK | W_OK | X_OK) != 0)
        return up_cannot(e, "write to", path);
    return true;
}

static int remove_one(const char *path, const struct stat *file, int kind, struct FTW *walk)
{
    (void)file;
    (void)kind;
    (void)walk;
    return remove(path);
}

bool up_folder_remove(const char *path, struct err *e)
{
    enum { FDS_MAX = 16 };
    if (nftw(path, remove_one, FDS_MAX, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        return up_cannot(e, "remove", path);
    return true;
}

bool up_folder_sync(const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = (fd >= 0 && fsync(fd) == 0) || up_cannot(e, "sync", path);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool tell_holder(int fd, const char *folder, struct err *e)
{
    char text[16] = { 0 };
    uint64_t pid = 0;
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    if (got > 0 && str_to_u64(str_trim(str_of(text, (size_t)got)), &pid))
        return err_set(e, ERR_CONFLICT, "%.120s is in use by `windlass up`, process %llu", folder,
                       (unsigned long long)pid);
    return err_set(e, ERR_CONFLICT, "%.120s is in use by another `windlass up`", folder);
}

bool up_lock(const char *folder, int *ret_fd, struct err *e)
{
    char path[PATH_MAX], text[16];
    snprintf(path, sizeof path, "%s/lock", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return up_cannot(e, "open", path);
    int len = snprintf(text, sizeof text, "%d\n", (int)getpid());
    bool is_taken = flock(fd, LOCK_EX | LOCK_NB) != 0;
    if (is_taken && errno == EWOULDBLOCK)
        tell_holder(fd, folder, e);
    else if (is_taken || ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len)
        up_cannot(e, "lock", path);
    else {
        *ret_fd = fd;
        return true;
    }
    close(fd);
    return false;
}

bool up_lock_is_free(const char *folder, struct err *e)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/lock", folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return true;
    bool is_free = flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK;
    if (!is_free)
        tell_holder(fd, folder, e);
    close(fd);
    return is_free;
}

enum { SECRET_BYTES = 32, SECRET_LEN = SECRET_BYTES * 2 };

static void make_secret(char ret_text[SECRET_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[SECRET_BYTES];
    random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        ret_text[i * 2] = digits[bytes[i] >> 4];
        ret_text[i * 2 + 1] = digits[bytes[i] & 15];
    }
    ret_text[SECRET_LEN] = '\0';
    explicit_bzero(bytes, sizeof bytes);
}

/* Written beside its place and renamed, so that a secret is there whole or not at all. */
static bool write_secret(const char *path, const char *text, struct err *e)
{
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof beside, "%s.new", path) >= (int)sizeof beside)
        return err_set(e, ERR_INVALID, "the path %.80s… is too long", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return up_cannot(e, "write", beside);
    errno = ENOSPC; /* what a short write means */
    bool ok = (write(fd, text, SECRET_LEN) == SECRET_LEN && fsync(fd) == 0 &&
               rename(beside, path) == 0) ||
              up_cannot(e, "write", beside);
    close(fd);
    if (!ok)
        (void)unlink(beside);
    return ok;
}

static bool read_secret(struct arena *a, const char *path, struct str *ret_secret, struct err *e)
{
    char text[SECRET_LEN + 2];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? err_set(e, ERR_NOT_FOUND, "the secret %.120s is missing", path)
                               : up_cannot(e, "read", path);
    ssize_t got = read(fd, text, sizeof text);
    close(fd);
    struct str secret = str_trim(str_of(text, got > 0 ? (size_t)got : 0));
    if (str_is_empty(secret))
        return err_set(e, ERR_INVALID, "the secret %.120s is empty", path);
    *ret_secret = arena_copy(a, secret);
    explicit_bzero(text, sizeof text);
    return true;
}

bool up_secret(struct arena *a, const char *folder, const char *name, bool may_make,
               struct str *ret_secret, struct err *e)
{
    char path[PATH_MAX], text[SECRET_LEN + 1];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return err_set(e, ERR_INVALID, "the path %.80s… is too long", folder);
    if (read_secret(a, path, ret_secret, e))
        return true;
    if (e->code != ERR_NOT_FOUND || !may_make)
        return false;
    make_secret(text);
    bool ok = write_secret(path, text, e) && up_folder_sync(folder, e);
    if (ok)
        *ret_secret = arena_copy(a, str_of(text, SECRET_LEN));
    explicit_bzero(text, sizeof text);
    return ok;
}
