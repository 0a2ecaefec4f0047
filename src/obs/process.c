#include "obs/process_priv.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

/* The start of a small file, ended by NUL; false where there is none. */
static bool read_small(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, text, size - 1);
    close(fd);
    text[max_of(got, (ssize_t)0)] = '\0';
    return got > 0;
}

static void put(struct buf *b, const char *name, const char *type, const char *help, double value)
{
    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n%s %.*g\n", name, help, name, type, name, 15, value);
}

/* When the process started, in Unix seconds; found once, so that a scrape never moves it. */
static double start_time(double seconds_after_boot)
{
    static _Atomic double known;
    if (known > 0)
        return known;
    struct timespec since_boot;
    clock_gettime(CLOCK_BOOTTIME, &since_boot);
    double age = (double)since_boot.tv_sec + (double)since_boot.tv_nsec / 1e9 - seconds_after_boot;
    known = (double)clock_wall_us() / CLOCK_S - age;
    return known;
}

/* Fields of /proc/self/stat behind the name, which may hold anything but ends at the last ')'. */
static void put_stat(struct buf *b)
{
    enum { UTIME = 14, STIME = 15, THREADS = 20, STARTTIME = 22, VSIZE = 23, RSS = 24, FIELDS };
    char text[1024];
    double fields[FIELDS] = { 0 };
    char *at = read_small("/proc/self/stat", text, sizeof text) ? strrchr(text, ')') : NULL;
    if (!at || strlen(at) < 4)
        return;
    at += 4; /* ") S" and a space: the third field is a letter */
    for (int i = 4; i < FIELDS; i++)
        fields[i] = strtod(at, &at);
    const double ticks = (double)sysconf(_SC_CLK_TCK);
    put(b, "process_cpu_seconds_total", "counter", "User and system CPU time spent.",
        (fields[UTIME] + fields[STIME]) / ticks);
    put(b, "process_threads", "gauge", "Threads of the process.", fields[THREADS]);
    put(b, "process_virtual_memory_bytes", "gauge", "Virtual memory size.", fields[VSIZE]);
    put(b, "process_resident_memory_bytes", "gauge", "Resident memory size.",
        fields[RSS] * (double)sysconf(_SC_PAGESIZE));
    put(b, "process_start_time_seconds", "gauge", "Start time in Unix seconds.",
        start_time(fields[STARTTIME] / ticks));
}

static void put_fds(struct buf *b)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (dir) {
        for (const struct dirent *entry; (entry = readdir(dir));)
            count += entry->d_name[0] != '.';
        closedir(dir);
        put(b, "process_open_fds", "gauge", "Open file descriptors.",
            (double)(count - 1)); /* without the folder's own */
    }
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        put(b, "process_max_fds", "gauge", "Most open file descriptors.", (double)limit.rlim_cur);
}

void process_metrics_write(struct buf *b)
{
    put_stat(b);
    put_fds(b);
}
