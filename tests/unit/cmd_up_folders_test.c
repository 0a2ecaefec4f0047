#include "cmd/up_folders_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static const struct up_owner ours = { .uid = (uid_t)-1, .gid = (gid_t)-1 };

struct scratch {
    struct arena *arena;
    char path[64];
};

static int set_up(void **state)
{
    struct scratch *s = test_calloc(1, sizeof *s);
    snprintf(s->path, sizeof s->path, "/tmp/windlass-folders-XXXXXX");
    s->arena = arena_create(1 << 16);
    assert_non_null(mkdtemp(s->path));
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scratch *s = *state;
    struct err e;
    struct stat file;
    assert_true(up_folder_remove(s->path, &e));
    assert_int_not_equal(stat(s->path, &file), 0);
    assert_true(up_folder_remove(s->path, &e)); /* nothing to remove is no error */
    arena_destroy(s->arena);
    test_free(s);
    return 0;
}

static const char *below(struct scratch *s, const char *name)
{
    return arena_printf(s->arena, "%s/%s", s->path, name).ptr;
}

static mode_t mode_of(const char *path)
{
    struct stat file;
    assert_int_equal(stat(path, &file), 0);
    return file.st_mode & 07777;
}

static void makes_a_closed_folder_with_open_parents(void **state)
{
    struct scratch *s = *state;
    struct err e;
    mode_t before = umask(0077);
    assert_true(up_folder_make(below(s, "a/b/c"), ours, &e));
    (void)umask(before);
    assert_int_equal(mode_of(below(s, "a")), 0755);
    assert_int_equal(mode_of(below(s, "a/b")), 0755);
    assert_int_equal(mode_of(below(s, "a/b/c")), 0700);
    assert_int_equal(chmod(below(s, "a/b/c"), 0750), 0);
    assert_true(up_folder_make(below(s, "a/b/c"), ours, &e)); /* what is there stays as it is */
    assert_int_equal(mode_of(below(s, "a/b/c")), 0750);
}

static void says_why_a_folder_cannot_be_made(void **state)
{
    struct scratch *s = *state;
    struct err e;
    close(open(below(s, "file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_false(up_folder_make(below(s, "file/folder"), ours, &e));
    assert_non_null(strstr(e.message, "Not a directory"));
    assert_false(up_folder_check(below(s, "file"), &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_false(up_folder_check(below(s, "none"), &e));
    assert_non_null(strstr(e.message, "No such file"));
    assert_true(up_folder_make(below(s, "open"), ours, &e));
    assert_true(up_folder_check(below(s, "open"), &e));
    assert_int_equal(chmod(below(s, "open"), 0777), 0);
    assert_false(up_folder_check(below(s, "open"), &e));
    assert_int_equal(e.code, ERR_DENIED);
    assert_non_null(strstr(e.message, "may be written by everybody (mode 777)"));
}

static void tells_a_full_disk_with_what_is_free(void **state)
{
    struct scratch *s = *state;
    struct err e;
    errno = ENOSPC;
    assert_false(up_cannot(&e, "write", below(s, "not/yet/there")));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_non_null(strstr(e.message, "the disk is full"));
    assert_non_null(strstr(e.message, arena_printf(s->arena, "free in %s)", s->path).ptr));
    errno = EROFS;
    assert_false(up_cannot(&e, "write", s->path));
    assert_int_equal(e.code, ERR_DENIED);
    errno = EIO;
    assert_false(up_cannot(&e, "write", s->path));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
}

/* In another process: a lock is its process's. */
static bool can_lock_elsewhere(const char *folder, struct err *ret_error)
{
    int ends[2], status = 0, fd = -1;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        bool ok = up_lock(folder, &fd, ret_error);
        (void)!write(ends[1], ret_error, sizeof *ret_error);
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(read(ends[0], ret_error, sizeof *ret_error), (int)sizeof *ret_error);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(ends[0]);
    close(ends[1]);
    return status == 0;
}

static void a_lock_names_its_holder_and_ends_with_it(void **state)
{
    struct scratch *s = *state;
    struct err e = { 0 };
    int fd = -1;
    assert_true(can_lock_elsewhere(s->path, &e)); /* and has ended since: nothing stale is left */
    assert_true(up_lock(s->path, &fd, &e));
    assert_false(can_lock_elsewhere(s->path, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_non_null(strstr(e.message, arena_printf(s->arena, "process %d", (int)getpid()).ptr));
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    assert_true(can_lock_elsewhere(s->path, &e));
}

static void a_secret_is_made_once_and_closed_to_others(void **state)
{
    struct scratch *s = *state;
    struct str first, again, other;
    struct err e;
    assert_false(up_secret(s->arena, s->path, "role", false, &first, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_true(up_secret(s->arena, s->path, "role", true, &first, &e));
    assert_true(up_secret(s->arena, s->path, "role", true, &again, &e));
    assert_true(up_secret(s->arena, s->path, "other", true, &other, &e));
    assert_int_equal(first.len, 64);
    assert_true(str_eq(first, again));
    assert_false(str_eq(first, other));
    assert_int_equal(mode_of(below(s, "role")), 0600);
    assert_int_not_equal(access(below(s, "role.new"), F_OK), 0);
    int fd = open(below(s, "empty"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    assert_false(up_secret(s->arena, s->path, "empty", true, &other, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(symlink("/etc/passwd", below(s, "link")), 0);
    assert_false(up_secret(s->arena, s->path, "link", true, &other, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(makes_a_closed_folder_with_open_parents, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_why_a_folder_cannot_be_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_a_full_disk_with_what_is_free, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lock_names_its_holder_and_ends_with_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_secret_is_made_once_and_closed_to_others, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
