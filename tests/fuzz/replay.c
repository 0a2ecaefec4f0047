/*
 * replay: runs a fuzz harness over the files of its corpus, so that each input that once mattered
 * is tried again by the unit tests, without a fuzzer. Usage: PROGRAM FOLDER
 */
#include "base/base.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input lies in a block of exactly its size, so that a sanitizer sees a read beyond it. */
static bool replay(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return fd >= 0 && close(fd) == 0 && false;
    size_t size = (size_t)info.st_size;
    scoped(mem_freep) uint8_t *data = mem_alloc(size);
    bool whole = size == 0 || read(fd, data, size) == info.st_size;
    close(fd);
    if (whole)
        LLVMFuzzerTestOneInput(data, size);
    return whole;
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (!folder) {
        printf("Bail out! no corpus folder\n");
        return 1;
    }
    int done = 0;
    bool failed = false;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (entry->d_name[0] == '.')
            continue;
        printf("# %s\n", entry->d_name); /* the last one printed is the one that crashed */
        fflush(stdout);
        if (!replay(dirfd(folder), entry->d_name))
            failed = true;
        done++;
    }
    closedir(folder);
    failed = failed || done == 0;
    printf("%s 1 - replays the %d inputs of its corpus\n1..1\n", failed ? "not ok" : "ok", done);
    return failed;
}
