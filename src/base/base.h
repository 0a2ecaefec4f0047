/*
 * base: what every file of Windlass includes first. The language's missing words, and the calls
 * that nobody may use. Source: docs/style.md sections 3 and 9.
 */
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <time.h>

#ifdef NDEBUG
#error "assertions stay on in release builds: never define NDEBUG"
#endif

/* Runs `destroy` with the variable's address when the block is left. */
#define scoped(destroy) __attribute__((cleanup(destroy)))

/* Makes NAME_destroyp for `scoped()` from NAME_destroy(struct NAME *), which must accept NULL. */
#define DEFINE_SCOPED(name)                                                                        \
    static inline void name##_destroyp(struct name **p)                                            \
    {                                                                                              \
        name##_destroy(*p);                                                                        \
    }                                                                                              \
    static_assert(true, "needs a semicolon")

/* Hands a scoped pointer on and leaves NULL, so that its owner no longer frees it. */
#define take(p)                                                                                    \
    ({                                                                                             \
        typeof(p) taken_ = (p);                                                                    \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

#define countof(array) (sizeof(array) / sizeof((array)[0]))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define min_of(a, b)                                                                               \
    ({                                                                                             \
        typeof(a) a_ = (a);                                                                        \
        typeof(b) b_ = (b);                                                                        \
        a_ < b_ ? a_ : b_;                                                                         \
    })
#define max_of(a, b)                                                                               \
    ({                                                                                             \
        typeof(a) a_ = (a);                                                                        \
        typeof(b) b_ = (b);                                                                        \
        a_ > b_ ? a_ : b_;                                                                         \
    })

#define like_printf(fmt, args) __attribute__((format(printf, fmt, args)))

/* Ends the process on a broken invariant that assert cannot state, such as memory running out. */
_Noreturn void base_abort(const char *why);

#include "base/banned.h"
