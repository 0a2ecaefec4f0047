/* Records by the ids that other records hold. */
#include "gateway/await.h"
#include "gateway/record.h"

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

/* The ids of one parent's cell: none where it is null, all of an array. */
static size_t read_cell(struct arena *a, const struct record *record, int column,
                        struct uuid **ret_ids)
{
    struct str cell = record_cell(record, column), *texts = &cell;
    size_t count = cell.ptr != NULL ? 1 : 0;
    if (count > 0 && record->table->columns[column].type == SCHEMA_UUID_ARRAY) {
        bool is_array = db_array_parse(a, cell, &texts, &count);
        assert(is_array);
    }
    struct uuid *ids = arena_new_array(a, count, struct uuid);
    for (size_t i = 0; i < count; i++) {
        bool is_uuid = uuid_parse(texts[i], &ids[i]);
        assert(is_uuid);
    }
    *ret_ids = ids;
    return count;
}

struct record_ids *record_ids_of(struct arena *a, void *const *records, size_t count, int column)
{
    struct record_ids *ids = arena_new(a, struct record_ids);
    struct uuid **lists = arena_new_array(a, count, struct uuid *);
    size_t *counts = arena_new_array(a, count, size_t), total = 0;
    for (size_t i = 0; i < count; i++)
        total += counts[i] = read_cell(a, records[i], column, &lists[i]);
    ids->items = arena_new_array(a, total, struct uuid);
    for (size_t i = 0, at = 0; i < count; at += counts[i++])
        if (counts[i] > 0)
            memcpy(ids->items + at, lists[i], counts[i] * sizeof(struct uuid));
    if (total > 0)
        qsort(ids->items, total, sizeof(struct uuid), compare);
    for (size_t i = 0; i < total; i++)
        if (ids->count == 0 || !uuid_eq(ids->items[ids->count - 1], ids->items[i]))
            ids->items[ids->count++] = ids->items[i];
    ids->objects = arena_new_array(a, ids->count, void *);
    return ids;
}

void **record_ids_find(const struct record_ids *ids, struct uuid id)
{
    const struct uuid *found = bsearch(&id, ids->items, ids->count, sizeof(struct uuid), compare);
    return found != NULL ? &ids->objects[found - ids->items] : NULL;
}

void **record_ids_at(const struct record_ids *ids, struct uuid id)
{
    void **object = record_ids_find(ids, id);
    assert(object != NULL);
    return object;
}

/* ── fields ── */

struct lookup {
    struct record_ids *ids;
    int column;
    bool is_list;
    record_keep_fn *keep;
};

static struct gql_value list_of(const struct lookup *lookup, const struct gql_step *step, size_t i)
{
    struct uuid *ids;
    size_t count = read_cell(step->arena, step->parents[i], lookup->column, &ids), found = 0;
    void **objects = arena_new_array(step->arena, count, void *);
    for (size_t n = 0; n < count; n++) {
        objects[found] = *record_ids_at(lookup->ids, ids[n]);
        found += objects[found] != NULL && (lookup->keep == NULL || lookup->keep(objects[found]));
    }
    return gql_objects(objects, found);
}

static void answer(struct gql_step *step, const struct lookup *lookup)
{
    for (size_t i = 0; i < step->count; i++)
        if (lookup->is_list)
            step->results[i] = list_of(lookup, step, i);
        else if (!record_is_null(step->parents[i], lookup->column))
            step->results[i] = gql_object(
                *record_ids_at(lookup->ids, record_uuid(step->parents[i], lookup->column)));
}

static void got_records(struct gql_step *step, const struct db_reply *reply)
{
    const struct record_plan *plan = step->field->plan_data;
    const struct lookup *lookup = step->host;
    struct record *records = record_rows(step->arena, plan->table, reply->rows[0], plan->columns);
    for (size_t i = 0; i < db_rows_count(reply->rows[0]); i++)
        *record_ids_at(lookup->ids, record_uuid(&records[i], 0)) = &records[i];
    answer(step, lookup);
    gql_step_finish(step);
}

static enum gql_next resolve(struct gql_step *step, struct lookup looked_up)
{
    struct lookup *lookup = arena_new(step->arena, struct lookup);
    *lookup = looked_up;
    lookup->ids = record_ids_of(step->arena, step->parents, step->count, lookup->column);
    step->host = lookup;
    if (lookup->ids->count == 0) {
        answer(step, lookup);
        return GQL_DONE;
    }
    struct db_step by_ids = record_by_ids_step(step->field->plan_data, step->arena,
                                               lookup->ids->items, lookup->ids->count);
    return await_db(step, DB_LANE_READ, &by_ids, 1, got_records);
}

enum gql_next record_resolve_one(struct gql_step *step, int column)
{
    return resolve(step, (struct lookup){ .column = column });
}

enum gql_next record_resolve_many(struct gql_step *step, int column, record_keep_fn *keep)
{
    return resolve(step, (struct lookup){ .column = column, .is_list = true, .keep = keep });
}
