/*
 * mirror_audit_pages: the tasks of a day as the worker's snapshot shows them, where their sums do
 * not settle it. A page is as old as its cursor, and shows some of what came after that. Once the
 * tables have come to a number that the worker told when the page was there already, each task that
 * the feed does not tell of since the page's cursor must stand there as the page has it.
 */
#include "base/log.h"
#include "gateway/mirror_audit_priv.h"
#include "store/public/error_group.h"

enum {
    PAGE_ROWS = 1'000,         /* of the worker's */
    COMPARE_ROWS_MAX = 20'000, /* own ones in a page's range: the worker may have none of a day */
    PAGE_PAUSE_MS = 20
};
enum compared_column { ID, VERSION, IS_TOLD, LAST };

static void ask_page(struct audit_run *run);

static bool is_open(const struct audit_run *run, struct uuid id)
{
    return (run->open & 1U << (id.bytes[15] & (MIRROR_AUDIT_BUCKETS - 1))) != 0;
}

static void page_done(struct audit_run *run)
{
    struct audit_page *page = &run->page;
    run->tries = 0;
    if (page->is_last) {
        audit_changes_end(run);
        audit_next_day(run);
        return;
    }
    page->after = page->last;
    audit_then(run, PAGE_PAUSE_MS, ask_page);
}

/* ── mending ── */

/* The groups of errors agree with these rows. It stands behind error_group_hold_step. */
static struct db_step group_step(const struct audit_run *run)
{
    return error_group_sync_step(run->arena, run->page.damaged, run->page.damaged_count);
}

static void settled(void *owner, const struct db_reply *reply)
{
    struct audit_run *run = owner;
    if (audit_is_over(run))
        return;
    if (reply->err != NULL)
        audit_again(run, ask_page, reply->err);
    else
        page_done(run);
}

/* What was put there may have been dropped since it was looked for. `are_grouped`: the groups of
 * errors agree with what was put. */
static void settle(struct audit_run *run, bool are_grouped)
{
    struct audit_page *page = &run->page;
    struct uuid *gone = arena_new_array(run->arena, page->mended_count, struct uuid);
    size_t count = 0;
    for (size_t i = 0; i < page->mended_count; i++) {
        struct uuid id;
        if (page->mended[i].cells != NULL && uuid_parse(page->mended[i].cells[COL_tasks_id], &id) &&
            audit_has_changed(run, id, page->seq, true))
            gone[count++] = id;
    }
    if (count == 0 && are_grouped) {
        page_done(run);
        return;
    }
    const struct db_step steps[] = { mirror_async_step(),
                                     task_mirror_drop_step(run->arena, gone, count),
                                     error_group_hold_step(), group_step(run) };
    audit_call(run, DB_LANE_WRITE, steps, countof(steps), settled, ask_page);
}

static void put_singly(void *owner, bool is_done)
{
    struct audit_run *run = owner;
    struct err e;
    if (audit_is_over(run))
        return;
    if (is_done) {
        settle(run, false);
        return;
    }
    err_set(&e, ERR_UNAVAILABLE, "the database is away");
    audit_again(run, ask_page, &e);
}

static void cleared(void *owner, const struct db_reply *reply)
{
    struct audit_run *run = owner;
    if (audit_is_over(run))
        return;
    if (reply->err != NULL) {
        audit_again(run, ask_page, reply->err);
        return;
    }
    run->is_busy = true;
    isolate_begin(run->m, run->arena, run->page.mended, run->page.mended_count,
                  run->page.mended_count, put_singly, run);
}

static void mended(void *owner, const struct db_reply *reply)
{
    struct audit_run *run = owner;
    struct audit_page *page = &run->page;
    if (audit_is_over(run))
        return;
    if (reply->err == NULL) {
        settle(run, true);
    } else if (mirror_is_refusal(reply)) {
        const struct db_step steps[] = { mirror_async_step(),
                                         mirror_audit_clear_tasks_step(run->arena, page->bad,
                                                                       page->bad_versions,
                                                                       page->bad_count),
                                         error_group_hold_step(), group_step(run) };
        audit_call(run, DB_LANE_WRITE, steps, countof(steps), cleared, ask_page);
    } else {
        audit_again(run, ask_page, reply->err);
    }
}

/* What stands there is deleted as it was found, so what a change has come to meanwhile is kept, and
 * then keeps its place. */
