/*
 * users: how User objects are read and shown, for every field that returns one. The columns that a
 * selection needs become part of the plan; a user is a row of the statement that read them.
 */
#pragma once
#include "gateway/await.h"
#include "store/select.h"

/* What a User is to its getters. */
struct user_row {
    const struct db_rows *rows;
    size_t row;
};

/* What a field's `prepare` finds below it. */
struct user_plan {
    uint64_t columns; /* with the id always */
    const struct db_statement *by_id, *by_ids;
};

/* The prepare of fields that return one User. */
void *users_prepare(struct gql_field *f, struct arena *plan_arena);
/* The prepare of fields whose child `user` is one: setup and login. */
void *users_prepare_below(struct gql_field *f, struct arena *plan_arena);

[[nodiscard]] const struct schema_table *users_table(void);
/* The columns, with the id always, that the Users read which the paths of fields below `f` lead to;
 * those fields are told where in a row of them they are. A path ends with NULL, and so do they. */
[[nodiscard]] uint64_t users_columns_below(struct gql_field *f, const char *const *const *paths);

/* Reads the user by id with the plan's columns. */
[[nodiscard]] struct db_step users_by_id_step(const struct gql_step *step, struct uuid id);
/* The object of the row, which lives as long as the operation; NULL where there is no row. */
[[nodiscard]] struct user_row *users_object(const struct gql_step *step, struct db_rows *rows);

[[nodiscard]] struct uuid users_object_id(const struct user_row *user);

/*
 * Answers a field that returns one User for each of many parents, and whose prepare is
 * users_prepare: result i becomes the user of ids[i], or null where there is none; all zeroes is
 * nobody. One statement for all. `ids` lives as long as the operation.
 */
enum gql_next users_resolve_each(struct gql_step *step, const struct uuid *ids);

/* Of an argument or input field that is an ID. Errors: INVALID with its name. */
[[nodiscard]] bool users_read_id(const char *name, const struct gql_value *value,
                                 struct uuid *ret_id, struct err *e);
