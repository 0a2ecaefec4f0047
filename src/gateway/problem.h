/*
 * problem: what clients are told of an error: its code in extensions.code, the HTTP status where
 * no GraphQL answer can be given. One table; docs/errors.md shows it.
 */
#pragma once
#include "base/err.h"

#define PROBLEM_INPUT "BAD_USER_INPUT"
#define PROBLEM_UNAUTHENTICATED "UNAUTHENTICATED"
#define PROBLEM_FORBIDDEN "FORBIDDEN"
#define PROBLEM_NOT_FOUND "NOT_FOUND"
#define PROBLEM_CONFLICT "CONFLICT"
#define PROBLEM_RATE_LIMITED "RATE_LIMITED"
#define PROBLEM_WORKER_UNAVAILABLE "WORKER_UNAVAILABLE"
#define PROBLEM_AI_UNAVAILABLE "AI_UNAVAILABLE"
#define PROBLEM_DATABASE_UNAVAILABLE "DATABASE_UNAVAILABLE"
#define PROBLEM_TIMEOUT "TIMEOUT"
#define PROBLEM_INTERNAL "INTERNAL"

struct problem {
    const char *code;
    int http_status;
};

[[nodiscard]] struct problem problem_of(const struct err *e);
