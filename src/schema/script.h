/*
 * script: a look at SQL as psql would split it: what is quoted or a comment is stepped over, and a
 * semicolon elsewhere ends a statement. It knows no grammar.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct script {
    size_t statement_count;
    struct str control; /* the first BEGIN, COMMIT, … that stands as a statement; else empty */
    int control_line;   /* counted from 1 */
};

/* Errors: INVALID where a quote or a comment is not closed. */
[[nodiscard]] bool script_scan(struct str sql, struct script *ret_script, struct err *e);
