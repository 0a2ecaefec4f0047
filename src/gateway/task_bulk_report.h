/* task_bulk_report: what the audit log says of a bulk action of tasks. */
#pragma once
#include "base/arena.h"
#include "gql/gql.h"

struct task_bulk_report {
    const struct gql_value *filter; /* a TaskFilter */
    int64_t as_of_us, matched, done, refused;
    const char *broke; /* why it ended early; NULL: it did not */
    bool is_begun;     /* what is done and refused is counted elsewhere */
};

/* A JSON object, in the arena. */
[[nodiscard]] struct str task_bulk_describe(struct arena *a, const struct task_bulk_report *report);
