/*
 * columns: the columns of n rows for a statement, each an array of one arena. The macros take `n`
 * and `a` (struct arena *) of the function that they stand in; `value` and `has_it` are of row `i`.
 */
#pragma once
#include "base/arena.h"

#define COLUMN(name, type, value)                                                                  \
    typeof(type) *(name) = arena_array(a, n, sizeof(type));                                        \
    for (size_t i = 0; i < n; i++)                                                                 \
    (name)[i] = (value)

/* One that most rows have no value in: `name_count` is 0 where none has, which saves the server the
 * work of a column. */
#define SPARSE(name, type, has_it, value)                                                          \
    size_t name##_count = 0;                                                                       \
    for (size_t i = 0; i < n && name##_count == 0; i++)                                            \
        name##_count = (has_it) ? n : 0;                                                           \
    typeof(type) *(name) = arena_array(a, name##_count, sizeof(type));                             \
    for (size_t i = 0; i < name##_count; i++)                                                      \
    (name)[i] = (value)
