/* test: cmocka and what it needs, in the order it needs it. */
#pragma once
#include "base/base.h"

#include <setjmp.h>

#include <cmocka.h>

#include "base/str.h"

#define assert_str(actual, expected)                                                               \
    do {                                                                                           \
        struct str actual_ = (actual);                                                             \
        struct str expected_ = str_of_c(expected);                                                 \
        if (!str_eq(actual_, expected_))                                                           \
            fail_msg("%s is \"%.*s\", expected \"%.*s\"", #actual, STR_FMT(actual_),               \
                     STR_FMT(expected_));                                                          \
    } while (0)
