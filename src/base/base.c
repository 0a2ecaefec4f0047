#include "base/base.h"

#include <unistd.h>

void base_abort(const char *why)
{
    static const char prefix[] = "fatal: ";
    /* No stdio: memory may be what ran out. A failed write changes nothing, we abort anyway. */
    (void)!write(STDERR_FILENO, prefix, sizeof prefix - 1);
    (void)!write(STDERR_FILENO, why, strlen(why));
    (void)!write(STDERR_FILENO, "\n", 1);
    abort();
}
