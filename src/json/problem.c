#include "json/problem.h"

#include "json/members.h"

void json_put_problem(struct json_writer *w, const struct json_problem *problem)
{
    json_begin_object(w);
    json_put_text(w, "type", STR("about:blank")); /* `code` tells more than the status does */
    json_put_text(w, "title", problem->title);
    json_put_i64(w, "status", problem->status);
    json_put_text(w, "detail", problem->detail);
    json_put_text(w, "code", str_of_c(problem->code));
    json_put_i64(w, "server_time_us", problem->now_us);
    if (problem->index) {
        json_key_c(w, "index");
        json_write_u64(w, *problem->index);
    }
    json_end_object(w);
}
