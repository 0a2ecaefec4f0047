#include "store/public/mirror.h"

#include "base/buf.h"
#include "store/public/mirror_sql.h"

struct db_step mirror_async_step(void)
{
    return (struct db_step){ &mirror_async, NULL };
}

struct db_step mirror_hold_step(struct arena *a, const struct mirror_lease *lease, int64_t lease_ms)
{
    return (struct db_step){ &mirror_hold,
                             mirror_hold_args(a, lease->name, lease->holder, lease_ms) };
}

struct db_step mirror_release_step(struct arena *a, const struct mirror_lease *lease)
{
    return (struct db_step){ &mirror_release, mirror_release_args(a, lease->name, lease->holder) };
}

struct db_step mirror_read_step(struct arena *a, const struct mirror_lease *lease)
{
    return (struct db_step){ &mirror_read,
                             mirror_read_args(a, lease->name, lease->holder, lease->shard) };
}

bool mirror_read_state(const struct db_rows *rows, struct mirror_state *ret_state)
{
    if (db_rows_count(rows) == 0)
        return false;
    *ret_state = (struct mirror_state){
        .cursor = db_rows_text(rows, 0, 0),
        .generation = db_rows_i64(rows, 0, 1),
        .has_after = !db_rows_is_null(rows, 0, 2),
        .snapshot_cursor = db_rows_text(rows, 0, 3),
        .is_held = db_rows_bool(rows, 0, 4),
        .updated_at_us = db_rows_time(rows, 0, 5),
        .outbox_waiting = db_rows_i64(rows, 0, 6),
        .outbox_oldest_us = db_rows_is_null(rows, 0, 7) ? 0 : db_rows_time(rows, 0, 7),
        .is_audit_due = db_rows_bool(rows, 0, 8),
        .audited_at_us = db_rows_is_null(rows, 0, 9) ? 0 : db_rows_time(rows, 0, 9),
        .is_apart_due = db_rows_bool(rows, 0, 10),
        .has_apart = db_rows_bool(rows, 0, 11),
    };
    if (ret_state->has_after)
        ret_state->snapshot_after = db_rows_uuid(rows, 0, 2);
    return true;
}

struct db_step mirror_keep_step(struct arena *a, const struct mirror_lease *lease)
{
    return (struct db_step){ &mirror_keep, mirror_keep_args(a, lease->name, lease->holder) };
}

struct db_step mirror_advance_step(struct arena *a, const struct mirror_lease *lease,
                                   struct str cursor, struct str next)
{
    return (struct db_step){ &mirror_advance,
                             mirror_advance_args(a, lease->name, lease->holder, cursor, next) };
}

struct db_step mirror_snapshot_begin_step(struct arena *a, const struct mirror_lease *lease,
                                          struct str snapshot_cursor)
{
    return (struct db_step){ &mirror_snapshot_begin,
                             mirror_snapshot_begin_args(a, lease->name, lease->holder,
                                                        snapshot_cursor) };
}

struct db_step mirror_snapshot_page_step(struct arena *a, const struct mirror_lease *lease,
                                         struct str snapshot_cursor, const struct uuid *after)
{
    return (struct db_step){ &mirror_snapshot_page,
                             mirror_snapshot_page_args(a, lease->name, lease->holder,
                                                       snapshot_cursor, after) };
}

struct db_step mirror_snapshot_end_step(struct arena *a, const struct mirror_lease *lease,
                                        struct str snapshot_cursor)
{
    return (
        struct db_step){ &mirror_snapshot_end,
                         mirror_snapshot_end_args(a, lease->name, lease->holder, snapshot_cursor) };
}

/* ── counters ── */

struct db_step mirror_count_clear_step(struct arena *a, int16_t shard)
{
    return (struct db_step){ &mirror_count_clear, mirror_count_clear_args(a, shard) };
}

struct db_step mirror_count_add_step(struct arena *a, const struct mirror_count *counts,
                                     size_t count, int16_t shard)
{
    struct str *types = arena_new_array(a, count, struct str);
    struct str *statuses = arena_new_array(a, count, struct str);
    int64_t *numbers = arena_new_array(a, count, int64_t);
    for (size_t i = 0; i < count; i++) {
        types[i] = counts[i].type;
        statuses[i] = schema_public.enums[ENUM_task_status].labels[counts[i].status].text;
        numbers[i] = counts[i].count;
    }
    return (struct db_step){ &mirror_count_add,
                             mirror_count_add_args(a, types, count, statuses, count, numbers, count,
                                                   shard) };
}

