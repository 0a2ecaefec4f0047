/* What happened before a snapshot's cursor, and was not counted. */
#include "gateway/mirror_priv.h"

enum { MARKS_A_ROW = 3 };

/* Of one page. */
struct marking {
    int64_t from, to;
    struct rollup_mark *marks;
    size_t count;
};

static int64_t read_time(const struct json_value *task, struct str key)
{
    int64_t us = -1;
    (void)json_get_i64(task, key, &us);
    return us;
}

static void add_mark(struct marking *m, struct rollup_mark mark)
{
    if (mark.at_us >= 0)
        m->marks[m->count++] = mark;
}

static void mark_row(struct marking *m, const struct json_value *task)
{
    int64_t added, version;
    const struct json_value *type = json_get_c(task, "type"), *state = json_get_c(task, "state");
    if (type == NULL || state == NULL || !json_get_i64_text(task, STR("added"), &added) ||
        !json_get_i64_text(task, STR("version"), &version))
        return;
    bool is_missed = added >= m->from && added < m->to;
    int64_t started_us = read_time(task, STR("started_at_us"));
    int64_t finished_us = read_time(task, STR("finished_at_us"));
    if (is_missed)
        add_mark(m, (struct rollup_mark){ .type = type->text,
                                          .at_us = read_time(task, STR("created_at_us")),
                                          .took_us = -1,
                                          .what = ROLLUP_CREATED });
    if (version < m->from || version >= m->to)
        return;
    if (is_missed && started_us >= 0)
        add_mark(m, (struct rollup_mark){ .type = type->text,
                                          .at_us = started_us,
                                          .took_us = started_us - read_time(task, STR("run_at_us")),
                                          .what = ROLLUP_STARTED });
    bool is_good = str_eq_c(state->text, "succeeded");
    add_mark(m, (struct rollup_mark){ .type = type->text,
                                      .at_us = finished_us,
                                      .took_us = started_us >= 0 ? finished_us - started_us : -1,
                                      .what = is_good ? ROLLUP_COMPLETED : ROLLUP_FAILED });
}

size_t mirror_snapshot_marks(struct arena *a, const struct json_value *tasks, size_t count,
                             int64_t from, int64_t to, struct rollup_mark **ret_marks)
{
    struct marking m = { .from = from, .to = to };
    m.marks = arena_new_array(a, count * MARKS_A_ROW, struct rollup_mark);
    for (size_t i = 0; i < count; i++)
        mark_row(&m, &tasks->items[i]);
    *ret_marks = m.marks;
    return m.count;
}
