/*
 * load_replay: what a change of the log does to memory. A task's is passed over where its row, read
 * later, has it already; counters count all of them, since they are of one moment.
 */
#include "base/mem.h"
#include "json/json.h"
#include "worker/load_priv.h"
#include "worker/logrow.h"
#include "worker/notes.h"

enum { EXTRA_BYTES = 64 << 20 };

/* A task whose row is gone already: it was deleted, as the log will say. */
struct missing {
    enum rule_status now;
    enum rule_status counted; /* as load_uncounted has it */
};

/* Its row is needed. */
static bool is_new_task(enum op op)
{
    return op == OP_ADD || op == OP_ADD_BLOCKED || op == OP_REOPEN_FAILED ||
           op == OP_REOPEN_BLOCKED;
}

/* ── one change of a task ── */

static void replay_waiting(struct shard *s, struct live *task, const struct change *change)
{
    task->state = LIVE_WAITING;
    task->at_us = change->args[0];
    task->attempt = (uint16_t)(change->attempt - (change->op == OP_RELEASE));
    if (change->op == OP_LOST)
        live_leave(s->live, live_crash(s->live, task));
    live_set_run(s->live, task, (struct live_run){ 0 });
    task->flags &= (uint8_t)~LIVE_OF_ATTEMPT;
    if (change->op == OP_REOPEN_WAITING) {
        task->max_attempts = (uint16_t)change->args[1];
        task->flags &= (uint8_t)~LIVE_FRESH;
    }
}

static void replay_running(struct shard *s, struct live *task, const struct change *change,
                           int64_t seq, int64_t at_us)
{
    if (change->op == OP_CANCEL_ASKED) {
        task->flags |= LIVE_CANCEL_ASKED;
    } else if (change->op == OP_START || change->op == OP_START_FIRST) {
        task->state = LIVE_RUNNING;
        task->at_us = at_us;
        task->attempt = (uint16_t)change->attempt;
        live_set_run(s->live, task, (struct live_run){ seq, change->session });
        task->flags &= (uint8_t) ~(LIVE_OF_ATTEMPT | LIVE_FRESH);
    } else if (change->op == OP_NOTE) {
        notes_told(s->notes, task->id, live_run_of(s->live, task).fence,
                   (double)change->args[0] / OP_NOTE_ONE);
    }
}

static void replay_finish(struct load *load, struct live *task, int64_t seq)
{
    load->ended = mem_grow(load->ended, load->ended_count, &load->ended_capacity, LOAD_FIRST,
                           sizeof *load->ended);
    load->ended[load->ended_count++] = (struct load_ended){ .id = task->id, .seq = seq };
    notes_forget(load->s->notes, task->id);
    live_remove(load->s->live, task);
}

/* Of a task that is in memory, and was changed since. */
static void replay_known(struct load *load, struct live *task, const struct change *change,
                         int64_t seq, int64_t at_us)
{
    struct shard *s = load->s;
    enum rule_status to = op_to(change->op);
    if (to == STATUS_COMPLETED || to == STATUS_FAILED) {
        replay_finish(load, task, seq);
        return;
    }
    live_lift(s->live, task);
    task->version = seq;
    if (change->op == OP_UNBLOCK)
        task->state = LIVE_WAITING;
    else if (to == STATUS_PENDING)
        replay_waiting(s, task, change);
    else
        replay_running(s, task, change, seq, at_us);
    live_place(s->live, task, at_us);
}

static void count(struct shard *s, uint32_t type, enum op op)
{
    if (op_from(op) != STATUS_COUNT)
        s->types[type].counts[op_from(op)]--;
    if (op_to(op) != STATUS_COUNT)
        s->types[type].counts[op_to(op)]++;
}

/* A change of a finished task, or of one whose row is gone: its type is not known, so that it
 * cannot be counted; then its end must not be either, but as what it was counted. */
static void replay_missing(struct load *load, const struct change *change, int64_t seq)
{
    struct str key = uuid_bytes(&change->id);
    struct missing *m = map_count(load->missing) > 0 ? map_get(load->missing, key) : NULL;
    if (!m && is_new_task(change->op)) {
        m = mem_new(struct missing);
        m->counted = op_from(change->op);
        (void)map_put(load->missing, key, m);
    }
    if (m && op_to(change->op) != STATUS_COUNT)
        m->now = op_to(change->op);
    if (!m || change->op != OP_DROP)
        return;
    load->uncounted = mem_grow(load->uncounted, load->uncounted_count, &load->uncounted_capacity,
                               LOAD_FIRST, sizeof *load->uncounted);
    load->uncounted[load->uncounted_count++] = (struct load_uncounted){ seq, m->counted };
    (void)map_remove(load->missing, key);
    mem_free(m);
}

