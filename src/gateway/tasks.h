/*
 * tasks: Task and Job objects, for every field that returns one. The parent of their fields is a
 * struct record, of the table `tasks` or `jobs`.
 *
 * A mutation gives what the worker has just answered as record_of_cells, which reads nothing. Its
 * prepare is tasks_prepare or jobs_prepare all the same; their plan reads what it has only ids of.
 */
#pragma once
#include "gateway/await.h"
#include "gateway/record.h"

[[nodiscard]] const struct schema_table *tasks_table(void);
[[nodiscard]] const struct schema_table *jobs_table(void);

/* The prepare of fields that return Tasks or Jobs, one or many: plan_data is a struct record_plan.
 */
void *tasks_prepare(struct gql_field *f, struct arena *plan_arena);
void *jobs_prepare(struct gql_field *f, struct arena *plan_arena);

/* Getter of Task.source and Job.source. */
gql_get_fn tasks_get_source;
/* Where what is read from the tables comes from now: DataSource; the same as a field of whatever is
 * made of them. */
gql_get_fn tasks_get_table_source;
[[nodiscard]] struct gql_value tasks_source(const struct gateway_loop *loop);
