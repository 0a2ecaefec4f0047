#include "ai/problem.h"

#include "base/clock.h"
#include "json/problem.h"

static const struct {
    const char *code;
    int status;
} problems[ERR_CODE_COUNT] = {
    [ERR_NONE] = { "INTERNAL", 500 }, /* an error without a code is a bug */
    [ERR_INVALID] = { "BAD_USER_INPUT", 400 },  [ERR_NOT_FOUND] = { "NOT_FOUND", 404 },
    [ERR_CONFLICT] = { "CONFLICT", 409 },       [ERR_UNAUTHENTICATED] = { "UNAUTHENTICATED", 401 },
    [ERR_DENIED] = { "FORBIDDEN", 403 },        [ERR_LIMIT] = { "BAD_USER_INPUT", 400 },
    [ERR_RATE] = { "RATE_LIMITED", 429 },       [ERR_TIMEOUT] = { "TIMEOUT", 504 },
    [ERR_UNAVAILABLE] = { "UNAVAILABLE", 503 }, [ERR_CANCELLED] = { "TIMEOUT", 503 },
    [ERR_INTERNAL] = { "INTERNAL", 500 },       [ERR_MISDIRECTED] = { "BAD_USER_INPUT", 421 },
};

const char *problem_code(const struct err *e)
{
    return problems[e->code].code;
}

int problem_status(const struct err *e)
{
    return problems[e->code].status;
}

struct str problem_message(const struct err *e)
{
    bool is_hidden = e->code == ERR_INTERNAL || e->code == ERR_NONE;
    return is_hidden ? STR("an internal error; the log tells more") : str_of_c(e->message);
}

void problem_respond(struct http_request *r, const struct err *e)
{
    struct json_writer w = json_writer_to(r->out);
    buf_reset(r->out);
    json_put_problem(&w, &(struct json_problem){ .status = problem_status(e),
                                                 .title = http_reason(problem_status(e)),
                                                 .detail = problem_message(e),
                                                 .code = problem_code(e),
                                                 .now_us = clock_wall_us() });
    http_respond(r, problem_status(e), HTTP_PROBLEM, buf_str(r->out));
}
