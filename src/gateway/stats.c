#include "gateway/stats.h"

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/await.h"
#include "gateway/stats_priv.h"

enum {
    FRESH_US = CLOCK_S,
    ENTRIES_MAX = 16,
    READING_BYTES = 16 << 20,
    READING_DEADLINE_US = 10 * CLOCK_S,
};

/* A window and what is read of it, the last reading, and the one that is under way. */
struct board_entry {
    struct list by_board; /* the one that was asked for last comes last */
    struct stats_board *board;
    char window[8]; /* as it was asked for */
    unsigned parts;
    struct reading *reading; /* NULL: none yet */
    struct reading *next;    /* NULL: nothing is being read */
    struct db_request *requests[STATS_PARTS];
    struct db_rows *rows[STATS_PARTS]; /* NULL: not wanted */
    size_t open;                       /* replies to come */
    struct err failure;                /* of the first that failed */
    struct list waiting;               /* struct stats_waiter */
};

struct stats_board {
    struct gateway_loop *loop;
    struct list entries;
    size_t count;
};

/* ── readings ── */

void reading_ref(struct reading *reading)
{
    reading->refs++;
}

void reading_unref(void *owned)
{
    struct reading *reading = owned;
    if (reading != NULL && --reading->refs == 0)
        arena_destroy(reading->arena);
}

static struct reading *reading_create(const char *window, int64_t window_s)
{
    struct arena *a = arena_create(READING_BYTES);
    struct reading *reading = arena_new(a, struct reading);
    reading->arena = a;
    reading->refs = 1;
    reading->window = arena_copy(a, str_of_c(window));
    reading->generated_at_us = clock_wall_us();
    spans_periods(reading->generated_at_us, window_s, &reading->now, &reading->before);
    reading->figures_before = reading->all.figures = figures_none();
    return reading;
}

/* ── what was read ── */

/* Both statements come in order of type; the types of both are merged. */
struct merge {
    struct reading *reading;
    const struct db_rows *counts, *rollups;
    size_t count_row, rollup_row;
};

static size_t count_of(const struct db_rows *rows)
{
    return rows != NULL ? db_rows_count(rows) : 0;
}

static struct str next_type(const struct merge *m)
{
    bool has_count = m->count_row < count_of(m->counts);
    bool has_rollup = m->rollup_row < count_of(m->rollups);
    struct str count =
        has_count ? db_rows_text(m->counts, m->count_row, STATS_COUNT_TYPE) : (struct str){ 0 };
    struct str rollup =
        has_rollup ? db_rows_text(m->rollups, m->rollup_row, STATS_ROLLUP_TYPE) : (struct str){ 0 };
    if (!has_count || !has_rollup)
        return has_count ? count : rollup;
    return str_cmp(count, rollup) <= 0 ? count : rollup;
}

static void take_counts(struct merge *m, struct type_stats *type)
{
    for (; m->count_row < count_of(m->counts); m->count_row++) {
        if (!str_eq(db_rows_text(m->counts, m->count_row, STATS_COUNT_TYPE), type->type))
            return;
        int status = schema_label_of(&schema_public.enums[ENUM_task_status],
                                     db_rows_text(m->counts, m->count_row, STATS_COUNT_STATUS));
        int64_t count = db_rows_i64(m->counts, m->count_row, STATS_COUNT);
        assert(status >= 0);
        type->counts[status] += count;
        m->reading->all.counts[status] += count;
    }
}

static void take_rollups(struct merge *m, struct type_stats *type)
{
    for (; m->rollup_row < count_of(m->rollups); m->rollup_row++) {
        if (!str_eq(db_rows_text(m->rollups, m->rollup_row, STATS_ROLLUP_TYPE), type->type))
            return;
        figures_add_row(&type->figures, m->rollups, m->rollup_row);
    }
}

/* The ranges of now come before those of the period before. */
static void add_periods(struct reading *reading, const struct db_rows *rollups)
{
    for (size_t row = 0; row < count_of(rollups); row++) {
        int64_t range = db_rows_i64(rollups, row, STATS_ROLLUP_RANGE);
        bool is_now = range <= (int64_t)reading->now.range_count;
        figures_add_row(is_now ? &reading->all.figures : &reading->figures_before, rollups, row);
    }
}

