/*
 * fault_shim: a library for LD_PRELOAD that makes a process's wall clock jump and its disk hang, as
 * a file says that the process maps: FAULT_SHIM names it. For tests alone, of the worker,
 * the runner and PostgreSQL's server; tests/support/shim.py writes the file.
 *
 * The file is two int64_t: what is added to CLOCK_REALTIME, in microseconds; and, while it is not
 * 0, that nothing reaches the disk: fsync, fdatasync and pwrite begin once it is 0 again. Each call
 * reads it anew. CLOCK_MONOTONIC and all other clocks are told as they are. The syncs themselves
 * are left out: no test cuts the power, and what was written outlives a process that is killed.
 *
 * Without the variable, or where its file cannot be mapped, the process ends: a test whose faults
 * do not happen would prove nothing.
 */
#undef _FILE_OFFSET_BITS /* else pwrite is a name of pwrite64, and both are wanted */
#include "base/base.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { US = 1'000'000, NS_OF_US = 1'000, STALL_LOOK_NS = 2'000'000 };

#define SEEN __attribute__((visibility("default")))

struct faults {
    int64_t ahead_us;
    int64_t is_stalled;
};

static const volatile struct faults *faults;

/* Before main, and in a process that has not mapped it yet, which is one of the loader's own. */
__attribute__((constructor)) static void map_faults(void)
{
    const char *path = getenv("FAULT_SHIM");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *faults, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        fputs("fault_shim: FAULT_SHIM names no file that can be mapped\n", stderr);
        _exit(99);
    }
    close(fd);
    faults = map;
}

/* ── the clock ── */

static int64_t ahead_us(void)
{
    return faults ? faults->ahead_us : 0;
}

static int64_t wall_us(int64_t *ret_ns)
{
    struct timespec now = { 0 };
    (void)syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    *ret_ns = now.tv_nsec % NS_OF_US;
    return now.tv_sec * US + now.tv_nsec / NS_OF_US + ahead_us();
}

SEEN int clock_gettime(clockid_t id, struct timespec *now)
{
    if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)
        return (int)syscall(SYS_clock_gettime, id, now);
    int64_t ns, us = wall_us(&ns);
    *now = (struct timespec){ .tv_sec = us / US, .tv_nsec = us % US * NS_OF_US + ns };
    return 0;
}

SEEN int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    int64_t ns, us = wall_us(&ns);
    (void)zone; /* obsolete, and never set on Linux */
    *now = (struct timeval){ .tv_sec = us / US, .tv_usec = us % US };
    return 0;
}

SEEN time_t time(time_t *ret_now)
{
    int64_t ns, s = wall_us(&ns) / US;
    if (ret_now)
        *ret_now = s;
    return s;
}

/* ── the disk ── */

static void wait_for_disk(void)
{
    const struct timespec look = { .tv_nsec = STALL_LOOK_NS };
    while (faults && faults->is_stalled)
        (void)nanosleep(&look, NULL);
}

SEEN int fsync(int fd)
{
    (void)fd;
    wait_for_disk();
    return 0;
}

SEEN int fdatasync(int fd)
{
    (void)fd;
    wait_for_disk();
    return 0;
}

SEEN ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    wait_for_disk();
    return syscall(SYS_pwrite64, fd, bytes, len, at);
}

SEEN ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    return pwrite(fd, bytes, len, at);
}
