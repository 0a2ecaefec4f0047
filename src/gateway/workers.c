#include "gateway/workers.h"

#include <pthread.h>

#include "base/mem.h"
#include "gateway/await_worker.h"
#include "gateway/bindings.h"
#include "gateway/worker_client.h"
#include "json/check.h"
#include "json/writer.h"

#define PATH "/v1/workers"

enum { TOLD_BYTES_MAX = 4 << 20 };

/* ── what is kept ── */

struct workers_told {
    pthread_mutex_t lock; /* all loops; held for one copy */
    struct buf json;      /* empty: it never told */
};

struct workers_told *workers_told_create(void)
{
    struct workers_told *told = mem_new(struct workers_told);
    int failed = pthread_mutex_init(&told->lock, NULL);
    assert(!failed);
    buf_init(&told->json, TOLD_BYTES_MAX);
    return told;
}

void workers_told_destroy(struct workers_told *told)
{
    if (told == NULL)
        return;
    buf_clear(&told->json);
    (void)pthread_mutex_destroy(&told->lock);
    mem_free(told);
}

static void keep(struct workers_told *told, const struct json_value *body)
{
    pthread_mutex_lock(&told->lock);
    buf_reset(&told->json);
    json_put_value(&told->json, body);
    if (told->json.failed)
        buf_reset(&told->json);
    pthread_mutex_unlock(&told->lock);
}

/* NULL: it never told. */
static const struct json_value *kept(struct workers_told *told, struct arena *a)
{
    const struct json_value *body = NULL;
    struct err e;
    pthread_mutex_lock(&told->lock);
    struct str json = arena_copy(a, buf_str(&told->json));
    pthread_mutex_unlock(&told->lock);
    return !str_is_empty(json) && json_parse(a, json, &body, &e) ? body : NULL;
}

/* ── what the worker says ── */

static bool text_of(const struct json_value *object, const char *name, struct str *ret_text)
{
    const struct json_value *v = json_get(object, str_of_c(name));
    if (v == NULL || v->type != JSON_STRING)
        return false;
    *ret_text = v->text;
    return true;
}

static bool number_of(const struct json_value *object, const char *name, int64_t *ret_number)
{
    const struct json_value *v = json_get(object, str_of_c(name));
    return v != NULL && v->type == JSON_NUMBER && json_to_i64(v, ret_number) && *ret_number >= 0;
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

static bool read_processes(struct arena *a, const struct json_value *body,
                           struct gql_value *ret_list)
{
    const struct json_value *list = json_get_c(body, "workers");
    if (list == NULL || list->type != JSON_ARRAY)
        return false;
    struct process *processes = arena_new_array(a, list->item_count, struct process);
    void **objects = arena_new_array(a, list->item_count, void *);
    for (size_t i = 0; i < list->item_count; i++) {
        if (!read_process(a, &list->items[i], &processes[i]))
            return false;
        objects[i] = &processes[i];
    }
    *ret_list = gql_objects(objects, list->item_count);
    return true;
}

static bool read_types(struct arena *a, const struct json_value *body, struct gql_value *ret_list)
{
    return names_of(a, json_get_c(body, "task_types"), ret_list);
}

/* ── asking ── */

typedef bool read_fn(struct arena *a, const struct json_value *body, struct gql_value *ret_list);

struct question {
    struct gql_step *step;
    read_fn *read;
};

static bool answer_with(const struct question *q, const struct json_value *body)
{
    struct gql_step *step = q->step;
    return body != NULL && q->read(step->arena, body, &step->results[0]);
}

static enum gql_next finish(const struct question *q, const struct json_value *body,
                            const struct err *why)
{
    struct gql_step *step = q->step;
    struct workers_told *told = await_request(step)->loop->gateway->workers_told;
    struct err e;
    bool is_told = answer_with(q, body);
    if (is_told)
        keep(told, body);
    if (is_told || answer_with(q, kept(told, step->arena))) {
        gql_step_finish(step);
        return GQL_WAIT;
    }
    if (why != NULL)
        e = *why;
    else
        err_set_from(&e, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE,
                     "the Worker Service gave an answer that is none");
    return gql_step_fail(step, &e);
}

static void answered(void *owner, const struct worker_reply *reply)
{
    (void)finish(owner, reply->body, reply->err);
}

static enum gql_next ask(struct gql_step *step, read_fn *read)
{
    struct question *q = arena_new(step->arena, struct question);
    struct err e;
    *q = (struct question){ step, read };
    if (await_worker_ask(step, PATH, answered, q))
        return GQL_WAIT;
    err_set_from(&e, ERR_ORIGIN_WORKER, ERR_UNAVAILABLE, "the Worker Service is out of reach");
    return finish(q, NULL, &e);
}

static enum gql_next resolve_workers(struct gql_step *step)
{
    return ask(step, read_processes);
}

static enum gql_next resolve_types(struct gql_step *step)
{
    return ask(step, read_types);
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

const struct gateway_binding bindings_workers[] = {
    { "Query.workers", { .resolve = resolve_workers } },
    { "Query.taskTypes", { .resolve = resolve_types } },
    { "WorkerProcess.id", { .get = get_id } },
    { "WorkerProcess.name", { .get = get_name } },
    { "WorkerProcess.host", { .get = get_host } },
    { "WorkerProcess.types", { .get = get_types } },
    { "WorkerProcess.running", { .get = get_running } },
    { "WorkerProcess.concurrency", { .get = get_concurrency } },
    { "WorkerProcess.startedAt", { .get = get_started } },
    { "WorkerProcess.lastSeenAt", { .get = get_seen } },
    { 0 },
};
