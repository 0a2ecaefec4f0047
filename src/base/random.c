#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

void random_bytes(void *dst, size_t size)
{
    unsigned char *at = dst;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            base_abort("the kernel gave no random bytes");
        at += got;
        size -= (size_t)got;
    }
}

void random_ids(void *dst, size_t size)
{
    enum { POOL_BYTES = 1024 };
    static thread_local unsigned char pool[POOL_BYTES];
    static thread_local size_t left;
    assert(size <= POOL_BYTES);
    if (size > left) {
        random_bytes(pool, sizeof pool);
        left = sizeof pool;
    }
    left -= size;
    memcpy(dst, pool + left, size);
}
