/* problem: what is told of an error where no other form is agreed. Source: RFC 9457. */
#pragma once
#include "json/writer.h"

struct json_problem {
    int status;          /* HTTP's */
    struct str title;    /* the status's reason */
    struct str detail;   /* for the user; may be empty */
    const char *code;    /* "BAD_USER_INPUT" */
    int64_t now_us;      /* Unix time: callers make ids from it */
    const size_t *index; /* of the item in the request's list that is wrong; NULL: none is named */
};

/* One object: `type`, `title`, `status`, `detail`, `code`, `server_time_us`, `index`. */
void json_put_problem(struct json_writer *w, const struct json_problem *problem);