static void mend(struct audit_run *run)
{
    struct audit_page *page = &run->page;
    struct db_step steps[5] = { mirror_async_step() };
    size_t n = 1;
    if (page->bad_count > 0)
        steps[n++] = mirror_audit_clear_tasks_step(run->arena, page->bad, page->bad_versions,
                                                   page->bad_count);
    if (page->mended_count > 0)
        steps[n++] = task_mirror_put_step(run->arena, page->mended, page->mended_count, true,
                                          run->m->lease.shard);
    steps[n++] = error_group_hold_step();
    steps[n++] = group_step(run);
    audit_call(run, DB_LANE_WRITE, steps, n, mended, ask_page);
}

/* ── comparing ── */

struct damage {
    int64_t missing, extra, wrong;
    char first[UUID_TEXT_LEN + 1];
};

static const struct mirror_row *told_row(const struct audit_run *run, struct uuid id)
{
    for (size_t i = 0; i < run->page.told.count; i++)
        if (uuid_eq(run->page.told.ids[i], id))
            return &run->page.rows[i];
    return NULL;
}

static void take_damage(struct audit_run *run, const struct db_rows *rows, size_t i,
                        struct damage *d)
{
    struct audit_page *page = &run->page;
    struct uuid id = db_rows_uuid(rows, i, ID);
    bool is_missing = db_rows_is_null(rows, i, VERSION), is_told = db_rows_bool(rows, i, IS_TOLD);
    int64_t version = is_missing ? 0 : db_rows_i64(rows, i, VERSION);
    /* A newer one was written by the gateway that made the change. */
    if (!is_open(run, id) || version >= page->seq || audit_has_changed(run, id, page->seq, false))
        return;
    page->damaged[page->damaged_count++] = id;
    if (!is_missing) {
        page->bad[page->bad_count] = id;
        page->bad_versions[page->bad_count++] = version;
    }
    const struct mirror_row *told = is_told ? told_row(run, id) : NULL;
    if (told != NULL)
        page->mended[page->mended_count++] = *told;
    d->missing += is_missing;
    d->extra += !is_told;
    d->wrong += is_told && !is_missing;
    if (d->first[0] == '\0')
        uuid_format(id, d->first);
}

static void judge(struct audit_run *run, const struct db_rows *rows)
{
    struct audit_page *page = &run->page;
    struct damage d = { 0 };
    page->damaged = arena_new_array(run->arena, db_rows_count(rows), struct uuid);
    page->bad = arena_new_array(run->arena, db_rows_count(rows), struct uuid);
    page->bad_versions = arena_new_array(run->arena, db_rows_count(rows), int64_t);
    page->mended = arena_new_array(run->arena, db_rows_count(rows), struct mirror_row);
    page->damaged_count = page->bad_count = page->mended_count = 0;
    for (size_t i = 0; i < db_rows_count(rows); i++)
        if (!db_rows_is_null(rows, i, ID))
            take_damage(run, rows, i, &d);
    if (page->damaged_count == 0) {
        page_done(run);
        return;
    }
    log_warn("mirror.audit-damage",
             "shard=%zu day=%lld missing=%lld extra=%lld wrong=%lld first=%s", run->m->shard,
             (long long)run->days[run->day_at], (long long)d.missing, (long long)d.extra,
             (long long)d.wrong, d.first);
    run->report.missing += d.missing;
    run->report.extra += d.extra;
    run->report.wrong += d.wrong;
    run->m->stats.mended += (uint64_t)(d.missing + d.extra + d.wrong);
    mend(run);
}

/* Where not all of its range was looked at, the next page begins there. */
static void end_page(struct audit_page *page, struct uuid last)
{
    if (uuid_eq(page->last, last))
        return;
    page->last = last;
    page->is_last = false;
}

static void compared(void *owner, const struct db_reply *reply)
{
    struct audit_run *run = owner;
    struct err e;
    if (audit_is_over(run))
        return;
    if (reply->err != NULL) {
        audit_again(run, ask_page, reply->err);
    } else if (run->changes.is_over) {
        err_set(&e, ERR_UNAVAILABLE, "too much changes for a page to be compared");
        audit_again(run, ask_page, &e);
    } else {
        end_page(&run->page, db_rows_uuid(reply->rows[0], 0, LAST));
        judge(run, reply->rows[0]);
    }
}