static void replay(struct load *load, const struct change *change, int64_t seq, int64_t at_us,
                   const struct db_rows *tasks, const struct map *rows)
{
    struct shard *s = load->s;
    struct live *task = live_find(s->live, change->id);
    const void *row =
        !task && is_new_task(change->op) ? map_get(rows, uuid_bytes(&change->id)) : NULL;
    if (row) {
        task = load_put_made(load, change, seq, tasks, (uintptr_t)row - 1);
        live_place(s->live, task, at_us);
        count(s, live_type_of(s->live, task), change->op);
        return;
    }
    if (!task) {
        replay_missing(load, change, seq);
        return;
    }
    count(s, live_type_of(s->live, task), change->op);
    if (seq > task->version)
        replay_known(load, task, change, seq, at_us);
}

/* ── what was dropped ── */

/* As what the counters know the task that went at that number. */
static enum rule_status counted_as(const struct load *load, struct str number, struct str told)
{
    int64_t seq;
    for (size_t i = 0; i < load->uncounted_count && str_to_i64(number, &seq); i++)
        if (load->uncounted[i].seq == seq)
            return load->uncounted[i].counted;
    for (size_t k = 0; k < STATUS_COUNT; k++)
        if (str_eq(told, rule_status_name((enum rule_status)k)))
            return (enum rule_status)k;
    return STATUS_COUNT;
}

/* What was dropped, as `number [{"type", "status", "count"}]` a line; other lines, which may be
 * far larger, are not read. */
static void replay_extra(struct load *load, struct str extra)
{
    scoped(arena_destroyp) struct arena *a = arena_create(EXTRA_BYTES);
    struct shard *s = load->s;
    struct str line, number, text;
    for (bool more = extra.len > 0; more;) {
        const struct json_value *list;
        struct err e;
        more = str_cut(extra, '\n', &line, &extra);
        if (!str_cut(line, ' ', &number, &text) || !str_starts_with(text, STR("[")) ||
            !json_parse(a, text, &list, &e))
            continue;
        for (size_t i = 0; i < list->item_count; i++) {
            const struct json_value *type = json_get_c(&list->items[i], "type");
            const struct json_value *status = json_get_c(&list->items[i], "status");
            const struct json_value *n = json_get_c(&list->items[i], "count");
            uint32_t at;
            int64_t gone;
            if (!type || !status || !n || !shard_find_type(s, type->text, &at) ||
                !json_to_i64(n, &gone))
                continue;
            enum rule_status counted = counted_as(load, number, status->text);
            if (counted != STATUS_COUNT)
                s->types[at].counts[counted] -= gone;
        }
    }
}

/* ── a page of the log ── */

size_t load_replay_wants(struct load *load, struct uuid **ret_ids)
{
    size_t changes = 0, wanted = 0;
    for (size_t i = 0; i < db_rows_count(load->log); i++)
        changes += (size_t)db_rows_i64(load->log, i, 1);
    struct uuid *ids = arena_new_array(load->a, changes, struct uuid);
    for (size_t i = 0; i < db_rows_count(load->log); i++) {
        struct log_row row = log_row_read(load->a, load->log, i);
        struct ops_reader reader = ops_read(row.ops, row.ids, row.args);
        for (struct change change; wanted < changes && ops_next(&reader, &change);)
            if (is_new_task(change.op))
                ids[wanted++] = change.id;
    }
    *ret_ids = ids;
    return wanted;
}

bool load_replay(struct load *load, const struct db_rows *tasks, struct err *e)
{
    struct shard *s = load->s;
    scoped(map_destroyp) struct map *rows = db_rows_by_id(tasks);
    for (size_t i = 0; i < db_rows_count(load->log); i++) {
        scoped(arena_destroyp) struct arena *a = arena_create(0);
        struct log_row row = log_row_read(a, load->log, i);
        struct ops_reader reader = ops_read(row.ops, row.ids, row.args);
        struct change change;
        int64_t seq = row.seq;
        for (; ops_next(&reader, &change); seq++, load->replayed++)
            replay(load, &change, seq, row.at_us, tasks, rows);
        if (!ops_is_at_end(&reader))
            return err_set(e, ERR_INTERNAL,
                           "this version does not know the log's change number %lld",
                           (long long)seq);
        replay_extra(load, row.extra);
        load->uncounted_count = 0;
        load->next = row.seq + row.n;
        s->at_us = max_of(s->at_us, row.at_us);
    }
    db_rows_unref(take(load->log));
    return true;
}

/* ── what counts ── */

void load_take_counters(struct load *load)
{
    struct shard *s = load->s;
    const struct db_rows *rows = load->counters;
    for (size_t i = 0; i < s->type_count; i++)
        memset(s->types[i].counts, 0, sizeof s->types[i].counts);
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        int64_t type = db_rows_i64(rows, i, 1), status = db_rows_i64(rows, i, 2);
        if (type >= 0 && type < (int64_t)s->type_count && status < STATUS_COUNT)
            s->types[type].counts[status] = db_rows_i64(rows, i, 3);
    }
    size_t at = 0;
    struct str key;
    for (void *m; map_next(load->missing, &at, &key, &m);)
        ((struct missing *)m)->counted = ((struct missing *)m)->now;
    db_rows_unref(take(load->counters));
}

void load_replay_clear(struct load *load)
{
    size_t at = 0;
    struct str key;
    for (void *m; map_next(load->missing, &at, &key, &m);)
        mem_free(m);
    map_destroy(load->missing);
}
