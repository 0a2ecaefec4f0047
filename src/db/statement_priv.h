/* statement_priv: how the files of db put values into db_args and send them. */
#pragma once
#include "db/statement.h"

/* `value` lives in the arena; NULL is SQL's null. A text ends in NUL and has `binary_len` 0. */
void args_add(struct db_args *args, const char *value, size_t binary_len);

/* True, and remembered as a failure, for what no text of the server may hold. */
bool args_has_nul(struct db_args *args, struct str value);

/* What libpq asks for beside the values: 1 for each in binary form. `args` may be NULL. */
struct args_formats {
    int items[DB_PARAMS_MAX];
};
const int *args_formats(const struct db_args *args, struct args_formats *ret_formats);
