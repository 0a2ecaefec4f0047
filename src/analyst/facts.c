#include "analyst/facts.h"

#include <math.h>

#include "analyst/missing.h"
#include "json/check.h"

enum { TEXT_BYTES_MAX = 1'000 }; /* of a name or a template */

/* Where the value being read stands: "facts.series[3]". */
struct place {
    struct arena *arena;
    struct str path;
    struct err *e;
};

static struct place item_of(const struct place *p, size_t index)
{
    return (struct place){ p->arena, arena_printf(p->arena, "%.*s[%zu]", STR_FMT(p->path), index),
                           p->e };
}

static struct place member_of(const struct place *p, const char *name)
{
    return (struct place){ p->arena, arena_printf(p->arena, "%.*s.%s", STR_FMT(p->path), name),
                           p->e };
}

/* NULL where it is absent or null, which mean the same. */
static const struct json_value *find(const struct json_value *object, const char *name)
{
    const struct json_value *v = json_get(object, str_of_c(name));
    return v != NULL && v->type == JSON_NULL ? NULL : v;
}

static bool refuse(const struct place *p, const char *name, const char *why)
{
    return err_set(p->e, ERR_INVALID, "%.*s.%s: %s", STR_FMT(p->path), name, why);
}

/* A member of another name is mostly a misspelled one. */
static bool has_only(const struct place *p, const struct json_value *object,
                     const char *const names[])
{
    return json_only(object, arena_printf(p->arena, "%.*s.", STR_FMT(p->path)).ptr, names, p->e);
}

static bool read_text(const struct place *p, const struct json_value *object, const char *name,
                      bool is_needed, struct str *ret_text)
{
    const struct json_value *v = find(object, name);
    if (v == NULL)
        return !is_needed || refuse(p, name, "is missing");
    if (v->type != JSON_STRING)
        return refuse(p, name, "is not a string");
    if (v->text.len > TEXT_BYTES_MAX)
        return err_set(p->e, ERR_LIMIT, "%.*s.%s: is longer than %d bytes", STR_FMT(p->path), name,
                       TEXT_BYTES_MAX);
    *ret_text = v->text;
    return true;
}

/* A time or a whole number that is not negative. */
static bool read_whole(const struct place *p, const struct json_value *object, const char *name,
                       bool is_needed, int64_t *ret_value)
{
    const struct json_value *v = find(object, name);
    if (v == NULL)
        return !is_needed || refuse(p, name, "is missing");
    if (v->type != JSON_NUMBER || !json_to_i64(v, ret_value) || *ret_value < 0)
        return refuse(p, name, "is not a whole number of at least 0");
    return true;
}

static bool read_amount(const struct place *p, const struct json_value *object, const char *name,
                        double *ret_value)
{
    const struct json_value *v = find(object, name);
    if (v == NULL)
        return true;
    if (v->type != JSON_NUMBER || !json_to_double(v, ret_value) || *ret_value < 0)
        return refuse(p, name, "is not a number of at least 0");
    return true;
}

/* An array of objects, or nothing; `max` of them at most. */
static bool read_objects(const struct place *p, const struct json_value *object, const char *name,
                         size_t max, const struct json_value **ret_items, size_t *ret_count)
{
    const struct json_value *v = find(object, name);
    *ret_count = 0;
    if (v == NULL)
        return true;
    if (v->type != JSON_ARRAY)
        return refuse(p, name, "is not an array");
    if (v->item_count > max)
        return err_set(p->e, ERR_LIMIT, "%.*s.%s: has more than %zu items", STR_FMT(p->path), name,
                       max);
    for (size_t i = 0; i < v->item_count; i++)
        if (v->items[i].type != JSON_OBJECT)
            return err_set(p->e, ERR_INVALID, "%.*s.%s[%zu]: is not an object", STR_FMT(p->path),
                           name, i);
    *ret_items = v->items;
    *ret_count = v->item_count;
    return true;
}

/* ── series ── */

static const struct {
    const char *name;
    size_t offset;
    bool is_count;
} arrays[] = {
    { "created", offsetof(struct facts_series, created), true },
    { "completed", offsetof(struct facts_series, completed), true },
    { "failed", offsetof(struct facts_series, failed), true },
    { "wait_p50_s", offsetof(struct facts_series, wait_p50_s), false },
    { "wait_p99_s", offsetof(struct facts_series, wait_p99_s), false },
    { "run_p50_s", offsetof(struct facts_series, run_p50_s), false },
    { "run_p99_s", offsetof(struct facts_series, run_p99_s), false },
};

/* The longest array of all series says how many buckets there are. */
static size_t count_buckets(const struct json_value *items, size_t count)
{
    size_t longest = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < countof(arrays); k++) {
            const struct json_value *v = find(&items[i], arrays[k].name);
            if (v != NULL && v->type == JSON_ARRAY)
                longest = max_of(longest, v->item_count);
        }
    return longest;
}

