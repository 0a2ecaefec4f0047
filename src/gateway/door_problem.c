#include "gateway/door_problem.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/headers.h"
#include "gateway/note.h"
#include "gateway/problem.h"
#include "json/problem.h"
#include "json/writer.h"

const char *door_problem_code(const struct http_request *http, const struct err *e,
                              const char *event, struct str *ret_detail)
{
    struct problem problem = problem_of(e);
    bool is_told = strcmp(problem.code, PROBLEM_INTERNAL) != 0;
    if (!is_told)
        log_error(event, "req=%s error=%s", http->id, log_quote(str_of_c(err_text(e))));
    *ret_detail = is_told ? str_of_c(e->message) : STR("something went wrong; the log tells more");
    return problem.code;
}

void door_problem_put(struct http_request *http, const struct err *e, const char *event,
                      int *ret_status)
{
    struct str detail;
    int status = problem_of(e).http_status;
    const char *code = door_problem_code(http, e, event, &detail);
    struct json_writer w = json_writer_to(http->out);
    buf_reset(http->out);
    json_put_problem(&w, &(struct json_problem){ .status = status,
                                                 .title = http_reason(status),
                                                 .detail = detail,
                                                 .code = code,
                                                 .now_us = clock_wall_us() });
    if (status == 401)
        http_add_header(http, STR("WWW-Authenticate"), STR("Bearer"));
    if (status == 503 || status == 429)
        headers_retry_after(http, CLOCK_S);
    request_note(http, NULL)->code = code;
    *ret_status = status;
}