static void add_up(struct reading *reading, struct db_rows *const rows[STATS_PARTS])
{
    struct merge m = { .reading = reading,
                       .counts = rows[STATS_PART_COUNTS],
                       .rollups = rows[STATS_PART_TYPE_ROLLUPS] };
    size_t types_max = count_of(m.counts) + count_of(m.rollups);
    reading->types = arena_new_array(reading->arena, types_max, struct type_stats);
    reading->type_objects = arena_new_array(reading->arena, types_max, void *);
    for (struct str name = next_type(&m); name.ptr != NULL; name = next_type(&m)) {
        struct type_stats *type = &reading->types[reading->type_count];
        reading->type_objects[reading->type_count++] = type;
        type->type = arena_copy(reading->arena, name);
        type->figures = figures_none();
        take_counts(&m, type);
        take_rollups(&m, type);
    }
    add_periods(reading, rows[STATS_PART_ROLLUPS]);
    for (size_t i = 0; rows[STATS_PART_TOTALS] != NULL && i < countof(reading->totals); i++)
        reading->totals[i] = db_rows_i64(rows[STATS_PART_TOTALS], 0, i);
    const struct db_rows *oldest = rows[STATS_PART_OLDEST];
    bool is_waiting = oldest != NULL && !db_rows_is_null(oldest, 0, 0);
    reading->oldest_pending_s = is_waiting ? db_rows_double(oldest, 0, 0) : -1;
}

/* ── reading ── */

static void drop_rows(struct board_entry *entry)
{
    for (size_t i = 0; i < countof(entry->rows); i++)
        db_rows_unref(take(entry->rows[i]));
}

/* Those who wait may ask again at once: the entry is done with this reading before they are told.
 */
static void finish(struct board_entry *entry)
{
    struct reading *reading = take(entry->next);
    struct err failure = entry->failure;
    struct list waiting;
    list_init(&waiting);
    for (struct list *node; (node = list_pop(&entry->waiting));)
        list_push(&waiting, node);
    if (failure.code == ERR_NONE) {
        add_up(reading, entry->rows);
        reading->fresh_until_us = clock_mono_us() + FRESH_US;
        reading_unref(entry->reading);
        entry->reading = reading;
        reading_ref(reading);
    }
    drop_rows(entry);
    for (struct list *node; (node = list_pop(&waiting));) {
        const struct stats_waiter *waiter = container_of(node, struct stats_waiter, link);
        waiter->fn(waiter->owner, failure.code == ERR_NONE ? reading : NULL, &failure);
    }
    reading_unref(reading);
}

static void replied(struct board_entry *entry, size_t which, const struct db_reply *reply)
{
    entry->requests[which] = NULL;
    if (reply->err == NULL) {
        entry->rows[which] = reply->rows[0];
        db_rows_ref(entry->rows[which]);
    } else if (entry->failure.code == ERR_NONE) {
        entry->failure = *reply->err;
    }
    if (--entry->open == 0)
        finish(entry);
}

static void got_totals(void *owner, const struct db_reply *reply)
{
    replied(owner, STATS_PART_TOTALS, reply);
}
static void got_oldest(void *owner, const struct db_reply *reply)
{
    replied(owner, STATS_PART_OLDEST, reply);
}
static void got_counts(void *owner, const struct db_reply *reply)
{
    replied(owner, STATS_PART_COUNTS, reply);
}
static void got_rollups(void *owner, const struct db_reply *reply)
{
    replied(owner, STATS_PART_ROLLUPS, reply);
}

static void got_type_rollups(void *owner, const struct db_reply *reply)
{
    replied(owner, STATS_PART_TYPE_ROLLUPS, reply);
}

static struct db_step rollups_step(const struct reading *reading)
{
    struct stats_range ranges[2 * SPANS_RANGES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < reading->now.range_count; i++)
        ranges[count++] = reading->now.ranges[i];
    for (size_t i = 0; i < reading->before.range_count; i++)
        ranges[count++] = reading->before.ranges[i];
    return stats_rollups_step(reading->arena, ranges, count);
}

static struct db_step type_rollups_step(const struct reading *reading)
{
    return stats_type_rollups_step(reading->arena, reading->now.ranges, reading->now.range_count);
}

/* A call that cannot begin counts as one that failed. */
static void begin(struct board_entry *entry, int64_t window_s)
{
    entry->next = reading_create(entry->window, window_s);
    entry->failure.code = ERR_NONE;
    const struct {
        struct db_step step;
        enum db_lane lane;
        db_reply_fn *fn;
    } calls[] = {
        [STATS_PART_TOTALS] = { stats_totals_step(), DB_LANE_SLOW, got_totals },
        [STATS_PART_OLDEST] = { stats_oldest_step(), DB_LANE_SLOW, got_oldest },
        [STATS_PART_COUNTS] = { stats_task_counts_step(), DB_LANE_READ, got_counts },
        [STATS_PART_ROLLUPS] = { rollups_step(entry->next), DB_LANE_READ, got_rollups },
        [STATS_PART_TYPE_ROLLUPS] = { type_rollups_step(entry->next), DB_LANE_SLOW,
                                      got_type_rollups },
    };
    for (size_t i = 0; i < countof(calls); i++) {
        const struct db_call call = { .lane = calls[i].lane,
                                      .steps = &calls[i].step,
                                      .step_count = 1,
                                      .deadline_us = clock_mono_us() + READING_DEADLINE_US,
                                      .fn = calls[i].fn,
                                      .owner = entry };
        struct err e;
        if (!(entry->parts & 1U << i))
            continue;
        if (db_pool_call(entry->board->loop->pool, &call, &entry->requests[i], &e))
            entry->open++;
        else if (entry->failure.code == ERR_NONE)
            entry->failure = e;
    }
}