static void compare(struct audit_run *run)
{
    struct audit_page *page = &run->page;
    const struct db_step step = mirror_audit_compare_step(
        run->arena, page->after, page->last, &page->told, COMPARE_ROWS_MAX, run->m->lease.shard);
    audit_call(run, DB_LANE_SLOW, &step, 1, compared, ask_page);
}

/* ── reading ── */

static void got_end(void *owner, const struct worker_reply *reply)
{
    struct audit_run *run = owner;
    int64_t seq;
    struct err e;
    if (audit_is_over(run))
        return;
    if (reply->body == NULL)
        audit_again(run, ask_page, reply->err);
    else if (!worker_read_cursor(json_get_c(reply->body, "cursor"), run->m->shard, &seq, &e))
        audit_again(run, ask_page, &e);
    else
        audit_once_stored(run, seq, compare);
}

/* Those of the day's open buckets that have not changed since the page's cursor. */
static bool read_row(struct audit_run *run, const struct json_value *task, struct err *e)
{
    struct audit_page *page = &run->page;
    struct worker_row row;
    struct uuid id;
    int64_t version;
    if (!worker_read_task(run->arena, task, &row, e))
        return false;
    if (!uuid_parse(row.cells[COL_tasks_id], &id) ||
        !str_to_i64(row.cells[COL_tasks_version], &version))
        return err_set(e, ERR_INVALID, "a task without id or version");
    if (!is_open(run, id) || memcmp(id.bytes, page->last.bytes, sizeof id.bytes) > 0)
        return true;
    size_t at = page->told.count++;
    page->rows[at] = (struct mirror_row){ row.told, row.cells };
    page->told.ids[at] = id;
    page->told.versions[at] = version;
    page->told.statuses[at] = row.cells[COL_tasks_status];
    return true;
}

static bool read_page(struct audit_run *run, const struct json_value *body, struct err *e)
{
    struct audit_page *page = &run->page;
    const struct json_value *tasks = json_get_c(body, "tasks"), *next = json_get_c(body, "next");
    size_t count = tasks != NULL && tasks->type == JSON_ARRAY ? tasks->item_count : 0;
    if (!worker_read_cursor(json_get_c(body, "cursor"), run->m->shard, &page->seq, e))
        return false;
    page->is_last = next == NULL || next->type != JSON_STRING ||
                    !uuid_parse(next->text, &page->last) ||
                    memcmp(page->last.bytes, run->last.bytes, sizeof page->last.bytes) >= 0;
    if (page->is_last)
        page->last = run->last;
    page->rows = arena_new_array(run->arena, count, struct mirror_row);
    page->told = (struct mirror_audit_told){
        .ids = arena_new_array(run->arena, count, struct uuid),
        .versions = arena_new_array(run->arena, count, int64_t),
        .statuses = arena_new_array(run->arena, count, struct str),
    };
    for (size_t i = 0; i < count; i++)
        if (!read_row(run, &tasks->items[i], e))
            return err_in(e, "tasks[%zu]", i);
    return true;
}

static void got_page(void *owner, const struct worker_reply *reply)
{
    struct audit_run *run = owner;
    struct err e;
    if (audit_is_over(run))
        return;
    if (reply->body == NULL && reply->err->code == ERR_LIMIT && run->page.limit > 1)
        run->page.limit /= 2;
    if (reply->body == NULL) {
        audit_again(run, ask_page, reply->err);
    } else if (!read_page(run, reply->body, &e)) {
        audit_again(run, ask_page, &e);
    } else {
        audit_changes_prune(run, run->page.seq);
        audit_ask(run, "/v1/snapshot?limit=1&after=ffffffff-ffff-7fff-bfff-ffffffffffff", got_end,
                  ask_page);
    }
}

static void ask_page(struct audit_run *run)
{
    char path[96], after[UUID_TEXT_LEN + 1];
    arena_reset(run->arena);
    if (run->changes.is_over)
        audit_changes_begin(run);
    uuid_format(run->page.after, after);
    snprintf(path, sizeof path, "/v1/snapshot?limit=%zu&after=%s", run->page.limit, after);
    audit_ask(run, path, got_page, ask_page);
}

void audit_pages(struct audit_run *run)
{
    run->page = (struct audit_page){ .after = run->from, .limit = PAGE_ROWS };
    run->tries = 0;
    audit_changes_begin(run);
    ask_page(run);
}
