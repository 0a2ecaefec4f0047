#include "json/problem.h"

void json_put_problem(struct json_writer *w, const struct json_problem *problem)
{
    json_begin_object(w);
    json_key_c(w, "type");
    json_write_string(w, STR("about:blank")); /* `code` tells more than the status does */
    json_key_c(w, "title");
    json_write_string(w, problem->title);
    json_key_c(w, "status");
    json_write_i64(w, problem->status);
    json_key_c(w, "detail");
    json_write_string(w, problem->detail);
    json_key_c(w, "code");
    json_write_string(w, str_of_c(problem->code));
    json_key_c(w, "server_time_us");
    json_write_i64(w, problem->now_us);
    if (problem->index) {
        json_key_c(w, "index");
        json_write_u64(w, *problem->index);
    }
    json_end_object(w);
}