/* ── the board ── */

struct stats_board *stats_board_create(struct gateway_loop *loop)
{
    struct stats_board *board = mem_new(struct stats_board);
    board->loop = loop;
    list_init(&board->entries);
    return board;
}

static void entry_destroy(struct board_entry *entry)
{
    for (size_t i = 0; i < countof(entry->requests); i++)
        if (entry->requests[i] != NULL)
            db_request_forget(entry->requests[i]);
    drop_rows(entry);
    reading_unref(entry->reading);
    reading_unref(entry->next);
    list_remove(&entry->by_board);
    entry->board->count--;
    mem_free(entry);
}

void stats_board_destroy(struct stats_board *board)
{
    if (board == NULL)
        return;
    list_each (node, &board->entries)
        entry_destroy(container_of(node, struct board_entry, by_board));
    mem_free(board);
}

static struct board_entry *entry_create(struct stats_board *board, struct str window,
                                        unsigned parts)
{
    list_each (node, &board->entries) {
        struct board_entry *oldest = container_of(node, struct board_entry, by_board);
        if (board->count >= ENTRIES_MAX && oldest->next == NULL)
            entry_destroy(oldest);
    }
    struct board_entry *entry = mem_new(struct board_entry);
    entry->board = board;
    entry->parts = parts;
    snprintf(entry->window, sizeof entry->window, "%.*s", STR_FMT(window));
    list_init(&entry->waiting);
    list_push(&board->entries, &entry->by_board);
    board->count++;
    return entry;
}

static bool is_fresh(const struct reading *reading, int64_t since_us)
{
    return reading != NULL && clock_mono_us() < reading->fresh_until_us &&
           reading->generated_at_us >= since_us;
}

/* What holds a fresh reading of these parts and perhaps more; else what will soon hold one; else
 * the one of exactly these. */
static struct board_entry *entry_of(struct stats_board *board, struct str window, unsigned parts,
                                    int64_t since_us)
{
    struct board_entry *fresh = NULL, *under_way = NULL, *stale = NULL;
    list_each (node, &board->entries) {
        struct board_entry *entry = container_of(node, struct board_entry, by_board);
        if (!str_eq_c(window, entry->window) || (entry->parts & parts) != parts)
            continue;
        if (is_fresh(entry->reading, since_us))
            fresh = entry;
        else if (entry->next != NULL)
            under_way = entry;
        else if (entry->parts == parts)
            stale = entry;
    }
    struct board_entry *soon = under_way != NULL ? under_way : stale;
    struct board_entry *found = fresh != NULL ? fresh : soon;
    if (found == NULL)
        return entry_create(board, window, parts);
    list_remove(&found->by_board);
    list_push(&board->entries, &found->by_board);
    return found;
}

bool stats_ask(struct stats_board *board, struct str window, unsigned parts, int64_t since_us,
               struct stats_waiter *waiter, struct reading **ret_reading, struct err *e)
{
    int64_t window_s;
    *ret_reading = NULL;
    if (!spans_read_window(window, &window_s, e))
        return false;
    struct board_entry *entry = entry_of(board, window, parts, since_us);
    if (is_fresh(entry->reading, since_us)) {
        *ret_reading = entry->reading;
        return true;
    }
    if (entry->next == NULL)
        begin(entry, window_s);
    if (entry->open == 0) { /* no call could begin */
        *e = entry->failure;
        reading_unref(take(entry->next));
        return false;
    }
    list_push(&entry->waiting, &waiter->link);
    return true;
}

void stats_forget(struct stats_waiter *waiter)
{
    list_remove(&waiter->link);
}

/* ── Query.dashboardStats ── */

static void give(struct gql_step *step, struct reading *reading)
{
    reading_ref(reading);
    arena_defer(step->arena, reading_unref, reading);
    step->results[0] = gql_object(reading);
}

static void got_reading(void *owner, struct reading *reading, const struct err *e)
{
    struct gql_step *step = owner;
    if (reading == NULL) {
        (void)gql_step_fail(step, e);
        return;
    }
    give(step, reading);
    gql_step_finish(step);
}

enum gql_next stats_resolve(struct gql_step *step)
{
    const struct gql_value *given = gql_arg(step, "window");
    const unsigned *parts = step->field->plan_data;
    struct str window = gql_is_null(given) ? STR("24h") : given->text;
    struct stats_waiter *waiter = arena_new(step->arena, struct stats_waiter);
    struct reading *reading;
    struct err e;
    *waiter = (struct stats_waiter){ .fn = got_reading, .owner = step };
    if (!stats_ask(await_request(step)->loop->stats, window, *parts, 0, waiter, &reading, &e))
        return gql_step_fail(step, &e);
    if (reading == NULL)
        return GQL_WAIT;
    give(step, reading);
    return GQL_DONE;
}
