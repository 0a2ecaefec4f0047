/* Job.changes: who changed what of a job, which the worker keeps: it is asked for each job. */
#include "base/buf.h"
#include "gateway/await_each.h"
#include "gateway/bindings.h"
#include "gateway/record.h"
#include "json/writer.h"

enum { CHANGES_MAX = 100 }; /* of a job, in an answer */

/* A JobChange. */
struct change {
    int64_t at_us;
    struct str actor;
    struct str before, after; /* JSON; ptr NULL: null */
};

/* ── the worker's words as the API's ── */

static const struct word {
    const char *told, *name;
    int enumeration; /* of the labels that its values are; -1: of none */
} words[] = {
    { "time_zone", "timeZone", -1 },
    { "status", "status", ENUM_job_status },
    { "task_type", "taskType", -1 },
    { "priority", "priority", ENUM_task_priority },
    { "misfire_policy", "misfirePolicy", ENUM_misfire_policy },
    { "overlap_policy", "overlapPolicy", ENUM_overlap_policy },
    { "max_attempts", "maxAttempts", -1 },
    { "fail_after", "failAfter", -1 },
    { "timeout_s", "timeoutSeconds", -1 },
    { "jitter_s", "jitterSeconds", -1 },
};

static const struct word *word_of(struct str told)
{
    for (size_t i = 0; i < countof(words); i++)
        if (str_eq_c(told, words[i].told))
            return &words[i];
    return NULL;
}

static void put_value(struct json_writer *w, const struct word *word, const struct json_value *v)
{
    const struct schema_enum *labels =
        word != NULL && word->enumeration >= 0 ? &schema_public.enums[word->enumeration] : NULL;
    int label = labels != NULL && v->type == JSON_STRING ? schema_label_of(labels, v->text) : -1;
    if (label >= 0)
        json_write_string(w, labels->labels[label].name);
    else
        json_write_value(w, v);
}

static struct str in_our_words(struct arena *a, const struct json_value *told)
{
    struct buf out;
    if (told == NULL || told->type != JSON_OBJECT)
        return (struct str){ 0 };
    buf_init(&out, 0);
    struct json_writer w = json_writer_to(&out);
    json_begin_object(&w);
    for (size_t i = 0; i < told->member_count; i++) {
        const struct json_member *m = &told->members[i];
        const struct word *word = word_of(m->key);
        json_key(&w, word != NULL ? str_of_c(word->name) : m->key);
        put_value(&w, word, &m->value);
    }
    json_end_object(&w);
    struct str text = arena_copy(a, buf_str(&out));
    buf_clear(&out);
    return text;
}

/* ── asking ── */

static bool read_change(struct arena *a, const struct json_value *told, struct change *change)
{
    const struct json_value *at = json_get_c(told, "at_us"), *actor = json_get_c(told, "actor");
    if (at == NULL || at->type != JSON_NUMBER || !json_to_i64(at, &change->at_us) ||
        actor == NULL || actor->type != JSON_STRING)
        return false;
    change->actor = actor->text;
    change->before = in_our_words(a, json_get_c(told, "before"));
    change->after = in_our_words(a, json_get_c(told, "after"));
    return change->after.ptr != NULL;
}

static struct gql_value changes_of(const struct gql_step *step, const struct json_value *body)
{
    const struct json_value *list = json_get_c(body, "changes");
    size_t told = list != NULL && list->type == JSON_ARRAY ? list->item_count : 0, count = 0;
    struct change *changes = arena_new_array(step->arena, told, struct change);
    void **objects = arena_new_array(step->arena, told, void *);
    for (size_t i = 0; i < told; i++) {
        objects[count] = &changes[i];
        count += read_change(step->arena, &list->items[i], &changes[i]);
    }
    return gql_objects(objects, count);
}

static const char *path_of(const struct gql_step *step, size_t parent)
{
    struct str id = record_cell(step->parents[parent], COL_jobs_id);
    return arena_printf(step->arena, "/v1/jobs/%.*s/changes?limit=%lld", STR_FMT(id),
                        (long long)gql_arg(step, "first")->integer)
        .ptr;
}

static enum gql_next resolve_changes(struct gql_step *step)
{
    const struct gql_value *first = gql_arg(step, "first");
    struct err e;
    if (gql_is_null(first) || first->integer < 0 || first->integer > CHANGES_MAX) {
        err_set(&e, ERR_INVALID, "first: must be 0 to %d", CHANGES_MAX);
        return gql_step_fail(step, &e);
    }
    for (size_t i = 0; i < step->count; i++)
        step->results[i] = gql_list(NULL, 0);
    return first->integer > 0 ? await_each(step, COL_jobs_shard, path_of, changes_of) : GQL_DONE;
}

/* ── JobChange ── */

static void get_at(const struct gql_field *f, void *ctx, void *parent, struct gql_value *ret_value)
{
    const struct change *change = parent;
    const struct request *r = ctx;
    (void)f;
    *ret_value = binding_time(r->arena, change->at_us);
}

static void get_actor(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct change *change = parent;
    (void)f, (void)ctx;
    *ret_value = gql_text(change->actor);
}

static void get_before(const struct gql_field *f, void *ctx, void *parent,
                       struct gql_value *ret_value)
{
    const struct change *change = parent;
    (void)f, (void)ctx;
    if (change->before.ptr != NULL)
        *ret_value = gql_raw(change->before);
}

static void get_after(const struct gql_field *f, void *ctx, void *parent,
                      struct gql_value *ret_value)
{
    const struct change *change = parent;
    (void)f, (void)ctx;
    *ret_value = gql_raw(change->after);
}

const struct gateway_binding bindings_job_history[] = {
    { "Job.changes",
      { .resolve = resolve_changes, .data = RECORD_FIELD(SELECT_BIT(COL_jobs_id) | SELECT_BIT(COL_jobs_shard)) } },
    { "JobChange.at", { .get = get_at } },
    { "JobChange.actorLabel", { .get = get_actor } },
    { "JobChange.before", { .get = get_before } },
    { "JobChange.after", { .get = get_after } },
    { 0 },
};
