/* Query.workers, taskTypes, taskTypeNames: the executors that the worker knows of. */
#include "gateway/bindings.h"
#include "gateway/told.h"

/* ── what the worker says ── */

static bool text_of(const struct json_value *object, const char *name, struct str *ret_text)
{
    *ret_text = json_get_text(object, str_of_c(name));
    return ret_text->ptr != NULL;
}

static bool number_of(const struct json_value *object, const char *name, int64_t *ret_number)
{
    return json_get_i64(object, str_of_c(name), ret_number) && *ret_number >= 0;
}

static bool names_of(struct arena *a, const struct json_value *v, struct gql_value *ret_list)
{
    if (v == NULL || v->type != JSON_ARRAY)
        return false;
    struct gql_value *names = arena_new_array(a, v->item_count, struct gql_value);
    for (size_t i = 0; i < v->item_count; i++) {
        if (v->items[i].type != JSON_STRING)
            return false;
        names[i] = gql_text(v->items[i].text);
    }
    *ret_list = gql_list(names, v->item_count);
    return true;
}

/* A WorkerProcess. */
struct process {
    struct str id, name, host;
    struct gql_value types;
    int64_t running, slots, began_us, seen_us;
    bool is_fresh;
};

static bool read_process(struct arena *a, const struct json_value *v, struct process *p)
{
    struct uuid id;
    return text_of(v, "session", &p->id) && uuid_parse(p->id, &id) &&
           text_of(v, "worker", &p->name) && text_of(v, "host", &p->host) &&
           names_of(a, json_get_c(v, "types"), &p->types) && number_of(v, "running", &p->running) &&
           number_of(v, "slots", &p->slots) && number_of(v, "began_at_us", &p->began_us) &&
           number_of(v, "seen_at_us", &p->seen_us);
}

static bool read_processes(struct gql_step *step, const struct json_value *body, bool is_fresh,
                           struct gql_value *ret_list)
{
    const struct json_value *list = json_get_c(body, "workers");
    if (list == NULL || list->type != JSON_ARRAY)
        return false;
    struct process *processes = arena_new_array(step->arena, list->item_count, struct process);
    void **objects = arena_new_array(step->arena, list->item_count, void *);
    for (size_t i = 0; i < list->item_count; i++) {
        if (!read_process(step->arena, &list->items[i], &processes[i]))
            return false;
        processes[i].is_fresh = is_fresh;
        objects[i] = &processes[i];
    }
    *ret_list = gql_objects(objects, list->item_count);
    return true;
}

static bool read_types(struct gql_step *step, const struct json_value *body, bool is_fresh,
                       struct gql_value *ret_list)
{
    (void)is_fresh;
    return names_of(step->arena, json_get_c(body, "task_types"), ret_list);
}

/* A TaskTypeNames. */
struct type_names {
    struct gql_value names;
    bool is_fresh;
};

static bool read_type_names(struct gql_step *step, const struct json_value *body, bool is_fresh,
                            struct gql_value *ret_names)
{
    struct type_names *types = arena_new(step->arena, struct type_names);
    types->is_fresh = is_fresh;
    if (!read_types(step, body, is_fresh, &types->names))
        return false;
    *ret_names = gql_object(types);
    return true;
}

static enum gql_next resolve_workers(struct gql_step *step)
{
    return told_ask(step, TOLD_WORKERS, read_processes);
}

static enum gql_next resolve_types(struct gql_step *step)
{
    return told_ask(step, TOLD_WORKERS, read_types);
}

static enum gql_next resolve_type_names(struct gql_step *step)
{
    return told_ask(step, TOLD_WORKERS, read_type_names);
}

/* ── TaskTypeNames ── */

static void get_names(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct type_names *types = parent;
    (void)f, (void)ctx;
    *ret_value = types->names;
}

static void get_names_source(const struct gql_field *f, void *ctx, void *parent,
                             struct gql_value *ret_value)
{
    const struct type_names *types = parent;
    (void)f, (void)ctx;
    *ret_value = told_source(types->is_fresh);
}

/* ── WorkerProcess ── */

static void get_id(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret_value)
{
    const struct process *p = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(p->id);
}

static void get_name(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct process *p = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(p->name);
}

static void get_host(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct process *p = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(p->host);
}

static void get_types(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct process *p = parent;
    (void)f, (void)ctx;
    *ret_value = p->types;
}

static void get_running(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    const struct process *p = parent;
    (void)f, (void)ctx;
    *ret_value = gql_int(p->running);
}

static void get_concurrency(const struct gql_field *f, void *ctx, void *parent,
                            struct gql_value *ret_value)
{
    const struct process *p = parent;
    (void)f, (void)ctx;
    *ret_value = gql_int(p->slots);
}

static void get_started(const struct gql_field *f, void *ctx, void *parent,
                        struct gql_value *ret_value)
{
    const struct process *p = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_time(r->arena, p->began_us);
}

static void get_seen(const struct gql_field *f, void *ctx, void *parent,
                     struct gql_value *ret_value)
{
    const struct process *p = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_time(r->arena, p->seen_us);
}

static void get_source(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct process *p = parent;
    (void)f, (void)ctx;
    *ret_value = told_source(p->is_fresh);
}

const struct gateway_binding bindings_workers[] = {
    { "Query.workers", { .resolve = resolve_workers } },
    { "Query.taskTypes", { .resolve = resolve_types } },
    { "Query.taskTypeNames", { .resolve = resolve_type_names } },
    { "TaskTypeNames.names", { .get = get_names } },
    { "TaskTypeNames.source", { .get = get_names_source } },
    { "WorkerProcess.id", { .get = get_id } },
    { "WorkerProcess.name", { .get = get_name } },
    { "WorkerProcess.host", { .get = get_host } },
    { "WorkerProcess.types", { .get = get_types } },
    { "WorkerProcess.running", { .get = get_running } },
    { "WorkerProcess.concurrency", { .get = get_concurrency } },
    { "WorkerProcess.startedAt", { .get = get_started } },
    { "WorkerProcess.lastSeenAt", { .get = get_seen } },
    { "WorkerProcess.source", { .get = get_source } },
    { 0 },
};
