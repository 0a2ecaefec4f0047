/*
 * snapshot: GET /v1/snapshot, a page of tasks in order of id. The cursor and the counters are taken
 * first, so that the feed from there on has all that the page may lack. A reader who has lost what
 * the feed told since a cursor may ask by it for what people changed of jobs meanwhile.
 */
#include "db/rows.h"
#include "store/queue/read_sql.h"
#include "store/queue/schedule_sql.h"
#include "worker/door.h"
#include "worker/jobs.h"
#include "worker/settings.h"
#include "worker/worker_priv.h"

enum {
    LIMIT_DEFAULT = 1'000,
    LIMIT_MAX = 5'000,
    CHANGES_MAX = 10'000,
    CHANGES_BYTES = 8 << 20, /* one that has so many takes no more of them */
    READ_MS = 20'000,
    READS_MAX = 5
};

struct page {
    struct worker *w;
    struct http_request *r;
    struct uuid after;
    bool is_first;
    int64_t limit, cursor;
    int64_t lost_from; /* the number; -1: nothing was lost */
    struct db_rows *rows, *job_changes;
    struct view moment;
    struct buf head; /* counts, jobs, types and queues, as they were at the cursor */
    unsigned reads;
};

static void read_rows(struct page *p);

static void free_head(void *head)
{
    buf_clear(head);
}

static void answer(struct page *p)
{
    struct shard *s = &p->w->shard;
    size_t n = db_rows_count(p->rows);
    struct json_writer w = json_writer_to(p->r->out);
    json_begin_object(&w);
    door_put_cursor(&w, "cursor", s, p->cursor);
    json_key_c(&w, "tasks");
    json_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        struct task_view view;
        (void)read_task(p->r->arena, s, p->rows, i, &view);
        read_overlay(s, live_find(s->live, view.id), &view);
        task_view_put(&w, &view);
    }
    json_end_array(&w);
    if ((int64_t)n == p->limit) {
        json_put_id(&w, "next", db_rows_uuid(p->rows, n - 1, 0));
    } else {
        json_key_c(&w, "next");
        json_write_null(&w);
    }
    if (p->job_changes)
        job_changes_put(&w, p->job_changes);
    if (p->head.len > 2) /* its members go on */
        buf_printf(p->r->out, ",%.*s", (int)(p->head.len - 2), p->head.ptr + 1);
    json_end_object(&w);
    p->r->may_compress = true;
    door_answer(p->r);
}

/* One that is neither in memory nor finished has finished since its row was read. */
static bool is_behind(const struct page *p)
{
    for (size_t i = 0; i < db_rows_count(p->rows); i++)
        if (db_rows_is_null(p->rows, i, 16) &&
            !live_find(p->w->shard.live, db_rows_uuid(p->rows, i, 0)))
            return true;
    return false;
}

static void compose(struct view *moment)
{
    struct page *p = container_of(moment, struct page, moment);
    struct err e;
    if (!shard_is_leading(&p->w->shard)) {
        shard_refuse(&e);
        door_fail(p->r, &e);
    } else if (is_behind(p) && p->reads < READS_MAX) {
        read_rows(p);
    } else {
        answer(p);
    }
}

static void compose_soon(struct page *p)
{
    p->moment.fn = compose;
    shard_view(&p->w->shard, &p->moment);
}

static void ask(struct page *p, const struct db_statement *statement, const struct db_args *args,
                db_reply_fn *fn)
{
    door_read_within(p->w, DB_LANE_READ, READ_MS, statement, args, fn, p);
}

static void changes_read(void *owner, const struct db_reply *reply)
{
    struct page *p = owner;
    if (reply->err) {
        door_fail(p->r, reply->err);
        return;
    }
    db_rows_keep(reply->rows[0], p->r->arena);
    p->job_changes = reply->rows[0];
    compose_soon(p);
}

static void rows_read(void *owner, const struct db_reply *reply)
{
    struct page *p = owner;
    if (reply->err) {
        door_fail(p->r, reply->err);
        return;
    }
    db_rows_keep(reply->rows[0], p->r->arena);
    p->rows = reply->rows[0];
    if (p->is_first && p->lost_from >= 0 && p->job_changes == NULL)
        ask(p, &job_changes_between,
            job_changes_between_args(p->r->arena, p->lost_from, p->cursor, CHANGES_MAX,
                                     CHANGES_BYTES),
            changes_read);
    else
        compose_soon(p);
}

static void read_rows(struct page *p)
{
    p->reads++;
    ask(p, &read_page, read_page_args(p->r->arena, p->after, p->limit), rows_read);
}

static void take_cursor(struct view *moment)
{
    struct page *p = container_of(moment, struct page, moment);
    struct shard *s = &p->w->shard;
    p->cursor = s->committed;
    if (p->is_first) {
        struct json_writer w = json_writer_to(&p->head);
        json_begin_object(&w);
        read_put_counts(&w, s);
        json_key_c(&w, "jobs");
        json_begin_array(&w);
        if (s->job_hooks)
            s->job_hooks->put_all(s, &w);
        json_end_array(&w);
        settings_put_types(&w, s);
        settings_put_queues(&w, s);
        json_end_object(&w);
    }
    read_rows(p);
}

void snapshot_door(void *owner, struct http_request *r)
{
    struct worker *w = owner;
    struct str after, limit, lost;
    struct err e = { 0 };
    if (!door_open(w, r, DOOR_GATEWAY))
        return;
    struct page *p = arena_new(r->arena, struct page);
    *p = (struct page){ .w = w, .r = r, .limit = LIMIT_DEFAULT, .lost_from = -1 };
    buf_init(&p->head, 0);
    arena_defer(r->arena, free_head, &p->head);
    p->is_first = !http_query(r, STR("after"), &after) || after.len == 0;
    if (!p->is_first && !uuid_parse(after, &p->after))
        err_set(&e, ERR_INVALID, "after: is no UUID");
    if (http_query(r, STR("limit"), &limit) &&
        (!str_to_i64(limit, &p->limit) || p->limit < 1 || p->limit > LIMIT_MAX))
        err_set(&e, ERR_INVALID, "limit: is not within 1 and %d", LIMIT_MAX);
    if (http_query(r, STR("job_changes_from"), &lost) &&
        (!str_to_i64(lost, &p->lost_from) || p->lost_from < 0))
        err_set(&e, ERR_INVALID, "job_changes_from: is no number");
    if (door_is_bad(&e)) {
        door_fail(r, &e);
        return;
    }
    p->moment.fn = take_cursor;
    shard_view(&w->shard, &p->moment);
}
