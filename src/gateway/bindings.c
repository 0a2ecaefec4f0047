#include "gateway/bindings.h"

#include "base/clock.h"
#include "gateway/api_graphql.h"
#include "gateway/authority.h"
#include "gateway/gateway.h"
#include "json/check.h"
#include "json/writer.h"

struct gql_value binding_time(struct arena *a, int64_t wall_us)
{
    char *text = arena_alloc(a, CLOCK_TEXT_MAX);
    clock_format(wall_us, text);
    return gql_text(str_of_c(text));
}

/* "2026-11-23 08:30:00.25+00" as RFC 3339, without going through a number: lists are full of them.
 * False where it is not of this form (another time zone, a year of five digits). */
static bool utc_text(struct arena *a, struct str cell, struct str *ret_text)
{
    enum { YEAR_END = 4, T_AT = 10, SECONDS_END = 19, TEXT_LEN = 27, OFFSET_LEN = 3 };
    static const char zeros[] = ".000000Z";
    if (cell.len < SECONDS_END + OFFSET_LEN || cell.len >= TEXT_LEN + OFFSET_LEN ||
        cell.ptr[YEAR_END] != '-' || cell.ptr[T_AT] != ' ')
        return false;
    const char *offset = cell.ptr + cell.len - OFFSET_LEN;
    if (offset[0] != '+' || offset[1] != '0' || offset[2] != '0')
        return false;
    char *text = arena_alloc(a, TEXT_LEN + 1);
    memcpy(text + SECONDS_END, zeros, sizeof zeros);
    memcpy(text, cell.ptr, cell.len - OFFSET_LEN);
    text[T_AT] = 'T';
    *ret_text = str_of(text, TEXT_LEN);
    return true;
}

struct gql_value binding_time_cell(struct arena *a, struct str cell)
{
    struct str text;
    int64_t wall_us = 0;
    if (utc_text(a, cell, &text))
        return gql_text(text);
    bool is_time = db_time_parse(cell, &wall_us);
    assert(is_time);
    return binding_time(a, wall_us);
}

struct gql_value binding_id(struct arena *a, struct uuid id)
{
    char *text = arena_alloc(a, UUID_TEXT_LEN + 1);
    uuid_format(id, text);
    return gql_text(str_of(text, UUID_TEXT_LEN));
}

struct gql_value binding_json(struct arena *a, const struct json_value *v)
{
    struct buf text;
    if (v == NULL || v->type == JSON_NULL)
        return gql_null();
    buf_init(&text, 0);
    json_put_value(&text, v);
    struct str copy = arena_copy(a, buf_str(&text));
    buf_clear(&text);
    return gql_raw(copy);
}

/* As an argument a DateTime is a GQL_INT: Unix time in microseconds. */
static bool parse_time(const struct gql_scalar_in *in, struct gql_value *ret_value,
                       struct str *ret_why)
{
    int64_t wall_us;
    if (in->kind != GQL_TEXT || !clock_parse(in->text, &wall_us)) {
        *ret_why = STR("expected an RFC 3339 time, such as 2026-11-23T06:37:10.123456Z");
        return false;
    }
    *ret_value = gql_int(wall_us);
    return true;
}

/* As an argument a JSON is a GQL_RAW: its text, which fits `jsonb` as well. */
static bool parse_json(const struct gql_scalar_in *in, struct gql_value *ret_value,
                       struct str *ret_why)
{
    struct err e;
    (void)ret_value;
    if (json_check(in->json, &e))
        return true;
    *ret_why = arena_copy(in->arena, str_of_c(e.message));
    return false;
}

static bool bind_table(struct gql_schema *schema, const struct gateway_binding *table,
                       struct err *e)
{
    for (const struct gateway_binding *b = table; b->coordinate != NULL; b++) {
        struct gql_binding binding = b->binding;
        if (str_starts_with(str_of_c(b->coordinate), STR("Mutation.")))
            binding = authority_first(b);
        if (!gql_schema_bind(schema, b->coordinate, &binding, e))
            return err_in(e, "bind %s", b->coordinate);
    }
    return true;
}

static bool bind_all(struct gql_schema *schema, struct err *e)
{
    static const struct gateway_binding *const tables[] = {
        bindings_users,         bindings_user_changes,  bindings_sessions,
        bindings_tokens,        bindings_health,        bindings_page,
        bindings_tasks,         bindings_tasks_list,    bindings_task_why,
        bindings_jobs,          bindings_schedule,      bindings_task_changes,
        bindings_job_changes,   bindings_stats,         bindings_trends,
        bindings_chat,          bindings_chat_history,  bindings_conversations,
        bindings_insights,      bindings_analysis,      bindings_task_events,
        bindings_task_attempts, bindings_task_counts,   bindings_error_groups,
        bindings_audit,         bindings_chat_stream,   bindings_stats_watch,
        bindings_insight_watch, bindings_workers,       bindings_config,
        bindings_checkup,       bindings_type_settings, bindings_queues,
        bindings_task_log,      bindings_task_bulk,     bindings_job_history,
        bindings_mirror_audit,  bindings_outbox,        bindings_recommendations,
        bindings_users_list,
    };
    static const struct gql_scalar time = { .parse = parse_time };
    static const struct gql_scalar json = { .parse = parse_json, .is_json = true };
    for (size_t i = 0; i < countof(tables); i++)
        if (!bind_table(schema, tables[i], e))
            return false;
    return gql_schema_bind_scalar(schema, "DateTime", &time, e) &&
           gql_schema_bind_scalar(schema, "JSON", &json, e) && gql_schema_seal(schema, NULL, e);
}

struct str gateway_api(void)
{
    return str_of((const char *)api_graphql, api_graphql_size);
}

bool bindings_create_schema(struct gql_schema **ret_schema, struct err *e)
{
    static const struct gql_schema_options options = { .default_access = "VIEWER",
                                                       .has_incremental = true };
    scoped(arena_destroyp) struct arena *a = arena_create(1 << 20);
    struct gql_errors errors = { .arena = a };
    scoped(gql_schema_destroyp) struct gql_schema *schema =
        gql_schema_create(gateway_api(), &options, &errors);
    if (schema == NULL)
        return err_set(e, ERR_INTERNAL, "api.graphql: %.*s", STR_FMT(errors.first->message));
    if (!bind_all(schema, e))
        return err_in(e, "bind the API");
    *ret_schema = take(schema);
    return true;
}
