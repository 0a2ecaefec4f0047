#include "gateway/problem.h"

static const struct problem problems[ERR_CODE_COUNT] = {
    [ERR_NONE] = { PROBLEM_INTERNAL, 500 }, /* an error without a code is a bug */
    [ERR_INVALID] = { PROBLEM_INPUT, 400 },
    [ERR_NOT_FOUND] = { PROBLEM_NOT_FOUND, 404 },
    [ERR_CONFLICT] = { PROBLEM_CONFLICT, 409 },
    [ERR_UNAUTHENTICATED] = { PROBLEM_UNAUTHENTICATED, 401 },
    [ERR_DENIED] = { PROBLEM_FORBIDDEN, 403 },
    [ERR_LIMIT] = { PROBLEM_INPUT, 400 },
    [ERR_RATE] = { PROBLEM_RATE_LIMITED, 429 },
    [ERR_TIMEOUT] = { PROBLEM_TIMEOUT, 504 },
    [ERR_UNAVAILABLE] = { PROBLEM_INTERNAL, 503 }, /* of our own parts; others: by origin */
    [ERR_CANCELLED] = { PROBLEM_TIMEOUT, 503 },
    [ERR_INTERNAL] = { PROBLEM_INTERNAL, 500 },
    [ERR_MISDIRECTED] = { PROBLEM_INPUT, 421 },
};

static const struct problem unavailable[] = {
    [ERR_ORIGIN_SELF] = { PROBLEM_INTERNAL, 503 },
    [ERR_ORIGIN_DATABASE] = { PROBLEM_DATABASE_UNAVAILABLE, 503 },
    [ERR_ORIGIN_WORKER] = { PROBLEM_WORKER_UNAVAILABLE, 503 },
    [ERR_ORIGIN_AI] = { PROBLEM_AI_UNAVAILABLE, 503 },
};

struct problem problem_of(const struct err *e)
{
    assert(e->code < ERR_CODE_COUNT);
    return e->code == ERR_UNAVAILABLE ? unavailable[e->origin] : problems[e->code];
}
