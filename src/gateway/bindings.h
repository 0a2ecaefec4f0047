/*
 * bindings: which function answers which field. Each file of resolvers has one table; bindings.c
 * binds them all, and the schema refuses to be sealed while a field of api.graphql has none.
 */
#pragma once
#include "gateway/gateway_priv.h"

struct gateway_binding {
    const char *coordinate; /* "Query.users"; NULL ends the table */
    struct gql_binding binding;
};

/* A getter's column or member number as gql_binding.data; 0 stays free for "none". */
#define BINDING_NUMBER(n) ((void *)(uintptr_t)((n) + 1))
static inline int binding_number(const struct gql_field *f)
{
    return (int)(uintptr_t)f->data - 1;
}

/* Makes the schema from the embedded api.graphql, binds and seals it. */
[[nodiscard]] bool bindings_create_schema(struct gql_schema **ret_schema, struct err *e);

extern const struct gateway_binding bindings_users[], bindings_user_changes[], bindings_sessions[],
    bindings_tokens[], bindings_health[], bindings_page[], bindings_tasks[], bindings_tasks_list[],
    bindings_task_why[], bindings_jobs[], bindings_schedule[], bindings_stats[], bindings_trends[],
    bindings_task_changes[], bindings_job_changes[], bindings_chat[], bindings_chat_history[],
    bindings_conversations[], bindings_insights[], bindings_analysis[], bindings_task_events[],
    bindings_task_attempts[], bindings_task_counts[], bindings_error_groups[], bindings_audit[],
    bindings_chat_stream[], bindings_stats_watch[], bindings_insight_watch[], bindings_workers[],
    bindings_config[], bindings_checkup[], bindings_type_settings[], bindings_queues[],
    bindings_task_log[], bindings_task_bulk[], bindings_job_history[], bindings_mirror_audit[],
    bindings_outbox[], bindings_recommendations[], bindings_users_list[];

/* Getters that several tables use. */
[[nodiscard]] struct gql_value binding_time(struct arena *a, int64_t wall_us);
/* Of a timestamptz in PostgreSQL's text form, not null. */
[[nodiscard]] struct gql_value binding_time_cell(struct arena *a, struct str cell);
[[nodiscard]] struct gql_value binding_id(struct arena *a, struct uuid id);
/* Of a part of a JSON document; null for NULL and JSON's null. */
[[nodiscard]] struct gql_value binding_json(struct arena *a, const struct json_value *v);
