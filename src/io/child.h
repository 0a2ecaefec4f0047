/*
 * child: a process of ours, started with exactly the descriptors, environment and rights that its
 * spec names, and watched by a descriptor, so that a signal never meets a stranger who has got its
 * number. It dies with us.
 * Thread: create children on the main thread only; the kernel sends the death signal when the
 * thread that forked ends, not when the process does.
 */
#pragma once
#include "base/base.h" /* first: it chooses what the system's headers show */

#include <sys/types.h>

#include "io/loop.h"

struct io_child;

struct io_child_spec {
    const char *path;        /* the program's file; NULL: run what `program_fd` holds */
    int program_fd;          /* used when `path` is NULL; opened before rights were dropped */
    const char *const *args; /* ends in NULL; args[0] is the name */
    const char *const *env;  /* ends in NULL; all the child gets */
    const char *folder;      /* its working folder; NULL: ours */
    int input_fd, output_fd, error_fd; /* -1: /dev/null */
    const int *listen_fds;             /* become 3, 4, … and are told by LISTEN_FDS, LISTEN_PID */
    size_t listen_count;               /* at most IO_CHILD_LISTEN_MAX */
    int death_signal;                  /* what it gets when we end without a word */
};
enum { IO_CHILD_LISTEN_MAX = 64 };

struct io_exit {
    bool by_signal;
    int code; /* the exit status, or the signal's number */
};

/* The child has ended and was waited for; destroy it here or later. */
typedef void io_exit_fn(void *owner, struct io_exit how);

/*
 * Starts it in a session of its own: the terminal's Ctrl-C reaches us alone. Returns once the
 * program runs; descriptors stay the caller's.
 *
 * Errors: NOT_FOUND, DENIED for the program; UNAVAILABLE when no process can be made.
 * Cost: a fork and an exec are waited for.
 */
[[nodiscard]] bool io_child_create(struct io_loop *loop, const struct io_child_spec *spec,
                                   io_exit_fn *fn, void *owner, struct io_child **ret_child,
                                   struct err *e);
[[nodiscard]] pid_t io_child_pid(const struct io_child *child);
/* Harmless when it has ended. */
void io_child_signal(struct io_child *child, int signum);
/* Only after its end, or when nobody needs to hear of it any more: it is not killed here. */
void io_child_destroy(struct io_child *child); /* accepts NULL */

/* "exit code 3", "killed by SIGSEGV". */
enum { IO_EXIT_TEXT_MAX = 48 };
void io_exit_format(struct io_exit how, char ret_text[IO_EXIT_TEXT_MAX]);
