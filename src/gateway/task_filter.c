#include "gateway/task_filter.h"

#include "base/clock.h"
#include "gateway/users.h"

/* ── reading ── */

static bool read_ids(const struct gql_value *value, struct arena *a,
                     const struct task_filter_ids **ret_ids, struct err *e)
{
    if (gql_is_null(value))
        return true;
    if (value->count > TASK_FILTER_IDS_MAX)
        return err_set(e, ERR_INVALID, "filter.ids: at most %d, not %u", TASK_FILTER_IDS_MAX,
                       value->count);
    struct task_filter_ids *ids = arena_new(a, struct task_filter_ids);
    struct uuid *items = arena_new_array(a, value->count, struct uuid);
    for (uint32_t i = 0; i < value->count; i++) {
        char name[32];
        snprintf(name, sizeof name, "filter.ids[%u]", i);
        if (!users_read_id(name, &value->items[i], &items[i], e))
            return false;
    }
    *ids = (struct task_filter_ids){ items, value->count };
    *ret_ids = ids;
    return true;
}

static bool read_texts(const char *name, const struct gql_value *value, struct arena *a,
                       const struct task_filter_texts **ret_texts, struct err *e)
{
    if (gql_is_null(value))
        return true;
    if (value->count > TASK_FILTER_NAMES_MAX)
        return err_set(e, ERR_INVALID, "filter.%s: at most %d, not %u", name, TASK_FILTER_NAMES_MAX,
                       value->count);
    struct task_filter_texts *texts = arena_new(a, struct task_filter_texts);
    struct str *items = arena_new_array(a, value->count, struct str);
    for (uint32_t i = 0; i < value->count; i++) {
        items[i] = value->items[i].text;
        if (items[i].len > TASK_FILTER_NAME_BYTES_MAX || memchr(items[i].ptr, '\0', items[i].len))
            return err_set(e, ERR_INVALID,
                           "filter.%s[%u]: no name has U+0000 or more than %d bytes", name, i,
                           TASK_FILTER_NAME_BYTES_MAX);
    }
    *texts = (struct task_filter_texts){ items, value->count };
    *ret_texts = texts;
    return true;
}