/* ── roll-ups ── */

struct keys {
    int64_t *spans, *ats;
    struct str *types;
};

static struct keys keys_of(struct arena *a, const struct mirror_rollup *const *rollups,
                           size_t count)
{
    struct keys keys = { arena_new_array(a, count, int64_t), arena_new_array(a, count, int64_t),
                         arena_new_array(a, count, struct str) };
    for (size_t i = 0; i < count; i++) {
        keys.spans[i] = rollups[i]->span_s;
        keys.ats[i] = rollups[i]->at_us;
        keys.types[i] = rollups[i]->type;
    }
    return keys;
}

struct db_step mirror_rollup_load_step(struct arena *a, const struct mirror_rollup *const *rollups,
                                       size_t count, int16_t shard)
{
    struct keys keys = keys_of(a, rollups, count);
    return (struct db_step){ &mirror_rollup_load,
                             mirror_rollup_load_args(a, keys.spans, count, keys.ats, count,
                                                     keys.types, count, shard) };
}

static void read_histogram(struct arena *a, struct str text, int64_t ret_counts[MIRROR_BUCKETS])
{
    struct str *items;
    size_t count;
    if (!db_array_parse(a, text, &items, &count))
        return;
    for (size_t i = 0; i < count && i < MIRROR_BUCKETS; i++)
        (void)str_to_i64(items[i], &ret_counts[i]);
}

void mirror_rollup_read(struct arena *a, const struct db_rows *rows, size_t row,
                        struct mirror_rollup *ret_rollup)
{
    *ret_rollup = (struct mirror_rollup){
        .span_s = db_rows_i64(rows, row, 0),
        .at_us = db_rows_time(rows, row, 1),
        .type = db_rows_text(rows, row, 2),
        .created = db_rows_i64(rows, row, 3),
        .completed = db_rows_i64(rows, row, 4),
        .failed = db_rows_i64(rows, row, 5),
        .wait_max = db_rows_is_null(rows, row, 8) ? -1 : db_rows_double(rows, row, 8),
        .run_max = db_rows_is_null(rows, row, 9) ? -1 : db_rows_double(rows, row, 9),
    };
    read_histogram(a, db_rows_text(rows, row, 6), ret_rollup->wait);
    read_histogram(a, db_rows_text(rows, row, 7), ret_rollup->run);
}

static struct str histogram_text(struct arena *a, const int64_t counts[MIRROR_BUCKETS])
{
    size_t count = MIRROR_BUCKETS;
    struct buf b;
    while (count > 0 && counts[count - 1] == 0)
        count--;
    buf_init(&b, 0);
    buf_put_char(&b, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_char(&b, ',');
        buf_put_i64(&b, counts[i]);
    }
    buf_put_char(&b, '}');
    struct str text = arena_copy(a, buf_str(&b));
    buf_clear(&b);
    return text;
}

struct db_step mirror_rollup_store_step(struct arena *a, const struct mirror_rollup *const *rollups,
                                        size_t count, int16_t shard)
{
    struct keys keys = keys_of(a, rollups, count);
    int64_t *figures[3];
    struct str *histograms[2];
    double *maxima[2];
    for (size_t i = 0; i < countof(figures); i++)
        figures[i] = arena_new_array(a, count, int64_t);
    for (size_t i = 0; i < countof(histograms); i++) {
        histograms[i] = arena_new_array(a, count, struct str);
        maxima[i] = arena_new_array(a, count, double);
    }
    for (size_t i = 0; i < count; i++) {
        const struct mirror_rollup *r = rollups[i];
        figures[0][i] = r->created;
        figures[1][i] = r->completed;
        figures[2][i] = r->failed;
        histograms[0][i] = histogram_text(a, r->wait);
        histograms[1][i] = histogram_text(a, r->run);
        maxima[0][i] = r->wait_max;
        maxima[1][i] = r->run_max;
    }
    return (struct db_step){ &mirror_rollup_store,
                             mirror_rollup_store_args(a, keys.spans, count, keys.ats, count,
                                                      keys.types, count, figures[0], count,
                                                      figures[1], count, figures[2], count,
                                                      histograms[0], count, histograms[1], count,
                                                      maxima[0], count, maxima[1], count, shard) };
}

struct db_step mirror_rollup_gap_step(struct arena *a, int64_t since_us, int16_t shard)
{
    return (struct db_step){ &mirror_rollup_gap, mirror_rollup_gap_args(a, since_us, shard) };
}
