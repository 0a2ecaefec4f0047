#include "support/pg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "db/conn.h"

enum {
    PATH_SIZE = 256,
    COMMAND_SIZE = 4096,
    CHILDREN_MAX = 1024,
    READY_WITHIN_S = 60,
    GONE_WITHIN_S = 10,
    DATABASES_MAX = 64,
    TMPFS = 0x01021994, /* statfs(2) */
};

/* Room for the servers of all programs that run at once; each takes some hundred megabytes. */
static const uint64_t MEMORY_BYTES_MIN = 2ull << 30;

struct pg_server {
    char bin[PATH_SIZE], folder[PATH_SIZE], data[PATH_SIZE + 8], url[PATH_SIZE + 64];
    char settings[1024];
    pid_t postmaster; /* 0: none */
    pid_t keeper;
    int keeper_fd; /* its closing tells the keeper to clean up */
    size_t database_count;
    char *databases[DATABASES_MAX];
};

_Noreturn static void like_printf(1, 2) die(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("test server: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    exit(99);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* The user that PostgreSQL runs as when we are root, which it refuses. */
static const struct passwd *server_user(void)
{
    const struct passwd *user = getpwnam("nobody");
    if (!user)
        die("there is no user nobody");
    return user;
}

static void become_server_user(void)
{
    if (getuid() != 0)
        return;
    const struct passwd *user = server_user();
    if (setgroups(0, NULL) != 0 || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0 ||
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0)
        die("cannot become user nobody: %s", strerror(errno));
}

/* In a child: a program with words split by the shell, as the server's user. */
_Noreturn static void run_shell(const char *command, bool as_server_user)
{
    if (as_server_user)
        become_server_user();
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static void run(bool as_server_user, const char *fmt, ...) like_printf(2, 3);
static void run(bool as_server_user, const char *fmt, ...)
{
    char command[COMMAND_SIZE];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(command, sizeof command, fmt, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof command)
        die("%s", "a command is too long");
    pid_t pid = fork();
    if (pid == 0)
        run_shell(command, as_server_user);
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        die("failed: %s", command);
}

static void find_programs(struct pg_server *s)
{
    const char *given = getenv("WINDLASS_PG_BIN");
    if (given) {
        snprintf(s->bin, sizeof s->bin, "%s", given);
        return;
    }
    glob_t found;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
        die("%s", "no PostgreSQL server programs; set WINDLASS_PG_BIN");
    struct str newest = str_of_c(found.gl_pathv[found.gl_pathc - 1]);
    snprintf(s->bin, sizeof s->bin, "%.*s", (int)(newest.len - strlen("/initdb")), newest.ptr);
    globfree(&found);
}

/* A zombie has let go of everything; whoever inherits it reaps it. */
static bool is_alive(pid_t pid)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    const char *end = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
    (void)fclose(f);
    return end && strlen(end) > 2 && end[2] != 'Z';
}

static void wait_gone(const pid_t *pids, size_t count)
{
    int64_t until_us = clock_mono_us() + (int64_t)GONE_WITHIN_S * CLOCK_S;
    for (size_t i = 0; i < count; i++)
        while (is_alive(pids[i]) && clock_mono_us() < until_us)
            (void)usleep(5 * 1000);
}

/* All processes whose parent is the postmaster. */
static size_t find_children(pid_t postmaster, pid_t children[CHILDREN_MAX])
{
    size_t count = 0;
    DIR *proc = opendir("/proc");
    if (!proc)
        die("/proc: %s", strerror(errno));
    for (const struct dirent *entry; (entry = readdir(proc)) && count < CHILDREN_MAX;) {
        char path[64], line[512];
        int64_t pid = 0;
        if (!str_to_i64(str_of_c(entry->d_name), &pid))
            continue;
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        FILE *f = fopen(path, "re");
        if (!f)
            continue;
        /* "pid (name) state parent …": the name may hold anything but ends at the last ')'. */
        const char *end = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
        if (end && strlen(end) > 4 && strtol(end + 4, NULL, 10) == postmaster)
            children[count++] = (pid_t)pid;
        (void)fclose(f);
    }
    (void)closedir(proc);
    return count;
}

/* The postmaster first, so that it starts no process that we would miss. */
static void signal_all(const struct pg_server *s, int signum)
{
    assert(s->postmaster > 0);
    pid_t children[CHILDREN_MAX];
    if (signum == SIGKILL)
        (void)kill(s->postmaster, SIGSTOP);
    else
        (void)kill(s->postmaster, signum);
    size_t count = find_children(s->postmaster, children);
    if (signum == SIGKILL)
        (void)kill(s->postmaster, SIGKILL);
    for (size_t i = 0; i < count; i++)
        (void)kill(children[i], signum);
    if (signum == SIGKILL) /* until they are gone, a new postmaster refuses to start */
        wait_gone(children, count);
}

/* The postmaster that runs in the data folder, or 0. */
static pid_t find_postmaster(const struct pg_server *s)
{
    char path[PATH_SIZE + 32], line[32], cwd[PATH_SIZE];
    snprintf(path, sizeof path, "%s/postmaster.pid", s->data);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    pid_t pid = fgets(line, sizeof line, f) ? (pid_t)strtol(line, NULL, 10) : 0;
    (void)fclose(f);
    snprintf(path, sizeof path, "/proc/%d/cwd", pid);
    ssize_t len = pid > 0 ? readlink(path, cwd, sizeof cwd) : -1;
    return len > 0 && str_eq_c(str_of(cwd, (size_t)len), s->data) ? pid : 0;
}

/* Waits for the test program's end, then stops what is left of the server and its folder. */
_Noreturn static void keep(struct pg_server *s, int fd)
{
    (void)setsid(); /* an interrupt at the terminal is the test's, not ours */
    (void)signal(SIGTERM, SIG_IGN);
    (void)dup3(fd, STDERR_FILENO + 1, O_CLOEXEC);
    closefrom(STDERR_FILENO + 2); /* another server's keeper waits for its pipe's end, too */
    char byte;
    while (read(STDERR_FILENO + 1, &byte, 1) < 0 && errno == EINTR) {
    }
    s->postmaster = find_postmaster(s);
    if (s->postmaster > 0) {
        signal_all(s, SIGCONT);
        (void)kill(s->postmaster, SIGQUIT);
        wait_gone(&s->postmaster, 1);
    }
    char command[PATH_SIZE + 16];
    snprintf(command, sizeof command, "rm -rf '%s'", s->folder);
    run_shell(command, false);
}

static void start_keeper(struct pg_server *s)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        die("no pipe: %s", strerror(errno));
    s->keeper = fork();
    if (s->keeper == 0) {
        keep(s, fds[0]);
    }
    close(fds[0]);
    s->keeper_fd = fds[1];
}

/* In memory where there is room: a test must not wait for a disk that others keep busy. */
static const char *scratch_folder(void)
{
    static const char memory[] = "/dev/shm";
    struct statfs fs;
    bool is_roomy = statfs(memory, &fs) == 0 && fs.f_type == TMPFS && access(memory, W_OK) == 0 &&
                    (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize >= MEMORY_BYTES_MIN;
    return is_roomy ? memory : "/tmp";
}

static void make_folder(struct pg_server *s)
{
    snprintf(s->folder, sizeof s->folder, "%s/windlass-test-XXXXXX", scratch_folder());
    if (!mkdtemp(s->folder))
        die("no scratch folder: %s", strerror(errno));
    if (getuid() == 0) {
        const struct passwd *user = server_user();
        if (chown(s->folder, user->pw_uid, user->pw_gid) != 0)
            die("chown %s: %s", s->folder, strerror(errno));
    }
    snprintf(s->data, sizeof s->data, "%s/data", s->folder);
    snprintf(s->url, sizeof s->url, "postgresql://postgres@/postgres?host=%s", s->folder);
}

static void run_initdb(const struct pg_server *s)
{
    run(true,
        "cd '%s' && LC_ALL=C '%s/initdb' -D '%s' -U postgres -E UTF8 --locale=C.UTF-8 "
        "--auth=trust --no-sync --no-instructions >initdb.log 2>&1 || { cat initdb.log; exit 1; }",
        s->folder, s->bin, s->data);
}

/* The template is made once, under a lock, of what initdb made; a name tells its server version. */
static void make_data(const struct pg_server *s)
{
    const char *templates = getenv("WINDLASS_TEST_PG_TEMPLATE");
    if (!templates) {
        run_initdb(s);
        return;
    }
    char lock[PATH_SIZE + 8], template[PATH_SIZE + 64];
    struct str version = str_of_c(s->bin);
    snprintf(template, sizeof template, "%s", templates);
    for (size_t i = 0, len = strlen(template); i < version.len && len + 1 < sizeof template; i++)
        template[len++] = version.ptr[i] == '/' ? '-' : version.ptr[i];
    snprintf(lock, sizeof lock, "%s.lock", templates);
    int fd = open(lock, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    if (fd < 0 || flock(fd, LOCK_EX) != 0)
        die("%s: %s", lock, strerror(errno));
    if (!exists(template)) {
        run_initdb(s);
        run(false, "cp -a '%s' '%s.new' && mv '%s.new' '%s'", s->data, template, template,
            template);
    } else {
        run(false, "cp -a '%s' '%s'", template, s->data);
    }
    close(fd);
}

static void write_hba(const struct pg_server *s, const char *lines)
{
    char path[PATH_SIZE + 32];
    snprintf(path, sizeof path, "%s/pg_hba.conf", s->data);
    FILE *f = fopen(path, "we");
    if (!f || fprintf(f, "%s\nlocal all all trust\n", lines) < 0 || fclose(f) != 0)
        die("%s: %s", path, strerror(errno));
}

void pg_server_launch(struct pg_server *s)
{
    assert(s->postmaster == 0);
    char command[COMMAND_SIZE];
    snprintf(command, sizeof command,
             "exec '%s/postgres' -D '%s' -c listen_addresses= -c unix_socket_directories='%s' "
             "-c fsync=off -c full_page_writes=off -c shared_buffers=32MB -c jit=off "
             "-c min_wal_size=32MB -c max_wal_size=128MB "
             "-c log_line_prefix='%%m [%%p] ' %s >>'%s/log' 2>&1",
             s->bin, s->data, s->folder, s->settings, s->folder);
    s->postmaster = fork();
    if (s->postmaster < 0)
        die("fork: %s", strerror(errno));
    if (s->postmaster > 0)
        return;
    pid_t test = getppid();
    become_server_user();
    (void)setsid();
    (void)prctl(PR_SET_PDEATHSIG, SIGQUIT); /* after the change of user, which clears it */
    if (getppid() != test || chdir(s->folder) != 0)
        _exit(1);
    run_shell(command, false);
}

void pg_server_wait(struct pg_server *s)
{
    int64_t until_us = clock_mono_us() + (int64_t)READY_WITHIN_S * CLOCK_S;
    struct err e = { 0 };
    while (clock_mono_us() < until_us) {
        struct db_conn *conn = NULL;
        if (db_conn_open(&(struct db_conn_options){ .url = str_of_c(s->url) }, &conn, &e)) {
            db_conn_destroy(conn);
            return;
        }
        if (waitpid(s->postmaster, NULL, WNOHANG) == s->postmaster) {
            char command[PATH_SIZE + 32];
            snprintf(command, sizeof command, "tail -n 20 '%s/log' >&2", s->folder);
            pid_t pid = fork();
            if (pid == 0)
                run_shell(command, false);
            (void)waitpid(pid, NULL, 0);
            die("%s", "the server ended at its start");
        }
        (void)usleep(20 * 1000);
    }
    die("not ready within %d s: %s", READY_WITHIN_S, err_text(&e));
}

struct pg_server *pg_server_start(const struct pg_options *options)
{
    struct pg_server *s = mem_new(struct pg_server);
    find_programs(s);
    make_folder(s);
    start_keeper(s);
    make_data(s);
    if (options && options->settings)
        snprintf(s->settings, sizeof s->settings, "%s", options->settings);
    write_hba(s, options && options->hba ? options->hba : "");
    pg_server_launch(s);
    pg_server_wait(s);
    return s;
}

static void reap(struct pg_server *s)
{
    (void)waitpid(s->postmaster, NULL, 0);
    s->postmaster = 0;
}

void pg_server_kill(struct pg_server *s)
{
    signal_all(s, SIGKILL);
    reap(s);
}

void pg_server_stop(struct pg_server *s)
{
    assert(s->postmaster > 0);
    (void)kill(s->postmaster, SIGINT);
    reap(s);
}

void pg_server_suspend(struct pg_server *s)
{
    signal_all(s, SIGSTOP);
}

void pg_server_resume(struct pg_server *s)
{
    signal_all(s, SIGCONT);
}

const char *pg_server_database(struct pg_server *s)
{
    assert(s->database_count < DATABASES_MAX);
    struct err e = { 0 };
    scoped(db_conn_destroyp) struct db_conn *conn = NULL;
    char sql[64];
    snprintf(sql, sizeof sql, "CREATE DATABASE test_%zu", s->database_count);
    if (!db_conn_open(&(struct db_conn_options){ .url = str_of_c(s->url) }, &conn, &e) ||
        !db_conn_exec(conn, "create a database", str_of_c(sql), &e))
        die("%s", err_text(&e));
    char *url = mem_alloc(sizeof s->url);
    snprintf(url, sizeof s->url, "postgresql://postgres@/test_%zu?host=%s", s->database_count,
             s->folder);
    s->databases[s->database_count++] = url;
    return url;
}

const char *pg_server_url(const struct pg_server *s)
{
    return s->url;
}

const char *pg_server_folder(const struct pg_server *s)
{
    return s->folder;
}

void pg_server_destroy(struct pg_server *s)
{
    if (!s)
        return;
    if (s->postmaster > 0) {
        signal_all(s, SIGCONT);
        (void)kill(s->postmaster, SIGQUIT);
        reap(s);
    }
    close(s->keeper_fd);
    (void)waitpid(s->keeper, NULL, 0);
    for (size_t i = 0; i < s->database_count; i++)
        mem_free(s->databases[i]);
    mem_free(s);
}