static bool read_text(const char *name, const struct gql_value *value, size_t bytes_max,
                      struct arena *a, const struct str **ret_text, struct err *e)
{
    if (gql_is_null(value))
        return true;
    if (value->text.len > bytes_max)
        return err_set(e, ERR_INVALID, "filter.%s: at most %zu bytes, not %zu", name, bytes_max,
                       value->text.len);
    if (value->text.len > 0 && memchr(value->text.ptr, '\0', value->text.len))
        return err_set(e, ERR_INVALID, "filter.%s: no text has U+0000", name);
    struct str *text = arena_new(a, struct str);
    *text = value->text;
    *ret_text = text;
    return true;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool read_suffix(const struct gql_value *value, struct arena *a, const struct str **ret_text,
                        struct err *e)
{
    if (gql_is_null(value))
        return true;
    struct str *suffix = arena_new(a, struct str);
    char *lower = arena_cstr(a, str_trim(value->text));
    *suffix = str_of(lower, str_trim(value->text).len);
    for (size_t i = 0; i < suffix->len; i++) {
        if (lower[i] >= 'A' && lower[i] <= 'F')
            lower[i] = (char)(lower[i] - 'A' + 'a');
        if (!is_hex(lower[i]) && lower[i] != '-')
            return err_set(e, ERR_INVALID,
                           "filter.idEndsWith: an id is of hexadecimal digits and "
                           "hyphens");
    }
    if (suffix->len < TASK_FILTER_SUFFIX_MIN || suffix->len > UUID_TEXT_LEN)
        return err_set(e, ERR_INVALID, "filter.idEndsWith: %d to %d characters, not %zu",
                       TASK_FILTER_SUFFIX_MIN, UUID_TEXT_LEN, suffix->len);
    *ret_text = suffix;
    return true;
}

/* The engine has let through members of the enum only. */
static const uint32_t *read_labels(const struct gql_value *value,
                                   enum schema_public_enum enumeration, struct arena *a)
{
    if (gql_is_null(value))
        return NULL;
    uint32_t *set = arena_new(a, uint32_t);
    for (uint32_t i = 0; i < value->count; i++)
        *set |= record_label_bit(enumeration, value->items[i].text);
    return set;
}

static const int64_t *read_time(const struct gql_value *value, struct arena *a)
{
    if (gql_is_null(value))
        return NULL;
    int64_t *wall_us = arena_new(a, int64_t);
    *wall_us = value->integer;
    return wall_us;
}

bool task_filter_read(const struct gql_value *input, struct arena *a,
                      struct task_filter *ret_filter, struct err *e)
{
    struct task_filter filter = { 0 };
    const struct gql_value *job_id = gql_input(input, "jobId");
    const struct gql_value *payload = gql_input(input, "payloadContains");
    if (!read_ids(gql_input(input, "ids"), a, &filter.ids, e) ||
        !read_suffix(gql_input(input, "idEndsWith"), a, &filter.id_suffix, e) ||
        !read_texts("type", gql_input(input, "type"), a, &filter.types, e) ||
        !read_texts("queue", gql_input(input, "queue"), a, &filter.queues, e) ||
        !read_text("errorTemplate", gql_input(input, "errorTemplate"),
                   TASK_FILTER_TEMPLATE_BYTES_MAX, a, &filter.error_template, e) ||
        !read_text("search", gql_input(input, "search"), TASK_FILTER_SEARCH_BYTES_MAX, a,
                   &filter.search, e))
        return false;
    if (filter.search != NULL && str_is_empty(str_trim(*filter.search)))
        filter.search = NULL; /* an empty box */
    if (!gql_is_null(job_id)) {
        struct uuid *id = arena_new(a, struct uuid);
        if (!users_read_id("filter.jobId", job_id, id, e))
            return false;
        filter.job_id = id;
    }
    if (!gql_is_null(payload)) {
        struct str *text = arena_new(a, struct str);
        *text = payload->text;
        filter.payload = text;
    }
    filter.statuses = read_labels(gql_input(input, "status"), ENUM_task_status, a);
    filter.states = read_labels(gql_input(input, "state"), ENUM_task_state, a);
    filter.priorities = read_labels(gql_input(input, "priority"), ENUM_task_priority, a);
    filter.created_after_us = read_time(gql_input(input, "createdAfter"), a);
    filter.created_before_us = read_time(gql_input(input, "createdBefore"), a);
    *ret_filter = filter;
    return true;
}

/* ── as a condition ── */

struct conditions {
    struct arena *arena;
    struct select_filter items[20];
    size_t count;
};

static struct select_filter *add(struct conditions *c, enum select_op op, int column)
{
    assert(c->count < countof(c->items));
    struct select_filter *item = &c->items[c->count++];
    *item = (struct select_filter){ .op = op, .column = column };
    return item;
}

static void add_text(struct conditions *c, enum select_op op, int column, const struct str *text)
{
    if (text != NULL)
        add(c, op, column)->value = *text;
}

static void add_labels(struct conditions *c, int column, const uint32_t *labels)
{
    if (labels != NULL)
        add(c, SELECT_IN_LABELS, column)->labels = *labels;
}

/* A single one by =, which keeps the order of the index on (type, id). */
static void add_texts(struct conditions *c, int column, const struct task_filter_texts *texts)
{
    if (texts == NULL)
        return;
    if (texts->count == 1) {
        add_text(c, SELECT_EQ, column, &texts->items[0]);
        return;
    }
    struct select_filter *item = add(c, SELECT_IN, column);
    item->values = texts->items;
    item->value_count = texts->count;
}

static void add_ids(struct conditions *c, const struct task_filter_ids *ids)
{
    if (ids == NULL)
        return;
    struct str *texts = arena_new_array(c->arena, ids->count, struct str);
    for (size_t i = 0; i < ids->count; i++)
        texts[i] = record_cell_of_uuid(c->arena, ids->items[i]);
    struct select_filter *item = add(c, SELECT_IN, COL_tasks_id);
    item->values = texts;
    item->value_count = ids->count;
}

static struct str id_floor(struct arena *a, int64_t wall_us)
{
    return record_cell_of_uuid(a, uuid_floor(wall_us));
}

/* Exact by the time of creation; the ids only bound what must be looked at. */
static void add_times(struct conditions *c, const struct task_filter *filter,
                      const struct task_filter_clock *clock)
{
    if (filter->created_after_us != NULL) {
        int64_t after_us = *filter->created_after_us;
        add(c, SELECT_GREATER, COL_tasks_created_at)->value =
            record_cell_of_time(c->arena, after_us);
        add(c, SELECT_GREATER, COL_tasks_id)->value = id_floor(c->arena, after_us - clock->past_us);
    }
    if (filter->created_before_us != NULL) {
        int64_t before_us = *filter->created_before_us;
        add(c, SELECT_LESS, COL_tasks_created_at)->value = record_cell_of_time(c->arena, before_us);
        add(c, SELECT_LESS, COL_tasks_id)->value =
            id_floor(c->arena, before_us + clock->future_us + CLOCK_MS);
    }
}

static void add_search(struct conditions *c, const struct str *search)
{
    static const int columns[] = { COL_tasks_type, COL_tasks_error, COL_tasks_payload };
    if (search == NULL)
        return;
    struct select_filter *any = add(c, SELECT_ANY, 0);
    struct select_filter *items = arena_new_array(c->arena, countof(columns), struct select_filter);
    for (size_t i = 0; i < countof(columns); i++)
        items[i] = (struct select_filter){ .op = SELECT_CONTAINS,
                                           .column = columns[i],
                                           .value = str_trim(*search) };
    any->items = items;
    any->item_count = countof(columns);
}

const struct select_filter *task_filter_select(const struct task_filter *filter,
                                               const struct task_filter_clock *clock,
                                               struct arena *a)
{
    struct conditions c = { .arena = a };
    uint32_t statuses = task_filter_statuses(filter);
    add_ids(&c, filter->ids);
    if (statuses != TASK_FILTER_ALL_STATUSES)
        add_labels(&c, COL_tasks_status, &statuses);
    add_labels(&c, COL_tasks_state, filter->states);
    add_labels(&c, COL_tasks_priority, filter->priorities);
    add_texts(&c, COL_tasks_type, filter->types);
    add_texts(&c, COL_tasks_queue, filter->queues);
    if (filter->job_id != NULL)
        add(&c, SELECT_EQ, COL_tasks_job_id)->value = record_cell_of_uuid(a, *filter->job_id);
    add_times(&c, filter, clock);
    add_text(&c, SELECT_EQ, COL_tasks_error_template, filter->error_template);
    add_text(&c, SELECT_ENDS_WITH, COL_tasks_id, filter->id_suffix);
    add_text(&c, SELECT_JSON_CONTAINS, COL_tasks_payload, filter->payload);
    add_search(&c, filter->search);
    if (c.count == 0)
        return NULL;
    struct select_filter *all = arena_new(a, struct select_filter);
    struct select_filter *items = arena_new_array(a, c.count, struct select_filter);
    memcpy(items, c.items, c.count * sizeof *items);
    *all = (struct select_filter){ .op = SELECT_ALL, .items = items, .item_count = c.count };
    return all;
}
