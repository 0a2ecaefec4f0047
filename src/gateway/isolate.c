#include "gateway/mirror_priv.h"

#include "base/log.h"

/*
 *   take a range --> store it --> (stored) ------------------> next range
 *                      `-- refused --> many: both halves --------^
 *                                  `-> one: without its body ----^
 *                                       `-> without it: left out -^
 */
struct range {
    size_t from, to;
    bool is_stripped; /* of one row: its body is gone already */
};

struct isolate {
    struct mirror *m;
    struct arena *arena;
    struct mirror_row *rows;
    size_t born;
    struct range *stack, now;
    size_t depth;
    isolate_fn *fn;
    void *owner;
};

static void step(struct isolate *i);

static void push(struct isolate *i, size_t from, size_t to, bool is_stripped)
{
    if (from < to)
        i->stack[i->depth++] = (struct range){ from, to, is_stripped };
}

static void blank(struct mirror_row *row, struct str *cells, int column)
{
    cells[column] = (struct str){ 0 };
    row->told |= UINT64_C(1) << column;
}

static void strip(struct isolate *i, struct mirror_row *row, const struct err *why)
{
    struct str *cells = arena_new_array(i->arena, COL_tasks_COUNT, struct str);
    memcpy(cells, row->cells, COL_tasks_COUNT * sizeof *cells);
    row->cells = cells;
    cells[COL_tasks_payload] = STR("{}");
    blank(row, cells, COL_tasks_result);
    blank(row, cells, COL_tasks_error_template);
    blank(row, cells, COL_tasks_why);
    blank(row, cells, COL_tasks_progress);
    cells[COL_tasks_idempotency_key] = (struct str){ 0 };
    cells[COL_tasks_error] =
        arena_printf(i->arena, "the gateway cannot show payload, result and error of this task: %s",
                     why->message);
    row->told |= UINT64_C(1) << COL_tasks_error;
}

static void refused(struct isolate *i, const struct err *why)
{
    struct range now = i->now;
    size_t middle = now.from + (now.to - now.from) / 2;
    struct mirror_row *row = &i->rows[now.from];
    if (now.to - now.from > 1) {
        push(i, middle, now.to, false);
        push(i, now.from, middle, false);
    } else if (!now.is_stripped) {
        i->m->stats.refused_rows++;
        log_warn("mirror.row-refused", "task=%.*s error=%s", STR_FMT(row->cells[COL_tasks_id]),
                 log_quote(str_of_c(err_text(why))));
        strip(i, row, why);
        push(i, now.from, now.to, true);
    } else {
        log_error("mirror.row-lost", "task=%.*s error=%s", STR_FMT(row->cells[COL_tasks_id]),
                  log_quote(str_of_c(err_text(why))));
        row->cells = NULL;
    }
}

static void stored(void *owner, const struct db_reply *reply)
{
    struct isolate *i = owner;
    if (reply->err == NULL) {
        step(i);
    } else if (mirror_is_refusal(reply) || strcmp(reply->sqlstate, MIRROR_LOST) == 0) {
        refused(i, reply->err);
        step(i);
    } else {
        i->fn(i->owner, false);
    }
}

static void step(struct isolate *i)
{
    struct db_step steps[3] = { mirror_async_step() };
    size_t count = 1;
    if (i->depth == 0) {
        i->fn(i->owner, true);
        return;
    }
    struct range now = i->now = i->stack[--i->depth];
    size_t born = now.from < i->born ? min_of(now.to, i->born) - now.from : 0;
    if (born > 0)
        steps[count++] =
            task_mirror_put_step(i->arena, i->rows + now.from, born, true, i->m->lease.shard);
    if (now.from + born < now.to)
        steps[count++] =
            task_mirror_update_step(i->arena, i->rows + now.from + born, now.to - now.from - born);
    if (!mirror_write(i->m, steps, count, stored, i))
        i->fn(i->owner, false);
}

void isolate_begin(struct mirror *m, struct arena *a, struct mirror_row *rows, size_t born,
                   size_t count, isolate_fn *fn, void *owner)
{
    struct isolate *i = arena_new(a, struct isolate);
    *i = (struct isolate){
        .m = m, .arena = a, .rows = rows, .born = born, .fn = fn, .owner = owner
    };
    i->stack = arena_new_array(a, count + 2, struct range);
    push(i, 0, count, false);
    step(i);
}

size_t isolate_compact(struct mirror_row *rows, size_t count, size_t *born)
{
    size_t kept = 0, kept_born = 0;
    for (size_t i = 0; i < count; i++)
        if (rows[i].cells != NULL) {
            rows[kept++] = rows[i];
            kept_born += i < *born;
        }
    *born = kept_born;
    return kept;
}