static bool read_buckets(const struct place *p, const struct json_value *v, const char *name,
                         bool is_count, size_t bucket_count, double *buckets)
{
    for (size_t i = 0; i < bucket_count; i++)
        buckets[i] = is_count ? 0 : MISSING;
    if (v == NULL || (v->type == JSON_ARRAY && v->item_count == 0))
        return true;
    if (v->type != JSON_ARRAY)
        return refuse(p, name, "is not an array");
    if (v->item_count != bucket_count)
        return err_set(p->e, ERR_INVALID, "%.*s.%s: has %zu buckets where others have %zu",
                       STR_FMT(p->path), name, v->item_count, bucket_count);
    for (size_t i = 0; i < bucket_count; i++) {
        const struct json_value *item = &v->items[i];
        if (item->type == JSON_NULL)
            continue;
        if (item->type != JSON_NUMBER || !json_to_double(item, &buckets[i]))
            return err_set(p->e, ERR_INVALID, "%.*s.%s[%zu]: is not a number", STR_FMT(p->path),
                           name, i);
        if (buckets[i] < 0)
            return err_set(p->e, ERR_INVALID, "%.*s.%s[%zu]: is negative", STR_FMT(p->path), name,
                           i);
    }
    return true;
}

static bool read_one_series(const struct place *p, const struct json_value *v, size_t bucket_count,
                            struct facts_series *ret_series)
{
    static const char *const names[] = { "type",      "created",    "completed",
                                         "failed",    "wait_p50_s", "wait_p99_s",
                                         "run_p50_s", "run_p99_s",  NULL };
    if (!has_only(p, v, names) || !read_text(p, v, "type", true, &ret_series->type))
        return false;
    for (size_t k = 0; k < countof(arrays); k++) {
        double *buckets = arena_new_array(p->arena, bucket_count + 1, double);
        if (!read_buckets(p, find(v, arrays[k].name), arrays[k].name, arrays[k].is_count,
                          bucket_count, buckets))
            return false;
        memcpy((char *)ret_series + arrays[k].offset, &buckets, sizeof buckets);
    }
    return true;
}

static bool read_series(const struct place *root, const struct json_value *v, struct facts *f)
{
    const struct json_value *items;
    if (!read_objects(root, v, "series", FACTS_TYPES_MAX, &items, &f->series_count))
        return false;
    if (f->series_count == 0)
        return true;
    size_t count = count_buckets(items, f->series_count);
    int64_t bucket_us = f->bucket_s * 1'000'000;
    if (count > FACTS_BUCKETS_MAX)
        return err_set(root->e, ERR_LIMIT, "%.*s.series: has more than %d buckets",
                       STR_FMT(root->path), FACTS_BUCKETS_MAX);
    if (count > 0 && (f->now_us - f->from_us) / bucket_us + 1 < (int64_t)count)
        return refuse(root, "series", "has buckets that begin after now_us");
    if (count * f->series_count > FACTS_CELLS_MAX)
        return err_set(root->e, ERR_LIMIT, "%.*s.series: has more than %d buckets in all",
                       STR_FMT(root->path), FACTS_CELLS_MAX);
    f->bucket_count = count;
    int64_t last_from_us = f->from_us + (int64_t)(count > 0 ? count - 1 : 0) * bucket_us;
    f->last_part = fmin(1, (double)(f->now_us - last_from_us) / (double)bucket_us);
    struct facts_series *series =
        arena_new_array(root->arena, f->series_count, struct facts_series);
    struct place p = member_of(root, "series");
    for (size_t i = 0; i < f->series_count; i++) {
        struct place one = item_of(&p, i);
        if (!read_one_series(&one, &items[i], count, &series[i]))
            return false;
    }
    f->series = series;
    return true;
}

/* ── totals, jobs, errors ── */

static bool read_totals(const struct place *root, const struct json_value *v, struct facts *f)
{
    static const char *const names[] = { "type",      "pending", "in_progress",
                                         "completed", "failed",  NULL };
    const struct json_value *items;
    if (!read_objects(root, v, "totals", FACTS_TYPES_MAX, &items, &f->total_count))
        return false;
    struct facts_total *totals =
        arena_new_array(root->arena, f->total_count + 1, struct facts_total);
    struct place p = member_of(root, "totals");
    for (size_t i = 0; i < f->total_count; i++) {
        struct place one = item_of(&p, i);
        if (!has_only(&one, &items[i], names) ||
            !read_text(&one, &items[i], "type", true, &totals[i].type) ||
            !read_amount(&one, &items[i], "pending", &totals[i].pending) ||
            !read_amount(&one, &items[i], "in_progress", &totals[i].in_progress) ||
            !read_amount(&one, &items[i], "completed", &totals[i].completed) ||
            !read_amount(&one, &items[i], "failed", &totals[i].failed))
            return false;
    }
    f->totals = totals;
    return true;
}

static bool read_job(const struct place *p, const struct json_value *v, struct facts_job *ret_job)
{
    static const char *const names[] = { "id",          "name",
                                         "status",      "schedule",
                                         "time_zone",   "last_run_us",
                                         "next_run_us", "consecutive_failures",
                                         NULL };
    return has_only(p, v, names) && read_text(p, v, "id", true, &ret_job->id) &&
           read_text(p, v, "name", true, &ret_job->name) &&
           read_text(p, v, "status", true, &ret_job->status) &&
           read_text(p, v, "schedule", false, &ret_job->schedule) &&
           read_text(p, v, "time_zone", false, &ret_job->time_zone) &&
           read_whole(p, v, "last_run_us", false, &ret_job->last_run_us) &&
           read_whole(p, v, "next_run_us", false, &ret_job->next_run_us) &&
           read_whole(p, v, "consecutive_failures", false, &ret_job->consecutive_failures);
}

static bool read_jobs(const struct place *root, const struct json_value *v, struct facts *f)
{
    const struct json_value *items;
    if (!read_objects(root, v, "jobs", FACTS_JOBS_MAX, &items, &f->job_count))
        return false;
    struct facts_job *jobs = arena_new_array(root->arena, f->job_count + 1, struct facts_job);
    struct place p = member_of(root, "jobs");
    for (size_t i = 0; i < f->job_count; i++) {
        struct place one = item_of(&p, i);
        if (!read_job(&one, &items[i], &jobs[i]))
            return false;
    }
    f->jobs = jobs;
    return true;
}

static bool read_errors(const struct place *root, const struct json_value *v, struct facts *f)
{
    static const char *const names[] = { "type",        "template",   "count",
                                         "first_at_us", "last_at_us", NULL };
    const struct json_value *items;
    if (!read_objects(root, v, "errors", FACTS_ERRORS_MAX, &items, &f->error_count))
        return false;
    struct facts_error *errors =
        arena_new_array(root->arena, f->error_count + 1, struct facts_error);
    struct place p = member_of(root, "errors");
    for (size_t i = 0; i < f->error_count; i++) {
        struct place one = item_of(&p, i);
        if (!has_only(&one, &items[i], names) ||
            !read_text(&one, &items[i], "type", true, &errors[i].type) ||
            !read_text(&one, &items[i], "template", true, &errors[i].template_text) ||
            !read_amount(&one, &items[i], "count", &errors[i].count) ||
            !read_whole(&one, &items[i], "first_at_us", false, &errors[i].first_at_us) ||
            !read_whole(&one, &items[i], "last_at_us", false, &errors[i].last_at_us))
            return false;
    }
    f->errors = errors;
    return true;
}

bool facts_read(struct arena *a, const struct json_value *v, struct facts *ret_facts, struct err *e)
{
    enum { BUCKET_S_MAX = 31 * 86'400 };
    static const char *const names[] = { "bucket_s", "from_us", "now_us", "oldest_pending_s",
                                         "series",   "totals",  "jobs",   "errors",
                                         NULL };
    struct place root = { a, STR("facts"), e };
    struct facts f = { .oldest_pending_s = MISSING };
    if (v == NULL || v->type != JSON_OBJECT)
        return err_set(e, ERR_INVALID, "facts: is %s", v == NULL ? "missing" : "not an object");
    if (!has_only(&root, v, names) || !read_whole(&root, v, "bucket_s", true, &f.bucket_s) ||
        !read_whole(&root, v, "from_us", true, &f.from_us) ||
        !read_whole(&root, v, "now_us", true, &f.now_us) ||
        !read_amount(&root, v, "oldest_pending_s", &f.oldest_pending_s))
        return false;
    if (f.bucket_s < 1 || f.bucket_s > BUCKET_S_MAX)
        return refuse(&root, "bucket_s", "is not within 1 second and 31 days");
    if (f.now_us < f.from_us)
        return refuse(&root, "now_us", "is before from_us");
    if (!read_series(&root, v, &f) || !read_totals(&root, v, &f) || !read_jobs(&root, v, &f) ||
        !read_errors(&root, v, &f))
        return false;
    *ret_facts = f;
    return true;
}

const struct facts_total *facts_total_of(const struct facts *f, struct str type)
{
    for (size_t i = 0; i < f->total_count; i++)
        if (str_eq(f->totals[i].type, type))
            return &f->totals[i];
    return NULL;
}
